//! The picture of the reset page. `BLESS=1 cargo test page_picture` takes it again.

use movie_bag_testkit::markdown::repository;
use movie_bag_testkit::{Browser, Device, Home, NEW_PASSWORD, PASSWORD, Theme};

const PICTURE: &str = "docs/reset.png";

fn take(browser: &Browser) -> Vec<u8> {
    let home = Home::fresh();
    let server = home.serve(&[]);
    server.sign_up("ann@example.com", PASSWORD);
    let token = server.reset_token("ann@example.com");
    browser.emulate_screen(Theme::Light, Device::Desktop);
    browser.visit(&format!("http://{}/reset/{token}", server.address()));
    browser.types("#password", NEW_PASSWORD);
    browser.types("#password_again", NEW_PASSWORD);
    browser.click("#show");
    browser.picture_of("main")
}

#[test]
fn the_page_picture_is_small() {
    let path = repository().join(PICTURE);
    if std::env::var_os("BLESS").is_some() {
        let Some(browser) = Browser::open() else {
            return;
        };
        std::fs::write(&path, take(&browser)).unwrap();
    }
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size < 60_000, "{size}");
}
