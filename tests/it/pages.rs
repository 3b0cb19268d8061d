//! The pages of `serve` in a real browser, as people meet them who have no program. Where there is no browser, each test
//! returns early: that has been told by then, and CI has failed.

mod looks;
mod names;

use crate::harness::{Browser, Home, Key, NEW_PASSWORD, PASSWORD, Server};

const ANN: &str = "ann@example.com";
const SUBJECT: &str = "[Movie-bag] Reset Your Password";

/// Somebody at a browser, and the server of an account.
struct Site {
    browser: Browser,
    server: Server,
    _home: Home,
}

impl Site {
    fn open() -> Option<Self> {
        Self::at(Home::fresh())
    }

    fn at(home: Home) -> Option<Self> {
        let browser = Browser::open()?;
        let server = home.serve(&[]);
        server.sign_up(ANN, PASSWORD);
        Some(Self {
            browser,
            server,
            _home: home,
        })
    }

    /// The base of every link in a mail, where nothing else is set.
    fn url(&self) -> String {
        let (_, port) = self.server.address().rsplit_once(':').unwrap();
        format!("http://localhost:{port}")
    }

    /// A link that was not used yet.
    fn link(&self) -> String {
        format!("{}/reset/{}", self.url(), self.server.reset_token(ANN))
    }

    /// The link of the mail that was asked for as the `count`th.
    fn mailed_link(&self, count: usize) -> String {
        let mail = self.server.inbox().wait_for_count(ANN, SUBJECT, count);
        mail.link().to_owned()
    }

    fn submits(&self) {
        self.browser.click("button[type=submit]");
    }

    fn chooses(&self, password: &str, again: &str) {
        self.browser.types("#password", password);
        self.browser.types("#password_again", again);
        self.submits();
    }

    /// The new password opens the account, and the old one does not.
    fn is_reset(&self) {
        self.server.access_token(ANN, NEW_PASSWORD);
        self.server
            .log_in(ANN, PASSWORD)
            .fails_with(401, "unauthorized");
    }
}

fn resets_a_forgotten_password(site: &Site) {
    let browser = &site.browser;
    browser.visit(&site.url());
    browser.click("a.button");
    browser.shows("Forgot your password?");
    browser.types("#email", ANN);
    site.submits();
    browser.shows("Look into your mailbox");
    assert!(browser.text("main").contains(ANN));

    let link = site.mailed_link(1);
    browser.visit(&link);
    browser.shows("Choose a new password");
    site.chooses(NEW_PASSWORD, NEW_PASSWORD);
    browser.shows("Your password is changed");
    site.is_reset();

    browser.visit(&link);
    browser.shows("This link does not work");
    browser.types("#email", ANN);
    site.submits();
    browser.shows("Look into your mailbox");
    assert_ne!(site.mailed_link(2), link);
}

#[test]
fn a_forgotten_password_is_reset_and_a_used_link_offers_a_new_one() {
    if let Some(site) = Site::open() {
        resets_a_forgotten_password(&site);
    }
}

#[test]
fn all_of_it_works_without_scripts() {
    let Some(site) = Site::open() else { return };
    let browser = site.browser.without_scripts();
    let site = Site { browser, ..site };
    resets_a_forgotten_password(&site);

    site.browser.visit(&site.link());
    for helper in ["#strength", "#meter", "#show"] {
        assert!(!site.browser.is_displayed(helper), "{helper} can't help");
    }
}

/// Whoever uses the keyboard sees where they are.
#[track_caller]
fn has_focus(browser: &Browser, css: &str) {
    browser.waits_for(&format!("the focus is on {css}"), |browser| {
        browser.count(&format!("{css}:focus-visible")) == 1
    });
    let outline = ["style", "width"].map(|part| browser.style(css, &format!("outline-{part}")));
    assert_eq!(outline, ["solid", "3px"], "{css}");
}

#[test]
fn all_of_it_works_by_keyboard_alone() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.visit(&site.url());
    browser.press(Key::Tab);
    has_focus(browser, ".brand a");
    browser.press(Key::Tab);
    has_focus(browser, "a.button");
    browser.press(Key::Enter);
    browser.shows("Forgot your password?");
    has_focus(browser, "#email");
    browser.types(":focus", ANN);
    browser.press(Key::Enter);
    browser.shows("Look into your mailbox");

    browser.visit(&site.mailed_link(1));
    has_focus(browser, "#password");
    browser.types(":focus", NEW_PASSWORD);
    browser.press(Key::Tab);
    has_focus(browser, "#password_again");
    browser.types(":focus", NEW_PASSWORD);
    browser.press(Key::Tab);
    has_focus(browser, "button[type=submit]");
    browser.press(Key::Tab);
    has_focus(browser, "#show");
    browser.press(Key::Space);
    assert_eq!(browser.text("#show"), "Hide password");
    browser.press(Key::BackTab);
    has_focus(browser, "button[type=submit]");
    browser.press(Key::Enter);
    browser.shows("Your password is changed");
    site.is_reset();
}

/// It is said in words that belong to the field, also for who hears the page.
#[track_caller]
fn is_said_at(browser: &Browser, field: &str, words: &str) {
    browser.waits_for(&format!("{field} is wrong"), |browser| {
        browser.count(&format!("{field}[aria-invalid=true]")) == 1
    });
    let described = browser.attribute(field, "aria-describedby").unwrap();
    let error = format!("#{}", described.split(' ').next().unwrap());
    assert!(browser.text(&error).contains(words), "{field}: {words}");
    assert_eq!(browser.attribute(&error, "role").as_deref(), Some("alert"));
    let label = browser.run(
        "return document.querySelector(arguments[0]).previousElementSibling.tagName",
        serde_json::json!([error]),
    );
    assert_eq!(label, "LABEL", "it stands between the label and the field");
    let colours = [(&*error, "color"), (field, "border-top-color")];
    let [words_are, border_is] = colours.map(|(css, property)| browser.style(css, property));
    assert_eq!(words_are, border_is, "{field}");
    assert!(browser.title().starts_with("Error: "), "{words}");
    has_focus(browser, field);
}

#[test]
fn a_wrong_entry_is_said_at_its_field() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.visit(&format!("{}/forgot", site.url()));
    for (typed, words) in [
        ("ann at example", "email address"),
        ("nobody@example.com", "Couldn't find the user"),
    ] {
        browser.visit(&format!("{}/forgot", site.url()));
        browser.types("#email", typed);
        site.submits();
        is_said_at(browser, "#email", words);
        assert_eq!(browser.property("#email", "value"), typed, "it is kept");
    }

    let link = site.link();
    for (password, again, words) in [
        ("short", "short", "at least 8 characters"),
        (NEW_PASSWORD, PASSWORD, "not the same"),
    ] {
        browser.visit(&link);
        site.chooses(password, again);
        is_said_at(browser, "#password", words);
        assert_eq!(browser.property("#password", "value"), "", "it is not kept");
    }
    site.chooses(NEW_PASSWORD, NEW_PASSWORD);
    browser.shows("Your password is changed");
    site.is_reset();
}

#[test]
fn the_strength_is_told_while_a_password_is_typed() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.visit(&site.link());
    assert!(!browser.is_displayed("#strength"), "nothing is typed yet");
    for (more, verdict, value) in [
        ("pass", "Too short: 4 characters to go", 0),
        ("wor", "Too short: 1 character to go", 0),
        ("d", "Weak: it is guessed soon", 1),
        (" of a patient gardener", "Strong", 4),
    ] {
        browser.types("#password", more);
        browser.waits_for(verdict, |browser| browser.text("#verdict") == verdict);
        assert_eq!(browser.property("#meter", "value"), value, "{verdict}");
    }
    let mismatch = "Not the same as above";
    browser.types("#password_again", "password of");
    assert_eq!(browser.text("#match"), "", "it may become the same");
    browser.types("#password_again", "f");
    browser.waits_for(mismatch, |browser| browser.text("#match") == mismatch);
}

#[test]
fn what_is_typed_is_shown_on_demand_alone() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.visit(&site.link());
    let fields = ["#password", "#password_again"];
    for (label, kind) in [
        ("Show password", "password"),
        ("Hide password", "text"),
        ("Show password", "password"),
    ] {
        assert_eq!(browser.text("#show"), label);
        for field in fields {
            assert_eq!(browser.property(field, "type"), kind, "{field}");
        }
        browser.click("#show");
    }
}

#[test]
fn the_page_of_a_link_does_not_say_whose_it_is() {
    let Some(site) = Site::open() else { return };
    site.browser.visit(&site.link());
    site.browser.shows("Choose a new password");
    let source = site.browser.source().to_lowercase();
    for address in [ANN, "ann@", "ann%40", "example.com"] {
        assert!(!source.contains(address), "{address}: {source}");
    }
}

#[test]
fn an_expired_link_says_so_and_offers_a_new_one() {
    let home = Home::fresh().with("MOVIE_BAG_RESET_TOKEN_LIFETIME", "1s");
    let Some(site) = Site::at(home) else { return };
    let browser = &site.browser;
    let link = site.link();
    browser.waits_for("the link expires", |browser| {
        browser.visit(&link);
        browser.text("h1") == "This link has expired"
    });
    browser.types("#email", ANN);
    site.submits();
    browser.shows("Look into your mailbox");
    assert_ne!(site.mailed_link(2), link);
}

#[test]
fn nothing_is_a_page_for_people_and_json_for_programs() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.visit(&format!("{}/nothing/at/all", site.url()));
    browser.shows("There is no such page");
    browser.click("main p:last-child a");
    browser.shows("A shared list of movies");
    assert_eq!(browser.url(), format!("{}/", site.url()));

    browser.visit(&format!("{}/api/nothing", site.url()));
    let answer: serde_json::Value = serde_json::from_str(&browser.text("pre")).unwrap();
    assert_eq!(answer["code"], "not_found");
}
