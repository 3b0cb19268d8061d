//! Tests of the import formats.

use movie_bag_core::app::NewCredential;

use super::*;

const HASH: &str = "$2y$10$vI8aWBnW3fID.ZQ4/zo1G.q1lRps.9cGLcZEiGDMVr5yUP1KUOYTa";

/// Records by line: address and kind of credential, or the failure.
type Read = Vec<(u64, Result<(String, &'static str), Failure>)>;

fn all(mut records: impl Records) -> Result<Read, Failure> {
    let mut all = Vec::new();
    while let Some(Line { number, record, .. }) = records.next()? {
        let record = record.map(|record| {
            let kind = match record.credential {
                NewCredential::Password(_) => "password",
                NewCredential::Hash(_) => "hash",
            };
            (record.email, kind)
        });
        all.push((number, record));
    }
    Ok(all)
}

/// Reads CSV at once and also a few bytes at a time, as from a pipe.
fn read_csv(text: impl AsRef<[u8]>) -> Result<Read, Failure> {
    let whole = all(Csv::new(text.as_ref()));
    let in_pieces = all(Csv::new(BufReader::with_capacity(3, text.as_ref())));
    assert_eq!(format!("{whole:?}"), format!("{in_pieces:?}"));
    whole
}

fn read_json_lines(text: impl AsRef<[u8]>) -> Result<Read, Failure> {
    let whole = all(JsonLines::new(text.as_ref()));
    let in_pieces = all(JsonLines::new(BufReader::with_capacity(3, text.as_ref())));
    assert_eq!(format!("{whole:?}"), format!("{in_pieces:?}"));
    whole
}

fn accepted(line: u64, email: &str, kind: &'static str) -> (u64, (String, &'static str)) {
    (line, (email.to_owned(), kind))
}

fn accepted_records(read: Read) -> Vec<(u64, (String, &'static str))> {
    let taken = read.into_iter();
    taken
        .map(|(line, record)| {
            (
                line,
                record.unwrap_or_else(|why| panic!("line {line}: {why}")),
            )
        })
        .collect()
}

/// Returns the refused lines with the reason, and the number of accepted lines.
fn refusals(read: &Read) -> (Vec<(u64, String)>, usize) {
    let refused = read.iter().filter_map(|(line, record)| {
        let why = record.as_ref().err()?;
        Some((*line, format!("{} ({})", why.message, why.hint.as_deref()?)))
    });
    let refused: Vec<_> = refused.collect();
    let taken = read.len() - refused.len();
    (refused, taken)
}

#[test]
fn csv_of_common_programs_is_accepted() {
    for (text, expected) in [
        (
            format!("email,password_hash\nann@example.com,{HASH}\n"),
            vec![accepted(2, "ann@example.com", "hash")],
        ),
        // Another order of columns, a byte order mark, capitals and spaces in the header, CRLF, empty lines, no final line break.
        (
            "\u{feff}Password, EMAIL \r\n\r\n\r\ncorrect horse,ann@example.com\r\n\"a, \"\"b\"\"\",bob@example.com"
                .to_owned(),
            vec![
                accepted(4, "ann@example.com", "password"),
                accepted(5, "bob@example.com", "password"),
            ],
        ),
        // Both credential columns, with one value per line.
        (
            format!("email,password,password_hash\nann@example.com,,{HASH}\nbob@example.com,correct horse,\n"),
            vec![
                accepted(2, "ann@example.com", "hash"),
                accepted(3, "bob@example.com", "password"),
            ],
        ),
        ("email,password\n".to_owned(), vec![]),
        ("email,password".to_owned(), vec![]),
    ] {
        assert_eq!(accepted_records(read_csv(&text).unwrap()), expected, "{text}");
    }
}

#[test]
fn a_file_without_account_columns_is_refused_by_its_first_line() {
    for (text, named) in [
        ("", "the file is empty"),
        ("\r\n\n", "the file is empty"),
        (
            "ann@example.com,correct horse\n",
            "does not name the columns",
        ),
        ("hunter2,horse\n", "does not name the columns"),
        ("email;password\n", "separated by ';'"),
        ("email\tpassword\n", "separated by tabs"),
        ("email,pasword\n", "\"pasword\" (did you mean password?)"),
        ("emial,password_hash\n", "\"emial\" (did you mean email?)"),
        ("email,name,password\n", "\"name\""),
        ("email,,password\n", "unknown column \"\""),
        ("email,password,email\n", "the column email occurs twice"),
        ("password_hash\n", "the column email is missing"),
        ("email\n", "a column password or password_hash is missing"),
        ("\u{0},password\n", "unknown column"),
        (
            "\"email,password\nann@example.com,x\n",
            "does not name the columns",
        ),
    ] {
        let failure = read_csv(text).unwrap_err();
        assert_eq!(failure.exit, ExitCode::Usage, "{text:?}");
        assert!(failure.message.contains(named), "{text:?}: {failure}");
        for secret in ["horse", "hunter2"] {
            assert!(!failure.message.contains(secret), "{failure}");
        }
    }
    let utf_16: Vec<u8> = "\u{feff}email"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for failure in [
        read_csv(&utf_16).unwrap_err(),
        read_json_lines(&utf_16).unwrap_err(),
    ] {
        assert!(failure.message.contains("UTF-16") && failure.exit == ExitCode::Usage);
    }
}

#[test]
fn a_bad_line_of_csv_is_named_and_the_others_are_read() {
    let long = "x".repeat(1_000_000);
    let hash = |cost: &str| HASH.replace("$10$", cost);
    for (line, named) in [
        ("bob@example.com", "1 values for 3 columns"),
        ("bob@example.com,a,b,c", "4 values for 3 columns"),
        ("bob@example.com,a, b,", "4 values for 3 columns"),
        (&",".repeat(2_000), "longer than 64 KiB"),
        (
            "bob@example.com,,",
            "password and password_hash are both missing",
        ),
        (",secret,", "email is missing"),
        (
            &format!("bob@example.com,secret,{HASH}"),
            "both a password and a password_hash",
        ),
        (
            &format!("bob@example.com,{HASH},"),
            "the password is a hash (move it to password_hash)",
        ),
        (
            &format!("bob@example.com,{},", hash("$31$")),
            "the password is a hash",
        ),
        ("bob@example.com,,secret", "not a bcrypt hash"),
        (&format!("bob@example.com,,{}", hash("$03$")), "cost"),
        (&format!("bob@example.com,,{}", hash("$17$")), "cost"),
        (&format!("bob@example.com,,{}", hash("$31$")), "cost"),
        (
            &format!("bob@example.com,,{}", &HASH[..59]),
            "the bcrypt hash is malformed",
        ),
        (
            "bob@example.com,,$argon2id$v=19$m=65536$c2FsdA$aGFzaA",
            "Argon2id",
        ),
        (
            &format!("bob@example.com,,bcrypt${HASH}"),
            "remove that prefix",
        ),
        (&format!("bob@example.com,{long},"), "longer than 64 KiB"),
        (&format!("{long}@example.com,,"), "longer than 64 KiB"),
        (
            "bob@example.com,\"secret\nand more\",",
            "in double quotes continues up to line 4",
        ),
        (
            &format!("bob@example.com,\"{long}\n\n{long}\","),
            "in double quotes continues up to line 5",
        ),
    ] {
        let text = format!(
            "email,password,password_hash\nann@example.com,correct horse,\n{line}\ncid@example.com,correct horse,\n"
        );
        let read = read_csv(&text).unwrap();
        let (refused, taken) = refusals(&read);
        let [(number, why)] = &*refused else {
            panic!("{line:.80}: {refused:?}")
        };
        assert_eq!((*number, taken), (3, 2), "{line:.80}");
        let (why, named) = (why.to_lowercase(), named.to_lowercase());
        assert!(why.contains(&named), "{line:.80}: {why}");
        assert!(!why.contains("secret") && !why.contains(HASH), "{why}");
    }
}

#[test]
fn a_quote_that_is_not_closed_is_reported_with_the_rest_of_the_file() {
    for rest in ["more\nlines\n", "more", "\n"] {
        let text =
            format!("email,password\nann@example.com,correct horse\nbob@example.com,\"{rest}");
        let (refused, taken) = refusals(&read_csv(&text).unwrap());
        assert_eq!((refused.len(), taken), (1, 1), "{rest:?}: {refused:?}");
        assert!(refused[0].1.contains("close the quote"), "{refused:?}");
    }
    // Invalid UTF-8 affects only its line.
    let text = b"email,password\nann@example.com,\xff\xfe horses\nbob@example.com,correct horse\n";
    let (refused, taken) = refusals(&read_csv(text).unwrap());
    assert_eq!((refused.len(), taken), (1, 1));
    assert!(refused[0].1.contains("not UTF-8"), "{refused:?}");
}

#[test]
fn json_lines_of_common_programs_are_accepted() {
    let text = format!(
        "\u{feff}{{\"email\":\"ann@example.com\",\"password_hash\":\"{HASH}\"}}\r\n\n  \n\
         {{\"password\":\"correct \\\"horse\\\"\",\"email\":\"bob@example.com\",\"password_hash\":null}}"
    );
    assert_eq!(
        accepted_records(read_json_lines(text).unwrap()),
        [
            accepted(1, "ann@example.com", "hash"),
            accepted(4, "bob@example.com", "password"),
        ]
    );
    assert!(read_json_lines("").unwrap().is_empty());
}

#[test]
fn a_bad_line_of_json_is_named_and_the_others_are_read() {
    let deep = "[".repeat(10_000);
    let long = format!(
        "{{\"email\":\"bob@example.com\",\"password\":\"{}\"}}",
        "x".repeat(1_000_000)
    );
    for (line, named) in [
        (
            "{\"email\":\"bob@example.com\",\"password\":\"secret\"",
            "it is not valid JSON",
        ),
        (
            "{\"email\":\"bob@example.com\",\"password\":\"secret\"}}",
            "it is not valid JSON",
        ),
        ("{'email':'bob@example.com'}", "it is not valid JSON"),
        ("email,password", "it is not valid JSON"),
        (
            "{\"email\":\"\\ud800\",\"password\":\"secret\"}",
            "it is not valid JSON",
        ),
        ("\0", "it is not valid JSON"),
        (&deep, "not a JSON object"),
        ("\"secret\"", "not a JSON object"),
        ("null", "not a JSON object"),
        ("17", "not a JSON object"),
        (
            "[{\"email\":\"bob@example.com\",\"password\":\"secret\"}]",
            "not a JSON object",
        ),
        ("{}", "email is missing"),
        (
            "{\"email\":null,\"password\":\"secret\"}",
            "email is missing",
        ),
        (
            "{\"email\":5,\"password\":\"secret\"}",
            "email is not a string",
        ),
        (
            "{\"email\":[\"bob@example.com\"],\"password\":\"secret\"}",
            "email is not a string",
        ),
        (
            "{\"email\":\"bob@example.com\",\"password\":{\"$gt\":\"\"}}",
            "password is not a string",
        ),
        (
            "{\"email\":\"bob@example.com\",\"password\":true}",
            "password is not a string",
        ),
        (
            "{\"email\":\"bob@example.com\"}",
            "password and password_hash are both missing",
        ),
        (
            "{\"email\":\"a\",\"email\":\"b\",\"password\":\"secret\"}",
            "the field email occurs twice",
        ),
        (
            "{\"email\":\"bob@example.com\",\"pasword\":\"secret\"}",
            "did you mean password?",
        ),
        (
            "{\"email\":\"bob@example.com\",\"is_admin\":true}",
            "unknown field \"is_admin\"",
        ),
        (&long, "longer than 64 KiB"),
    ] {
        let good = |name: &str| {
            format!("{{\"email\":\"{name}@example.com\",\"password\":\"correct horse\"}}\n")
        };
        let text = format!("{}{line}\n{}", good("ann"), good("cid"));
        let (refused, taken) = refusals(&read_json_lines(&text).unwrap());
        let [(number, why)] = &*refused else {
            panic!("{line:.80}: {refused:?}")
        };
        assert_eq!((*number, taken), (2, 2), "{line:.80}");
        assert!(why.contains(named), "{line:.80}: {why}");
        assert!(!why.contains("secret"), "{why}");
    }
}

mod fuzz {
    use movie_bag_testkit::fuzz::Target;

    use super::*;

    /// No input makes the reader panic, line numbers ascend, and the result does not depend on how the bytes are split.
    #[test]
    fn accounts_of_any_kind_are_read_to_the_end() {
        let target = Target {
            name: "accounts",
            words: &[
                "email",
                "password",
                "password_hash",
                ",",
                "\"",
                "\"\"",
                "\n",
                "\r\n",
                "\r",
                "{",
                "}",
                ":",
                "[",
                "null",
                "ann@example.com",
                HASH,
                "\\u0000",
                "\u{feff}",
                "email,password\n",
                "{\"email\":\"",
                "\0",
                " ",
            ],
            seeds: vec![
                format!("email,password_hash\nann@example.com,{HASH}\n").into_bytes(),
                format!("{{\"email\":\"ann@example.com\",\"password_hash\":\"{HASH}\"}}\n")
                    .into_bytes(),
            ],
            cases: 2000,
        };
        target.run(|bytes| {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            for read in [read_csv(bytes), read_json_lines(bytes)]
                .into_iter()
                .flatten()
            {
                let numbers: Vec<u64> = read.iter().map(|(number, _)| *number).collect();
                assert!(numbers.is_sorted(), "{numbers:?}");
                assert!(numbers.iter().all(|number| *number <= lines));
            }
        });
    }
}
