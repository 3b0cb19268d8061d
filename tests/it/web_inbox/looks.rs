//! How the inbox looks: to whom reads with a screen reader, in the dark, on a phone, and to a slow line.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::{Desk, MANY_PARTS, plain, recorded, send};
use crate::harness::{Browser, Device, Home, Key, NEW_PASSWORD, PASSWORD, Theme};

/// A page with a search that cannot be read.
const UNREADABLE: &str = "/?query=larger:abc";

/// Paths of all pages of an inbox that has mails.
fn pages(desk: &Desk) -> Vec<(&'static str, String)> {
    let messages = desk.sink.inbox().messages();
    let id = |subject: &str| {
        let found = messages.iter().find(|one| one["Subject"] == subject);
        found.unwrap()["ID"].as_str().unwrap().to_owned()
    };
    let (all, reset) = (id("All sides"), id("[Movie-bag] Reset Your Password"));
    vec![
        ("list", "/".to_owned()),
        ("nothing-found", "/?query=nothing-at-all".to_owned()),
        ("unreadable", UNREADABLE.to_owned()),
        ("gone", "/view/nothing".to_owned()),
        ("reset", format!("/view/{reset}")),
        ("html", format!("/view/{all}?tab=html")),
        ("pictures", format!("/view/{all}?tab=html&pictures=1")),
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
fn nobody_is_shut_out_of_any_page_and_nothing_comes_from_elsewhere() {
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
            browser.appearance(theme, device);
            desk.visits(path);
            desk.is_live();
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
    look("question", "/?query=code", &|| {
        browser.click("#all summary");
        browser.click("#all [value=delete-all]");
        browser.waits_for("the question", |browser| browser.count(".question") == 1);
    });
    look("key", "/", &|| {
        browser.press(Key::Letter("j"));
        browser.press(Key::Letter("d"));
        browser.waits_for("the question", |browser| browser.count("#ask[open]") == 1);
    });
    assert_eq!(findings, [""; 0]);
    let site = desk.url("/");
    let socket = site.replace("http://", "ws://");
    for url in browser.requested_urls() {
        let is_ours =
            url.starts_with(&site) || url.starts_with(&socket) || url.starts_with("data:");
        assert!(is_ours, "{url}");
    }
    let errors = browser.console_errors();
    // The status of these pages is an error.
    let errors: Vec<_> = errors
        .iter()
        .filter(|error| !error.contains("/view/nothing") && !error.contains(UNREADABLE))
        .collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn each_page_travels_in_less_than_fifty_kilobytes() {
    let Some(desk) = Desk::open() else { return };
    send(&desk.sink.smtp, some_mails());
    // A long one, of what can't be pressed together.
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
    let assets = ["/inbox.css", "/inbox.js", "/icon.svg?unread=50"];
    let assets: usize = assets
        .iter()
        .map(|path| weight(desk.sink.web(), path))
        .sum();
    let mut pages = pages(&desk);
    pages.push(("noise", format!("/view/{noise}?tab=source")));
    for (name, path) in pages {
        let weight = weight(desk.sink.web(), &path) + assets;
        assert!(weight < 50_000, "{name}: {weight} bytes");
    }
}

/// Bytes of an answer as a browser takes it, with its head.
fn weight(web: &str, path: &str) -> usize {
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
fn readme_shows_how_it_looks_in_small_pictures() {
    let pictures = ["docs/inbox.png", "docs/reset.png"];
    let readme = std::fs::read_to_string("README.md").unwrap();
    // `BLESS=1 cargo test readme_shows` takes them anew.
    if std::env::var_os("BLESS").is_some() {
        let Some(browser) = Browser::open() else {
            return;
        };
        for (name, picture) in pictures.iter().zip(take_pictures(&browser)) {
            std::fs::write(name, picture).unwrap();
        }
    }
    let mut size = 0;
    for name in pictures {
        assert!(readme.contains(&format!("]({name})")), "{name}");
        size += std::fs::metadata(name).unwrap().len();
    }
    assert!(size < 300_000, "{size}");
}

fn take_pictures(browser: &Browser) -> [Vec<u8>; 2] {
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
    let token = server.reset_token(ann);
    browser.appearance(Theme::Light, Device::Desktop);
    browser.visit(&format!("{}/", server.inbox().address()));
    browser.waits_for("it is live", |browser| browser.text("#live") == "Live");
    browser.click("#rows a");
    browser.waits_for("the mail", |browser| browser.count("iframe") == 1);
    browser.in_frame("iframe", |browser| browser.text("h1"));
    let inbox = browser.picture_of("body");
    browser.visit(&format!("http://{}/reset/{token}", server.address()));
    browser.types("#password", NEW_PASSWORD);
    browser.types("#password_again", NEW_PASSWORD);
    browser.click("#show");
    [inbox, browser.picture_of("main")]
}
