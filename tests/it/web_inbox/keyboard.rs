//! Keyboard shortcuts.

use movie_bag_testkit::{Key, raw};
use serde_json::json;

use super::{Desk, plain, send};

#[test]
fn keys_do_what_links_and_buttons_do() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, ["one", "two", "three", "four"].map(plain));
    desk.open_live();
    desk.lists(&["four", "three", "two", "one"]);
    let browser = &desk.browser;
    browser.press(Key::Letter("j"));
    desk.focuses("four");
    browser.press(Key::Letter("j"));
    desk.focuses("three");
    browser.press(Key::Letter("k"));
    desk.focuses("four");
    browser.press(Key::Letter("j"));
    browser.press(Key::Enter);
    desk.shows_heading("three");
    browser.press(Key::Letter("j"));
    desk.shows_heading("two");
    browser.press(Key::Letter("d"));
    desk.lists(&["four", "three", "one"]);
    desk.shows_heading("one");
    desk.shows_notice("1 message deleted");
    browser.press(Key::Letter("z"));
    desk.lists(&["four", "three", "two", "one"]);
    desk.shows_notice("");
    browser.press(Key::Escape);
    desk.shows_heading("Select a message");
    desk.focuses("one");
    browser.press(Key::Letter("k"));
    browser.press(Key::Letter("d"));
    desk.lists(&["four", "three", "one"]);
    desk.focuses("one");
    // One deletion at a time.
    desk.shows_notice("1 message deleted");
    browser.press(Key::Letter("k"));
    desk.focuses("three");
    browser.press(Key::Letter("d"));
    desk.lists(&["four", "one"]);
    desk.focuses("one");
    browser.press(Key::Letter("/"));
    let id = browser.run("return document.activeElement.id", json!([]));
    assert_eq!(id, "query");
    // Letters are text in the search field, and everywhere after the keys are turned off.
    browser.types("#query", "subject:four");
    desk.lists(&["four"]);
    browser.press(Key::Letter("d"));
    desk.lists(&[]);
    browser.press(Key::Escape);
    assert_eq!(browser.property("#query", "value"), "subject:fourd");
    desk.visit("/");
    desk.lists(&["four", "one"]);
    browser.click("#use-keys");
    desk.open_live();
    browser.press(Key::Letter("j"));
    let is_body = browser.run("return document.activeElement === document.body", json!([]));
    assert_eq!(is_body, true);
    assert_eq!(desk.sink.inbox().messages().len(), 2);
}

/// The list is updated by an event, which may arrive before the answer to the deletion. Keys pressed in between act on the
/// message next to the deleted one, and the answer does not move the focus again.
#[test]
fn the_focus_stays_in_the_list_while_a_focused_message_is_deleted() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, ["one", "two", "three", "four"].map(plain));
    desk.open_live();
    desk.lists(&["four", "three", "two", "one"]);
    let browser = &desk.browser;
    browser.run(
        "const request = window.fetch; \
         const released = new Promise((release) => { window.releaseAnswers = release; }); \
         window.fetch = async (path, how) => { \
           const answer = await request(path, how); \
           if (how?.method === 'POST') await released; \
           return answer; \
         }",
        json!([]),
    );
    for key in ["j", "j", "j", "d"] {
        browser.press(Key::Letter(key));
    }
    desk.lists(&["four", "three", "one"]);
    desk.focuses("one");
    browser.press(Key::Letter("k"));
    desk.focuses("three");
    browser.run("window.releaseAnswers()", json!([]));
    desk.shows_notice("1 message deleted");
    // After the last message is deleted, the focus moves to the one before it, also if another client deletes it.
    browser.press(Key::Letter("j"));
    desk.focuses("one");
    let body = json!({"IDs": [desk.id_of("one")]}).to_string();
    let head = "DELETE /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    raw(desk.sink.web(), request.as_bytes());
    desk.lists(&["four", "three"]);
    desk.focuses("three");
}
