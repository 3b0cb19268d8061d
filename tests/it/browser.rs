//! The browser of the harness detects problems of a page, so that the checks of other tests can fail.

use serde_json::json;

use movie_bag_testkit::{Browser, Device, Home, Theme, axe};

const OUTER: &str = "<!doctype html><html lang=en><title>Outer</title><h1>Outer</h1>
<p style='color: #eee; background: #fff'>hard to read</p>
<img src='http://elsewhere.test:9/picture.png'>
<div style='width: 2000px'>wide</div>
<iframe title='inner' src='inner.html'></iframe>
<script>throw new Error('on purpose')</script>";

const INNER: &str = "<!doctype html><html lang=en><title>Inner</title><p id=inner>within</p>
<link rel=stylesheet href='http://frames.test:9/style.css'>";

#[test]
fn the_browser_reports_problems_of_a_page() {
    let Some(browser) = Browser::open() else {
        return;
    };
    let home = Home::fresh();
    home.write("inner.html", INNER);
    let url = format!("file://{}", home.write("outer.html", OUTER).display());
    browser.emulate_screen(Theme::Dark, Device::Phone);
    browser.visit(&url);
    browser.shows("Outer");

    let requested = browser.requested_urls();
    for part in ["outer.html", "elsewhere.test", "inner.html", "frames.test"] {
        let is_reported = requested.iter().any(|url| url.contains(part));
        assert!(is_reported, "{part}: {requested:?}");
    }
    assert_eq!(requested, browser.requested_urls(), "the log is kept");
    let errors = browser.console_errors();
    for part in ["on purpose", "elsewhere.test", "frames.test"] {
        let is_reported = errors.iter().any(|error| error.contains(part));
        assert!(is_reported, "{part}: {errors:?}");
    }
    assert!(browser.overflow(Device::Phone) > 1_600);
    let is_dark = "return matchMedia('(prefers-color-scheme: dark)').matches";
    assert_eq!(browser.run(is_dark, json!([])), true);

    let text = browser.in_frame("iframe", |browser| browser.text("#inner"));
    assert_eq!(text, "within");
    assert_eq!(
        browser.count("#inner"),
        0,
        "the outer page is selected again"
    );

    let findings = browser.accessibility_findings();
    // If axe-core is unavailable, that has been reported.
    for rule in ["color-contrast: ", "image-alt: "] {
        let is_found = findings.iter().any(|finding| finding.starts_with(rule));
        assert!(is_found || axe().is_none(), "{rule}: {findings:?}");
    }
}
