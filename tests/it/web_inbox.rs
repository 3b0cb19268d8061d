//! The web inbox in a real browser. Without a browser, each test returns early: the harness has reported that, and fails in CI.

mod actions;
mod appearance;
pub mod documents;
pub mod hostile;
mod keyboard;
mod message;
mod message_list;
mod search;
mod selection;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use movie_bag_testkit::{Browser, Device, Home, Sink, Theme, wait_for};

/// A browser and a sink.
struct Desk {
    browser: Browser,
    sink: Sink,
    home: Home,
}

impl Desk {
    fn open() -> Option<Self> {
        Self::in_home(Home::fresh())
    }

    fn in_home(home: Home) -> Option<Self> {
        let browser = Browser::open()?;
        browser.emulate_screen(Theme::Light, Device::Desktop);
        let sink = home.sink(&["--format", "none"]);
        Some(Self {
            browser,
            sink,
            home,
        })
    }

    fn without_scripts() -> Option<Self> {
        let Self {
            browser,
            sink,
            home,
        } = Self::open()?;
        let browser = browser.without_scripts();
        Some(Self {
            browser,
            sink,
            home,
        })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.sink.web())
    }

    fn visit(&self, path: &str) {
        self.browser.visit(&self.url(path));
    }

    /// Opens the inbox, and waits until it receives events.
    fn open_live(&self) {
        self.visit("/");
        self.wait_until_live();
    }

    fn wait_until_live(&self) {
        self.browser.waits_for("the page is live", |browser| {
            browser.text("#live") == "Live"
        });
    }

    /// Waits until the list has exactly these subjects, newest first.
    #[track_caller]
    fn lists(&self, subjects: &[&str]) {
        let script = "return Array.from(document.querySelectorAll('#rows .subject > bdi'), (cell) => cell.textContent)";
        wait_for(&format!("the list {subjects:?}"), || {
            let seen = self.browser.run(script, json!([]));
            if seen == json!(subjects) {
                Ok(())
            } else {
                Err(seen)
            }
        });
    }

    /// Waits until the open message or page has this heading.
    #[track_caller]
    fn shows_heading(&self, heading: &str) {
        let script = "return document.querySelector('#message h2')?.textContent";
        self.browser
            .waits_for(heading, |browser| browser.run(script, json!([])) == heading);
    }

    /// Waits until the link of this message in the list has the focus.
    #[track_caller]
    fn focuses(&self, subject: &str) {
        // Without a focused element, the active element is the body, whose text contains every subject.
        let script = "return document.activeElement.closest('#rows a')?.querySelector('.subject > bdi').textContent";
        wait_for(&format!("the focus on {subject}"), || {
            let focused = self.browser.run(script, json!([]));
            if focused == subject {
                Ok(())
            } else {
                Err(focused)
            }
        });
    }

    /// Follows a link of the list by its subject.
    #[track_caller]
    fn open_message(&self, subject: &str) {
        // Scrolled to the middle, where no other element covers it.
        let script = "const row = Array.from(document.querySelectorAll('#rows li')).find((row) => \
                      row.querySelector('.subject > bdi').textContent === arguments[0]); \
                      row.scrollIntoView({block: 'center'}); return row.id";
        let row = self.browser.run(script, json!([subject]));
        self.browser.click(&format!("#{} a", row.as_str().unwrap()));
        self.shows_heading(subject);
    }

    /// Waits until the notice has this text, which is empty if there is no notice.
    #[track_caller]
    fn shows_notice(&self, text: &str) {
        let script = "return document.querySelector('#notice span')?.textContent || ''";
        self.browser
            .waits_for(text, |browser| browser.run(script, json!([])) == text);
    }

    fn shows_title(&self, title: &str) {
        self.browser
            .waits_for(&format!("the title {title}"), |browser| {
                browser.title() == title
            });
    }

    /// Returns the id of the newest message with this subject.
    #[track_caller]
    fn id_of(&self, subject: &str) -> String {
        let messages = self.sink.inbox().messages();
        let found = messages.iter().find(|one| one["Subject"] == subject);
        found.expect(subject)["ID"].as_str().unwrap().to_owned()
    }

    fn unread(&self) -> usize {
        let messages = self.sink.inbox().messages();
        messages.iter().filter(|one| one["Read"] == false).count()
    }
}

/// Sends these sources to ann, in one session.
fn send<S: AsRef<str>>(smtp: &str, sources: impl IntoIterator<Item = S>) {
    let mut stream = TcpStream::connect(smtp).unwrap();
    let mut session = "EHLO me\r\n".to_owned();
    for source in sources {
        session.push_str("MAIL FROM:<from@example.com>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n");
        session.push_str(source.as_ref());
        session.push_str("\r\n.\r\n");
    }
    session.push_str("QUIT\r\n");
    let mut reader = stream.try_clone().unwrap();
    let reading = std::thread::spawn(move || {
        let mut answers = String::new();
        reader.read_to_string(&mut answers).unwrap();
        answers
    });
    stream.write_all(session.as_bytes()).unwrap();
    let answers = reading.join().unwrap();
    assert!(answers.contains("221"), "{answers}");
}

/// Reads a mail of `tests/mails/`, with CRLF line ends.
fn recorded(name: &str) -> String {
    let text = std::fs::read_to_string(format!("tests/mails/{name}.eml")).unwrap();
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

fn plain(subject: &str) -> String {
    format!(
        "From: Support <support@example.com>\r\nTo: Ann <ann@example.com>\r\nSubject: {subject}\r\n\r\nHello from {subject}"
    )
}

const MANY_PARTS: &str = concat!(
    "From: support@example.com\r\nTo: ann@example.com\r\nSubject: All sides\r\nX-Odd: yes\r\nMIME-Version: 1.0\r\n",
    "Content-Type: multipart/mixed; boundary=outer\r\n\r\n",
    "--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n",
    "--inner\r\nContent-Type: text/plain\r\n\r\nSaid in text\r\n",
    "--inner\r\nContent-Type: text/html\r\n\r\n<p>Said in HTML</p>\r\n--inner--\r\n",
    "--outer\r\nContent-Type: text/csv; name=list.csv\r\nContent-Disposition: attachment; filename=list.csv\r\n\r\na,b\r\n--outer--",
);
