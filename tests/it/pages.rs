//! The pages of `serve` and the HTML of its mails in a real browser. Without a browser, each test returns early: the harness has
//! reported that, and fails in CI.

mod appearance;
mod confirmation;
mod host_names;
mod mails;

use movie_bag_testkit::{
    Browser, Device, Home, Key, NEW_PASSWORD, Output, PASSWORD, Server, Theme,
};

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
        Self::in_home(Home::fresh())
    }

    fn in_home(home: Home) -> Option<Self> {
        let browser = Browser::open()?;
        home.create_account(ANN, PASSWORD);
        let server = home.serve(&[]);
        Some(Self {
            browser,
            server,
            home,
        })
    }

    /// Returns the default base of links in mails.
    fn url(&self) -> String {
        let (_, port) = self.server.address().rsplit_once(':').unwrap();
        format!("http://localhost:{port}")
    }

    /// Returns an unused link.
    fn link(&self) -> String {
        format!("{}/reset/{}", self.url(), self.server.reset_token(ANN))
    }

    /// Returns an expired link.
    fn expired_link(&self) -> String {
        let mut forgot = self
            .home
            .command(&["forgot", "--email", ANN, "--print-link"]);
        forgot.env("MOVIE_BAG_RESET_TOKEN_LIFETIME", "1s");
        let printed = Output::run(forgot, "").ok().stdout;
        let (_, token) = printed.trim().rsplit_once('/').unwrap();
        let link = format!("{}/reset/{token}", self.url());
        self.browser.waits_for("the link expires", |browser| {
            browser.visit(&link);
            browser.text("h1") == "This link has expired"
        });
        link
    }

    /// Returns the link of the mail number `count`.
    fn mailed_link(&self, count: usize) -> String {
        let mail = self.server.inbox().wait_for_count(ANN, SUBJECT, count);
        mail.link().to_owned()
    }

    fn submit(&self) {
        self.browser.click("button[type=submit]");
    }

    fn choose_password(&self, password: &str, again: &str) {
        self.browser.types("#password", password);
        self.browser.types("#password_again", again);
        self.submit();
    }

    /// Asserts that the new password is valid, and the old one is not.
    fn assert_reset(&self) {
        self.server.access_token(ANN, NEW_PASSWORD);
        self.server
            .log_in(ANN, PASSWORD)
            .fails_with(401, "unauthorized");
    }
}

fn reset_a_forgotten_password(site: &Site) {
    let browser = &site.browser;
    browser.visit(&site.url());
    browser.click("a.button");
    browser.shows("Forgot your password?");
    browser.types("#email", ANN);
    site.submit();
    browser.shows("Check your mailbox");
    assert!(browser.text("main").contains(ANN));

    let link = site.mailed_link(1);
    browser.visit(&link);
    browser.shows("Choose a new password");
    site.choose_password(NEW_PASSWORD, NEW_PASSWORD);
    browser.shows("Your password was changed");
    assert!(browser.is_displayed(".tick"));
    assert!(
        browser
            .text("main")
            .contains("log in with your new password")
    );
    // The server has a sink, so that the page links to its inbox.
    let inbox = browser.attribute("main a[href^=http]", "href").unwrap();
    assert!(inbox.contains(site.server.inbox().address()), "{inbox}");
    site.assert_reset();

    browser.visit(&link);
    browser.shows("This link does not work");
    let why = "This link is invalid or was already used. Request a new one:";
    assert!(browser.text("main").contains(why));
    browser.types("#email", ANN);
    site.submit();
    browser.shows("Check your mailbox");
    assert_ne!(site.mailed_link(2), link);
}

#[test]
fn a_forgotten_password_is_reset_and_a_used_link_offers_a_new_one() {
    if let Some(site) = Site::open() {
        reset_a_forgotten_password(&site);
    }
}

#[test]
fn a_reset_works_without_scripts() {
    let Some(site) = Site::open() else { return };
    let browser = site.browser.without_scripts();
    let site = Site { browser, ..site };
    reset_a_forgotten_password(&site);

    site.browser.visit(&site.link());
    for helper in ["#strength", "#meter", "#show", "#show_again"] {
        assert!(
            !site.browser.is_displayed(helper),
            "{helper} needs a script"
        );
    }
    site.choose_password(NEW_PASSWORD, PASSWORD);
    assert_mismatch(&site.browser);
}

/// Asserts that an element has the focus, and shows it.
#[track_caller]
fn assert_focus(browser: &Browser, css: &str) {
    browser.waits_for(&format!("the focus is on {css}"), |browser| {
        browser.count(&format!("{css}:focus-visible")) == 1
    });
    let outline = ["style", "width"].map(|part| browser.style(css, &format!("outline-{part}")));
    assert_eq!(outline, ["solid", "3px"], "{css}");
}

#[test]
fn a_reset_works_with_the_keyboard_alone() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.visit(&site.url());
    browser.press(Key::Tab);
    assert_focus(browser, ".brand a");
    browser.press(Key::Tab);
    assert_focus(browser, "a.button");
    browser.press(Key::Enter);
    browser.shows("Forgot your password?");
    assert_focus(browser, "#email");
    browser.types(":focus", ANN);
    browser.press(Key::Enter);
    browser.shows("Check your mailbox");

    browser.visit(&site.mailed_link(1));
    assert_focus(browser, "#password");
    browser.types(":focus", NEW_PASSWORD);
    browser.press(Key::Tab);
    assert_focus(browser, "#show");
    for (key, kind) in [(Key::Space, "text"), (Key::Enter, "password")] {
        browser.press(key);
        assert_eq!(browser.property("#password", "type"), kind);
    }
    browser.press(Key::Tab);
    assert_focus(browser, "#password_again");
    browser.types(":focus", NEW_PASSWORD);
    browser.press(Key::Tab);
    assert_focus(browser, "#show_again");
    browser.press(Key::Tab);
    assert_focus(browser, "button[type=submit]");
    browser.press(Key::BackTab);
    assert_focus(browser, "#show_again");
    browser.press(Key::Tab);
    browser.press(Key::Enter);
    browser.shows("Your password was changed");
    site.assert_reset();
}

/// Asserts that the error of a field is shown below it, and that a screen reader reads it with the field.
#[track_caller]
fn assert_error_at(browser: &Browser, field: &str, words: &str) {
    browser.waits_for(&format!("{field} is wrong"), |browser| {
        browser.count(&format!("{field}[aria-invalid=true]")) == 1
    });
    let described = browser.attribute(field, "aria-describedby").unwrap();
    let error = format!("#{}", described.split(' ').next().unwrap());
    assert!(browser.text(&error).contains(words), "{field}: {words}");
    assert_eq!(browser.attribute(&error, "role").as_deref(), Some("alert"));
    let distance = distance(browser, field, &error);
    assert!((0.0..16.0).contains(&distance), "{field}: {distance}");
    let colors = [(&*error, "color"), (field, "border-top-color")];
    let [text_color, border_color] = colors.map(|(css, property)| browser.style(css, property));
    assert_eq!(text_color, border_color, "{field}");
    assert!(browser.title().starts_with("Error: "), "{words}");
}

/// Returns the vertical distance between an element and one below it, in pixels.
#[track_caller]
fn distance(browser: &Browser, above: &str, below: &str) -> f64 {
    let script = "const [above, below] = arguments.map((css) => document.querySelector(css)); \
        return below.getBoundingClientRect().top - above.getBoundingClientRect().bottom";
    let script = script.replace("arguments.map", "Array.from(arguments).map");
    let distance = browser.run(&script, serde_json::json!([above, below]));
    distance.as_f64().unwrap()
}

/// Asserts that the page is the one that the server returns if the passwords differ.
#[track_caller]
fn assert_mismatch(browser: &Browser) {
    assert_error_at(browser, "#password_again", "do not match");
    // Both fields are empty again, so the first one has the focus, and is described by the error too.
    assert_focus(browser, "#password");
    let described = browser.attribute("#password", "aria-describedby").unwrap();
    assert!(described.starts_with("match "), "{described}");
    for field in ["#password", "#password_again"] {
        assert_eq!(browser.property(field, "value"), "", "{field} is not kept");
    }
}

#[test]
fn an_invalid_entry_is_reported_below_its_field() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    for (typed, words) in [
        ("ann at example", "email address"),
        ("unknown@example.com", "No account has this email address"),
    ] {
        browser.visit(&format!("{}/forgot", site.url()));
        browser.types("#email", typed);
        site.submit();
        assert_error_at(browser, "#email", words);
        assert_focus(browser, "#email");
        assert_eq!(
            browser.property("#email", "value"),
            typed,
            "the entry is kept"
        );
    }

    browser.visit(&site.link());
    site.choose_password("short", "short");
    assert_error_at(browser, "#password", "at least 8 characters");
    assert_focus(browser, "#password");
    assert_eq!(
        browser.property("#password", "value"),
        "",
        "the entry is not kept"
    );
    site.choose_password(NEW_PASSWORD, NEW_PASSWORD);
    browser.shows("Your password was changed");
    site.assert_reset();
}

#[test]
fn different_passwords_are_reported_below_the_second_field_and_kept() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    let link = site.link();
    browser.visit(&link);
    let gap = || distance(browser, "#password_again", "button[type=submit]");
    // No space is reserved for an error.
    let before = gap();
    assert!(before < 24.0, "{before}");
    site.choose_password(NEW_PASSWORD, PASSWORD);
    let mismatch = "The passwords do not match";
    browser.waits_for(mismatch, |browser| browser.text("#match") == mismatch);
    assert_focus(browser, "#password_again");
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
    // A correction clears the error.
    browser.run(
        "document.getElementById('password_again').value = ''",
        serde_json::json!([]),
    );
    browser.types("#password_again", NEW_PASSWORD);
    browser.waits_for("no error", |browser| browser.text("#match").is_empty());
    assert_eq!(browser.attribute("#password_again", "aria-invalid"), None);
    site.submit();
    browser.shows("Your password was changed");
    site.assert_reset();
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
    assert_eq!(
        browser.text("#match"),
        "",
        "the passwords may still become equal"
    );
    browser.types("#password_again", "f");
    browser.waits_for(mismatch, |browser| browser.text("#match") == mismatch);
}

#[test]
fn the_name_of_the_product_is_shown_as_a_weak_password() {
    let home = Home::fresh().with("MOVIE_BAG_NAME", "Filmotheque Verte");
    let Some(site) = Site::in_home(home) else {
        return;
    };
    let browser = &site.browser;
    browser.visit(&format!(
        "{}/reset/{}",
        site.url(),
        site.home.reset_token(ANN)
    ));
    assert_eq!(browser.title(), "Choose a new password - Filmotheque Verte");
    for (password, verdict) in [
        ("filmothequeverte", "Weak: easy to guess"),
        ("Filmotheque Verte 1", "Weak: easy to guess"),
    ] {
        browser.run(
            "document.getElementById('password').value = ''",
            serde_json::json!([]),
        );
        browser.types("#password", password);
        browser.waits_for(verdict, |browser| browser.text("#verdict") == verdict);
    }
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
            // The name of a toggle button does not change with its state.
            let name = browser.attribute(button, "aria-label");
            assert_eq!(name.as_deref(), Some("Show passwords"));
            let is_slashed = browser.is_displayed(&format!("{button} .slash"));
            assert_eq!(is_slashed, is_pressed == "true", "{button} {click:?}");
            assert_within(browser, button, field);
        }
    }
}

/// Asserts that an element lies within another one, and is large enough for a finger (WCAG 2.5.5).
#[track_caller]
fn assert_within(browser: &Browser, inner: &str, outer: &str) {
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
    browser.emulate_screen(Theme::Light, Device::Phone);
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
fn a_broken_link_is_reported_and_a_new_one_offered() {
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
    site.submit();
    browser.shows("Check your mailbox");
    // The complete link still works.
    browser.visit(&link);
    browser.shows("Choose a new password");
}

#[test]
fn the_page_of_a_rate_limit_does_not_depend_on_an_account() {
    let home = Home::fresh()
        .with("MOVIE_BAG_RATE_LIMITS", "on")
        .with("MOVIE_BAG_CONCEAL_ACCOUNTS", "on");
    let Some(site) = Site::in_home(home) else {
        return;
    };
    let browser = &site.browser;
    let mut pages = Vec::new();
    for email in [ANN, "unknown@example.com"] {
        browser.waits_for("the limit", |browser| {
            browser.visit(&format!("{}/forgot", site.url()));
            browser.types("#email", email);
            site.submit();
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
fn the_page_of_a_link_does_not_reveal_its_account() {
    let Some(site) = Site::open() else { return };
    site.browser.visit(&site.link());
    site.browser.shows("Choose a new password");
    let source = site.browser.source().to_lowercase();
    for address in [ANN, "ann@", "ann%40", "example.com"] {
        assert!(!source.contains(address), "{address}: {source}");
    }
}

#[test]
fn an_expired_link_is_reported_and_a_new_one_offered() {
    let Some(site) = Site::open() else { return };
    let browser = &site.browser;
    browser.visit(&site.expired_link());
    browser.shows("This link has expired");
    browser.types("#email", ANN);
    site.submit();
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
