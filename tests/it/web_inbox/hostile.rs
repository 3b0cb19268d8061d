//! Mails that want to run, to load, or to be taken for something else, and pages of other sites.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::{Desk, send};
use crate::harness::Home;

/// Server of a sender who wants to know when a mail is opened. Every connection counts: one without a request reveals it
/// too.
pub(super) struct Outside {
    pub(super) address: String,
    /// The path of each connection's request, once there is one.
    asked: Arc<Mutex<Vec<Option<String>>>>,
}

impl Outside {
    pub(super) fn listens() -> Self {
        Self::answers("404 Not Found", String::new())
    }

    /// One with a page of its own.
    pub(super) fn serves(page: String) -> Self {
        Self::answers("200 OK", page)
    }

    fn answers(status: &str, page: String) -> Self {
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
            page.len()
        );
        let answer = Arc::new(answer);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let place = noted.lock().unwrap().len();
                noted.lock().unwrap().push(None);
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut request = [0; 2048];
                    let read = stream.read(&mut request).unwrap_or(0);
                    let request = String::from_utf8_lossy(&request[..read]);
                    let path = request.split(' ').nth(1).map(str::to_owned);
                    noted.lock().unwrap()[place] = path;
                    let _ = stream.write_all(answer.as_bytes());
                });
            }
        });
        Self { address, asked }
    }

    pub(super) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let path = |asked: &Option<String>| asked.as_deref().unwrap_or("(connected)").to_owned();
        asked.iter().map(path).collect()
    }

    pub(super) fn was_asked(&self, path: &str) -> bool {
        self.asked().iter().any(|asked| asked == path)
    }
}

/// Every known way for a page to load or run something. `OUT` is a server outside.
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
fn a_hostile_mail_runs_nothing_and_loads_nothing() {
    let Some(desk) = Desk::open() else { return };
    let outside = Outside::listens();
    let html = HOSTILE.replace("OUT", &format!("http://{}", outside.address));
    send(
        &desk.sink.smtp,
        [format!(
            "Subject: <script>document.title='RUN'</script>\r\nFrom: \"><img src=x onerror=alert(1)>\" <a@b.c>\r\n\
                  Content-Type: text/html; charset=utf-8\r\n\r\n{html}"
        )],
    );
    desk.watches();
    let browser = &desk.browser;
    browser.click("#rows a");
    desk.reads("<script>document.title='RUN'</script>");
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
    // The frame once more, and then the list with its own connections, so that all it wanted had its time.
    browser.click(".tabs a:nth-of-type(1)");
    browser.waits_for("the frame", |browser| browser.count("iframe") == 1);
    browser.in_frame("iframe", |browser| assert_eq!(browser.text("p"), "text"));
    desk.watches();
    assert_eq!(outside.asked(), [""; 0]);
    browser.click("#rows a");
    desk.reads("<script>document.title='RUN'</script>");
    assert!(!browser.title().contains("RUN") || browser.title().contains("<script>"));
    assert!(browser.url().starts_with(&desk.url("/view/")));

    // Its pictures once they are requested, and nothing else.
    browser.click(".look a.button");
    browser.waits_for("a picture is asked for", |_| outside.was_asked("/picture"));
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
    for asked in outside.asked() {
        // A browser may open a connection more than it needs, once it may open any.
        let is_picture = pictures.contains(&&*asked) || asked == "(connected)";
        assert!(is_picture, "{asked}");
    }
}

#[test]
fn allowing_pictures_is_for_one_message() {
    let Some(desk) = Desk::open() else { return };
    let outside = Outside::listens();
    let mail = |name: &str| {
        format!(
            "Subject: {name}\r\nContent-Type: text/html\r\n\r\n<p>text</p><img src=\"http://{}/{name}.png\">",
            outside.address
        )
    };
    send(&desk.sink.smtp, ["first", "second"].map(mail));
    desk.watches();
    desk.opens("first");
    desk.browser.click(".look a.button");
    desk.browser
        .waits_for("it is shown", |_| outside.was_asked("/first.png"));
    desk.opens("second");
    desk.browser
        .in_frame("iframe", |browser| assert_eq!(browser.text("p"), "text"));
    desk.opens("first");
    desk.browser
        .in_frame("iframe", |browser| assert_eq!(browser.text("p"), "text"));
    assert_eq!(outside.asked(), ["/first.png"]);
}

#[test]
fn a_link_of_a_mail_opens_a_window_that_knows_nothing_of_this_one() {
    let Some(desk) = Desk::open() else { return };
    // As browsers read them, and readers of HTML may not.
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
        desk.watches();
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
            // The frame itself has gone nowhere.
            let address = browser.run("return location.search", json!([]));
            assert_eq!(address, "?frame=1", "{link}");
        });
    }
}

#[test]
fn a_page_of_another_site_learns_nothing_by_loading() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, [super::plain("secret")]);
    // Another port of this machine, which is the same site for cookies, and another name of it.
    for host in ["127.0.0.1", "localhost"] {
        for path in [
            "/api/v1/message/latest?query=secret",
            "/view/latest.txt",
            "/api/movie-bag/wait?query=secret&timeout=1s",
            "/view/latest.html",
            "/icon.svg",
            "/api/v1/message/0000000000000000000000/part/1",
        ] {
            let status = desk.loads_as_a_part(&desk.url(path), host);
            assert_eq!(status, 403, "{path} by {host}");
        }
    }
    assert_eq!(desk.unread(), 1);
    // And in the browser itself, by a page that hears whether what it loads is there: it hears the same of what a search
    // finds and of what it does not.
    let page = format!(
        "<!doctype html><title>elsewhere</title><body><script>window.heard = []; \
         for (const query of ['secret', 'nothing']) {{ const part = document.createElement('object'); \
             part.onload = () => heard.push(query + ' loaded'); part.onerror = () => heard.push(query + ' failed'); \
             part.data = '{}?query=' + query; document.body.append(part); }}</script>",
        desk.url("/api/v1/message/latest")
    );
    let elsewhere = Outside::serves(page);
    for host in ["127.0.0.1", "localhost"] {
        let (_, port) = elsewhere.address.rsplit_once(':').unwrap();
        desk.browser.visit(&format!("http://{host}:{port}/"));
        let heard = || desk.browser.run("return window.heard.sort()", json!([]));
        desk.browser
            .waits_for("both events", |_| heard().as_array().unwrap().len() == 2);
        assert_eq!(
            heard(),
            json!(["nothing failed", "secret failed"]),
            "{host}"
        );
    }
    assert_eq!(desk.unread(), 1);
    // Following a link is something else.
    desk.browser.visit(&desk.url("/"));
    desk.lists(&["secret"]);
}

/// A page of another site leads windows to the inbox, loads pages in advance, and watches what becomes a download.
pub fn pages_of_other_sites_read_and_change_nothing(home: Home) {
    let Some(desk) = Desk::at(home) else { return };
    let browser = &desk.browser;
    browser.without_downloads();
    send(&desk.sink.smtp, [super::plain("secret")]);
    let id = desk.sink.inbox().messages()[0]["ID"].clone();
    let message = format!("/view/{}", id.as_str().unwrap());
    let outside =
        Outside::serves("<!doctype html><title>elsewhere</title><p>elsewhere</p>".to_owned());
    let (_, port) = outside.address.rsplit_once(':').unwrap();
    // Another port of this machine is the same site for cookies, another name of it another one.
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
                Err(text) => browser.waits_for("it is refused", |browser| {
                    let body = browser.run("return document.body?.textContent", json!([]));
                    body == text
                }),
            }
            assert_eq!(desk.unread(), 1, "{path} by {host}");
        }
        // The last page of each list is this site's own, and shows that the browser has loaded all before it.
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
        browser.waits_for("its own page is loaded in advance", |_| {
            outside.was_asked(&format!("/{host}-ruled"))
        });
        assert_eq!(desk.unread(), 1, "speculation rules by {host}");
    }
    // Last, since the inbox's windows know nothing of the page that opened them, so it cannot close them.
    for host in ["127.0.0.1", "localhost"] {
        let elsewhere = format!("http://{host}:{port}/");
        // A search that finds something and one that does not are alike to the page that has opened a window for each.
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
    // The inbox's own page marks it.
    desk.visits(&message);
    desk.reads("secret");
    assert_eq!(desk.unread(), 0);
}

impl Desk {
    /// Returns the status of what a page of another site on this machine loads as a part of itself, with a browser's headers.
    fn loads_as_a_part(&self, url: &str, host: &str) -> u16 {
        let site = match host {
            "127.0.0.1" => "same-site",
            _ => "cross-site",
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

/// Forms of another site delete messages and undo a deletion, and its frames show the inbox.
pub fn a_page_of_another_site_can_do_nothing_here(home: Home) {
    let Some(desk) = Desk::at(home) else { return };
    send(&desk.sink.smtp, ["deleted", "kept"].map(super::plain));
    // A person deletes one, which only the page that did so can restore.
    desk.visits(&format!("/view/{}", desk.id_of("deleted")));
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
        desk.browser.waits_for("it is refused", |browser| {
            let text = browser.run("return document.body.textContent", json!([]));
            text == "Blocked due to CORS violation"
        });
        let messages = desk.sink.inbox().messages();
        assert_eq!(messages.len(), 1, "{action}");
        assert_eq!(messages[0]["Subject"], "kept");
    }
}
