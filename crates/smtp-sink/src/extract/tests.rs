//! Results that must be found, and results that must not.

use super::*;
use proptest::prelude::*;

const JWT: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI2NTBjIiwiZXhwIjoxfQ.c2lnbmF0dXJl_-A";

fn text(text: &str) -> Extracted {
    extract(Some(text), None)
}

fn html(html: &str) -> Extracted {
    extract(None, Some(html))
}

#[test]
fn links_are_complete_and_without_surrounding_punctuation() {
    for (given, expected) in [
        (
            "Open http://localhost:3000/reset/abc now",
            &["http://localhost:3000/reset/abc"][..],
        ),
        (
            "See (https://a.example/x_(y)) or [https://b.example].",
            &["https://a.example/x_(y)", "https://b.example"],
        ),
        (
            "<https://a.example/?q=1&r=2#f>, HTTPS://B.EXAMPLE/!",
            &["https://a.example/?q=1&r=2#f", "HTTPS://B.EXAMPLE/"],
        ),
        (
            "请点击https://a.example/重置。谢谢",
            &["https://a.example/重置"],
        ),
        (
            "[Reset](https://a.example/r) **https://b.example/r**",
            &["https://a.example/r", "https://b.example/r"],
        ),
        (
            "https://a.example https://a.example",
            &["https://a.example"],
        ),
        ("https://a.example/\u{202e}moc", &["https://a.example/"]),
        (
            "http:// https://. ftp://a.example httpsx a@b.example www.a.example http",
            &[],
        ),
        ("xhttps://a.example", &[]),
        ("", &[]),
    ] {
        assert_eq!(text(given).links, expected, "{given}");
    }
}

#[test]
fn only_clickable_addresses_are_links_of_html() {
    let found = html(
        r#"<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1.dtd">
        <html xmlns="http://www.w3.org/1999/xhtml"><head><link href="https://fonts.example/css"></head>
        <style>@import url(https://css.example/);</style><img src="https://pixel.example/1.gif">
        <a href="https://a.example/?x=1&amp;y=2">Reset</a> <a href="mailto:a@b.example">write</a>
        <a href="javascript:alert(1)">no</a> or paste https://b.example/seen"#,
    );
    assert_eq!(
        found.links,
        ["https://a.example/?x=1&y=2", "https://b.example/seen"]
    );
}

#[test]
fn both_parts_are_read_and_repeats_are_removed() {
    let found = extract(
        Some("https://a.example/1"),
        Some("<a href='https://a.example/1'>x</a><a href='https://a.example/2'>"),
    );
    assert_eq!(found.links, ["https://a.example/1", "https://a.example/2"]);
}

#[test]
fn jwts_are_tokens_in_links_and_in_text() {
    let link = format!("http://localhost:3000/reset/{JWT}");
    let found = text(&format!("Open {link} soon"));
    assert_eq!(
        (&found.tokens[..], &found.reset_tokens[..]),
        (&[JWT.to_owned()][..], &[JWT.to_owned()][..])
    );
    assert_eq!(found.links, [link]);

    for given in [
        format!("Token: {JWT}."),
        format!("https://a.example/?token={JWT}&x=1"),
        format!("https://reset.example/?token={JWT}&then=reset"),
        format!("<{JWT}>"),
    ] {
        let found = text(&given);
        assert_eq!(found.tokens, [JWT], "{given}");
        assert!(found.reset_tokens.is_empty(), "not a reset link: {given}");
    }
    let (unsigned, _) = JWT.rsplit_once('.').unwrap();
    for given in [
        "eyJhbGciOiJIUzI1NiJ9.notjson.c2ln".to_owned(),
        "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiIxIn0.c2ln".to_owned(),
        format!("{unsigned}."),
        format!("{JWT}.more"),
        "a.b.c www.example.com".to_owned(),
    ] {
        assert!(text(&given).tokens.is_empty(), "{given}");
    }
}

#[test]
fn the_token_of_a_reset_link_is_found_in_its_path_query_and_fragment() {
    // 43 characters, as the signature of HS256 has.
    let (signed, _) = JWT.rsplit_once('.').unwrap();
    let jwt = format!("{signed}.{}", "aB3_-".repeat(9).get(..43).unwrap());
    for form in [
        "https://app.example/reset/{token}",
        "https://app.example/reset/{token}/",
        "https://app.example/reset/{token}/step-1?lang=en",
        "https://app.example/Password-Reset?token={token}",
        "https://app.example/reset?lang=en&t={token}&utm_source=mail",
        "https://app.example/reset?k=0123456789abcdefgh&t={token}",
        "https://app.example/#/reset/{token}",
        "https://app.example/#/reset?token={token}&x=1",
        "http://localhost:5173/reset#{token}",
        "http://localhost:5173/reset#!token={token}",
    ] {
        let link = form.replace("{token}", &jwt);
        let escaped = link.replace('&', "&amp;");
        for found in [
            text(&format!(
                "Choose a password:\n\n{link}\n\nIt is valid for 24 hours."
            )),
            html(&format!("<a href=\"{escaped}\">Reset</a><p>{escaped}</p>")),
            extract(
                Some(&format!("Log in: https://app.example/login\n{link}")),
                None,
            ),
        ] {
            assert_eq!(found.main_link(), Some(&link), "{form}");
            assert_eq!(found.tokens.first(), Some(&jwt), "{form}");
            assert_eq!(found.reset_tokens, [&*jwt], "{form}");
        }
    }
    // A link with another purpose has no command, but its token is found.
    let link = format!("https://app.example/new-password?t={jwt}");
    let found = text(&link);
    assert_eq!(
        (&found.tokens, found.main_link()),
        (&vec![jwt], Some(&link))
    );
    assert!(found.reset_tokens.is_empty());
}

#[test]
fn codes_are_found_near_a_keyword() {
    for (given, expected) in [
        ("Your verification code is 123456.", &["123456"][..]),
        ("Your PIN: 0042", &["0042"]),
        ("482913 is your Example login code", &["482913"]),
        (
            "Your one-time code:\n\n    842 193\n\nIt works for 10 minutes.",
            &["842193"],
        ),
        ("Use code 123-456 to sign in", &["123456"]),
        ("OTP 99887766 (valid 5 min)", &["99887766"]),
        ("Ihr Sicherheitscode lautet 774411", &["774411"]),
        ("Tu código de verificación es 556677", &["556677"]),
        ("您的验证码是 338201，请勿泄露", &["338201"]),
        ("Enter this code\n**445566**", &["445566"]),
        ("G-code? Your code: 1111 or 2222", &["1111", "2222"]),
    ] {
        assert_eq!(text(given).codes, expected, "{given}");
    }
    let table =
        "<p>Your code</p><table><tr><td style='font-size:3200px'><b>918273</b></td></tr></table>";
    assert_eq!(html(table).codes, ["918273"]);
}

#[test]
fn other_numbers_are_not_codes() {
    for given in [
        "Meet me in 2026",
        "Your order #12345 is on its way",
        "Total: $1234 or 1234 EUR, code of conduct",
        "Your code expires in 1440 minutes",
        "Zip code 90210, country code 0049",
        "Use discount code now: 20% off 5000 items at https://a.example/code/123456",
        "The code was sent on 2026-11-23 at 10:11:12",
        "Call +49 30 1234567 for a code",
        "code 123",
        "code 123456789",
        "code AB12345",
        "code: 192.168.1.100",
        "© 2026 Code Corp",
        "Spinning 5000 times",
    ] {
        assert_eq!(text(given).codes, Vec::<String>::new(), "{given}");
    }
}

proptest! {
    #[test]
    fn any_text_can_be_read(
        pieces in proptest::collection::vec(
            prop::sample::select(vec!["http", "https://", "://", "a", "é", ".", ")", "(", "1234", "code", " ", "\n", "İ", "<a href=", "\"", ">", "eyJ"]),
            0..50,
        ),
    ) {
        let given = pieces.concat();
        extract(Some(&given), Some(&given));
    }
}

/// Mails of many senders, languages, charsets and encodings; `expected.json` has the expected results.
#[test]
fn the_corpus_of_mails_has_exactly_the_expected_results() {
    let folder = movie_bag_testkit::markdown::repository().join("tests/mails");
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&expected).unwrap();
    assert!(expected.len() >= 40);
    let mails = std::fs::read_dir(&folder).unwrap().count() - 1;
    assert_eq!(
        mails,
        expected.len(),
        "each mail has an entry in expected.json"
    );
    let mut wrong = Vec::new();
    for (name, expected) in expected {
        let source = std::fs::read(folder.join(format!("{name}.eml"))).unwrap();
        let message = crate::inbox::tests::stored_message(&source, "a@b", &["c@d"]);
        let found = from_content(&crate::view::content(&message));
        let found = serde_json::json!({
            "links": found.links,
            "tokens": found.tokens,
            "codes": found.codes,
        });
        if found != expected {
            wrong.push(format!("{name}\n  found    {found}\n  expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
