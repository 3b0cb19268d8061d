//! The name and the addresses of the application that the accounts belong to, in mails and pages.

use movie_bag::built_in_templates::BUILT_IN_TEMPLATES;
use movie_bag_testkit::{Home, NEW_PASSWORD, PASSWORD, Server, Sink};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const LOGIN: &str = "https://app.filmotheque.example/#/login";

/// A server with a name and a sink of its own, so that the mails of commands arrive there too.
struct Site {
    home: Home,
    sink: Sink,
    server: Server,
}

impl Site {
    fn with(settings: &[(&str, &str)]) -> Self {
        let home = Home::fresh();
        let sink = home.sink(&[]);
        let mut home = home
            .with("MAIL_PORT", sink.port())
            .with("MAIL_DEFAULT_SENDER", "support@filmotheque.example")
            .with("MOVIE_BAG_INBOX_URL", format!("http://{}", sink.web()));
        for (key, value) in settings {
            home = home.with(key, *value);
        }
        let server = home.serve_alone(&[]);
        server.sign_up(ANN, PASSWORD);
        Self { home, sink, server }
    }

    fn run(&self, arguments: &[&str]) -> String {
        self.home.run(arguments).ok().stdout
    }

    /// Returns a part of the newest mail with this subject, as a script reads it.
    fn awaits(&self, to: &str, subject: &str, part: &str) -> String {
        let arguments = [
            "inbox",
            "wait",
            "--to",
            to,
            "--subject",
            subject,
            "--print",
            part,
        ];
        let printed = self.run(&arguments);
        printed.trim_end_matches('\n').to_owned()
    }

    /// Returns the response to a request of a browser, with its headers.
    fn request(&self, method: &str, path: &str, form: &str) -> String {
        let length = form.len();
        let answer = self.server.raw(
            format!(
                "{method} {path} HTTP/1.1\r\nHost: app.example\r\nAccept: text/html\r\nConnection: close\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
            )
            .as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        answer
    }
}

/// Asserts that a text does not have the name of this program in any spelling.
#[track_caller]
fn assert_unnamed(what: &str, text: &str) {
    let letters = text
        .to_lowercase()
        .replace([' ', '-', '_', '\r', '\n', '='], "");
    if let Some(at) = letters.find("moviebag") {
        let before: Vec<char> = letters[..at].chars().rev().take(60).collect();
        let before: String = before.iter().rev().collect();
        panic!("{what} contains the name of this program: …{before}moviebag…");
    }
}

#[test]
fn an_application_with_another_name_is_called_by_it_in_every_mail() {
    let site = Site::with(&[
        ("MOVIE_BAG_NAME", "Filmotheque"),
        ("MOVIE_BAG_LOGIN_URL", LOGIN),
    ]);
    site.run(&["forgot", "--email", ANN]);
    let token = site.awaits(ANN, "Reset your password", "token");
    site.home.reset(&token, NEW_PASSWORD).ok();
    site.run(&["user", "create", "--email", BOB, "--invite"]);
    site.run(&["user", "revoke", "--email", ANN]);
    let to = "ann@example.org";
    site.run(&["user", "set-email", "--email", ANN, "--to", to]);
    site.run(&["check", "--send-test-mail", ANN]);
    let inbox = site.sink.inbox();
    let subjects = [
        (ANN, "[Filmotheque] Reset your password"),
        (ANN, "[Filmotheque] Your password was changed"),
        (BOB, "[Filmotheque] Choose your password"),
        (ANN, "[Filmotheque] You were logged out everywhere"),
        (ANN, "[Filmotheque] Your email address was changed"),
        (to, "[Filmotheque] Your email address was changed"),
        (ANN, "Test mail: [Filmotheque] Reset your password"),
    ];
    for (to, subject) in subjects {
        let mail = inbox.wait_for_count(to, subject, 1);
        assert!(mail.text.contains("Filmotheque"), "{}", mail.text);
        assert!(mail.html.contains(">Filmotheque</p>"), "{}", mail.html);
        assert_eq!(mail.from, "support@filmotheque.example");
        // The login page is linked where a person logs in next.
        let is_linked = ["was changed", "logged out"]
            .iter()
            .any(|one| subject.contains(one));
        assert_eq!(
            mail.text.lines().any(|line| line == LOGIN),
            is_linked,
            "{}",
            mail.text
        );
        assert_eq!(mail.html.contains(&format!("href=\"{LOGIN}\"")), is_linked);
    }
    let messages = inbox.messages();
    assert_eq!(messages.len(), subjects.len());
    for message in messages {
        let id = message["ID"].as_str().unwrap();
        // With all headers, as the client sent it.
        let source = String::from_utf8(inbox.source(id)).unwrap();
        assert_unnamed(message["Subject"].as_str().unwrap(), &source);
        // The other lines are the replies of the sink.
        let envelope = inbox.envelope(id);
        let lines = envelope["transcript"].as_array().unwrap().iter();
        let sent: Vec<&str> = lines
            .map(|line| line.as_str().unwrap())
            .filter(|line| line.starts_with("C:"))
            .collect();
        assert!(sent.len() >= 3, "{envelope}");
        assert_unnamed("the SMTP session", &sent.join("\n"));
    }
    // Also the templates of kinds that this test does not send.
    for template in &BUILT_IN_TEMPLATES.templates {
        let preview = site.run(&["templates", "preview", &template.name]);
        assert_unnamed(&template.name, &preview);
    }
}

#[test]
fn an_application_with_another_name_is_called_by_it_on_every_page() {
    let site = Site::with(&[
        ("MOVIE_BAG_NAME", "Filmotheque"),
        ("MOVIE_BAG_LOGIN_URL", LOGIN),
    ]);
    let reset = format!("/reset/{}", site.home.reset_token(ANN));
    let (mismatch, weak) = (
        "password=one+of+them&password_again=another",
        "password=filmotheque&password_again=filmotheque",
    );
    let good = "password=staple+of+another+kind&password_again=staple+of+another+kind";
    for (method, path, form, words) in [
        ("GET", "/", "", "Account service"),
        ("GET", "/forgot", "", "Forgot your password?"),
        (
            "POST",
            "/forgot",
            "email=nobody",
            "Not a valid email address",
        ),
        (
            "POST",
            "/forgot",
            "email=no%40example.com",
            "No account has",
        ),
        (
            "POST",
            "/forgot",
            "email=ann%40example.com",
            "Check your mailbox",
        ),
        ("POST", "/forgot", "x=y", "400 Bad Request"),
        ("GET", &reset, "", "Choose a new password"),
        ("POST", &reset, mismatch, "do not match"),
        ("POST", &reset, weak, "must not be the name of this service"),
        ("POST", &reset, good, "Your password was changed"),
        ("POST", &reset, good, "This link does not work"),
        ("GET", "/reset/x", "", "This link is incomplete"),
        ("GET", "/reset", "", "This link is incomplete"),
        ("GET", "/nowhere", "", "Page not found"),
        ("PUT", "/forgot", "", "405 Method Not Allowed"),
    ] {
        let page = site.request(method, path, form);
        assert!(page.contains(words), "{method} {path}: {page}");
        assert!(
            page.contains(" - Filmotheque</title>"),
            "{method} {path}: {page}"
        );
        assert!(page.contains(">Filmotheque</a>"), "{method} {path}: {page}");
        assert_unnamed(path, &page);
        let is_linked = page.contains(&format!("href=\"{LOGIN}\""));
        assert_eq!(is_linked, words == "Your password was changed", "{page}");
    }
    for path in [
        "/assets/style.css",
        "/assets/password.js",
        "/assets/icon.svg",
        "/.well-known/change-password",
        "/openapi.json",
        "/healthz",
        "/readyz",
        "/api/movies",
        "/api/nowhere",
    ] {
        let answer = site.request("GET", path, "");
        assert_unnamed(path, &answer);
    }
    let title = &site.server.get("/openapi.json").is(200).body["info"]["title"];
    assert_eq!(title, "Filmotheque");
    // The browser's estimate knows the name as well.
    let form = site
        .server
        .get(&format!("/reset/{}", site.home.reset_token(ANN)));
    assert!(
        form.text.contains("data-product=\"Filmotheque\""),
        "{}",
        form.text
    );
}

#[test]
fn a_name_with_markup_is_text_in_headers_mails_and_pages() {
    const NAME: &str = "A&B's <i>\"{{ 7 * 7 }}\" \u{444}\u{438}\u{43b}\u{44c}\u{43c}\u{44b}";
    let site = Site::with(&[("MOVIE_BAG_NAME", NAME)]);
    site.server.forgot(ANN).is(200);
    let subject = format!("[{NAME}] Reset your password");
    let mail = site.sink.inbox().wait_for_count(ANN, &subject, 1);
    let words: Vec<&str> = mail.text.split_whitespace().collect();
    let words = words.join(" ");
    assert!(
        words.contains(&format!("for the {NAME} account")),
        "{words}"
    );
    let page = site.server.get("/forgot").is(200).text;
    for html in [&mail.html, &page] {
        assert!(
            html.contains("A&amp;B&#39;s &lt;i&gt;&quot;{{ 7 * 7 }}&quot;"),
            "{html}"
        );
        assert!(!html.contains("<i>"), "{html}");
    }
    let (headers, _) = mail.raw.split_once("\r\n\r\n").unwrap();
    assert!(headers.is_ascii(), "{headers}");
}

#[test]
fn links_to_a_page_of_the_application_are_found_by_the_inbox_and_by_reset() {
    for form in [
        "https://app.filmotheque.example/new-password/{token}/choose",
        "https://app.filmotheque.example/password?lang=en&t={token}&from=mail",
        "http://localhost:5173/#/reset?token={token}",
    ] {
        let site = Site::with(&[("MOVIE_BAG_RESET_URL", form)]);
        let link_with = |token: &str| form.replace("{token}", token);
        site.server.forgot(ANN).is(200);
        let mail = site.sink.inbox().wait_for(ANN);
        let printed = site.awaits(ANN, "Reset your password", "link,token");
        let (link, token) = printed.split_once('\n').unwrap();
        assert_eq!(link, link_with(token));
        assert!(mail.text.lines().any(|line| line == link), "{}", mail.text);
        let in_html = format!(">{}</a>", link.replace('&', "&amp;"));
        assert!(mail.html.contains(&in_html), "{}", mail.html);
        // The page of movie-bag works too, and opening it changes nothing.
        site.server.get(&format!("/reset/{token}")).is(200);
        // A mail program may append its own parameters.
        let separator = if link.contains('?') { '&' } else { '?' };
        site.home
            .reset(&format!("<{link}{separator}utm_source=mail>"), NEW_PASSWORD)
            .ok();
        site.server.access_token(ANN, NEW_PASSWORD);

        let printed = site.run(&["forgot", "--email", ANN, "--print-link"]);
        let token = movie_bag_core::domain::token::Token::from_pasted(&printed);
        assert_eq!(printed.trim(), link_with(token.as_str()));
        site.home.reset(token.as_str(), PASSWORD).ok();

        site.run(&["user", "create", "--email", BOB, "--invite"]);
        let printed = site.awaits(BOB, "Choose your password", "link,token");
        let (link, token) = printed.split_once('\n').unwrap();
        assert_eq!(link, link_with(token));
        site.home.reset(link, PASSWORD).ok();
    }
}

#[test]
fn check_shows_the_links_of_the_application() {
    let home = Home::fresh().with("MOVIE_BAG_PUBLIC_URL", "https://movies.example/base");
    let shown = home.run(&["check", "--all"]).words();
    assert!(
        shown.contains("MOVIE_BAG_RESET_URL https://movies.example/base/reset/{token}"),
        "{shown}"
    );
    let own = "https://app.example/#/reset/{token}";
    let home = home
        .with("MOVIE_BAG_RESET_URL", own)
        .with("MOVIE_BAG_LOGIN_URL", LOGIN)
        .with("MOVIE_BAG_NAME", "Example Films");
    let shown = home.run(&["check", "--all"]).words();
    for line in [
        format!("MOVIE_BAG_RESET_URL {own}"),
        format!("MOVIE_BAG_LOGIN_URL {LOGIN}"),
        "MOVIE_BAG_NAME Example Films".to_owned(),
    ] {
        assert!(shown.contains(&line), "{shown}");
    }
    let home = home.with("MOVIE_BAG_RESET_URL", "https://app.example/reset");
    let refused = home
        .run(&["forgot", "--email", ANN, "--print-link"])
        .exits(2);
    assert!(
        refused.stderr.contains("invalid MOVIE_BAG_RESET_URL")
            && refused.stderr.contains("{token}"),
        "{}",
        refused.stderr
    );
}
