//! The pages of `serve` and the HTML of its mails in a real browser. Without a browser, each test returns early: the harness
//! reports it then, and fails in CI.

mod looks;
mod mails;
mod names;

use crate::harness::{Browser, Device, Home, Key, NEW_PASSWORD, Output, PASSWORD, Server, Theme};

const ANN: &str = "ann@example.com";
const SUBJECT: &str = "[Movie-bag] Reset your password";

/// A browser, and a server with an account.
struct Site {
    browser: Browser,
    server: Server,
    home: Home,
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
            home,
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

    /// A link that has expired.
    fn expired_link(&self) -> String {
        let mut forgot = self
            .home
            .command(&["forgot", "--email", ANN, "--print-link"]);
        forgot.env("MOVIE_BAG_RESET_TOKEN_LIFETIME", "1s");
        let printed = Output::of(forgot, "").ok().stdout;
        let (_, token) = printed.trim().rsplit_once('/').unwrap();
        let link = format!("{}/reset/{token}", self.url());
        self.browser.waits_for("the link expires", |browser| {
            browser.visit(&link);
            browser.text("h1") == "This link has expired"
        });
        link
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
    browser.shows("Check your mailbox");
    assert!(browser.text("main").contains(ANN));

    let link = site.mailed_link(1);
    browser.visit(&link);
    browser.shows("Choose a new password");
    site.chooses(NEW_PASSWORD, NEW_PASSWORD);
    browser.shows("Your password was changed");
    assert!(browser.is_displayed(".tick"));
    assert!(
        browser
            .text("main")
            .contains("log in with your new password")
    );
    // The server of this test is a test server: the confirmation is in its inbox.
    let inbox = browser.attribute("main a[href^=http]", "href").unwrap();
    assert!(inbox.contains(site.server.inbox().address()), "{inbox}");
    site.is_reset();

    browser.visit(&link);
    browser.shows("This link does not work");
    let why = "This link is invalid or was already used. Request a new one:";
    assert!(browser.text("main").contains(why));
    browser.types("#email", ANN);
    site.submits();
    browser.shows("Check your mailbox");
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
    for helper in ["#strength", "#meter", "#show", "#show_again"] {
        assert!(
            !site.browser.is_displayed(helper),
            "{helper} needs a script"
        );
    }
    site.chooses(NEW_PASSWORD, PASSWORD);
    is_mismatch(&site.browser);
}

/// Checks that an element has the focus, and shows it.
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
    browser.shows("Check your mailbox");

    browser.visit(&site.mailed_link(1));
    has_focus(browser, "#password");
    browser.types(":focus", NEW_PASSWORD);
    browser.press(Key::Tab);
    has_focus(browser, "#show");
    for (key, kind) in [(Key::Space, "text"), (Key::Enter, "password")] {
        browser.press(key);
        assert_eq!(browser.property("#password", "type"), kind);
    }
    browser.press(Key::Tab);
    has_focus(browser, "#password_again");
    browser.types(":focus", NEW_PASSWORD);
    browser.press(Key::Tab);
    has_focus(browser, "#show_again");
    browser.press(Key::Tab);
    has_focus(browser, "button[type=submit]");
    browser.press(Key::BackTab);
    has_focus(browser, "#show_again");
    browser.press(Key::Tab);
    browser.press(Key::Enter);
    browser.shows("Your password was changed");
    site.is_reset();
}

/// Checks that the error of a field is below it, and that a screen reader reads it with the field.
#[track_caller]
fn is_reported_at(browser: &Browser, field: &str, words: &str) {
    browser.waits_for(&format!("{field} is wrong"), |browser| {
        browser.count(&format!("{field}[aria-invalid=true]")) == 1
    });
    let described = browser.attribute(field, "aria-describedby").unwrap();
    let error = format!("#{}", described.split(' ').next().unwrap());
    assert!(browser.text(&error).contains(words), "{field}: {words}");
    assert_eq!(browser.attribute(&error, "role").as_deref(), Some("alert"));
    let distance = distance(browser, field, &error);
    assert!((0.0..16.0).contains(&distance), "{field}: {distance}");
    let colours = [(&*error, "color"), (field, "border-top-color")];
    let [words_are, border_is] = colours.map(|(css, property)| browser.style(css, property));
    assert_eq!(words_are, border_is, "{field}");
    assert!(browser.title().starts_with("Error: "), "{words}");
}

/// Returns the height of the space between an element and one below it, in pixels.
#[track_caller]
fn distance(browser: &Browser, above: &str, below: &str) -> f64 {
    let script = "const [above, below] = arguments.map((css) => document.querySelector(css)); \
        return below.getBoundingClientRect().top - above.getBoundingClientRect().bottom";
    let script = script.replace("arguments.map", "Array.from(arguments).map");
    let distance = browser.run(&script, serde_json::json!([above, below]));
    distance.as_f64().unwrap()
}

/// Checks the page that the server returns if the passwords differ.
#[track_caller]
fn is_mismatch(browser: &Browser) {
    is_reported_at(browser, "#password_again", "do not match");
    // Both fields are empty again, so the first one has the focus, and reads the error too.
    has_focus(browser, "#password");
    let described = browser.attribute("#password", "aria-describedby").unwrap();
    assert!(described.starts_with("match "), "{described}");
    for field in ["#password", "#password_again"] {
        assert_eq!(browser.property(field, "value"), "", "{field} is not kept");
    }
}

#[test]
fn a_wrong_entry_is_reported_below_its_field() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    for (typed, words) in [
        ("ann at example", "email address"),
        ("nobody@example.com", "No account has this email address"),
    ] {
        browser.visit(&format!("{}/forgot", site.url()));
        browser.types("#email", typed);
        site.submits();
        is_reported_at(browser, "#email", words);
        has_focus(browser, "#email");
        assert_eq!(browser.property("#email", "value"), typed, "it is kept");
    }

    browser.visit(&site.link());
    site.chooses("short", "short");
    is_reported_at(browser, "#password", "at least 8 characters");
    has_focus(browser, "#password");
    assert_eq!(browser.property("#password", "value"), "", "it is not kept");
    site.chooses(NEW_PASSWORD, NEW_PASSWORD);
    browser.shows("Your password was changed");
    site.is_reset();
}

#[test]
fn passwords_that_differ_are_reported_below_the_second_field_and_stay_in_the_form() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    let link = site.link();
    browser.visit(&link);
    let gap = || distance(browser, "#password_again", "button[type=submit]");
    // No space is reserved for an error.
    let before = gap();
    assert!(before < 24.0, "{before}");
    site.chooses(NEW_PASSWORD, PASSWORD);
    let mismatch = "The passwords do not match";
    browser.waits_for(mismatch, |browser| browser.text("#match") == mismatch);
    has_focus(browser, "#password_again");
    assert_eq!(
        browser
            .attribute("#password_again", "aria-invalid")
            .as_deref(),
        Some("true")
    );
    assert!((0.0..16.0).contains(&distance(browser, "#password_again", "#match")));
    assert!(gap() > before);
    assert_eq!(browser.property("#password", "value"), NEW_PASSWORD);
    assert_eq!(browser.property("#password_again", "value"), PASSWORD);
    assert_eq!(browser.url(), link, "nothing was sent");
    // Corrected, which ends the error.
    browser.run(
        "document.getElementById('password_again').value = ''",
        serde_json::json!([]),
    );
    browser.types("#password_again", NEW_PASSWORD);
    browser.waits_for("no error", |browser| browser.text("#match").is_empty());
    assert_eq!(browser.attribute("#password_again", "aria-invalid"), None);
    site.submits();
    browser.shows("Your password was changed");
    site.is_reset();
}

#[test]
fn the_strength_is_shown_while_a_password_is_typed() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.visit(&site.link());
    assert!(!browser.is_displayed("#strength"), "nothing is typed yet");
    for (more, verdict, value) in [
        ("pass", "Too short: 4 characters to go", 0),
        ("wor", "Too short: 1 character to go", 0),
        ("d", "Weak: easy to guess", 1),
        (" of a patient gardener", "Strong", 4),
    ] {
        browser.types("#password", more);
        browser.waits_for(verdict, |browser| browser.text("#verdict") == verdict);
        assert_eq!(browser.property("#meter", "value"), value, "{verdict}");
    }
    let mismatch = "The passwords do not match";
    browser.types("#password_again", "password of");
    assert_eq!(browser.text("#match"), "", "it may become the same");
    browser.types("#password_again", "f");
    browser.waits_for(mismatch, |browser| browser.text("#match") == mismatch);
}

#[test]
fn a_button_in_each_field_shows_and_hides_both_passwords() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.visit(&site.link());
    let buttons = ["#show", "#show_again"];
    for (click, kind, is_pressed) in [
        (None, "password", "false"),
        (Some("#show"), "text", "true"),
        (Some("#show_again"), "password", "false"),
        (Some("#show_again"), "text", "true"),
        (Some("#show"), "password", "false"),
    ] {
        if let Some(button) = click {
            browser.click(button);
        }
        for (field, button) in ["#password", "#password_again"].into_iter().zip(buttons) {
            assert_eq!(browser.property(field, "type"), kind, "{field} {click:?}");
            let pressed = browser.attribute(button, "aria-pressed");
            assert_eq!(pressed.as_deref(), Some(is_pressed), "{button} {click:?}");
            // The name of a button that has a state does not change with it.
            let name = browser.attribute(button, "aria-label");
            assert_eq!(name.as_deref(), Some("Show passwords"));
            let is_slashed = browser.is_displayed(&format!("{button} .slash"));
            assert_eq!(is_slashed, is_pressed == "true", "{button} {click:?}");
            lies_within(browser, button, field);
        }
    }
}

/// Checks that an element lies within another one, and is large enough for a finger (WCAG 2.5.5).
#[track_caller]
fn lies_within(browser: &Browser, inner: &str, outer: &str) {
    let script = "const [inner, outer] = Array.from(arguments).map((css) => \
          document.querySelector(css).getBoundingClientRect()); \
        return inner.left > outer.left && inner.right <= outer.right && inner.top >= outer.top - 1 \
          && inner.bottom <= outer.bottom && Math.min(inner.width, inner.height) >= 44";
    let is_within = browser.run(script, serde_json::json!([inner, outer]));
    assert_eq!(is_within, true, "{inner} in {outer}");
}

#[test]
fn buttons_have_the_full_width_on_a_phone() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.appearance(Theme::Light, Device::Phone);
    for (path, button, as_wide_as) in [
        ("/", "a.button", "h1"),
        ("/forgot", "button[type=submit]", "#email"),
        (
            &format!("/reset/{}", site.server.reset_token(ANN)),
            "button[type=submit]",
            "#password",
        ),
        ("/reset/x", "button[type=submit]", "#email"),
    ] {
        browser.visit(&format!("{}{path}", site.url()));
        let script = "return Array.from(arguments).map((css) => \
            document.querySelector(css).getBoundingClientRect().width)";
        let widths = browser.run(script, serde_json::json!([button, as_wide_as]));
        assert_eq!(widths[0], widths[1], "{path}");
    }
}

#[test]
fn a_link_that_a_mail_program_broke_says_so_and_offers_a_new_one() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    let link = site.link();
    for broken in [
        link[..link.len() - 1].to_owned(),
        link[..link.len() / 2].to_owned(),
        format!("{link}%3E"),
        format!("{link}."),
        format!(
            "{}%20{}",
            &link[..link.len() - 20],
            &link[link.len() - 20..]
        ),
        format!("{}/reset/", site.url()),
    ] {
        browser.visit(&broken);
        browser.shows("This link is incomplete");
        let text = browser.text("main");
        assert!(text.contains("Copy the whole link from the mail"), "{text}");
    }
    browser.types("#email", ANN);
    site.submits();
    browser.shows("Check your mailbox");
    // The whole one works still.
    browser.visit(&link);
    browser.shows("Choose a new password");
}

#[test]
fn the_page_of_a_rate_limit_points_to_the_mailbox_whether_there_is_an_account_or_not() {
    let home = Home::fresh()
        .with("MOVIE_BAG_RATE_LIMITS", "on")
        .with("MOVIE_BAG_CONCEAL_ACCOUNTS", "on");
    let Some(site) = Site::at(home) else { return };
    let browser = &site.browser;
    let mut pages = Vec::new();
    for email in [ANN, "nobody@example.com"] {
        browser.waits_for("the limit", |browser| {
            browser.visit(&format!("{}/forgot", site.url()));
            browser.types("#email", email);
            site.submits();
            browser.waits_for("an answer", |browser| {
                browser.text("h1") != "Forgot your password?"
            });
            browser.text("h1") == "Too many requests"
        });
        let text = browser.text("main");
        assert!(
            text.contains("A link may already be in your mailbox"),
            "{text}"
        );
        pages.push(text.replace(|c: char| c.is_ascii_digit(), ""));
    }
    assert_eq!(pages[0], pages[1]);
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
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.visit(&site.expired_link());
    browser.shows("This link has expired");
    browser.types("#email", ANN);
    site.submits();
    browser.shows("Check your mailbox");
    browser.visit(&site.mailed_link(1));
    browser.shows("Choose a new password");
}

#[test]
fn unknown_paths_return_a_page_to_browsers_and_json_to_programs() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.visit(&format!("{}/nothing/at/all", site.url()));
    browser.shows("Page not found");
    browser.click("main p:last-child a");
    browser.shows("Account service");
    assert_eq!(browser.url(), format!("{}/", site.url()));

    browser.visit(&format!("{}/api/nothing", site.url()));
    let answer: serde_json::Value = serde_json::from_str(&browser.text("pre")).unwrap();
    assert_eq!(answer["code"], "not_found");
}
