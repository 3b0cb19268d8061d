//! Actions on an open message and on all messages.

use movie_bag_testkit::Key;
use serde_json::json;

use super::{Desk, plain, send};

#[test]
fn messages_are_marked_and_deleted() {
    let Some(desk) = Desk::open() else { return };
    mark_and_delete(&desk);
}

#[test]
fn messages_are_marked_and_deleted_without_scripts() {
    let Some(desk) = Desk::without_scripts() else {
        return;
    };
    mark_and_delete(&desk);
}

fn mark_and_delete(desk: &Desk) {
    send(
        &desk.sink.smtp,
        ["one", "two", "three", "four two"].map(plain),
    );
    let browser = &desk.browser;
    desk.visit("/");
    desk.open_message("three");
    assert_eq!(desk.unread(), 3);
    browser.click(".acts [value=unread]");
    desk.shows_heading("Select a message");
    assert_eq!(desk.unread(), 4);
    desk.open_message("three");
    browser.click(".acts [value=delete]");
    desk.lists(&["four two", "two", "one"]);
    // A search, and actions on all its results.
    desk.visit("/");
    browser.types("#query", "subject:two\u{e007}");
    desk.lists(&["four two", "two"]);
    browser.click("#all summary");
    browser.click("#all [value=read-all]");
    browser.waits_for("the messages are marked", |_| desk.unread() == 1);
    desk.lists(&["four two", "two"]);
    // The menu is closed, so that its next button is not clicked by mistake.
    browser.waits_for("the menu is closed", |browser| {
        !browser.is_displayed("#all [value=delete-all]")
    });
    let confirms = |question: &str| {
        browser.click("#all summary");
        browser.click("#all [value=delete-all]");
        desk.shows_heading(question);
        browser.waits_for(
            "the focus is on the button that deletes nothing",
            |browser| {
                let focused = browser.run("return document.activeElement.textContent", json!([]));
                focused == "Cancel"
            },
        );
    };
    confirms("Delete the 2 messages found?");
    browser.press(Key::Enter);
    desk.shows_heading("Select a message");
    desk.lists(&["four two", "two"]);
    confirms("Delete the 2 messages found?");
    browser.click(".question [value=delete-all]");
    desk.lists(&[]);
    desk.visit("/");
    desk.lists(&["one"]);
    confirms("Delete the only message?");
    // A message that arrives while the question is open is not deleted.
    send(&desk.sink.smtp, [plain("later")]);
    browser.click(".question [value=delete-all]");
    desk.lists(&["later"]);
    confirms("Delete the only message?");
    browser.click(".question [value=delete-all]");
    desk.shows_heading("Send your first message");
    assert!(desk.sink.inbox().messages().is_empty());
    // The deletion cannot be undone.
    assert_eq!(browser.count("#notice form"), 0);
}
