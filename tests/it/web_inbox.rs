//! The web inbox in a real browser. Without one, each test returns early: the harness has reported that by then, and fails in
//! CI.

pub mod documents;
pub mod hostile;
mod looks;
mod selection;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::harness::{Browser, Device, Home, Key, Sink, Theme, wait_for};

/// A browser and a sink.
struct Desk {
    browser: Browser,
    sink: Sink,
    home: Home,
}

impl Desk {
    fn open() -> Option<Self> {
        Self::at(Home::fresh())
    }

    fn at(home: Home) -> Option<Self> {
        let browser = Browser::open()?;
        browser.appearance(Theme::Light, Device::Desktop);
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

    fn visits(&self, path: &str) {
        self.browser.visit(&self.url(path));
    }

    /// Opens the inbox, and waits until it receives events.
    fn watches(&self) {
        self.visits("/");
        self.is_live();
    }

    fn is_live(&self) {
        self.browser
            .waits_for("it is live", |browser| browser.text("#live") == "Live");
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

    /// Waits until this is the heading of the open message or page.
    #[track_caller]
    fn reads(&self, heading: &str) {
        let script = "return document.querySelector('#message h2')?.textContent";
        self.browser
            .waits_for(heading, |browser| browser.run(script, json!([])) == heading);
    }

    /// Follows a link of the list by its subject.
    #[track_caller]
    fn opens(&self, subject: &str) {
        // To the middle, where no other element covers it.
        let script = "const row = Array.from(document.querySelectorAll('#rows li')).find((row) => \
                      row.querySelector('.subject > bdi').textContent === arguments[0]); \
                      row.scrollIntoView({block: 'center'}); return row.id";
        let row = self.browser.run(script, json!([subject]));
        self.browser.click(&format!("#{} a", row.as_str().unwrap()));
        self.reads(subject);
    }

    /// Waits until the notice has this text; empty where there is none.
    #[track_caller]
    fn is_told(&self, text: &str) {
        let script = "return document.querySelector('#notice span')?.textContent || ''";
        self.browser
            .waits_for(text, |browser| browser.run(script, json!([])) == text);
    }

    fn title(&self, title: &str) {
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

/// Sends each of these sources to ann, in one session.
fn send<S: AsRef<str>>(smtp: &str, sources: impl IntoIterator<Item = S>) {
    let mut stream = TcpStream::connect(smtp).unwrap();
    let mut said = "EHLO me\r\n".to_owned();
    for source in sources {
        said.push_str("MAIL FROM:<from@example.com>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n");
        said.push_str(source.as_ref());
        said.push_str("\r\n.\r\n");
    }
    said.push_str("QUIT\r\n");
    let mut reader = stream.try_clone().unwrap();
    let reading = std::thread::spawn(move || {
        let mut answers = String::new();
        reader.read_to_string(&mut answers).unwrap();
        answers
    });
    stream.write_all(said.as_bytes()).unwrap();
    let answers = reading.join().unwrap();
    assert!(answers.contains("221"), "{answers}");
}

/// One of the mails in `tests/mails/`, with the line ends of a mail.
fn recorded(name: &str) -> String {
    let text = std::fs::read_to_string(format!("tests/mails/{name}.eml")).unwrap();
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

fn plain(subject: &str) -> String {
    format!(
        "From: Support <support@example.com>\r\nTo: Ann <ann@example.com>\r\nSubject: {subject}\r\n\r\nHello from {subject}"
    )
}

#[test]
fn an_empty_inbox_shows_the_address_and_the_first_message_appears() {
    let Some(desk) = Desk::open() else { return };
    desk.watches();
    desk.reads("Send your first message");
    assert_eq!(desk.browser.text(".address code"), desk.sink.smtp);
    desk.title("movie-bag inbox");
    // It is lost if the page is loaded again, which must not happen.
    desk.browser.run("window.stays = true", json!([]));
    send(&desk.sink.smtp, [plain("one")]);
    desk.lists(&["one"]);
    desk.title("(1) movie-bag inbox");
    desk.reads("Select a message");
    send(&desk.sink.smtp, [plain("two")]);
    desk.lists(&["two", "one"]);
    desk.title("(2) movie-bag inbox");
    let icon = desk.browser.attribute("#icon", "href").unwrap();
    assert_eq!(icon, "/icon.svg?unread=2");
    desk.opens("two");
    desk.title("(1) two - movie-bag inbox");
    assert_eq!(desk.browser.run("return window.stays", json!([])), true);
    // A deletion by a program appears too.
    let clear = ["inbox", "clear", "--url", &desk.url("")];
    desk.home.run(&clear).ok();
    desk.lists(&[]);
    desk.title("two - movie-bag inbox");
}

#[test]
fn the_examples_of_the_empty_inbox_send_a_message() {
    let Some(desk) = Desk::open() else { return };
    let browser = &desk.browser;
    desk.visits("/");
    let names = "return Array.from(document.querySelectorAll('.clients summary'), (name) => name.textContent)";
    let names = browser.run(names, json!([]));
    assert_eq!(names[0], "Shell");
    assert_eq!(names[1], "Python");
    let examples =
        "return Array.from(document.querySelectorAll('.clients pre'), (code) => code.textContent)";
    let examples = browser.run(examples, json!([]));
    let examples: Vec<&str> = examples
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap())
        .collect();
    // Every example names the port of this server.
    let (_, port) = desk.sink.smtp.rsplit_once(':').unwrap();
    for example in &examples {
        assert!(example.contains(port), "{example}");
    }
    for (program, example) in ["sh", "python3"].into_iter().zip(&examples) {
        let output = std::process::Command::new(program)
            .args(["-c", example])
            .output()
            .unwrap();
        assert!(output.status.success(), "{program}: {output:?}");
    }
    let messages = desk.sink.inbox().messages();
    let subjects: Vec<_> = messages.iter().map(|one| &one["Subject"]).collect();
    assert_eq!(subjects, ["Hello", "Hello"]);
    assert_eq!(messages[1]["To"][0]["Address"], "ann@example.com");
    assert_eq!(messages[1]["Snippet"], "It works.");
}

#[test]
fn a_lost_connection_is_told_and_what_came_meanwhile_appears() {
    let Some(desk) = Desk::open() else { return };
    desk.watches();
    let Desk {
        browser,
        sink,
        home,
    } = desk;
    let (smtp, web) = (sink.smtp.clone(), sink.web().to_owned());
    sink.kill();
    browser.waits_for("it says so", |browser| {
        browser.text("#live") == "Not connected, trying again"
    });
    // What is asked for meanwhile is not had, and costs nothing of what is there.
    browser.types("#query", "x");
    browser.waits_for("it says that too", |browser| {
        browser.text("#live").contains("No answer")
    });
    browser.types("#query", "\u{e003}");
    let sink = home.sink(&["--listen", &smtp, "--web", &web, "--format", "none"]);
    send(&sink.smtp, [plain("meanwhile")]);
    let desk = Desk {
        browser,
        sink,
        home,
    };
    desk.is_live();
    desk.lists(&["meanwhile"]);
}

#[test]
fn a_search_narrows_the_list_while_it_is_typed() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, ["apple", "pear", "apple pie"].map(plain));
    desk.watches();
    let browser = &desk.browser;
    browser.types("#query", "subject:apple");
    desk.lists(&["apple pie", "apple"]);
    assert_eq!(browser.text("#summary"), "2 messages found");
    assert!(browser.url().ends_with("/?query=subject%3Aapple"));
    // What comes is searched as well.
    send(&desk.sink.smtp, ["apple juice", "plum"].map(plain));
    desk.lists(&["apple juice", "apple pie", "apple"]);
    assert_eq!(browser.property("#query", "value"), "subject:apple");
    browser.types("#query", " -pie");
    desk.lists(&["apple juice", "apple"]);
    browser.types("#query", " nothing");
    desk.lists(&[]);
    let list = browser.text("#list");
    assert!(
        list.contains("No messages match") && list.contains("subject:apple -pie nothing"),
        "{list}"
    );
    desk.reads("No messages to show");
    browser.click("#none a");
    desk.lists(&["plum", "apple juice", "apple pie", "pear", "apple"]);
    assert_eq!(browser.property("#query", "value"), "");
    // The help on searches is a click away, and on a phone all of it is visible.
    browser.click("header summary");
    assert!(browser.text("header .menu").contains("is:unread"));
    browser.appearance(Theme::Light, Device::Phone);
    let left = "return document.querySelector('header .menu > div').getBoundingClientRect().left";
    assert!(browser.run(left, json!([])).as_f64().unwrap() >= 0.0);
}

#[test]
fn what_a_mail_was_sent_for_stands_on_top_of_it_ready_to_be_copied() {
    let Some(desk) = Desk::open() else { return };
    let mails = ["movie-bag-reset", "github-code"];
    send(&desk.sink.smtp, mails.map(recorded));
    desk.watches();
    let browser = &desk.browser;
    let subjects: Vec<_> = desk.sink.inbox().messages();
    desk.opens(subjects[0]["Subject"].as_str().unwrap());
    let code = browser.text(".found code.big");
    assert!(code.len() >= 4, "{code}");
    desk.opens(subjects[1]["Subject"].as_str().unwrap());
    let link = browser.attribute(".found a.button", "href").unwrap();
    assert!(link.contains("/reset/"), "{link}");
    let token = link.rsplit_once('/').unwrap().1;
    let found = browser.property(".found", "textContent");
    let found = found.as_str().unwrap();
    assert!(
        found.contains(&format!("movie-bag reset --token {token}")),
        "{found}"
    );
    // Pasted with the keyboard, which shows the content of the clipboard.
    browser.click(".found .copy");
    browser.waits_for("it says so", |browser| {
        browser.property("#told", "textContent") == "Copied"
    });
    browser.types("#query", "\u{e009}v");
    browser.waits_for("the link is pasted", |browser| {
        browser.property("#query", "value") == link.as_str()
    });
}

#[test]
fn a_message_is_looked_at_from_all_sides() {
    let Some(desk) = Desk::open() else { return };
    looks_from_all_sides(&desk);
}

#[test]
fn a_message_is_looked_at_from_all_sides_without_scripts() {
    let Some(desk) = Desk::without_scripts() else {
        return;
    };
    looks_from_all_sides(&desk);
}

fn looks_from_all_sides(desk: &Desk) {
    send(&desk.sink.smtp, [MANY_PARTS]);
    desk.visits("/");
    desk.opens("All sides");
    let browser = &desk.browser;
    let shows = |tab: u8, text: &str| {
        browser.click(&format!(".tabs a:nth-of-type({tab})"));
        browser.waits_for(text, |browser| {
            let shown = browser.property("section.tab", "textContent");
            shown.as_str().unwrap().contains(text)
        });
        let open = browser.property(".tabs [aria-current=page]", "textContent");
        open.as_str().unwrap().to_owned()
    };
    let html = browser.in_frame("iframe", |browser| browser.text("p"));
    assert_eq!(html, "Said in HTML");
    let width = || browser.property("iframe", "offsetWidth").as_u64().unwrap();
    assert!(width() > 600, "{}", width());
    browser.click("label[for=phone]");
    assert_eq!(width(), 375);
    for colours in ["dark", "light"] {
        browser.click(&format!("label[for={colours}]"));
        assert_eq!(browser.style("iframe", "color-scheme"), colours);
    }
    assert_eq!(shows(2, "Said in text"), "Text");
    assert_eq!(shows(4, "X-Odd"), "Headers");
    assert_eq!(shows(5, "--outer--"), "Source");
    assert_eq!(shows(3, "list.csv"), "Attachments 1");
    let file = browser.attribute(".files a", "href").unwrap();
    assert_eq!(
        browser.attribute(".files a", "download").unwrap(),
        "list.csv"
    );
    assert!(file.contains("/part/"), "{file}");
    assert_eq!(shows(6, "MAIL FROM:<from@example.com>"), "Session");
    let download = browser.attribute(".acts a", "href").unwrap();
    assert!(download.ends_with("/raw?dl=1"), "{download}");
    assert_eq!(shows(1, "Desktop"), "HTML");
}

#[test]
fn a_late_answer_shows_nothing_over_what_was_asked_for_after_it() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, ["slow", "quick"].map(plain));
    desk.watches();
    // The body of the first answer comes when the second has been shown.
    desk.browser.run(
        "const ask = window.fetch; let first = true; window.late = false; \
         window.fetch = async (...what) => { \
             const answer = await ask(...what); \
             if (!first || !what[0].includes('/view/')) return answer; \
             first = false; \
             const text = answer.text.bind(answer); \
             answer.text = () => new Promise((done) => { window.release = () => { done(text()); window.late = true; }; }); \
             return answer; \
         }",
        json!([]),
    );
    let row = |subject: &str| {
        let script = "Array.from(document.querySelectorAll('#rows a')).find((link) => link.textContent.includes(arguments[0])).click()";
        desk.browser.run(script, json!([subject]));
    };
    row("slow");
    desk.browser.waits_for("it is asked for", |browser| {
        browser.run("return !!window.release", json!([])) == true
    });
    row("quick");
    desk.reads("quick");
    desk.browser.run("window.release()", json!([]));
    desk.browser.waits_for("it has come", |browser| {
        browser.run("return window.late", json!([])) == true
    });
    // Whatever it does, it has done by the next turn.
    desk.browser.run(
        "return new Promise((done) => setTimeout(done, 50))",
        json!([]),
    );
    assert_eq!(desk.browser.text("#message h2"), "quick");
}

#[test]
fn the_focus_stays_where_somebody_works() {
    let Some(desk) = Desk::open() else { return };
    send(
        &desk.sink.smtp,
        (0..250).map(|number| plain(&format!("number {number}"))),
    );
    desk.visits("/?start=100");
    desk.is_live();
    let browser = &desk.browser;
    browser.run(
        "document.querySelector('#pages [rel=next]').focus()",
        json!([]),
    );
    send(&desk.sink.smtp, [plain("another")]);
    browser.waits_for("it is counted", |browser| {
        browser.text("#summary").starts_with("251")
    });
    let rel = browser.run("return document.activeElement.rel", json!([]));
    assert_eq!(rel, "next");
    desk.opens("number 100");
    browser.run(
        "document.querySelector('.tabs a:nth-of-type(2)').focus()",
        json!([]),
    );
    browser.press(Key::Enter);
    browser.waits_for("the tab is open and focused", |browser| {
        let script = "return document.activeElement.matches('.tabs [aria-current]') && document.activeElement.textContent.trim()";
        browser.run(script, json!([])) == "Headers"
    });
}

const MANY_PARTS: &str = concat!(
    "From: support@example.com\r\nTo: ann@example.com\r\nSubject: All sides\r\nX-Odd: yes\r\nMIME-Version: 1.0\r\n",
    "Content-Type: multipart/mixed; boundary=outer\r\n\r\n",
    "--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n",
    "--inner\r\nContent-Type: text/plain\r\n\r\nSaid in text\r\n",
    "--inner\r\nContent-Type: text/html\r\n\r\n<p>Said in HTML</p>\r\n--inner--\r\n",
    "--outer\r\nContent-Type: text/csv; name=list.csv\r\nContent-Disposition: attachment; filename=list.csv\r\n\r\na,b\r\n--outer--",
);

#[test]
fn keys_do_what_links_and_buttons_do() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, ["one", "two", "three", "four"].map(plain));
    desk.watches();
    desk.lists(&["four", "three", "two", "one"]);
    let browser = &desk.browser;
    let focused = |subject: &str| {
        browser.waits_for(&format!("{subject} is focused"), |browser| {
            let text = browser.run("return document.activeElement.textContent", json!([]));
            text.as_str().unwrap().contains(subject)
        });
    };
    browser.press(Key::Letter("j"));
    focused("four");
    browser.press(Key::Letter("j"));
    focused("three");
    browser.press(Key::Letter("k"));
    focused("four");
    browser.press(Key::Letter("j"));
    browser.press(Key::Enter);
    desk.reads("three");
    browser.press(Key::Letter("j"));
    desk.reads("two");
    browser.press(Key::Letter("d"));
    desk.lists(&["four", "three", "one"]);
    desk.reads("one");
    desk.is_told("1 message deleted");
    browser.press(Key::Letter("z"));
    desk.lists(&["four", "three", "two", "one"]);
    desk.is_told("");
    browser.press(Key::Escape);
    desk.reads("Select a message");
    focused("one");
    browser.press(Key::Letter("k"));
    browser.press(Key::Letter("d"));
    desk.lists(&["four", "three", "one"]);
    focused("one");
    browser.press(Key::Letter("k"));
    focused("three");
    browser.press(Key::Letter("d"));
    desk.lists(&["four", "one"]);
    focused("one");
    browser.press(Key::Letter("/"));
    let id = browser.run("return document.activeElement.id", json!([]));
    assert_eq!(id, "query");
    // Letters are letters there, and everywhere once the keys are turned off.
    browser.types("#query", "subject:four");
    desk.lists(&["four"]);
    browser.press(Key::Letter("d"));
    desk.lists(&[]);
    browser.press(Key::Escape);
    assert_eq!(browser.property("#query", "value"), "subject:fourd");
    desk.visits("/");
    desk.lists(&["four", "one"]);
    browser.click("#use-keys");
    desk.watches();
    browser.press(Key::Letter("j"));
    let is_body = browser.run("return document.activeElement === document.body", json!([]));
    assert_eq!(is_body, true);
    assert_eq!(desk.sink.inbox().messages().len(), 2);
}

#[test]
fn messages_are_marked_and_deleted() {
    let Some(desk) = Desk::open() else { return };
    marks_and_deletes(&desk);
}

#[test]
fn messages_are_marked_and_deleted_without_scripts() {
    let Some(desk) = Desk::without_scripts() else {
        return;
    };
    marks_and_deletes(&desk);
}

fn marks_and_deletes(desk: &Desk) {
    send(
        &desk.sink.smtp,
        ["one", "two", "three", "four two"].map(plain),
    );
    let browser = &desk.browser;
    desk.visits("/");
    desk.opens("three");
    assert_eq!(desk.unread(), 3);
    browser.click(".acts [value=unread]");
    desk.reads("Select a message");
    assert_eq!(desk.unread(), 4);
    desk.opens("three");
    browser.click(".acts [value=delete]");
    desk.lists(&["four two", "two", "one"]);
    // A search, and actions on all that it found.
    desk.visits("/");
    browser.types("#query", "subject:two\u{e007}");
    desk.lists(&["four two", "two"]);
    browser.click("#all summary");
    browser.click("#all [value=read-all]");
    browser.waits_for("they are marked", |_| desk.unread() == 1);
    desk.lists(&["four two", "two"]);
    // The menu is closed, so that its next button is not clicked by mistake.
    browser.waits_for("the menu is closed", |browser| {
        !browser.is_displayed("#all [value=delete-all]")
    });
    let asks = |question: &str| {
        browser.click("#all summary");
        browser.click("#all [value=delete-all]");
        desk.reads(question);
        browser.waits_for("the focus is on what deletes nothing", |browser| {
            let focused = browser.run("return document.activeElement.textContent", json!([]));
            focused == "Cancel"
        });
    };
    asks("Delete the 2 messages found?");
    browser.press(Key::Enter);
    desk.reads("Select a message");
    desk.lists(&["four two", "two"]);
    asks("Delete the 2 messages found?");
    browser.click(".question [value=delete-all]");
    desk.lists(&[]);
    desk.visits("/");
    desk.lists(&["one"]);
    asks("Delete the only message?");
    // What arrives while the question stands is not what it was about.
    send(&desk.sink.smtp, [plain("later")]);
    browser.click(".question [value=delete-all]");
    desk.lists(&["later"]);
    asks("Delete the only message?");
    browser.click(".question [value=delete-all]");
    desk.reads("Send your first message");
    assert!(desk.sink.inbox().messages().is_empty());
    // It is final.
    assert_eq!(browser.count("#notice form"), 0);
}

#[test]
fn a_search_that_cannot_be_read_is_told_at_its_field() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, [plain("kept")]);
    desk.watches();
    let browser = &desk.browser;
    browser.types("#query", "larger:abc");
    browser.waits_for("it is told", |browser| {
        let told = browser.property("#problem", "textContent");
        told.as_str()
            .unwrap()
            .starts_with("Invalid size in larger:abc")
    });
    desk.lists(&[]);
    assert_eq!(browser.attribute("#query", "aria-invalid").unwrap(), "true");
    let described = browser.attribute("#query", "aria-describedby");
    assert_eq!(described.unwrap(), "problem");
    assert_eq!(browser.count("#all"), 0);
    // Backspace three times.
    browser.types("#query", "\u{e003}\u{e003}\u{e003}1");
    desk.lists(&["kept"]);
    assert_eq!(browser.property("#problem", "textContent"), "");
    assert_eq!(browser.attribute("#query", "aria-invalid"), None);
    let reloaded = desk.url("/?query=is:raed");
    browser.visit(&reloaded);
    let told = browser.text("#problem");
    assert!(told.starts_with("Unknown search is:raed"), "{told}");
    assert_eq!(desk.sink.inbox().messages().len(), 1);
}

#[test]
fn ten_thousand_messages_have_pages_that_lead_through_them() {
    let Some(desk) = Desk::open() else { return };
    send(
        &desk.sink.smtp,
        (0..10_000).map(|number| plain(&format!("number {number}"))),
    );
    desk.watches();
    let browser = &desk.browser;
    assert_eq!(browser.text("#summary"), "10,000 messages, 10,000 unread");
    let range = |text: &str| {
        browser.waits_for(text, |browser| {
            browser.text("#pages span:not(:empty)") == text
        });
    };
    range("1 to 100 of 10,000");
    browser.click("#pages [rel=next]");
    range("101 to 200 of 10,000");
    desk.opens("number 9850");
    // A new message moves the list on and leaves the open message.
    send(&desk.sink.smtp, [plain("the newest")]);
    browser.waits_for("it is counted", |browser| {
        browser
            .text("#summary")
            .starts_with("10,000 messages, 9,999")
    });
    desk.reads("number 9850");
    browser.click("#pages [rel=prev]");
    range("1 to 100 of 10,000");
    browser.types("#query", "subject:\"number 77\"");
    browser.waits_for("it is found", |browser| {
        browser.text("#summary") == "111 messages found"
    });
}

#[test]
fn behind_a_password_it_is_as_live() {
    let Some(browser) = Browser::open() else {
        return;
    };
    let home = Home::fresh();
    let sink = home.sink(&["--format", "none", "--web-auth", "me:secret"]);
    let desk = Desk {
        browser,
        sink,
        home,
    };
    desk.browser.appearance(Theme::Light, Device::Desktop);
    let url = format!("http://me:secret@{}/", desk.sink.web());
    desk.browser.visit(&url);
    desk.is_live();
    send(&desk.sink.smtp, ["one", "two"].map(plain));
    desk.lists(&["two", "one"]);
    desk.opens("one");
    desk.browser.click(".acts [value=delete]");
    desk.lists(&["two"]);
    desk.reads("two");
    desk.browser.types("#query", "nothing");
    desk.lists(&[]);
}
