//! Selection of several messages, deletion, and undo.

use movie_bag_testkit::Key;
use serde_json::json;

use super::{Desk, plain, send};

impl Desk {
    /// Clicks the checkbox of a message, with or without the shift key.
    #[track_caller]
    fn select(&self, subject: &str, shift: bool) {
        let script = "const box = document.querySelector('#row-' + arguments[0] + ' input'); \
                      box.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true, shiftKey: arguments[1]}))";
        self.browser
            .run(script, json!([self.id_of(subject), shift]));
    }

    /// Returns the subjects of the selected messages.
    fn selected(&self) -> serde_json::Value {
        let script = "return Array.from(document.querySelectorAll('#rows li:has(:checked) .subject > bdi'), (cell) => cell.textContent)";
        self.browser.run(script, json!([]))
    }
}

#[test]
fn several_messages_are_marked_and_deleted() {
    let Some(desk) = Desk::open() else { return };
    let browser = &desk.browser;
    send(
        &desk.sink.smtp,
        ["one", "two", "three", "four", "five"].map(plain),
    );
    desk.open_live();
    assert!(!browser.is_displayed("#selection"));
    browser.click("#rows li:nth-child(2) input");
    assert_eq!(browser.text("#selected"), "1 selected");
    desk.select("two", true);
    assert_eq!(desk.selected(), json!(["four", "three", "two"]));
    assert_eq!(browser.text("#selected"), "3 selected");
    // A new message does not end the selection, and neither does a change of a selected one.
    send(&desk.sink.smtp, [plain("six")]);
    desk.lists(&["six", "five", "four", "three", "two", "one"]);
    browser.click("#selection [value=read]");
    browser.waits_for("the messages are read", |_| desk.unread() == 3);
    browser.waits_for("nothing is selected", |_| desk.selected() == json!([]));
    desk.select("six", false);
    let read = format!("/view/{}", desk.id_of("six"));
    desk.sink.inbox().get(&format!("{read}.txt"));
    browser.waits_for("the message is shown as read", |browser| {
        browser.count("#rows .unread") == 2
    });
    assert_eq!(desk.selected(), json!(["six"]));
    browser.click("#selection [value=unread]");
    browser.waits_for("the message is unread", |_| desk.unread() == 3);
    browser.click("#select-all");
    assert_eq!(browser.text("#selected"), "6 selected");
    browser.click("#rows li:nth-child(1) input");
    let mixed = browser.property("#select-all", "indeterminate");
    assert_eq!(mixed, true);
    browser.click("#selection [value=delete]");
    desk.lists(&["six"]);
    desk.shows_notice("5 messages deleted");
    browser.click("#notice [value=undo]");
    desk.lists(&["six", "five", "four", "three", "two", "one"]);
    desk.shows_notice("");
    assert_eq!(desk.unread(), 3);
}

#[test]
fn several_messages_are_selected_with_keys() {
    let Some(desk) = Desk::open() else { return };
    let browser = &desk.browser;
    send(&desk.sink.smtp, ["one", "two", "three", "four"].map(plain));
    desk.open_live();
    for key in ["j", "x", "j", "j", "X"] {
        browser.press(Key::Letter(key));
    }
    assert_eq!(desk.selected(), json!(["four", "three", "two"]));
    browser.press(Key::Letter("x"));
    assert_eq!(desk.selected(), json!(["four", "three"]));
    browser.press(Key::Escape);
    assert_eq!(desk.selected(), json!([]));
    browser.press(Key::Letter("x"));
    browser.press(Key::Letter("d"));
    desk.lists(&["four", "three", "one"]);
    // The focus moves to the message for which the next key makes sense.
    desk.focuses("one");
    desk.shows_notice("1 message deleted");
    browser.press(Key::Letter("z"));
    desk.lists(&["four", "three", "two", "one"]);
    // Checkboxes and buttons are also reached by the keys of the browser.
    browser.run("document.querySelector('#rows input').focus()", json!([]));
    browser.press(Key::Space);
    assert_eq!(desk.selected(), json!(["four"]));
}

#[test]
fn the_next_message_is_opened_after_the_open_one_is_deleted() {
    let Some(desk) = Desk::open() else { return };
    let browser = &desk.browser;
    send(&desk.sink.smtp, ["one", "two", "three", "four"].map(plain));
    desk.open_live();
    desk.open_message("three");
    // Another message is deleted while this one is open.
    desk.select("four", false);
    browser.click("#selection [value=delete]");
    desk.lists(&["three", "two", "one"]);
    assert_eq!(browser.text("#message h2"), "three");
    desk.select("three", false);
    desk.select("two", true);
    browser.click("#selection [value=delete]");
    desk.lists(&["one"]);
    desk.shows_heading("one");
    desk.shows_notice("2 messages deleted");
    assert!(!browser.url().contains("deletion"), "{}", browser.url());
    // A message that is marked as unread is not opened again.
    let unread = desk.unread();
    desk.select("one", false);
    browser.click("#selection [value=unread]");
    desk.shows_heading("Select a message");
    assert_eq!(desk.unread(), unread + 1);
}

#[test]
fn messages_are_selected_deleted_and_restored_without_scripts() {
    let Some(desk) = Desk::without_scripts() else {
        return;
    };
    let browser = &desk.browser;
    send(&desk.sink.smtp, ["one", "two", "three"].map(plain));
    desk.visit("/");
    assert!(!browser.is_displayed("#selection"));
    browser.click("#rows li:nth-child(1) input");
    browser.click("#rows li:nth-child(3) input");
    browser.click("#selection [value=read]");
    browser.waits_for("the messages are read", |_| desk.unread() == 1);
    desk.lists(&["three", "two", "one"]);
    browser.click("#rows li:nth-child(1) input");
    browser.click("#rows li:nth-child(2) input");
    browser.click("#selection [value=delete]");
    desk.lists(&["one"]);
    desk.shows_notice("2 messages deleted");
    browser.click("#notice [value=undo]");
    desk.lists(&["three", "two", "one"]);
    assert_eq!(desk.unread(), 1);
    desk.open_message("two");
    browser.click(".acts [value=delete]");
    desk.lists(&["three", "one"]);
    desk.shows_notice("1 message deleted");
    browser.click("#notice [value=undo]");
    desk.lists(&["three", "two", "one"]);
}

#[test]
fn a_notice_with_the_focus_stays_until_it_is_dismissed() {
    let Some(desk) = Desk::open() else { return };
    let browser = &desk.browser;
    send(&desk.sink.smtp, ["one", "two"].map(plain));
    desk.open_live();
    // Timers of the page, which the test runs by hand.
    browser.run(
        "window.timers = []; window.setTimeout = (run, after) => window.timers.push({run, after}); window.clearTimeout = (id) => { if (id) window.timers[id - 1] = null }",
        json!([]),
    );
    let run_timers = || {
        let script = "const due = window.timers.map((timer, at) => timer && timer.after >= 5000 ? at : -1).filter((at) => at >= 0); \
                      for (const at of due) { const { run } = window.timers[at]; window.timers[at] = null; run(); } return due.length";
        browser.run(script, json!([]))
    };
    desk.open_message("two");
    browser.click(".acts > [value=delete]");
    desk.shows_notice("1 message deleted");
    browser.run(
        "document.querySelector('#notice [value=undo]').focus()",
        json!([]),
    );
    assert_eq!(run_timers(), 1);
    assert_eq!(browser.count("#notice form"), 1);
    browser.run("document.activeElement.blur()", json!([]));
    assert_eq!(run_timers(), 1);
    assert_eq!(browser.count("#notice form"), 0);
    browser.click(".acts > [value=delete]");
    desk.shows_notice("1 message deleted");
    browser.click("#notice .dismiss");
    assert_eq!(browser.count("#notice form"), 0);
}
