//! P: the password policy, which is the same everywhere.

use movie_bag_testkit::{Home, PASSWORD, Server};
use serde_json::json;

use super::ANN;

/// All places where a password is set.
struct EntryPoints<'a> {
    home: &'a Home,
    server: Server,
    number: usize,
}

impl<'a> EntryPoints<'a> {
    fn of(home: &'a Home) -> Self {
        let server = home.serve(&[]);
        server.sign_up(ANN, PASSWORD);
        Self {
            home,
            server,
            number: 0,
        }
    }

    fn next_address(&mut self) -> String {
        self.number += 1;
        format!("user{}@example.com", self.number)
    }

    fn try_all(&mut self, password: &str, is_accepted: bool) {
        let (status, code) = if is_accepted { (200, 0) } else { (400, 5) };
        let email = self.next_address();
        let body = json!({"email": email, "password": password});
        let signed_up = self.server.post("/api/auth/signup", body);
        assert_eq!(
            signed_up.status, status,
            "sign-up {password:?}: {}",
            signed_up.text
        );
        let token = self.home.reset_token(ANN);
        let reset = self.server.reset(&token, password);
        assert_eq!(reset.status, status, "reset {password:?}: {}", reset.text);
        if !is_accepted {
            for answer in [signed_up, reset] {
                answer.fails_with(400, "weak_password");
            }
        }
        let token = self.home.reset_token(ANN);
        let email = self.next_address();
        for arguments in [
            ["reset", "--token", &token, "--password-stdin"].as_slice(),
            &["user", "create", "--email", &email, "--password-stdin"],
            &["user", "set-password", "--email", ANN, "--password-stdin"],
        ] {
            let output = self
                .home
                .run_with_input(arguments, &format!("{password}\n"));
            assert_eq!(output.code, Some(code), "{password:?}: {output:?}");
        }
        let imported = self.next_address();
        self.home.write(
            "one.jsonl",
            json!({"email": imported, "password": password}).to_string(),
        );
        let output = self.home.run(&["--json", "user", "import", "one.jsonl"]);
        if is_accepted {
            output.ok();
            self.server.access_token(&imported, password);
            self.server.access_token(&email, password);
            self.server.access_token(ANN, password);
        } else {
            assert!(output.exits(1).stdout.contains("\"weak_password\""));
        }
    }
}

pub fn one_policy_applies_wherever_a_password_is_set(home: Home) {
    let mut entry_points = EntryPoints::of(&home);
    for (password, is_accepted) in [
        ("", false),
        ("short", false),
        ("1234567", false),
        ("password", false),
        ("iloveyou1", false),
        ("movie-bag", false),
        (&"x7".repeat(37), false),
        ("rainy monday in may", true),
        ("zaubertrank 9 liter", true),
        (&"x7".repeat(36), true),
    ] {
        entry_points.try_all(password, is_accepted);
    }
}

pub fn older_passwords_remain_valid(home: Home) {
    home.create_account(ANN, "nine char");
    let home = home.with("MOVIE_BAG_PASSWORD_MIN_LENGTH", "20");
    let server = home.serve(&[]);
    server.access_token(ANN, "nine char");
    let token = home.reset_token(ANN);
    server
        .reset(&token, "nine char")
        .fails_with(400, "weak_password");
}

pub fn the_minimum_length_is_counted_in_characters(home: Home) {
    let mut entry_points = EntryPoints::of(&home);
    // Seven characters of four bytes each are seven characters. 64 characters are accepted as long as they have 72 bytes.
    entry_points.try_all("🎬🐙🚲🌋🪁🧭🦔", false);
    entry_points.try_all("🎬🐙🚲🌋🪁🧭🦔🥁", true);
    entry_points.try_all(&"a1b2c3d4e5f6g7h8".repeat(4), true);
    entry_points.try_all(&format!("{}üäöß", "q9w8e7r6t5z4u3i2".repeat(4)), true);
    // A password of one byte more is refused instead of cut.
    entry_points.try_all(&format!("{}üäößx", "q9w8e7r6t5z4u3i2".repeat(4)), false);
    entry_points.try_all("correct\0horse battery", false);
}

pub fn guessable_passwords_are_refused_and_all_others_accepted(home: Home) {
    let mut entry_points = EntryPoints::of(&home);
    for guessed in [
        "password1",
        "qwertyuiop",
        "trustno1",
        "moviebag",
        "Movie-Bag",
        "movie-bag1",
        ANN,
        "ANN@example.com",
    ] {
        let token = home.reset_token(ANN);
        let answer = entry_points.server.reset(&token, guessed);
        assert_eq!(answer.status, 400, "{guessed}");
        answer.fails_with(400, "weak_password");
        home.reset(&token, guessed).exits(5);
    }
    for free in [
        "only small letters",
        "ПутешествиеНаЛуну",
        "月世界旅行 一九〇二",
        "  spaces round it  ",
        "حفلة موسيقية",
    ] {
        entry_points.try_all(free, true);
    }
    // The same letters in other bytes: precomposed, and with combining accents.
    let server = &entry_points.server;
    server.sign_up("nfc@example.com", "cr\u{e8}me br\u{fb}l\u{e9}e");
    server.access_token("nfc@example.com", "cre\u{300}me bru\u{302}le\u{301}e");
    server.sign_up("nfd@example.com", "cre\u{300}me bru\u{302}le\u{301}e");
    server.access_token("nfd@example.com", "cr\u{e8}me br\u{fb}l\u{e9}e");
}
