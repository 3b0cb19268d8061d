//! Pages of the inbox in a browser without scripts. `tests/it/web_inbox.rs` tests them in a real browser.

use super::*;

/// Posts a form from a page of this port, and returns the status and the target of the redirect.
async fn submit(sink: &Running, path: &str, form: &str) -> (u16, String) {
    let (web, path, form) = (sink.web, path.to_owned(), form.to_owned());
    spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .into();
        let response = agent
            .post(format!("http://{web}{path}"))
            .header("Origin", format!("http://{web}"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .send(form)
            .unwrap();
        let location = response.headers().get("location");
        (
            response.status().as_u16(),
            location.map_or("", |to| to.to_str().unwrap()).to_owned(),
        )
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_inbox_shows_the_address_of_the_smtp_server() {
    let sink = start(|_| {}).await;
    let page = sink.get("/").await;
    assert!(
        page.body().contains("Send your first message"),
        "{}",
        page.body()
    );
    assert!(page.body().contains(&sink.smtp.to_string()));
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"));
    assert!(!policy.contains("unsafe"));
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert_eq!(page.headers()["referrer-policy"], "same-origin");
    sink.end().await;

    // The address of all interfaces is not an address to send to, so the page shows the host that the browser used.
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    let sink = start(|settings| settings.listen = any).await;
    let request = "GET / HTTP/1.1\nHost: 127.0.0.9:80";
    let (_, page) = sink.send_http(request).await;
    let address = format!("127.0.0.9:{}", sink.smtp.port());
    assert!(page.contains(&address), "{page}");
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn html_in_a_header_is_escaped_on_every_page() {
    let sink = start(|_| {}).await;
    sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
    let id = sink.inbox.latest().unwrap().id.clone();
    for path in ["/".to_owned(), format!("/view/{id}"), "/list".to_owned()] {
        let page = sink.get(&path).await;
        assert!(
            page.body().contains("&lt;b&gt;Hi&lt;&#x2F;b&gt;")
                || page.body().contains("&lt;b&gt;Hi&lt;/b&gt;"),
            "{}",
            page.body()
        );
        assert!(!page.body().contains("<b>Hi"), "{path}");
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_long_list_show_all_messages() {
    let sink = start(|_| {}).await;
    let mut dialogue = "EHLO me\r\n".to_owned();
    for number in 0..250 {
        dialogue.push_str(&format!(
            "MAIL FROM:<a@example.com>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\nSubject: number {number}, {}\r\n\r\nx\r\n.\r\n",
            ["odd", "even"][usize::from(number % 2 == 0)],
        ));
    }
    sink.send_smtp(dialogue + "QUIT\r\n").await;
    for (start, first, last, range) in [
        ("0", 249, 150, "1 to 100 of 250"),
        ("100", 149, 50, "101 to 200 of 250"),
        ("200", 49, 0, "201 to 250 of 250"),
        // Beyond the end, the last page is shown.
        ("900", 49, 0, "201 to 250 of 250"),
    ] {
        let page = sink.get(&format!("/?start={start}")).await.into_body();
        assert_eq!(page.matches("<li id=\"row-").count(), first - last + 1);
        for number in [first, last] {
            assert!(page.contains(&format!("number {number},")), "{number}");
        }
        assert!(page.contains(range), "{range}");
        assert_eq!(page.contains("rel=\"prev\""), first != 249);
        assert_eq!(page.contains("rel=\"next\""), last != 0);
    }
    let found = sink.get("/?query=subject:even&start=100").await.into_body();
    assert!(found.contains("125 messages found"), "{found}");
    assert!(found.contains("101 to 125 of 125"));
    assert!(found.contains("href=\"/?query=subject%3Aeven\""), "{found}");
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_delete_and_mark_only_the_selected_messages() {
    let sink = start(|_| {}).await;
    for subject in ["one", "two", "three"] {
        sink.send_smtp(mail(
            "ann@example.com",
            &SIMPLE.replace("<b>Hi</b>", subject),
        ))
        .await;
    }
    let unread = || sink.inbox.totals().unread;
    let messages = || sink.inbox.totals().messages;
    let id = sink.inbox.latest().unwrap().id.clone();
    let page = sink.get(&format!("/view/{id}?query=three")).await;
    assert_eq!((page.status().as_u16(), unread()), (200, 2));
    let path = format!("/view/{id}?query=three");
    let back = (303, "/?query=three".to_owned());
    assert_eq!(submit(&sink, &path, "do=unread").await, back);
    assert_eq!(unread(), 3);
    assert_eq!(submit(&sink, "/?query=two", "do=read-all").await.0, 303);
    assert_eq!(unread(), 2);
    for (path, form) in [
        ("/", ""),
        ("/", "do=undo"),
        (&path, "do=delete-all"),
        ("/", "x"),
    ] {
        assert_eq!(submit(&sink, path, form).await.0, 400, "{path} {form}");
    }
    for form in ["do=delete", "do=read", "do=unread", "do=undo&deletion=x"] {
        // No message is selected or no deletion can be undone, which the page reports.
        assert_eq!(submit(&sink, "/", form).await.0, 200, "{form}");
    }
    assert_eq!((messages(), unread()), (3, 2));
    let marked = submit(&sink, "/?query=x&start=5", &format!("do=read&ids={id}")).await;
    assert_eq!(marked, (303, "/?query=x&start=5".to_owned()));
    assert_eq!(unread(), 1);
    assert_eq!(
        submit(&sink, "/", &format!("do=unread&ids={id}")).await.0,
        303
    );
    assert_eq!(unread(), 2);
    let deleted = submit(&sink, &path, "do=delete").await;
    assert!(
        deleted.1.starts_with("/?query=three&deletion="),
        "{deleted:?}"
    );
    assert_eq!(submit(&sink, &path, "do=delete").await, back);
    assert_eq!(
        (messages(), sink.get(&path).await.status().as_u16()),
        (2, 404)
    );
    let confirmed = "do=delete-all&before=2026-11-24T00:00:00Z";
    for path in ["/?query=two", "/"] {
        // The first form only asks for confirmation.
        assert_eq!(submit(&sink, path, "do=delete-all").await.0, 200);
    }
    assert_eq!(submit(&sink, "/", "do=delete-all&before=x").await.0, 400);
    assert_eq!(messages(), 2);
    assert_eq!(submit(&sink, "/?query=two", confirmed).await.0, 303);
    assert_eq!(messages(), 1);
    let earlier = "do=delete-all&before=2026-11-23T10:11:12.5Z";
    assert_eq!(submit(&sink, "/", earlier).await.0, 303);
    assert_eq!(messages(), 1);
    assert_eq!(submit(&sink, "/", confirmed).await, (303, "/".to_owned()));
    assert_eq!(messages(), 0);
    // An empty inbox needs no confirmation.
    let nothing = submit(&sink, "/", "do=delete-all").await;
    assert_eq!(nothing, (303, "/".to_owned()));
    sink.end().await;
}

/// Returns the form that undoes a deletion, given the response to the deletion.
fn undo_form((status, location): &(u16, String)) -> String {
    assert_eq!(*status, 303, "{location}");
    let (_, deletion) = location.split_once("deletion=").expect(location);
    format!("do=undo&deletion={deletion}")
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_deleted_on_the_page_disappear_at_once_and_can_be_restored() {
    let sink = start(|_| {}).await;
    for subject in ["one", "two", "three"] {
        let source = SIMPLE.replace("<b>Hi</b>", subject);
        sink.send_smtp(mail("ann@example.com", &source)).await;
    }
    let before = sink.json("/api/v1/messages").await;
    let id = |index: usize| before["messages"][index]["ID"].as_str().unwrap();
    let selected = format!("do=delete&ids={}&ids={}&ids=unknown", id(0), id(2));
    let deleted = submit(&sink, "/?query=o", &selected).await;
    assert!(deleted.1.starts_with("/?query=o&deletion="), "{deleted:?}");
    let page = sink.get(&deleted.1).await.into_body();
    assert!(page.contains("2 messages deleted"), "{page}");
    for index in [0, 2] {
        for path in [
            format!("/api/v1/message/{}", id(index)),
            format!("/view/{}", id(index)),
            format!("/view/{}.txt", id(index)),
        ] {
            assert_eq!(sink.get(&path).await.status(), 404, "{path}");
        }
    }
    assert_eq!(sink.json("/api/v1/messages").await["total"], 1);
    let found = sink.json("/api/v1/search?query=three").await;
    assert_eq!(found["messages_count"], 0);
    let restored = submit(&sink, "/?query=o", &undo_form(&deleted)).await;
    assert_eq!(restored, (303, "/?query=o".to_owned()));
    assert_eq!(sink.json("/api/v1/messages").await, before);
    // A deletion can be undone once.
    assert_eq!(submit(&sink, "/", &undo_form(&deleted)).await.0, 200);
    let page = sink.get(&deleted.1).await.into_body();
    assert!(!page.contains("messages deleted"), "{page}");
    // Deletion of one message on its own page.
    let deleted = submit(&sink, &format!("/view/{}", id(1)), "do=delete").await;
    assert_eq!(sink.inbox.totals().messages, 2);
    assert_eq!(submit(&sink, "/", &undo_form(&deleted)).await.0, 303);
    assert_eq!(sink.json("/api/v1/messages").await, before);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_by_the_api_is_final() {
    let sink = start(|_| {}).await;
    let arrives = async || {
        sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
        sink.inbox.latest().unwrap().id.0.clone()
    };
    let [first, second] = [arrives().await, arrives().await];
    let both = format!("do=delete&ids={first}&ids={second}");
    let deleted = submit(&sink, "/", &both).await;
    // A program deletes a message that a person has already deleted on the page.
    let body = format!("{{\"IDs\":[\"{first}\"]}}");
    assert_eq!(sink.call("DELETE", "/api/v1/messages", &body).await.0, 200);
    assert_eq!(submit(&sink, "/", &undo_form(&deleted)).await.0, 303);
    assert!(sink.inbox.get(&first).is_none() && sink.inbox.get(&second).is_some());
    // A program deletes all messages.
    for path in ["/api/v1/messages", "/api/v1/search?query=hello"] {
        let deleted = submit(&sink, "/", &format!("do=delete&ids={}", arrives().await)).await;
        assert_eq!(sink.call("DELETE", path, "").await.0, 200);
        assert_eq!(submit(&sink, "/", &undo_form(&deleted)).await.0, 200);
        assert_eq!(sink.inbox.totals().messages, 0, "{path}");
    }
    // The output may hold the last message for a moment after its deletion.
    let released = async {
        while sink.inbox.memory().used() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(300), released).await;
    assert!(waited.is_ok(), "{} bytes", sink.inbox.memory().used());
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_tabs_are_left_out() {
    let sink = start(|_| {}).await;
    let multipart = |html: &str| {
        format!(
            "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n\
             --m\r\nContent-Type: text/html\r\n\r\n{html}\r\n\
             --m\r\nContent-Type: text/csv; name=a.csv\r\nContent-Disposition: attachment\r\n\r\na,b\r\n--m--\r\n"
        )
    };
    let remote = "<p>x</p><img src=https://x.example/a.png>";
    let link = "<p><a href=https://x.example/a.png>x</a></p>";
    for (source, tabs, has_pictures) in [
        (SIMPLE, "text headers source session", false),
        (
            &multipart(link),
            "html text attachments headers source session",
            false,
        ),
        (
            &multipart(remote),
            "html text attachments headers source session",
            true,
        ),
        ("Subject: no body\r\n\r\n", "headers source session", false),
        ("no header\r\n", "text source session", false),
    ] {
        sink.send_smtp(mail("ann@example.com", source)).await;
        let id = sink.inbox.latest().unwrap().id.clone();
        // The URL of a missing tab shows the first tab.
        let page = sink.get(&format!("/view/{id}?tab=attachments")).await;
        let page = page.into_body();
        let links = page.split("tab=").skip(1);
        let shown: Vec<_> = links.filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(shown.join(" "), tabs, "{source}");
        let page = sink.get(&format!("/view/{id}")).await.into_body();
        assert_eq!(
            page.contains("Remote pictures are blocked"),
            has_pictures,
            "{source}"
        );
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_search_is_reported_and_its_forms_change_nothing() {
    let sink = start(|_| {}).await;
    sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
    for (path, status) in [("/?query=larger:abc", 400), ("/list?query=larger:abc", 200)] {
        let page = sink.get(path).await;
        assert_eq!(page.status(), status, "{path}");
        let page = page.body();
        assert!(!page.contains("<li id=\"row-"), "{page}");
        assert!(page.contains("The search is invalid"), "{page}");
        let problem = "<p id=\"problem\" role=\"status\">Invalid size in larger:abc";
        assert_eq!(page.contains(problem), !path.starts_with("/list"), "{page}");
    }
    let confirmed = "do=delete-all&before=2026-11-24T00:00:00Z";
    for form in ["do=read-all", "do=delete-all", confirmed] {
        assert_eq!(submit(&sink, "/?query=-larger:abc", form).await.0, 400);
    }
    let totals = sink.inbox.totals();
    assert_eq!((totals.messages, totals.unread), (1, 1));
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_another_site_opens_stays_unread() {
    let sink = start(|_| {}).await;
    sink.send_smtp(mail("ann@example.com", PARTS)).await;
    let id = sink.inbox.latest().unwrap().id.clone();
    let link = |path: &str, site: &str| {
        format!(
            "GET {path} HTTP/1.1\nHost: localhost\nSec-Fetch-Site: {site}\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document"
        )
    };
    let unread = || sink.inbox.totals().unread;
    let path = format!("/view/{id}");
    let (status, page) = sink.send_http(&link(&path, "same-site")).await;
    assert_eq!((status, unread()), (200, 1));
    // The frame of that page does not mark it either.
    let frame = format!("{path}.html?frame=1");
    assert!(page.contains(&frame), "{page}");
    assert_eq!(sink.send_http(&link(&frame, "same-origin")).await.0, 200);
    assert_eq!(unread(), 1);
    assert_eq!(sink.send_http(&link(&path, "none")).await.0, 200);
    assert_eq!(unread(), 0);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_sites_are_refused() {
    let sink = start(|_| {}).await;
    sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
    let id = sink.inbox.latest().unwrap().id.clone();
    let port = sink.web.port();
    for (path, form) in [
        ("/", "do=delete-all"),
        ("/", &*format!("do=delete&ids={id}")),
        (&*format!("/view/{id}"), "do=delete"),
        ("/", "do=undo&deletion=x"),
    ] {
        for origin in ["http://evil.example", "null", "http://localhost:1"] {
            let request = format!(
                "POST {path} HTTP/1.1\nHost: localhost:{port}\nOrigin: {origin}\nContent-Length: {}\nConnection: close\n\n{form}",
                form.len()
            );
            assert_eq!(sink.send_http(&request).await.0, 403, "{origin}");
        }
    }
    assert_eq!(sink.inbox.totals().messages, 1);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_frame_of_a_mail_loads_only_pictures_and_only_on_request() {
    let sink = start(|_| {}).await;
    let html = "<p><a href=\"https://x.example/\" target=_top>go</a><LINK rel=preconnect href=//x.example>\
                <iframe src=//x.example></iframe><img src=https://x.example/p.png></p>";
    let source = format!("Content-Type: text/html\r\nSubject: x\r\n\r\n{html}\r\n");
    sink.send_smtp(mail("ann@example.com", &source)).await;
    let id = sink.inbox.latest().unwrap().id.clone();
    let frame = sink.get(&format!("/view/{id}.html?frame=1")).await;
    let policy = |response: &ureq::http::Response<String>| {
        response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert!(
        frame
            .body()
            .contains("<a target=_blank rel=noreferrer  href=")
    );
    assert!(
        frame.body().contains("<x-LINK rel=preconnect"),
        "{}",
        frame.body()
    );
    assert!(frame.body().contains("<x-iframe src"), "{}", frame.body());
    let blocked = policy(&frame);
    assert!(blocked.ends_with("frame-ancestors 'self'; img-src data:"));
    let shown = policy(
        &sink
            .get(&format!("/view/{id}.html?frame=1&pictures=1"))
            .await,
    );
    assert!(shown.ends_with("; img-src data: http: https:"));
    for policy in [&blocked, &shown] {
        assert!(policy.starts_with(
            "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'"
        ));
        assert!(!policy.contains("script-src") && policy.contains("form-action 'none'"));
    }
    // Without a frame, the protections are the same. Only links are unchanged, for programs that follow them.
    for (form, links) in [
        ("", "<a href=\"https://x.example/\" target=_top>"),
        (
            "?embed=1",
            "<a href=\"https://x.example/\" target=_top target=\"_blank\" rel=\"noreferrer noopener\">",
        ),
    ] {
        let bare = sink.get(&format!("/view/{id}.html{form}")).await;
        assert_eq!(policy(&bare), blocked, "{form}");
        let neutral = "go</a><x-LINK rel=preconnect href=//x.example><x-iframe src=//x.example>";
        let expected = format!("<p>{links}{neutral}");
        assert!(bare.body().starts_with(&expected), "{}", bare.body());
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_a_mail_are_embedded_in_every_form_of_its_page() {
    let sink = start(|_| {}).await;
    let part = |id: &str, kind: &str, data: &str| {
        format!("--r\r\nContent-Type: {kind}\r\nContent-ID: <{id}>\r\n\r\n{data}\r\n")
    };
    let source = [
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=r\r\n\r\n",
        "--r\r\nContent-Type: text/html\r\n\r\n",
        "<img src=\"cid:pic\"><img src=cid:pic2><img src='cid:none'><a href=\"cid:doc\">cid:\r\n",
        &part("pic", "image/png", "one"),
        &part("pic2", "image/gif", "two"),
        &part("doc", "text/html", "<p>"),
        "--r--\r\n",
    ];
    sink.send_smtp(mail("ann@example.com", &source.concat()))
        .await;
    let id = sink.inbox.latest().unwrap().id.clone();
    for form in ["", "?embed=1", "?frame=1"] {
        let page = sink.get(&format!("/view/{id}.html{form}")).await;
        for expected in [
            "<img src=\"data:image/png;base64,b25l\">",
            "<img src=data:image/gif;base64,dHdv>",
            "<img src='cid:none'>",
            &format!("href=\"/api/v1/message/{id}/part/4\""),
        ] {
            assert!(
                page.body().contains(expected),
                "{expected}: {}",
                page.body()
            );
        }
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_references_to_a_part_do_not_inflate_the_page() {
    let sink = start(|_| {}).await;
    let named = "<img src=cid:p>".repeat(20_000);
    for kind in ["a".repeat(500_000), "png".to_owned()] {
        let source = [
            "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=r\r\n\r\n",
            &format!("--r\r\nContent-Type: text/html\r\n\r\n{named}\r\n"),
            &format!(
                "--r\r\nContent-Type: image/{kind}\r\nContent-ID: <p>\r\n\r\n{}\r\n--r--\r\n",
                "x".repeat(5_000)
            ),
        ];
        sink.send_smtp(mail("ann@example.com", &source.concat()))
            .await;
        let id = sink.inbox.latest().unwrap().id.clone();
        let request = format!("GET /view/{id}.html?frame=1 HTTP/1.1\nHost: localhost");
        let (status, framed) = sink.send_http(&request).await;
        let size = framed.len();
        assert_eq!(status, 200);
        assert!(size > named.len() && size < 40 * 1024 * 1024, "{size}");
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_of_a_page_is_limited_for_any_mail() {
    let sink = start(|_| {}).await;
    let mut source = "Subject: x\r\nFrom: a@example.com\r\n".to_owned();
    for number in 0..600 {
        source.push_str(&format!("X-{number}: {}\r\n", "h".repeat(3_000)));
    }
    source.push_str("\r\n");
    for number in 0..300 {
        source.push_str(&format!(
            "https://x.example/{number}/{}\r\n",
            "p".repeat(2_000)
        ));
    }
    sink.send_smtp(mail("ann@example.com", &source)).await;
    let id = sink.inbox.latest().unwrap().id.clone();
    for (tab, note) in [("headers", "more headers"), ("text", "299 more links")] {
        let page = sink.get(&format!("/view/{id}?tab={tab}")).await.into_body();
        assert!(page.len() < 160_000, "{tab}: {}", page.len());
        assert!(page.contains(note), "{tab}");
        assert!(page.contains("more are in the <a"), "{tab}");
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_icon_shows_the_number_of_unread_messages() {
    let sink = start(|_| {}).await;
    for (query, shown) in [
        ("", None),
        ("?unread=7", Some(">7<")),
        ("?unread=1000", Some(">99+<")),
    ] {
        let icon = sink.get(&format!("/icon.svg{query}")).await;
        assert_eq!(icon.headers()["content-type"], "image/svg+xml");
        assert_eq!(icon.body().contains("<text"), shown.is_some(), "{query}");
        assert!(icon.body().contains(shown.unwrap_or_default()));
    }
    sink.end().await;
}
