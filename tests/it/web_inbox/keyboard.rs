//! Keyboard shortcuts.

use serde_json::json;

use super::{Desk, plain, send};
use movie_bag_testkit::Key;

#[test]
fn keys_do_what_links_and_buttons_do() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, ["one", "two", "three", "four"].map(plain));
    desk.open_live();
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
