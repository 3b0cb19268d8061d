//! The pages work under every host name and below a path.

use movie_bag_testkit::{Browser, Home, PASSWORD, Proxy, Server};

use super::{ANN, SUBJECT};

/// Resets a password on the pages below `base`, and returns to the start page.
fn reset_below(base: &str, browser: &Browser, server: &Server) {
    let inbox = server.inbox();
    let before = inbox.count(ANN, SUBJECT);
    let requested = browser.requested_urls().len();
    browser.visit(&format!("{base}/"));
    browser.click("a.button");
    browser.shows("Forgot your password?");
    browser.types("#email", ANN);
    browser.click("button");
    browser.shows("Check your mailbox");
    let token = inbox.wait_for_count(ANN, SUBJECT, before + 1).token();

    browser.visit(&format!("{base}/reset/{token}"));
    browser.shows("Choose a new password");
    assert!(browser.is_displayed("#show"), "the script runs");
    let password = format!("a password for {base}");
    browser.types("#password", &password);
    browser.types("#password_again", &password);
    browser.click("button[type=submit]");
    browser.shows("Your password was changed");
    server.access_token(ANN, &password);

    browser.visit(&format!("{base}/reset/{token}"));
    browser.types("#email", ANN);
    browser.click("button");
    browser.shows("Check your mailbox");
    browser.click(".brand a");
    browser.shows("Account service");
    assert_eq!(browser.url(), format!("{base}/"));
    let requested = browser.requested_urls().split_off(requested);
    assert!(requested.len() > 7, "{requested:?}");
    for url in requested {
        assert!(url.starts_with(&format!("{base}/")), "{url}");
    }
}

#[test]
fn the_pages_work_under_every_name_of_the_machine() {
    let Some(browser) = Browser::open() else {
        return;
    };
    let home = Home::fresh();
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let (_, port) = server.address().rsplit_once(':').unwrap();
    for name in ["localhost", "127.0.0.1", "movies.test"] {
        reset_below(&format!("http://{name}:{port}"), &browser, &server);
    }
}

#[test]
fn the_pages_work_behind_a_proxy_with_a_path_prefix() {
    let Some(browser) = Browser::open() else {
        return;
    };
    let proxy = Proxy::with_prefix("/accounts");
    let base = proxy.url("movies.test");
    let home = Home::fresh().with("MOVIE_BAG_PUBLIC_URL", base.clone());
    let server = home.serve(&[]);
    proxy.forward_to(server.address());
    server.sign_up(ANN, PASSWORD);
    reset_below(&base, &browser, &server);
    let mail = server.inbox().wait_for_count(ANN, SUBJECT, 2);
    browser.visit(mail.link());
    browser.shows("Choose a new password");
    assert!(mail.link().starts_with(&base), "{}", mail.link());
}
