//! Every page, in all its states: accessibility, size, and requests.

use movie_bag_testkit::{Browser, Device, Home, NEW_PASSWORD, Theme};
use serde_json::json;

use super::{ANN, Site};

/// Maximum size of a page with everything that it loads, in bytes.
const MAX_SIZE: u64 = 50_000;

/// Opens every page, and calls `look` with its name.
fn on_every_page(site: &Site, mut look: impl FnMut(&str)) {
    let Site { browser, .. } = site;
    let mut shows = |heading: &str, name: &str| {
        browser.shows(heading);
        look(name);
    };
    browser.visit(&site.url());
    shows("Account service", "start");
    let request_reset = |email: &str| {
        browser.visit(&format!("{}/forgot", site.url()));
        browser.types("#email", email);
        site.submit();
    };
    browser.visit(&format!("{}/forgot", site.url()));
    shows("Forgot your password?", "forgot");
    request_reset("unknown@example.com");
    browser.waits_for("an error", |browser| browser.count(".error") == 1);
    shows("Forgot your password?", "forgot-error");
    request_reset(ANN);
    shows("Check your mailbox", "sent");

    browser.visit(&site.mailed_link(1));
    shows("Choose a new password", "reset");
    browser.types("#password", "correct horse");
    browser.types("#password_again", "hors");
    browser.click("#show");
    shows("Choose a new password", "reset-typed");
    site.submit();
    let is_mismatch = |browser: &Browser| browser.text("#match").contains("do not match");
    browser.waits_for("the error of the script", is_mismatch);
    shows("Choose a new password", "reset-mismatch");
    // The same form, sent as by a browser without scripts.
    browser.run("document.getElementById('choose').submit()", json!([]));
    browser.waits_for("the error of the server", |browser| {
        browser
            .text("#match")
            .contains("Enter the new password twice")
    });
    shows("Choose a new password", "reset-mismatch-without-script");
    site.choose_password("short", "short");
    browser.waits_for("an error", |browser| browser.count("#password-error") == 1);
    shows("Choose a new password", "reset-error");
    site.choose_password(NEW_PASSWORD, NEW_PASSWORD);
    shows("Your password was changed", "done");
    let link = site.mailed_link(1);
    browser.visit(&link);
    shows("This link does not work", "refused");
    browser.visit(&link[..link.len() - 40]);
    shows("This link is incomplete", "incomplete");
    browser.visit(&site.expired_link());
    shows("This link has expired", "expired");

    browser.visit(&format!("{}/nothing/at/all", site.url()));
    shows("Page not found", "not-found");
    // The first of three allowed requests was made above.
    for _ in 0..2 {
        request_reset(ANN);
        browser.shows("Check your mailbox");
    }
    request_reset(ANN);
    shows("Too many requests", "too-many");
}

fn with_limits() -> Option<Site> {
    // With the link to the login page, which the pages have in addition.
    let home = Home::fresh().with("MOVIE_BAG_LOGIN_URL", "https://movies.example/login");
    Site::in_home(home.with("MOVIE_BAG_RATE_LIMITS", "on"))
}

#[test]
fn every_page_is_accessible_and_fits_every_screen() {
    let Some(site) = with_limits() else { return };
    let mut findings = Vec::new();
    on_every_page(&site, |page| {
        findings.extend(findings_on(&site.browser, page))
    });
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// Returns what is wrong with the present page on each kind of screen, and takes its pictures.
pub(super) fn findings_on(browser: &Browser, page: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (theme, device) in [
        (Theme::Light, Device::Desktop),
        (Theme::Dark, Device::Desktop),
        (Theme::Light, Device::Phone),
        (Theme::Dark, Device::Phone),
    ] {
        let name = format!("{page}-{theme:?}-{device:?}").to_lowercase();
        browser.emulate_screen(theme, device);
        browser.screenshot(&name);
        let found = browser.accessibility_findings();
        findings.extend(found.iter().map(|finding| format!("{name}: {finding}")));
        let overflow = browser.overflow(device);
        if overflow > 0 {
            findings.push(format!("{name}: {overflow} pixels are beyond the edge"));
        }
    }
    browser.emulate_screen(Theme::Light, Device::Desktop);
    findings
}

/// Returns the size of the page with everything that it loads, including the icon, which only some browsers request.
fn page_size(browser: &Browser, icon: u64) -> u64 {
    let script = "return ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind)) \
        .filter(({name}) => !name.endsWith('icon.svg')) \
        .reduce((sum, {encodedBodySize}) => sum + encodedBodySize, 0)";
    browser.run(script, json!([])).as_u64().unwrap() + icon
}

#[test]
fn every_page_is_small_and_requests_nothing_from_other_sites() {
    let Some(site) = with_limits() else { return };
    let browser = &site.browser;
    let icon = site.server.get("/assets/icon.svg").is(200).text.len() as u64;
    let mut too_large = Vec::new();
    let mut refused = Vec::new();
    on_every_page(&site, |page| {
        let size = page_size(browser, icon);
        assert!(size > 2 * icon, "{page} is {size} bytes");
        if size > MAX_SIZE {
            too_large.push(format!("{page}: {size} bytes"));
        }
        refused.push(format!("{} - Failed to load resource", browser.url()));
    });
    assert!(too_large.is_empty(), "{too_large:?}");
    let foreign: Vec<_> = browser
        .requested_urls()
        .into_iter()
        .filter(|url| !url.starts_with(&format!("{}/", site.url())))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    // A page with a status of 400, 403, 404 or 429 is an entry in the console, which has only its URL.
    let errors = browser.console_errors();
    let is_expected = |error: &String| refused.iter().any(|start| error.starts_with(start));
    let errors: Vec<_> = errors.iter().filter(|error| !is_expected(error)).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn a_printed_page_has_text_and_no_buttons() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.emulate_screen(Theme::Dark, Device::Desktop);
    browser.visit(&format!("{}/forgot", site.url()));
    browser.emulate_print();
    browser.screenshot("forgot-paper");
    assert!(browser.is_displayed("h1"));
    assert!(!browser.is_displayed("button"));
    assert_eq!(browser.style("main", "box-shadow"), "none");
    assert_eq!(browser.style("#email", "outline-style"), "none");
    // A link with the appearance of a button must be readable on paper too.
    browser.visit(&site.url());
    browser.emulate_print();
    let ink = browser.style("h1", "color");
    assert_eq!(browser.style("a.button", "color"), ink);
}
