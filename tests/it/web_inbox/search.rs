//! The search field.

use movie_bag_testkit::{Device, Theme};
use serde_json::json;

use super::{Desk, plain, send};

#[test]
fn a_search_narrows_the_list_while_it_is_typed() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, ["apple", "pear", "apple pie"].map(plain));
    desk.open_live();
    let browser = &desk.browser;
    browser.types("#query", "subject:apple");
    desk.lists(&["apple pie", "apple"]);
    assert_eq!(browser.text("#summary"), "2 messages found");
    assert!(browser.url().ends_with("/?query=subject%3Aapple"));
    // New messages are filtered as well.
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
    desk.shows_heading("No messages to show");
    browser.click("#none a");
    desk.lists(&["plum", "apple juice", "apple pie", "pear", "apple"]);
    assert_eq!(browser.property("#query", "value"), "");
    // Help on searches is one click away, and fits the screen of a phone.
    browser.click("header summary");
    assert!(browser.text("header .menu").contains("is:unread"));
    browser.emulate_screen(Theme::Light, Device::Phone);
    let left = "return document.querySelector('header .menu > div').getBoundingClientRect().left";
    assert!(browser.run(left, json!([])).as_f64().unwrap() >= 0.0);
}

#[test]
fn an_invalid_search_is_reported_at_its_field() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, [plain("kept")]);
    desk.open_live();
    let browser = &desk.browser;
    browser.types("#query", "larger:abc");
    browser.waits_for("the page reports it", |browser| {
        let problem = browser.property("#problem", "textContent");
        problem
            .as_str()
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
    let problem = browser.text("#problem");
    assert!(problem.starts_with("Unknown search is:raed"), "{problem}");
    assert_eq!(desk.sink.inbox().messages().len(), 1);
}
