//! Templates of mails and pages: list, eject, preview, and custom templates.

use std::fs;
use std::path::{Path, PathBuf};

use movie_bag::built_in_templates::BUILT_IN_TEMPLATES;
use serde_json::{Value, json};

use movie_bag_testkit::{Home, PASSWORD, Person};

const ANN: &str = "ann@example.com";

/// Creates a home with a folder of custom templates, which has these files.
fn home_with(files: &[(&str, &str)]) -> (Home, PathBuf) {
    let home = Home::fresh();
    let folder = home.path().join("own");
    for (name, text) in files {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }
    let setting = folder.display().to_string();
    (home.with("MOVIE_BAG_TEMPLATES", setting), folder)
}

fn listed(home: &Home) -> Vec<Value> {
    let list = home.run(&["templates", "list", "--json"]).ok();
    list.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_list_shows_purpose_and_origin_of_each_template() {
    let (home, folder) = home_with(&[("web/done.html", "<h1>Done</h1>")]);
    let templates = listed(&home);
    let find = |name: &str| {
        let mut found = templates.iter().filter(|template| template["name"] == name);
        found.next().unwrap().clone()
    };
    let reset = find("email/reset_password.html");
    assert_eq!(reset["path"], Value::Null);
    assert!(reset["variables"]["url"].as_str().unwrap().contains("link"));
    let done = folder.join("web/done.html").display().to_string();
    assert_eq!(find("web/done.html")["path"], done);
    let shown = home.run(&["templates", "list"]).ok().stdout;
    for template in &templates {
        for part in ["name", "purpose"] {
            let part = template[part].as_str().unwrap();
            // A cell may be wrapped.
            assert!(shown.contains(part.split(' ').next().unwrap()), "{shown}");
        }
    }
    assert!(shown.contains("built in"), "{shown}");
}

#[test]
fn ejected_templates_are_complete_and_usable() {
    let home = Home::fresh();
    let folder = home.path().join("new/own");
    let ejected = home.run(&["templates", "eject", "new/own"]).ok();
    let setting = format!("MOVIE_BAG_TEMPLATES={}", folder.display());
    assert!(ejected.stderr.contains(&setting), "{}", ejected.stderr);
    let names: Vec<String> = listed(&home)
        .iter()
        .map(|template| template["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ejected.stdout.lines().count(), names.len());
    assert!(ejected.stdout.lines().all(|path| fs::exists(path).unwrap()));

    let home = home.with("MOVIE_BAG_TEMPLATES", folder.display().to_string());
    assert!(
        listed(&home)
            .iter()
            .all(|template| template["path"].is_string())
    );
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    server.reset_token(ANN);
    assert!(!server.stderr().contains("warning"), "{}", server.stderr());
    // A second run changes nothing.
    let again = home
        .run(&["templates", "eject", "new/own", "--json"])
        .ok()
        .json();
    assert_eq!(again["folder"], folder.display().to_string());
    assert_eq!(
        (&again["written"], &again["unchanged"]),
        (&json!([]), &json!(names))
    );
}

#[test]
fn eject_overwrites_nothing_that_differs() {
    let (home, folder) = home_with(&[
        ("email/invitation.txt", "Ours: {{ url }}"),
        ("web/style.css", "/* ours */"),
    ]);
    let refused = home.run(&["templates", "eject", "own"]).exits(6);
    for word in ["email/invitation.txt", "web/style.css", "--force"] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
    assert!(refused.stdout.is_empty());
    assert!(
        !folder.join("web/done.html").exists(),
        "something was written"
    );
    assert_eq!(
        fs::read_to_string(folder.join("web/style.css")).unwrap(),
        "/* ours */"
    );
    let code = home.run(&["templates", "eject", "own", "--json"]).exits(6);
    assert_eq!(code.json()["error"]["code"], "file_exists");

    home.run(&["templates", "eject", "own", "--force"]).ok();
    let style = include_str!("../../templates/web/style.css");
    assert_eq!(
        fs::read_to_string(folder.join("web/style.css")).unwrap(),
        style
    );
    // A folder that cannot be created is reported.
    home.write("file", "x");
    let failed = home.run(&["templates", "eject", "file"]).exits(1);
    assert!(failed.stderr.contains("file/email"), "{}", failed.stderr);
}

#[cfg(unix)]
#[test]
fn eject_writes_through_no_link() {
    let (home, folder) = home_with(&[("web/done.html", "<h1>Done</h1>")]);
    let elsewhere = home.path().join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, folder.join("web/style.css")).unwrap();
    // The link is dangling, so that the folder cannot be loaded. Eject works nevertheless.
    home.run(&["templates", "list"]).exits(2);
    let refused = home.run(&["templates", "eject", "own"]).exits(6);
    assert!(
        refused.stderr.contains("web/style.css"),
        "{}",
        refused.stderr
    );
    home.run(&["templates", "eject", "own", "--force"]).ok();
    assert!(!elsewhere.exists());
    home.run(&["templates", "list"]).ok();
}

#[test]
fn every_template_and_every_mail_can_be_previewed() {
    let home = Home::fresh();
    for template in listed(&home) {
        let name = template["name"].as_str().unwrap();
        let preview = home.run(&["templates", "preview", name]).ok();
        assert!(
            !preview.stdout.contains("{{") && !preview.stdout.is_empty(),
            "{name}"
        );
        let json = home
            .run(&["templates", "preview", name, "--json"])
            .ok()
            .json();
        assert_eq!(json["content"], preview.stdout, "{name}");
    }
    for (kind, subject) in [
        ("reset_password", "[Movie-bag] Reset your password"),
        ("reset_successful", "[Movie-bag] Your password was changed"),
        ("invitation", "[Movie-bag] Choose your password"),
        (
            "address_changed",
            "[Movie-bag] Your email address was changed",
        ),
        (
            "access_revoked",
            "[Movie-bag] You were logged out everywhere",
        ),
    ] {
        let shown = home.run(&["templates", "preview", kind]).ok().stdout;
        assert!(
            shown.starts_with(&format!("Subject: {subject}\n\n")),
            "{shown}"
        );
        let json = home
            .run(&["templates", "preview", kind, "--json"])
            .ok()
            .json();
        assert_eq!(json["subject"], subject);
        assert!(shown.ends_with(json["text"].as_str().unwrap()));
        assert!(json["html"].as_str().unwrap().contains("ann@example.com"));
    }
    for (wrong, right) in [
        ("reset-pasword", "did you mean reset_password?"),
        ("invitation.txt", "did you mean email/invitation.txt?"),
        ("nonsense", "templates list"),
    ] {
        let refused = home.run(&["templates", "preview", wrong]).exits(2);
        assert!(refused.stderr.contains(right), "{}", refused.stderr);
    }
}

#[test]
fn a_preview_of_an_invitation_has_its_own_lifetime() {
    let shown = Home::fresh().run(&["templates", "preview", "invitation"]);
    let words = shown.ok().words();
    let lifetime = "valid for 7 days from the invitation, until 21 March 2027, 09:26 UTC";
    assert!(words.contains(lifetime), "{words}");
}

/// Returns the generated tables of docs/templates.md, each with its name.
fn tables() -> [(&'static str, String); 2] {
    let code = |name: &&str| format!("`{name}`");
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head = |cells: &[&str]| {
        let names: Vec<String> = cells.iter().map(ToString::to_string).collect();
        row(&names) + &row(&vec!["---".to_owned(); cells.len()])
    };
    let templates = BUILT_IN_TEMPLATES.templates.iter().map(|template| {
        let variables = template.variables.iter();
        let variables: Vec<String> = variables.map(|one| code(&one.name)).collect();
        row(&[
            code(&template.name.as_str()),
            template.purpose.clone(),
            variables.join(", "),
        ])
    });
    let variables = BUILT_IN_TEMPLATES.variables().into_iter().map(|variable| {
        // The sample link is too long for a table.
        let sample = Some(variable.sample.clone()).filter(|text| text.len() < 50);
        row(&[
            code(&variable.name),
            variable.meaning.clone(),
            sample.unwrap_or_default(),
        ])
    });
    [
        (
            "templates",
            head(&["template", "purpose", "variables"]) + &templates.collect::<String>(),
        ),
        (
            "variables",
            head(&["variable", "meaning", "example"]) + &variables.collect::<String>(),
        ),
    ]
}

#[test]
fn the_documentation_lists_every_template_and_variable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/templates.md");
    let mut page = fs::read_to_string(&path).unwrap();
    let committed = page.clone();
    for (name, table) in tables() {
        let (before, rest) = page.split_once(&format!("<!-- {name}: ")).unwrap();
        let (note, rest) = rest.split_once(" -->\n").unwrap();
        let (_, after) = rest.split_once("<!-- end -->").unwrap();
        page = format!("{before}<!-- {name}: {note} -->\n{table}<!-- end -->{after}");
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        page == committed || std::env::var_os("BLESS").is_some(),
        "docs/templates.md is not what the table of templates says: run BLESS=1 cargo test --test it templates"
    );
}

#[test]
fn custom_mails_and_pages_replace_the_built_in_ones() {
    let (home, _) = home_with(&[
        (
            "email/reset_password.txt",
            "Gr\u{fc}\u{df}e von uns: {{ url }} f\u{fc}r {{ email }}\n",
        ),
        (
            "email/frame.html",
            "<html lang=\"de\"><title>{% block title %}{% endblock %}</title>Ours{% block body %}{% endblock %}</html>",
        ),
        (
            "web/forgot.html",
            "{% extends \"web/base.html\" %}{% block title %}Ours{% endblock %}{% block content %}<h1>Vergessen?</h1>{% endblock %}",
        ),
        ("web/style.css", "body { color: rebeccapurple }"),
    ]);
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let token = server.reset_token(ANN);
    let mail = server.inbox().wait_for(ANN);
    assert!(
        mail.text.starts_with("Gr\u{fc}\u{df}e von uns: http"),
        "{}",
        mail.text
    );
    assert!(mail.text.contains(&token));
    assert!(
        mail.html.starts_with("<html lang=\"de\">") && mail.html.contains(&token),
        "{}",
        mail.html
    );
    assert!(
        server
            .get("/forgot")
            .is(200)
            .text
            .contains("<h1>Vergessen?</h1>")
    );
    let style = server.get("/assets/style.css").is(200);
    assert_eq!(style.text, "body { color: rebeccapurple }");
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );
}

#[test]
fn a_broken_custom_template_stops_commands_before_any_change() {
    let (home, folder) = home_with(&[]);
    fs::create_dir_all(folder.join("web")).unwrap();
    home.create_account(ANN, PASSWORD);
    // A page, which the commands of the terminal do not need now. The next start of a server needs it.
    home.write("own/web/done.html", "<h1>\n\n{{ nope }}</h1>");
    for command in [
        vec!["serve", "--bind", "127.0.0.1:0"],
        vec!["forgot", "--email", ANN],
        vec!["user", "list"],
        vec!["templates", "list"],
        vec!["templates", "preview", "reset_password"],
    ] {
        let output = home.run(&command).exits(2);
        assert!(
            output.stderr.contains("own/web/done.html:3:4: ") && output.stderr.contains("nope"),
            "{command:?}: {}",
            output.stderr
        );
        assert!(
            output.stderr.contains("templates eject"),
            "{}",
            output.stderr
        );
        assert!(output.stdout.is_empty() && !output.stderr.contains("listens on"));
        let json = home
            .run(&[command, vec!["--json"]].concat())
            .exits(2)
            .json();
        assert_eq!(json["error"]["code"], "template");
    }
    let check = home.run(&["check", "--json"]).exits(2).json();
    let checks = check["checks"].as_array().unwrap();
    let verdict = checks
        .iter()
        .find(|check| check["name"] == "templates")
        .unwrap();
    assert_eq!(verdict["verdict"], "error");
    assert!(
        verdict["message"]
            .as_str()
            .unwrap()
            .contains("own/web/done.html:3:4")
    );
    // The other checks are reported nevertheless.
    assert!(checks.iter().any(|check| check["name"] == "mail server"));
    let shown = home.run(&["check"]).exits(2);
    assert!(
        shown.words().contains("error templates "),
        "{}",
        shown.stdout
    );
    // Eject works, since it repairs the folder.
    home.run(&["templates", "eject", "fresh"]).ok();
}

#[test]
fn an_unknown_template_file_is_a_warning() {
    let (home, _) = home_with(&[
        ("email/reset-password.html", "x"),
        ("done.html", "x"),
        ("email/evil\u{1b}]0;title\u{7}.txt", "x"),
    ]);
    home.create_account(ANN, PASSWORD);
    let warned = home.run(&["user", "list"]).ok().stderr;
    for words in [
        "own/email/reset-password.html is ignored; did you mean email/reset_password.html?",
        "own/done.html is ignored; did you mean web/done.html?",
        "\\x1b]0;title\\x07.txt is ignored",
    ] {
        assert!(warned.contains(words), "{warned}");
    }
    assert!(!warned.contains('\u{1b}'), "{warned:?}");
    let check = home.run(&["check", "--json"]).json();
    let warnings: Vec<_> = check["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["name"] == "templates" && check["verdict"] == "warning")
        .collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
}

#[test]
fn typed_text_is_escaped_in_mails_and_never_executed() {
    let home = Home::fresh();
    let server = home.serve(&[]);
    let typed = "a&b'{{7*7}}@example.com";
    server.sign_up(typed, PASSWORD);
    server.reset_token(typed);
    let mail = server.inbox().wait_for(typed);
    assert!(
        mail.html
            .contains("<strong>a&amp;b&#39;{{7*7}}@example.com</strong>"),
        "{}",
        mail.html
    );
    assert!(mail.text.contains(typed), "{}", mail.text);
    // On the page too, with any input.
    let page = server.raw(
        b"POST /forgot HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 47\r\nConnection: close\r\n\r\nemail=%22%3E%3Cscript%3E%7B%7B7*7%7D%7D%3C%2Fsc",
    );
    assert!(
        page.contains("&quot;&gt;&lt;script&gt;{{7*7}}&lt;/sc"),
        "{page}"
    );
}

#[test]
fn templates_are_escaped_on_a_terminal_and_unchanged_in_a_pipe() {
    let (home, _) = home_with(&[(
        "email/invitation.txt",
        "\u{1b}[31mred\u{9b}1m\n{{ url }}\n\n",
    )]);
    let piped = home
        .run(&["templates", "preview", "email/invitation.txt"])
        .ok()
        .stdout;
    assert!(
        piped.starts_with("\u{1b}[31mred\u{9b}1m\nhttps://") && piped.ends_with("\n\n"),
        "{piped:?}"
    );
    let mut person = Person::runs(&home, &["templates", "preview", "email/invitation.txt"]);
    person.sees("\\x1b[31mred\\u{9b}1m\r\nhttps://");
    let screen = person.ends(0);
    assert!(!screen.contains('\u{1b}'), "{screen:?}");
}
