//! Pages of verified sign-up and of a change of the address, with and without scripts.

use movie_bag_testkit::{Browser, Home, NEW_PASSWORD, PASSWORD};
use serde_json::json;

use super::appearance::findings_on;
use super::{ANN, Site};

const CARL: &str = "carl@example.com";
const NEW: &str = "carl@new.example";

fn verified() -> Option<Site> {
    Site::in_home(Home::fresh().with("MOVIE_BAG_SIGNUP", "verified"))
}

/// Returns the link in the newest mail to an address.
fn link(site: &Site, email: &str, subject: &str) -> String {
    let subject = format!("[Movie-bag] {subject}");
    let mail = site.server.inbox().wait_for_count(email, &subject, 1);
    mail.link().to_owned()
}

/// Signs up, changes the address and reverts the change. Calls `look` on every page.
fn use_every_page(site: &Site, mut look: impl FnMut(&str)) {
    let Site {
        browser, server, ..
    } = site;
    let mut shows = |heading: &str, name: &str| {
        browser.shows(heading);
        look(name);
    };
    browser.visit(&format!("{}/signup", site.url()));
    shows("Create an account", "signup");
    browser.types("#email", "carl");
    site.submit();
    browser.waits_for("an error", |browser| browser.count(".error") == 1);
    shows("Create an account", "signup-error");
    browser.visit(&format!("{}/signup", site.url()));
    browser.types("#email", CARL);
    site.submit();
    shows("Check your mailbox", "signup-sent");

    let confirm = link(site, CARL, "Confirm your email address");
    browser.visit(&confirm);
    shows("Choose a password", "confirm-signup");
    site.choose_password("short", "short");
    browser.waits_for("an error", |browser| browser.count("#password-error") == 1);
    shows("Choose a password", "confirm-signup-error");
    site.choose_password(PASSWORD, PASSWORD);
    shows("Your account was created", "signup-confirmed");
    let access = server.access_token(CARL, PASSWORD);
    browser.visit(&confirm);
    shows("This link does not work", "signup-refused");
    browser.visit(&confirm[..confirm.len() - 40]);
    shows("This link is incomplete", "signup-incomplete");

    let body = json!({"password": PASSWORD, "email": NEW}).to_string();
    server
        .send("POST", "/api/account/email", Some(&access), &body)
        .is(200);
    let confirm = link(site, NEW, "Confirm your new email address");
    browser.visit(&confirm);
    shows("Use this email address?", "confirm-email");
    site.submit();
    shows("Your email address was changed", "email-confirmed");
    server.access_token(NEW, PASSWORD);
    browser.visit(&confirm);
    shows("This link does not work", "email-refused");

    let revert = link(site, CARL, "Your email address was changed");
    browser.visit(&revert);
    shows("Take your account back?", "revert-email");
    site.submit();
    shows("Your email address was restored", "email-reverted");
    browser.visit(&link(site, CARL, "Reset your password"));
    browser.shows("Choose a new password");
    site.choose_password(NEW_PASSWORD, NEW_PASSWORD);
    browser.shows("Your password was changed");
    server.access_token(CARL, NEW_PASSWORD);
}

#[test]
fn every_page_of_a_confirmation_is_accessible_and_fits_every_screen() {
    let Some(site) = verified() else { return };
    let mut findings = Vec::new();
    use_every_page(&site, |page| {
        findings.extend(findings_on(&site.browser, page))
    });
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn sign_up_and_changes_of_the_address_work_without_scripts() {
    let Some(site) = verified() else { return };
    let site = Site {
        browser: site.browser.without_scripts(),
        ..site
    };
    use_every_page(&site, |_| ());
}

#[test]
fn the_page_of_a_sign_up_does_not_reveal_who_has_an_account() {
    let Some(site) = verified() else { return };
    let page = |email: &str| {
        site.browser.visit(&format!("{}/signup", site.url()));
        site.browser.types("#email", email);
        site.submit();
        site.browser.shows("Check your mailbox");
        let text = |browser: &Browser| browser.text("main");
        text(&site.browser).replace(email, "ADDRESS")
    };
    assert_eq!(page(ANN), page("unknown@example.com"));
}

#[test]
fn there_is_no_sign_up_page_unless_it_is_verified() {
    let server = Home::fresh().serve(&[]);
    for answer in [
        server.get("/signup"),
        server.post_form("/signup", "email=a%40x.example"),
    ] {
        assert_eq!(answer.status, 404, "{}", answer.text);
    }
}
