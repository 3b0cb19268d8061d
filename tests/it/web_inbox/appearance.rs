//! Accessibility, themes, narrow screens, and page sizes of the inbox.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::{Desk, MANY_PARTS, plain, recorded, send};
use serde_json::json;

use movie_bag_testkit::{Browser, Device, Home, Key, PASSWORD, Theme};

/// A page with an invalid search.
const UNREADABLE: &str = "/?query=larger:abc";

/// Returns the paths of all pages of an inbox that has messages.
fn pages(desk: &Desk) -> Vec<(&'static str, String)> {
    let all = desk.id_of("All sides");
    let reset = desk.id_of("[Movie-bag] Reset your password");
    let tracked = desk.id_of("Look");
    vec![
        ("list", "/".to_owned()),
        ("nothing-found", "/?query=nothing-at-all".to_owned()),
        ("unreadable", UNREADABLE.to_owned()),
        ("gone", "/view/nothing".to_owned()),
        ("reset", format!("/view/{reset}")),
        ("html", format!("/view/{all}?tab=html")),
        ("pictures", format!("/view/{tracked}?tab=html")),
        ("text", format!("/view/{all}?tab=text")),
        ("headers", format!("/view/{all}?tab=headers")),
        ("source", format!("/view/{all}?tab=source")),
        ("attachments", format!("/view/{all}?tab=attachments")),
        ("session", format!("/view/{all}?tab=session")),
    ]
}

fn some_mails() -> Vec<String> {
    let files = std::fs::read_dir("tests/mails").unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    let mails = names.iter().filter_map(|name| name.strip_suffix(".eml"));
    let mut mails: Vec<String> = mails.map(recorded).collect();
    mails.push(MANY_PARTS.to_owned());
    mails.push("no header at all, and a lone\rreturn".to_owned());
    mails
}

#[test]
fn every_page_is_accessible_fits_its_screen_and_loads_nothing_from_elsewhere() {
    let Some(desk) = Desk::open() else { return };
    let browser = &desk.browser;
    let mut findings = Vec::new();
    let mut look = |name: &str, path: &str, prepare: &dyn Fn()| {
        for (theme, device) in [
            (Theme::Light, Device::Desktop),
            (Theme::Dark, Device::Desktop),
            (Theme::Light, Device::Phone),
            (Theme::Dark, Device::Phone),
        ] {
            browser.emulate_screen(theme, device);
            desk.visit(path);
            desk.wait_until_live();
            prepare();
            let look = format!("inbox-{name}-{theme:?}-{device:?}").to_lowercase();
            browser.screenshot(&look);
            let found = browser.accessibility_findings();
            findings.extend(
                found
                    .into_iter()
                    .map(|finding| format!("{look}: {finding}")),
            );
            assert_eq!(browser.overflow(device), 0, "{look} is too wide");
        }
    };
    look("empty", "/", &|| {});
    send(&desk.sink.smtp, some_mails());
    for (name, path) in pages(&desk) {
        look(name, &path, &|| {});
    }
    let reset = desk.id_of("[Movie-bag] Reset your password");
    look("question", "/?query=code", &|| {
        browser.click("#all summary");
        browser.click("#all [value=delete-all]");
        browser.waits_for("the question", |browser| browser.count(".question") == 1);
    });
    look("details", &format!("/view/{reset}"), &|| {
        browser.click("#facts summary");
    });
    look("help", "/", &|| browser.click("#help summary"));
    look("selection", "/", &|| {
        for _ in 0..3 {
            browser.press(Key::Letter("j"));
            browser.press(Key::Letter("x"));
        }
        browser.waits_for("the selection", |browser| {
            browser.text("#selected") == "3 selected"
        });
    });
    look("undo", "/", &|| {
        browser.press(Key::Letter("j"));
        browser.press(Key::Letter("d"));
        browser.waits_for("the notice", |browser| browser.count("#notice form") == 1);
    });
    // The theme chosen in this browser takes precedence over that of the system.
    for theme in ["dark", "light"] {
        desk.visit("/");
        browser.run(
            "localStorage.setItem('theme', arguments[0])",
            json!([theme]),
        );
        look(
            &format!("forced-{theme}"),
            &format!("/view/{reset}"),
            &|| {},
        );
    }
    browser.run("localStorage.removeItem('theme')", json!([]));
    assert_eq!(findings, [""; 0]);
    let site = desk.url("/");
    let socket = site.replace("http://", "ws://");
    for url in browser.requested_urls() {
        let is_same_site =
            url.starts_with(&site) || url.starts_with(&socket) || url.starts_with("data:");
        assert!(is_same_site, "{url}");
    }
    let errors = browser.console_errors();
    // These pages have an error status.
    let errors: Vec<_> = errors
        .iter()
        .filter(|error| !error.contains("/view/nothing") && !error.contains(UNREADABLE))
        .collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn the_message_starts_in_the_upper_half_of_a_phone_screen() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, some_mails());
    let top = "return document.querySelector('.tab > :last-child').getBoundingClientRect().top";
    for subject in [
        "[Movie-bag] Reset your password",
        "All sides",
        "Look",
        "[My Blog] Password Reset",
    ] {
        let path = format!("/view/{}", desk.id_of(subject));
        for theme in [Theme::Light, Theme::Dark] {
            desk.browser.emulate_screen(theme, Device::Phone);
            desk.visit(&path);
            desk.wait_until_live();
            let top = desk.browser.run(top, json!([])).as_f64().unwrap();
            assert!(top > 100.0 && top < 844.0 / 2.0, "{subject}: {top}");
            if desk.browser.count(".look") > 0 {
                assert!(!desk.browser.is_displayed("label[for=phone]"));
            }
            assert!(!desk.browser.is_displayed(".acts > [value=unread]"));
        }
    }
    // The facts are one line, with the rest collapsed.
    let browser = &desk.browser;
    assert!(!browser.is_displayed("#facts dl"));
    browser.click("#facts summary");
    assert!(browser.text("#facts dl").contains("ann@example.com"));
    // The other actions are collapsed too.
    let unread = desk.unread();
    browser.click("#more summary");
    browser.screenshot("inbox-more-dark-phone");
    browser.click("#more [value=unread]");
    browser.waits_for("the message is unread", |_| desk.unread() == unread + 1);
}

#[test]
fn long_words_fit_a_narrow_screen() {
    let Some(desk) = Desk::open() else { return };
    let long = "w".repeat(300);
    let mail = format!(
        "From: {long}@{long}.example\r\nTo: {long}@example.com, {long} <b@example.com>\r\nSubject: {long}\r\n\
         X-Tags: {}\r\nX-{long}: {long}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n\
         --m\r\n\r\nhttps://x.example/reset/{long}\r\nYour code is 123456\r\n\
         --m\r\nContent-Type: text/csv; name={long}.csv\r\nContent-Disposition: attachment\r\n\r\na\r\n--m--",
        "t".repeat(100)
    );
    send(&desk.sink.smtp, [mail]);
    let browser = &desk.browser;
    let id = desk.sink.inbox().messages()[0]["ID"].clone();
    let view = format!("/view/{}", id.as_str().unwrap());
    let tabs = ["text", "attachments", "headers", "source", "session"];
    let mut paths: Vec<_> = tabs.iter().map(|tab| format!("{view}?tab={tab}")).collect();
    paths.extend([
        "/".to_owned(),
        format!("/?query={long}x"),
        "/view/x".to_owned(),
    ]);
    for path in paths {
        browser.emulate_screen(Theme::Light, Device::Narrow);
        desk.visit(&path);
        desk.wait_until_live();
        if path.starts_with(&view) {
            browser.click("#facts summary");
        }
        assert_eq!(browser.overflow(Device::Narrow), 0, "{path}");
        let inner = "const part = document.querySelector(arguments[0]); return part.scrollWidth - part.clientWidth";
        for part in ["#list", "#message"] {
            assert_eq!(browser.run(inner, json!([part])), 0, "{part} of {path}");
        }
    }
    desk.visit("/");
    desk.wait_until_live();
    browser.click("#rows input");
    browser.screenshot("inbox-long-light-narrow");
    assert_eq!(browser.overflow(Device::Narrow), 0);
    assert!(browser.is_displayed("#selection [value=unread]"));
}

#[test]
fn a_theme_is_chosen_and_remembered_in_the_browser() {
    let Some(desk) = Desk::open() else { return };
    let dark_colours = "Subject: dark\r\nContent-Type: text/html\r\n\r\n\
                        <meta name=\"color-scheme\" content=\"light dark\"><p>text</p>";
    send(&desk.sink.smtp, [dark_colours]);
    let browser = &desk.browser;
    let ink_of_mail = || browser.in_frame("iframe", |browser| browser.style("p", "color"));
    let scheme = |element: &str| {
        let script = "return getComputedStyle(document.querySelector(arguments[0])).colorScheme";
        browser.run(script, json!([element]))
    };
    let ink = || browser.style("body", "color");
    let choose = |theme: &str| {
        let script = "const select = document.getElementById('theme'); select.value = arguments[0]; \
                      select.dispatchEvent(new Event('change', {bubbles: true}))";
        browser.run(script, json!([theme]));
    };
    desk.visit("/");
    let light = ink();
    choose("dark");
    let dark = ink();
    assert_ne!(dark, light);
    // The theme holds on the next page before anything is painted, and for the message, which supports both.
    desk.visit(&format!("/view/{}", desk.id_of("dark")));
    desk.wait_until_live();
    assert_eq!(ink_of_mail(), "rgb(255, 255, 255)");
    assert_eq!((ink(), scheme("iframe")), (dark.clone(), json!("dark")));
    assert_eq!(browser.property("#theme", "value"), "dark");
    let is_early = "const loaded = performance.getEntriesByType('resource').find((one) => one.name.endsWith('/theme.js')); \
                    const paint = performance.getEntriesByName('first-paint')[0]; \
                    return paint ? loaded.responseEnd <= paint.startTime : null";
    browser.waits_for("the first paint", |browser| {
        !browser.run(is_early, json!([])).is_null()
    });
    assert_eq!(browser.run(is_early, json!([])), true);
    // Against the setting of the system, in both directions, and with it again.
    browser.emulate_screen(Theme::Dark, Device::Desktop);
    choose("light");
    assert_eq!((ink(), scheme("iframe")), (light.clone(), json!("light")));
    assert_eq!(ink_of_mail(), "rgb(0, 0, 0)");
    choose("");
    assert_eq!(ink(), dark);
    assert_eq!(browser.run("return localStorage.length", json!([])), 0);
    browser.emulate_screen(Theme::Light, Device::Desktop);
    assert_eq!(ink(), light);
}

#[test]
fn without_scripts_the_theme_is_that_of_the_system() {
    let Some(desk) = Desk::without_scripts() else {
        return;
    };
    desk.visit("/");
    let light = desk.browser.style("body", "color");
    assert!(!desk.browser.is_displayed("#theme"));
    desk.browser.emulate_screen(Theme::Dark, Device::Desktop);
    assert_ne!(desk.browser.style("body", "color"), light);
}

#[test]
fn each_page_is_smaller_than_fifty_kilobytes() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, some_mails());
    // A long message of random characters, which do not compress.
    let noise: String = (0..60_000_u64)
        .map(|at| char::from(b'!' + (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u8 % 90))
        .map(|char| if "<>&\"'".contains(char) { 'x' } else { char })
        .collect();
    let noise: Vec<&str> = noise
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    send(
        &desk.sink.smtp,
        [format!("{}\r\n{}", plain("noise"), noise.join("\r\nx"))],
    );
    let noise = desk.sink.inbox().messages()[0]["ID"]
        .as_str()
        .unwrap()
        .to_owned();
    send(
        &desk.sink.smtp,
        (0..100).map(|number| plain(&format!("number {number}"))),
    );
    let assets = [
        "/theme.js",
        "/inbox.css",
        "/inbox.js",
        "/icon.svg?unread=50",
    ];
    let assets: usize = assets
        .iter()
        .map(|path| response_size(desk.sink.web(), path))
        .sum();
    let mut pages = pages(&desk);
    pages.push(("noise", format!("/view/{noise}?tab=source")));
    for (name, path) in pages {
        let size = response_size(desk.sink.web(), &path) + assets;
        assert!(size < 50_000, "{name}: {size} bytes");
    }
}

/// Returns the size of a compressed response, with its headers.
fn response_size(web: &str, path: &str) -> usize {
    let mut stream = TcpStream::connect(web).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {web}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 200") || ["/view/nothing", UNREADABLE].contains(&path),
        "{path}"
    );
    answer.len()
}

#[test]
fn readme_shows_a_small_picture_of_the_inbox() {
    let picture = "docs/inbox.png";
    // `BLESS=1 cargo test readme_shows` takes the picture again.
    if std::env::var_os("BLESS").is_some() {
        let Some(browser) = Browser::open() else {
            return;
        };
        std::fs::write(picture, take_picture(&browser)).unwrap();
    }
    let readme = std::fs::read_to_string("README.md").unwrap();
    assert!(readme.contains(&format!("]({picture})")), "{picture}");
    let size = std::fs::metadata(picture).unwrap().len();
    assert!(size < 250_000, "{size}");
}

fn take_picture(browser: &Browser) -> Vec<u8> {
    let home = Home::fresh();
    let server = home.serve(&[]);
    let ann = "ann@example.com";
    server.sign_up(ann, PASSWORD);
    let mails = [
        "github-code",
        "receipt",
        "newsletter",
        "alert",
        "calendar",
        "devise-reset",
    ];
    send(server.smtp(), mails.map(recorded));
    server.reset_token(ann);
    browser.emulate_screen(Theme::Light, Device::Desktop);
    browser.visit(&format!("{}/", server.inbox().address()));
    browser.waits_for("the inbox is live", |browser| {
        browser.text("#live") == "Live"
    });
    browser.click("#rows a");
    browser.waits_for("the mail", |browser| browser.count("iframe") == 1);
    browser.in_frame("iframe", |browser| browser.text("h1"));
    browser.picture_of("body")
}
