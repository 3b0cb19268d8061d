//! An open message and its tabs.

use serde_json::json;

use super::{Desk, MANY_PARTS, plain, recorded, send};

#[test]
fn link_and_code_are_shown_above_a_message_and_can_be_copied() {
    let Some(desk) = Desk::open() else { return };
    let mails = ["movie-bag-reset", "github-code"];
    send(&desk.sink.smtp, mails.map(recorded));
    desk.open_live();
    let browser = &desk.browser;
    let subjects: Vec<_> = desk.sink.inbox().messages();
    desk.open_message(subjects[0]["Subject"].as_str().unwrap());
    let code = browser.text(".found code.big");
    assert!(code.len() >= 4, "{code}");
    desk.open_message(subjects[1]["Subject"].as_str().unwrap());
    let link = browser.attribute(".found a.button", "href").unwrap();
    assert!(link.contains("/reset/"), "{link}");
    let token = link.rsplit_once('/').unwrap().1;
    let found = browser.property(".found", "textContent");
    let found = found.as_str().unwrap();
    assert!(
        found.contains(&format!("movie-bag reset --token {token}")),
        "{found}"
    );
    // Pasting shows the content of the clipboard.
    browser.click(".found .copy");
    browser.waits_for("the page confirms it", |browser| {
        browser.property("#told", "textContent") == "Copied"
    });
    browser.types("#query", "\u{e009}v");
    browser.waits_for("the link is pasted", |browser| {
        browser.property("#query", "value") == link.as_str()
    });
}

#[test]
fn all_tabs_of_a_message_are_shown() {
    let Some(desk) = Desk::open() else { return };
    shows_all_tabs(&desk);
}

#[test]
fn all_tabs_of_a_message_are_shown_without_scripts() {
    let Some(desk) = Desk::without_scripts() else {
        return;
    };
    shows_all_tabs(&desk);
}

fn shows_all_tabs(desk: &Desk) {
    send(&desk.sink.smtp, [MANY_PARTS]);
    desk.visit("/");
    desk.open_message("All sides");
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
fn a_late_response_does_not_replace_a_newer_one() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, ["slow", "quick"].map(plain));
    desk.open_live();
    // The body of the first response arrives after the second was shown.
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
    desk.browser
        .waits_for("the first response has begun", |browser| {
            browser.run("return !!window.release", json!([])) == true
        });
    row("quick");
    desk.shows_heading("quick");
    desk.browser.run("window.release()", json!([]));
    desk.browser
        .waits_for("the first body has arrived", |browser| {
            browser.run("return window.late", json!([])) == true
        });
    // All handlers of the late body have run after this timer.
    desk.browser.run(
        "return new Promise((done) => setTimeout(done, 50))",
        json!([]),
    );
    assert_eq!(desk.browser.text("#message h2"), "quick");
}
