//! Messages that try to run scripts, to load resources, or to imitate the page, and pages of other sites.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use movie_bag_testkit::Home;
use serde_json::json;

use super::{Desk, send};

/// Server of a sender who tracks when a message is opened. Every connection counts, since even one without a request
/// reveals that.
pub(super) struct ExternalServer {
    pub(super) address: String,
    /// Path of the request of each connection; `None` before it is received.
    requests: Arc<Mutex<Vec<Option<String>>>>,
}

impl ExternalServer {
    pub(super) fn start() -> Self {
        Self::start_with("404 Not Found", String::new())
    }

    pub(super) fn with_page(page: String) -> Self {
        Self::start_with("200 OK", page)
    }

    fn start_with(status: &str, page: String) -> Self {
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
            page.len()
        );
        let answer = Arc::new(answer);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&requests);
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let number = recorded.lock().unwrap().len();
                recorded.lock().unwrap().push(None);
                let (recorded, answer) = (Arc::clone(&recorded), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut request = [0; 2048];
                    let read = stream.read(&mut request).unwrap_or(0);
                    let request = String::from_utf8_lossy(&request[..read]);
                    let path = request.split(' ').nth(1).map(str::to_owned);
                    recorded.lock().unwrap()[number] = path;
                    let _ = stream.write_all(answer.as_bytes());
                });
            }
        });
        Self { address, requests }
    }

    pub(super) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let path = |path: &Option<String>| path.as_deref().unwrap_or("(connected)").to_owned();
        requests.iter().map(path).collect()
    }

    pub(super) fn has_request(&self, path: &str) -> bool {
        self.requests().iter().any(|request| request == path)
    }
}

/// Every known way for a page to load or run something. `OUT` stands for the external server.
const HOSTILE: &str = concat!(
    "<html><head><link rel=preconnect href='OUT/preconnect'><link rel=prefetch href='OUT/prefetch'>",
    "<link rel=stylesheet href='OUT/sheet'><link rel=icon href='OUT/icon'><LINK rel=dns-prefetch href='OUT'>",
    "<meta http-equiv=refresh content='0;url=OUT/refresh'><base href='OUT/base/'>",
    "<style>@import 'OUT/import'; body { background: url(OUT/background) } ",
    "@font-face { font-family: x; src: url(OUT/font) } p { font-family: x }</style>",
    "<script>parent.document.title = document.title = 'RUN'; fetch('OUT/fetch')</script><script src='OUT/script'></script>",
    "</head><body onload=\"document.title='RUN'; fetch('OUT/onload')\">",
    "<img src='OUT/picture' onerror=\"fetch('OUT/onerror')\"><img src=relative.png><img srcset='OUT/srcset 2x'>",
    "<picture><source srcset='OUT/source'><img src=x></picture>",
    "<video poster='OUT/poster' src='OUT/video' autoplay></video><audio src='OUT/audio' autoplay></audio>",
    "<iframe src='OUT/frame'></iframe><iframe srcdoc=\"<script>fetch('OUT/srcdoc')</script>\"></iframe>",
    "<object data='OUT/object'></object><embed src='OUT/embed'>",
    "<svg><image href='OUT/svg'/><use href='OUT/use#x'/><script>fetch('OUT/svgscript')</script></svg>",
    "<form action='OUT/form'><input type=image src='OUT/input'><button id=button>send</button></form>",
    "<table background='OUT/table'><tr><td>x</td></tr></table>",
    "<details open ontoggle=\"fetch('OUT/toggle')\">x</details>",
    "<a id=script href=\"javascript:fetch('OUT/link')\">run</a> <p>text</p>",
    "<style><!-- </style><link rel=preconnect href='OUT/hidden'>--></body></html>",
);

#[test]
fn a_hostile_message_runs_nothing_and_loads_nothing() {
    let Some(desk) = Desk::open() else { return };
    let outside = ExternalServer::start();
    let html = HOSTILE.replace("OUT", &format!("http://{}", outside.address));
    send(
        &desk.sink.smtp,
        [format!(
            "Subject: <script>document.title='RUN'</script>\r\nFrom: \"><img src=x onerror=alert(1)>\" <a@b.c>\r\n\
                  Content-Type: text/html; charset=utf-8\r\n\r\n{html}"
        )],
    );
    desk.open_live();
    let browser = &desk.browser;
    browser.click("#rows a");
    desk.shows_heading("<script>document.title='RUN'</script>");
    browser.in_frame("iframe", |browser| {
        assert_eq!(browser.text("p"), "text");
        browser.click("#button");
        browser.click("#script");
    });
    for tab in 2..=browser.count(".tabs a") {
        browser.click(&format!(".tabs a:nth-of-type({tab})"));
        browser.waits_for("the tab", |browser| {
            browser
                .attribute(&format!(".tabs a:nth-of-type({tab})"), "aria-current")
                .is_some()
        });
    }
    // The frame is opened again, and then the list with its own connections, so that all loads have had time.
    browser.click(".tabs a:nth-of-type(1)");
    browser.waits_for("the frame", |browser| browser.count("iframe") == 1);
    browser.in_frame("iframe", |browser| assert_eq!(browser.text("p"), "text"));
    desk.open_live();
    assert_eq!(outside.requests(), [""; 0]);
    browser.click("#rows a");
    desk.shows_heading("<script>document.title='RUN'</script>");
    assert!(!browser.title().contains("RUN") || browser.title().contains("<script>"));
    assert!(browser.url().starts_with(&desk.url("/view/")));

    // Pictures are loaded after the person has allowed them, and nothing else is.
    browser.click(".look a.button");
    browser.waits_for("a picture is requested", |_| {
        outside.has_request("/picture")
    });
    browser.in_frame("iframe", |browser| assert_eq!(browser.text("p"), "text"));
    let pictures = [
        "/picture",
        "/srcset",
        "/source",
        "/poster",
        "/svg",
        "/input",
        "/table",
        "/background",
    ];
    for request in outside.requests() {
        // A browser may open one connection more than it needs, once it may open any.
        let is_picture = pictures.contains(&&*request) || request == "(connected)";
        assert!(is_picture, "{request}");
    }
}

#[test]
fn allowing_pictures_is_for_one_message() {
    let Some(desk) = Desk::open() else { return };
    let outside = ExternalServer::start();
    let mail = |name: &str| {
        format!(
            "Subject: {name}\r\nContent-Type: text/html\r\n\r\n<p>text</p><img src=\"http://{}/{name}.png\">",
            outside.address
        )
    };
    send(&desk.sink.smtp, ["first", "second"].map(mail));
    desk.open_live();
    desk.open_message("first");
    desk.browser.click(".look a.button");
    desk.browser.waits_for("the picture is shown", |_| {
        outside.has_request("/first.png")
    });
    desk.open_message("second");
    desk.browser
        .in_frame("iframe", |browser| assert_eq!(browser.text("p"), "text"));
    desk.open_message("first");
    desk.browser
        .in_frame("iframe", |browser| assert_eq!(browser.text("p"), "text"));
    assert_eq!(outside.requests(), ["/first.png"]);
}

#[test]
fn a_link_of_a_message_opens_an_isolated_window() {
    let Some(desk) = Desk::open() else { return };
    // Markup that browsers read as a link, and HTML parsers may not.
    let links = [
        "<a/href=\"/view/latest.html\"target=_self rel=opener id=link>go</a>",
        "<!--><a href=\"/view/latest.html\" target=_self rel=opener id=link>go</a>",
        "<head><a href=\"/view/latest.html\" target=_self rel=opener id=link>go</a>",
        "<svg width=99 height=99><a xlink:href=\"/view/latest.html\" target=_self rel=opener id=link><text y=50>go</text></a></svg>",
    ];
    for link in links {
        let mail = format!(
            "Subject: {}\r\nContent-Type: text/html\r\n\r\n{link}<p>text</p>",
            link.len()
        );
        send(&desk.sink.smtp, [mail]);
        desk.open_live();
        desk.browser.click("#rows a");
        desk.browser
            .waits_for("the frame", |browser| browser.count("iframe") == 1);
        desk.browser.in_frame("iframe", |browser| {
            assert_eq!(browser.text("p"), "text");
            assert_eq!(
                browser.attribute("#link", "target").unwrap(),
                "_blank",
                "{link}"
            );
            assert_eq!(
                browser.attribute("#link", "rel").unwrap(),
                "noreferrer",
                "{link}"
            );
            browser.click("#link");
            // The frame itself is still the same page.
            let address = browser.run("return location.search", json!([]));
            assert_eq!(address, "?frame=1", "{link}");
        });
    }
}

#[test]
fn loads_by_another_site_reveal_nothing() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, [super::plain("secret")]);
    // Another port of this machine is the same site for cookies. Another name of this machine is another site.
    for host in ["127.0.0.1", "localhost"] {
        for path in [
            "/api/v1/message/latest?query=secret",
            "/view/latest.txt",
            "/api/movie-bag/wait?query=secret&timeout=1s",
            "/view/latest.html",
            "/icon.svg",
            "/api/v1/message/0000000000000000000000/part/1",
        ] {
            let status = desk.embed_status(&desk.url(path), host);
            assert_eq!(status, 403, "{path} by {host}");
        }
    }
    assert_eq!(desk.unread(), 1);
    // In the browser itself, a page that is notified whether its loads succeed gets the same events for a search that finds a
    // message as for one that does not.
    let page = format!(
        "<!doctype html><title>elsewhere</title><body><script>window.events = []; \
         for (const query of ['secret', 'nothing']) {{ const part = document.createElement('object'); \
             part.onload = () => events.push(query + ' loaded'); part.onerror = () => events.push(query + ' failed'); \
             part.data = '{}?query=' + query; document.body.append(part); }}</script>",
        desk.url("/api/v1/message/latest")
    );
    let elsewhere = ExternalServer::with_page(page);
    for host in ["127.0.0.1", "localhost"] {
        let (_, port) = elsewhere.address.rsplit_once(':').unwrap();
        desk.browser.visit(&format!("http://{host}:{port}/"));
        let events = || desk.browser.run("return window.events.sort()", json!([]));
        desk.browser
            .waits_for("both events", |_| events().as_array().unwrap().len() == 2);
        assert_eq!(
            events(),
            json!(["nothing failed", "secret failed"]),
            "{host}"
        );
    }
    assert_eq!(desk.unread(), 1);
    // A person may still follow a link.
    desk.browser.visit(&desk.url("/"));
    desk.lists(&["secret"]);
}

/// A page of another site opens windows with the inbox, loads pages in advance, and observes which URLs become downloads.
pub fn windows_and_prefetches_of_another_site_read_and_change_nothing(home: Home) {
    let Some(desk) = Desk::in_home(home) else {
        return;
    };
    let browser = &desk.browser;
    browser.without_downloads();
    send(&desk.sink.smtp, [super::plain("secret")]);
    let id = desk.sink.inbox().messages()[0]["ID"].clone();
    let message = format!("/view/{}", id.as_str().unwrap());
    let outside = ExternalServer::with_page(
        "<!doctype html><title>elsewhere</title><p>elsewhere</p>".to_owned(),
    );
    let (_, port) = outside.address.rsplit_once(':').unwrap();
    // Another port of this machine is the same site for cookies. Another name of this machine is another site.
    for host in ["127.0.0.1", "localhost"] {
        let elsewhere = format!("http://{host}:{port}/");
        let refused = Err("Blocked due to CORS violation");
        for (path, expected) in [
            ("/api/v1/message/latest?query=secret", refused),
            ("/api/v1/message/latest/raw?dl=1&query=secret", refused),
            ("/api/v1/messages", refused),
            ("/api/movie-bag/wait?query=secret&timeout=1s", refused),
            ("/view/latest.html", refused),
            ("/view/latest.txt", refused),
            (&format!("{message}.txt"), refused),
            ("/list?query=secret", refused),
            ("/?query=nothing", Ok("/")),
            ("/view/latest?query=secret", Ok("/")),
            (&format!("{message}?tab=html&pictures=1"), Ok(&message)),
            (&message, Ok(&message)),
        ] {
            browser.visit(&elsewhere);
            browser.run("location.href = arguments[0]", json!([desk.url(path)]));
            let shown = desk.url(expected.unwrap_or(path));
            browser.waits_for(&shown, |browser| browser.url() == shown);
            match expected {
                Ok(_) => desk.lists(&["secret"]),
                Err(text) => browser.waits_for("the request is refused", |browser| {
                    let body = browser.run("return document.body?.textContent", json!([]));
                    body == text
                }),
            }
            assert_eq!(desk.unread(), 1, "{path} by {host}");
        }
        // The last page of each list belongs to the other site, and shows that the browser has loaded all pages before it.
        let ahead = format!("{elsewhere}{host}-ahead");
        let pages = [desk.url(&message), desk.url("/view/latest.html"), ahead];
        browser.visit(&elsewhere);
        let links = "const done = arguments[1]; let left = arguments[0].length; for (const url of arguments[0]) { \
             const link = Object.assign(document.createElement('link'), {rel: 'prefetch', href: url}); \
             link.onload = link.onerror = () => { left -= 1; if (!left) done() }; document.head.append(link); }";
        browser.run_async(links, json!([pages]));
        assert_eq!(desk.unread(), 1, "a prefetched link by {host}");
        let rules = "const rules = document.createElement('script'); rules.type = 'speculationrules'; \
             rules.textContent = JSON.stringify({prefetch: [{source: 'list', urls: arguments[0], eagerness: 'immediate'}]}); \
             document.head.append(rules);";
        let ruled = format!("{elsewhere}{host}-ruled");
        let pages = [desk.url(&message), desk.url("/view/latest.html"), ruled];
        browser.run(rules, json!([pages]));
        browser.waits_for("the last page is loaded in advance", |_| {
            outside.has_request(&format!("/{host}-ruled"))
        });
        assert_eq!(desk.unread(), 1, "speculation rules by {host}");
    }
    // These windows are opened last: they are isolated from the page that opened them, which therefore cannot close them.
    for host in ["127.0.0.1", "localhost"] {
        let elsewhere = format!("http://{host}:{port}/");
        // The page that opens a window for each search cannot distinguish the one that finds a message.
        for query in ["secret", "nothing"] {
            let path = format!("/api/v1/message/latest/raw?dl=1&query={query}");
            browser.visit(&elsewhere);
            browser.run(
                "window.opened = open(arguments[0])",
                json!([desk.url(&path)]),
            );
            browser.waits_for("the window shows a page of the inbox", |browser| {
                let here = "try { return !opened.closed && opened.location.href === 'about:blank' } catch (_) { return false }";
                browser.run(here, json!([])) == false
            });
        }
    }
    assert_eq!(desk.unread(), 1);
    // The page of the inbox marks the message as read.
    desk.visit(&message);
    desk.shows_heading("secret");
    assert_eq!(desk.unread(), 0);
}

impl Desk {
    /// Requests a URL as a browser does for an image of a page of another site on this machine. Returns the status.
    fn embed_status(&self, url: &str, host: &str) -> u16 {
        let site = if host == "127.0.0.1" {
            "same-site"
        } else {
            "cross-site"
        };
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        let request = agent
            .get(url)
            .header("Sec-Fetch-Site", site)
            .header("Sec-Fetch-Mode", "no-cors")
            .header("Sec-Fetch-Dest", "image");
        request.call().unwrap().status().as_u16()
    }
}

/// Forms of another site try to delete messages and to undo a deletion, and its frames try to show the inbox.
pub fn forms_and_frames_of_another_site_have_no_effect(home: Home) {
    let Some(desk) = Desk::in_home(home) else {
        return;
    };
    send(&desk.sink.smtp, ["deleted", "kept"].map(super::plain));
    // A person deletes one message. Only the page that did so can restore it.
    desk.visit(&format!("/view/{}", desk.id_of("deleted")));
    desk.browser.click(".acts [value=delete]");
    desk.lists(&["kept"]);
    let deletion = desk.browser.property("#notice [name=deletion]", "value");
    let deletion = deletion.as_str().unwrap().to_owned();
    let forms = [
        ("delete-all", "ids", String::new()),
        ("delete", "ids", desk.id_of("kept")),
        ("undo", "deletion", deletion),
    ];
    let inbox = desk.url("/");
    let forms = forms.map(|(action, name, value)| {
        format!(
            "<form method=post action='{inbox}'><input name=do value={action}><input name={name} value='{value}'>\
             <button id={action}>x</button></form>"
        )
    });
    let page = format!(
        "<!doctype html><title>elsewhere</title>{}<iframe src='{inbox}view/latest.html'></iframe><iframe src='{inbox}'></iframe>",
        forms.concat()
    );
    // A file has an origin of its own, which is as foreign as any other.
    let file = desk.home.write("elsewhere.html", page);
    desk.browser.visit(&format!("file://{}", file.display()));
    for frame in ["iframe:nth-of-type(1)", "iframe:nth-of-type(2)"] {
        let framed = desk.browser.in_frame(frame, |browser| {
            browser.run("return document.body.textContent", json!([]))
        });
        assert!(!framed.to_string().contains("kept"), "{framed}");
    }
    for action in ["delete-all", "delete", "undo"] {
        desk.browser.visit(&format!("file://{}", file.display()));
        desk.browser.click(&format!("#{action}"));
        desk.browser.waits_for("the request is refused", |browser| {
            let text = browser.run("return document.body.textContent", json!([]));
            text == "Blocked due to CORS violation"
        });
        let messages = desk.sink.inbox().messages();
        assert_eq!(messages.len(), 1, "{action}");
        assert_eq!(messages[0]["Subject"], "kept");
    }
}
