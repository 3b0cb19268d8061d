//! The list of messages, which is updated live.

use movie_bag_testkit::{Browser, Device, Home, Key, Theme};
use serde_json::json;

use super::{Desk, plain, send};

#[test]
fn an_empty_inbox_shows_the_address_and_the_first_message_appears() {
    let Some(desk) = Desk::open() else { return };
    desk.open_live();
    desk.shows_heading("Send your first message");
    assert_eq!(desk.browser.text(".address code"), desk.sink.smtp);
    desk.shows_title("movie-bag inbox");
    // The variable is lost if the page is loaded again, which must not happen.
    desk.browser.run("window.stays = true", json!([]));
    send(&desk.sink.smtp, [plain("one")]);
    desk.lists(&["one"]);
    desk.shows_title("(1) movie-bag inbox");
    desk.shows_heading("Select a message");
    send(&desk.sink.smtp, [plain("two")]);
    desk.lists(&["two", "one"]);
    desk.shows_title("(2) movie-bag inbox");
    let icon = desk.browser.attribute("#icon", "href").unwrap();
    assert_eq!(icon, "/icon.svg?unread=2");
    desk.open_message("two");
    desk.shows_title("(1) two - movie-bag inbox");
    assert_eq!(desk.browser.run("return window.stays", json!([])), true);
    // A deletion by a program appears too.
    let clear = ["inbox", "clear", "--url", &desk.url("")];
    desk.home.run(&clear).ok();
    desk.lists(&[]);
    desk.shows_title("two - movie-bag inbox");
}

#[test]
fn the_examples_of_the_empty_inbox_send_a_message() {
    let Some(desk) = Desk::open() else { return };
    let browser = &desk.browser;
    desk.visit("/");
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
fn a_lost_connection_is_reported_and_missed_messages_appear() {
    let Some(desk) = Desk::open() else { return };
    desk.open_live();
    let Desk {
        browser,
        sink,
        home,
    } = desk;
    let (smtp, web) = (sink.smtp.clone(), sink.web().to_owned());
    sink.kill();
    browser.waits_for("the page reports it", |browser| {
        browser.text("#live") == "Not connected, trying again"
    });
    // A search fails meanwhile, and leaves the list as it is.
    // The page replaces this status at its next attempt to connect, so all of them are recorded.
    browser.run(
        "const live = document.getElementById('live'); window.statuses = []; \
         new MutationObserver(() => window.statuses.push(live.textContent)).observe(live, {childList: true})",
        json!([]),
    );
    browser.types("#query", "x");
    browser.waits_for("the page reports the failed search", |browser| {
        let script = "return window.statuses.some((status) => status.includes('No answer'))";
        browser.run(script, json!([])) == true
    });
    browser.types("#query", "\u{e003}");
    let sink = home.sink(&["--listen", &smtp, "--web", &web, "--format", "none"]);
    send(&sink.smtp, [plain("meanwhile")]);
    let desk = Desk {
        browser,
        sink,
        home,
    };
    desk.wait_until_live();
    desk.lists(&["meanwhile"]);
}

#[test]
fn a_new_message_does_not_move_the_focus() {
    let Some(desk) = Desk::open() else { return };
    send(
        &desk.sink.smtp,
        (0..250).map(|number| plain(&format!("number {number}"))),
    );
    desk.visit("/?start=100");
    desk.wait_until_live();
    let browser = &desk.browser;
    browser.run(
        "document.querySelector('#pages [rel=next]').focus()",
        json!([]),
    );
    send(&desk.sink.smtp, [plain("another")]);
    browser.waits_for("the message is counted", |browser| {
        browser.text("#summary").starts_with("251")
    });
    let rel = browser.run("return document.activeElement.rel", json!([]));
    assert_eq!(rel, "next");
    desk.open_message("number 100");
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

#[test]
fn ten_thousand_messages_have_pages_that_lead_through_them() {
    let Some(desk) = Desk::open() else { return };
    send(
        &desk.sink.smtp,
        (0..10_000).map(|number| plain(&format!("number {number}"))),
    );
    desk.open_live();
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
    desk.open_message("number 9850");
    // A new message moves the list, and leaves the open message.
    send(&desk.sink.smtp, [plain("the newest")]);
    browser.waits_for("the message is counted", |browser| {
        browser
            .text("#summary")
            .starts_with("10,000 messages, 9,999")
    });
    desk.shows_heading("number 9850");
    browser.click("#pages [rel=prev]");
    range("1 to 100 of 10,000");
    browser.types("#query", "subject:\"number 77\"");
    browser.waits_for("the messages are found", |browser| {
        browser.text("#summary") == "111 messages found"
    });
}

#[test]
fn a_password_does_not_stop_live_updates() {
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
    desk.browser.emulate_screen(Theme::Light, Device::Desktop);
    let url = format!("http://me:secret@{}/", desk.sink.web());
    desk.browser.visit(&url);
    desk.wait_until_live();
    send(&desk.sink.smtp, ["one", "two"].map(plain));
    desk.lists(&["two", "one"]);
    desk.open_message("one");
    desk.browser.click(".acts [value=delete]");
    desk.lists(&["two"]);
    desk.shows_heading("two");
    desk.browser.types("#query", "nothing");
    desk.lists(&[]);
}
