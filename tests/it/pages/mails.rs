//! The HTML of the mails, as shown by a mail program with a browser engine.

use serde_json::json;

use movie_bag_testkit::{Browser, Device, Home, Theme};

const KINDS: [&str; 5] = [
    "reset_password",
    "reset_successful",
    "invitation",
    "address_changed",
    "access_revoked",
];

/// Returns every combination of theme and device, with its name.
fn screens() -> impl Iterator<Item = (Theme, Device, String)> {
    let themes = [Theme::Light, Theme::Dark];
    themes.into_iter().flat_map(|theme| {
        [Device::Desktop, Device::Phone].map(|device| {
            let name = format!("{theme:?}-{device:?}").to_lowercase();
            (theme, device, name)
        })
    })
}

/// Returns the accessibility problems of a mail. The landmarks of the page belong to the mail program that shows it.
fn findings(browser: &Browser) -> Vec<String> {
    let is_about_mails = |finding: &String| {
        !["region:", "landmark-one-main:"]
            .iter()
            .any(|rule| finding.starts_with(rule))
    };
    let found = browser.accessibility_findings();
    found.into_iter().filter(is_about_mails).collect()
}

#[test]
fn every_mail_is_readable_on_every_screen_with_and_without_its_style_sheet() {
    let Some(browser) = Browser::open() else {
        return;
    };
    // With the link to the login page, which some mails have in addition.
    let home = Home::fresh().with("MOVIE_BAG_LOGIN_URL", "https://movies.example/login");
    let mut all = Vec::new();
    for kind in KINDS {
        let template = format!("email/{kind}.html");
        let mail = home.run(&["templates", "preview", &template]).ok().stdout;
        let (head, rest) = mail.split_once("<style>").unwrap();
        let (_, body) = rest.split_once("</style>").unwrap();
        for (what, html) in [
            ("mail", mail.clone()),
            ("bare-mail", format!("{head}{body}")),
        ] {
            let file = home.write(&format!("{what}-{kind}.html"), html);
            browser.visit(&format!("file://{}", file.display()));
            for (theme, device, screen) in screens() {
                browser.emulate_screen(theme, device);
                let name = format!("{what}-{kind}-{screen}");
                if what == "mail" {
                    browser.screenshot(&name);
                }
                let found = findings(&browser);
                all.extend(found.iter().map(|finding| format!("{name}: {finding}")));
                assert_eq!(browser.overflow(device), 0, "{name} is too wide");
                let is_dark = theme == Theme::Dark && what == "mail";
                let card = if is_dark {
                    "rgb(34, 34, 41)"
                } else {
                    "rgb(255, 255, 255)"
                };
                assert_eq!(browser.style(".card", "background-color"), card, "{name}");
            }
        }
    }
    assert_eq!(all, [""; 0]);
    let foreign = browser.requested_urls();
    let foreign: Vec<_> = foreign
        .iter()
        .filter(|url| !url.starts_with("file:"))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert_eq!(browser.run("return document.scripts.length", json!([])), 0);
}
