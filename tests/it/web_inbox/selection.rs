//! Several messages at once, and undo.

use serde_json::json;

use super::{Desk, plain, send};
use crate::harness::Key;

impl Desk {
    /// Clicks the box of a message, with the shift key held or not.
    #[track_caller]
    fn selects(&self, subject: &str, shift: bool) {
        let script = "const box = document.querySelector('#row-' + arguments[0] + ' input'); \
                      box.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true, shiftKey: arguments[1]}))";
        self.browser
            .run(script, json!([self.id_of(subject), shift]));
    }

    /// Subjects of the selected messages.
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
    desk.watches();
    assert!(!browser.is_displayed("#selection"));
    browser.click("#rows li:nth-child(2) input");
    assert_eq!(browser.text("#selected"), "1 selected");
    desk.selects("two", true);
    assert_eq!(desk.selected(), json!(["four", "three", "two"]));
    assert_eq!(browser.text("#selected"), "3 selected");
    // A new message does not end the selection, and neither does a change of a selected one.
    send(&desk.sink.smtp, [plain("six")]);
    desk.lists(&["six", "five", "four", "three", "two", "one"]);
    browser.click("#selection [value=read]");
    browser.waits_for("they are read", |_| desk.unread() == 3);
    browser.waits_for("nothing is selected", |_| desk.selected() == json!([]));
    desk.selects("six", false);
    let read = format!("/view/{}", desk.id_of("six"));
    desk.sink.inbox().get(&format!("{read}.txt"));
    browser.waits_for("it is shown as read", |browser| {
        browser.count("#rows .unread") == 2
    });
    assert_eq!(desk.selected(), json!(["six"]));
    browser.click("#selection [value=unread]");
    browser.waits_for("it is unread", |_| desk.unread() == 3);
    browser.click("#select-all");
    assert_eq!(browser.text("#selected"), "6 selected");
    browser.click("#rows li:nth-child(1) input");
    let mixed = browser.property("#select-all", "indeterminate");
    assert_eq!(mixed, true);
    browser.click("#selection [value=delete]");
    desk.lists(&["six"]);
    desk.is_told("5 messages deleted");
    browser.click("#notice [value=undo]");
    desk.lists(&["six", "five", "four", "three", "two", "one"]);
    desk.is_told("");
    assert_eq!(desk.unread(), 3);
}

#[test]
fn several_messages_are_selected_with_keys() {
    let Some(desk) = Desk::open() else { return };
    let browser = &desk.browser;
    send(&desk.sink.smtp, ["one", "two", "three", "four"].map(plain));
    desk.watches();
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
    // The focus is where the next key makes sense.
    browser.waits_for("the next one is focused", |browser| {
        let text = browser.run("return document.activeElement.textContent", json!([]));
        text.as_str().unwrap().contains("one")
    });
    browser.press(Key::Letter("z"));
    desk.lists(&["four", "three", "two", "one"]);
    // Boxes and buttons are reached by the keys of the browser too.
    browser.run("document.querySelector('#rows input').focus()", json!([]));
    browser.press(Key::Space);
    assert_eq!(desk.selected(), json!(["four"]));
}

#[test]
fn an_open_message_that_is_deleted_gives_way_to_the_next() {
    let Some(desk) = Desk::open() else { return };
    let browser = &desk.browser;
    send(&desk.sink.smtp, ["one", "two", "three", "four"].map(plain));
    desk.watches();
    desk.opens("three");
    // Others are deleted beside it.
    desk.selects("four", false);
    browser.click("#selection [value=delete]");
    desk.lists(&["three", "two", "one"]);
    assert_eq!(browser.text("#message h2"), "three");
    desk.selects("three", false);
    desk.selects("two", true);
    browser.click("#selection [value=delete]");
    desk.lists(&["one"]);
    desk.reads("one");
    desk.is_told("2 messages deleted");
    assert!(!browser.url().contains("deletion"), "{}", browser.url());
    // A message that is marked as unread is not opened again.
    let unread = desk.unread();
    desk.selects("one", false);
    browser.click("#selection [value=unread]");
    desk.reads("Select a message");
    assert_eq!(desk.unread(), unread + 1);
}

#[test]
fn messages_are_selected_deleted_and_restored_without_scripts() {
    let Some(desk) = Desk::without_scripts() else {
        return;
    };
    let browser = &desk.browser;
    send(&desk.sink.smtp, ["one", "two", "three"].map(plain));
    desk.visits("/");
    assert!(!browser.is_displayed("#selection"));
    browser.click("#rows li:nth-child(1) input");
    browser.click("#rows li:nth-child(3) input");
    browser.click("#selection [value=read]");
    browser.waits_for("they are read", |_| desk.unread() == 1);
    desk.lists(&["three", "two", "one"]);
    browser.click("#rows li:nth-child(1) input");
    browser.click("#rows li:nth-child(2) input");
    browser.click("#selection [value=delete]");
    desk.lists(&["one"]);
    desk.is_told("2 messages deleted");
    browser.click("#notice [value=undo]");
    desk.lists(&["three", "two", "one"]);
    assert_eq!(desk.unread(), 1);
    desk.opens("two");
    browser.click(".acts [value=delete]");
    desk.lists(&["three", "one"]);
    desk.is_told("1 message deleted");
    browser.click("#notice [value=undo]");
    desk.lists(&["three", "two", "one"]);
}

#[test]
fn a_notice_stays_until_it_is_dismissed_while_it_has_the_focus() {
    let Some(desk) = Desk::open() else { return };
    let browser = &desk.browser;
    send(&desk.sink.smtp, ["one", "two"].map(plain));
    desk.watches();
    // The clock of the page, which the test moves on.
    browser.run(
        "window.timers = []; window.setTimeout = (run, after) => window.timers.push({run, after}); window.clearTimeout = (id) => { if (id) window.timers[id - 1] = null }",
        json!([]),
    );
    let pass = || {
        let script = "const due = window.timers.map((timer, at) => timer && timer.after >= 5000 ? at : -1).filter((at) => at >= 0); \
                      for (const at of due) { const { run } = window.timers[at]; window.timers[at] = null; run(); } return due.length";
        browser.run(script, json!([]))
    };
    desk.opens("two");
    browser.click(".acts > [value=delete]");
    desk.is_told("1 message deleted");
    browser.run(
        "document.querySelector('#notice [value=undo]').focus()",
        json!([]),
    );
    assert_eq!(pass(), 1);
    assert_eq!(browser.count("#notice form"), 1);
    browser.run("document.activeElement.blur()", json!([]));
    assert_eq!(pass(), 1);
    assert_eq!(browser.count("#notice form"), 0);
    browser.click(".acts > [value=delete]");
    desk.is_told("1 message deleted");
    browser.click("#notice .dismiss");
    assert_eq!(browser.count("#notice form"), 0);
}
