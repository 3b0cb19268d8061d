//! Movies over HTTP: the document format of existing clients, and permissions.

use serde_json::{Value, json};

use movie_bag_testkit::{Home, PASSWORD, Server};

movie_bag_testkit::on_every_database! {
    a_movie_has_the_format_of_existing_clients,
    only_the_account_that_added_a_movie_can_change_it,
    a_list_is_returned_whole_or_in_pages,
    changes_of_another_process_are_visible_at_once,
    deleting_an_account_deletes_its_movies,
}

fn add(server: &Server, token: &str, name: &str) -> String {
    let movie = json!({"name": name, "casts": ["Ann Actor"], "genres": ["drama"]}).to_string();
    server
        .send("POST", "/api/movies", Some(token), &movie)
        .is(200)
        .body["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn a_movie_has_the_format_of_existing_clients(home: Home) {
    let server = home.serve(&[]);
    let ann = server.sign_up("ann@example.com", PASSWORD);
    let token = server.access_token("ann@example.com", PASSWORD);
    let id = add(&server, &token, "Metropolis");
    let whole = format!(
        r#"{{"_id":{{"$oid":"{id}"}},"name":"Metropolis","casts":["Ann Actor"],"genres":["drama"],"added_by":{{"$oid":"{ann}"}}}}"#
    );
    let answer = server.get(&format!("/api/movies/{id}")).is(200);
    assert_eq!(
        (answer.text.as_str(), answer.header("content-type")),
        (whole.as_str(), Some("application/json"))
    );
    assert_eq!(server.get("/api/movies").is(200).text, format!("[{whole}]"));
}

fn only_the_account_that_added_a_movie_can_change_it(home: Home) {
    let server = home.serve(&[]);
    let [ann, bob] = ["ann@example.com", "bob@example.com"].map(|email| {
        server.sign_up(email, PASSWORD);
        server.access_token(email, PASSWORD)
    });
    let id = add(&server, &ann, "Metropolis");
    add(&server, &bob, "Nosferatu");
    let path = format!("/api/movies/{id}");
    let rename = |token: &str, name: &str| {
        server.send(
            "PUT",
            &path,
            Some(token),
            &json!({"name": name}).to_string(),
        )
    };

    rename(&bob, "Mine").fails_with(403, "updating_movie");
    server
        .send("DELETE", &path, Some(&bob), "")
        .fails_with(403, "deleting_movie");
    rename(&ann, "Nosferatu").fails_with(400, "movie_already_exists");
    assert_eq!(rename(&ann, "Metropolis (1927)").is(200).text, "\"\"");
    assert_eq!(server.get(&path).body["name"], "Metropolis (1927)");
    assert_eq!(server.get(&path).body["casts"], json!(["Ann Actor"]));
    assert_eq!(
        server.send("DELETE", &path, Some(&ann), "").is(200).text,
        "\"\""
    );
    server.get(&path).fails_with(400, "movie_not_exists");
    rename(&ann, "Gone").fails_with(400, "movie_not_exists");
    let again = json!({"name": "Nosferatu", "casts": ["a"], "genres": ["b"]}).to_string();
    server
        .send("POST", "/api/movies", Some(&ann), &again)
        .fails_with(400, "movie_already_exists");
}

fn a_list_is_returned_whole_or_in_pages(home: Home) {
    let server = home.serve(&[]);
    server.sign_up("ann@example.com", PASSWORD);
    let token = server.access_token("ann@example.com", PASSWORD);
    let mut ids: Vec<String> = (0..25)
        .map(|number| add(&server, &token, &format!("Part {number}")))
        .collect();
    ids.sort();
    let listed = |body: &Value| -> Vec<String> {
        body.as_array()
            .unwrap()
            .iter()
            .map(|movie| movie["_id"]["$oid"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(listed(&server.get("/api/movies").body), ids);

    let (mut path, mut paged, mut pages) = ("/api/movies?limit=10".to_owned(), Vec::new(), 0);
    loop {
        let page = server.get(&path).is(200);
        paged.extend(listed(&page.body));
        pages += 1;
        let Some(link) = page.header("link") else {
            break;
        };
        path = link
            .strip_prefix('<')
            .unwrap()
            .strip_suffix(">; rel=\"next\"")
            .unwrap()
            .to_owned();
    }
    assert_eq!((paged, pages), (ids, 3));
}

fn changes_of_another_process_are_visible_at_once(home: Home) {
    let (server, other) = (home.serve(&[]), home.serve(&[]));
    server.sign_up("ann@example.com", PASSWORD);
    let token = server.access_token("ann@example.com", PASSWORD);
    let listed = |server: &Server| -> Vec<String> {
        let list = server.get("/api/movies").is(200).body;
        let names = list.as_array().unwrap().iter();
        names
            .map(|movie| movie["name"].as_str().unwrap().to_owned())
            .collect()
    };
    // Both servers have read the list before each change, and may have cached it.
    let both_list = |names: &[&str]| {
        for server in [&server, &other] {
            assert_eq!(listed(server), names);
            assert_eq!(listed(server), names);
        }
    };
    both_list(&[]);
    let id = add(&server, &token, "Metropolis");
    both_list(&["Metropolis"]);
    let path = format!("/api/movies/{id}");
    other
        .send("PUT", &path, Some(&token), r#"{"name": "Faust"}"#)
        .is(200);
    both_list(&["Faust"]);
    server.send("DELETE", &path, Some(&token), "").is(200);
    both_list(&[]);
    add(&other, &token, "Nosferatu");
    both_list(&["Nosferatu"]);
    home.run(&["user", "delete", "--email", "ann@example.com", "--yes"])
        .ok();
    both_list(&[]);
}

fn deleting_an_account_deletes_its_movies(home: Home) {
    let server = home.serve(&[]);
    server.sign_up("ann@example.com", PASSWORD);
    let token = server.access_token("ann@example.com", PASSWORD);
    add(&server, &token, "Metropolis");
    home.run(&["user", "delete", "--email", "ann@example.com", "--yes"])
        .ok();
    assert_eq!(server.get("/api/movies").text, "[]");
    let movie = json!({"name": "Faust", "casts": ["a"], "genres": ["b"]}).to_string();
    server
        .send("POST", "/api/movies", Some(&token), &movie)
        .fails_with(401, "invalid_access_token");
}
