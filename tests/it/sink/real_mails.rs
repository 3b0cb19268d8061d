//! Mails of other programs, and damaged ones, parsed by the sink as by Python's email package.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use movie_bag_smtp_sink::extract::visible_text;
use movie_bag_testkit::{Home, Sink, hex, list_files, report_skipped, unpack_package};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::bad_mails::deliver;

/// An intended difference from Python: mail, field, value of the sink, reason.
type Difference = (&'static str, &'static str, fn() -> Value, &'static str);

const DIFFERENCES: &[Difference] = &[
    (
        "base64-cut.eml",
        "files",
        || {
            list_as_json(&[(
                "2",
                "application/octet-stream",
                "data.bin",
                b"hello world!",
                false,
            )])
        },
        "Python returns the base64 itself if its length is impossible; the sink decodes the complete groups, and reports it",
    ),
    (
        "base64-joined.eml",
        "files",
        || {
            list_as_json(&[(
                "2",
                "application/octet-stream",
                "data.bin",
                b"hello world",
                false,
            )])
        },
        "Python stops at the first padding; the sink decodes everything behind it too",
    ),
    (
        "file-names.eml",
        "files",
        || {
            list_as_json(&[
                ("2", "application/pdf", "r\u{e9}sum\u{e9}.pdf", b"1", false),
                ("3", "application/pdf", "r\u{e9}sum\u{e9}.pdf", b"2", false),
                ("4", "application/pdf", "two words.pdf", b"3", false),
                (
                    "5",
                    "application/pdf",
                    "semi;colon \"quoted\".pdf",
                    b"4",
                    false,
                ),
            ])
        },
        "Python cuts a name without quotes at its first space; mail programs do write such names",
    ),
    (
        "quoted-printable-broken.eml",
        "text",
        || json!("https://example.com/?token=zyx 100 = 100 a=\u{e9} ended\r\n"),
        "white space behind a soft line break was added in transit (RFC 2045 6.7, rule 3); Python keeps it and its \"=\"",
    ),
    (
        "quoted-printable-split.eml",
        "html",
        || {
            json!(
                "<p>caf\u{e9} caf\u{e9} <a href=\"https://example.com/reset?token=abc\">x</a></p>\r\n"
            )
        },
        "Python leaves an escape that a soft line break splits; the sink joins it, as mailparser does",
    ),
    (
        "unknown-charset.eml",
        "text",
        || json!("nuqneH \u{e9}\r\n"),
        "Python raises LookupError for an unknown charset; the sink shows as much as possible, and reports it",
    ),
    (
        "msg_05.txt",
        "from",
        || json!(["foo", ""]),
        "a word without @ is a name, as in mailparser; in Python it is an address without a domain",
    ),
    ("msg_05.txt", "to", || json!([["baz", ""]]), "as in From"),
    (
        "msg_15.txt",
        "to",
        || json!([["XX", ""]]),
        "as in the From of msg_05.txt",
    ),
    (
        "msg_15.txt",
        "text",
        || json!("Some removed test. \r\n"),
        "two levels have the same boundary; Python closes the outer one first, and adds an empty text",
    ),
    (
        "msg_15.txt",
        "files",
        || list_as_json(&[("2", "image/gif", "xx.gif", XX_GIF, false)]),
        "for the same reason Python loses the picture behind the inner multipart",
    ),
    (
        "msg_16.txt",
        "files",
        || {
            json!([
                known(
                    "2",
                    "message/delivery-status",
                    "part-2.bin",
                    272,
                    "fde9c2f224c80ac84378b4192c80760947e52ad2d192d90594adb24dca6dba32",
                    false
                ),
                known(
                    "3",
                    "message/rfc822",
                    "part-3.eml",
                    2701,
                    "399e42ca77da3546e8e597133f9d38ddffc95d9fdceac3bb73d61c68f1f03f48",
                    false
                ),
            ])
        },
        "Python parses a delivery status and writes it with an additional blank line; the sink returns its bytes",
    ),
    (
        "msg_43.txt",
        "files",
        || {
            json!([
                known(
                    "2",
                    "message/delivery-status",
                    "part-2.bin",
                    6259,
                    "b1ae293a3a6748d7928fcc95655e217b52d97b532dd79aeb7213e2b5923d06da",
                    true
                ),
                known(
                    "3",
                    "text/rfc822-headers",
                    "part-3.bin",
                    544,
                    "ed4fd6da99fcf00100b7a4a099f9eb343548ce253379bfa98c74fb23f4a20c67",
                    true
                ),
            ])
        },
        "as in msg_16.txt",
    ),
    (
        "msg_27.txt",
        "subject",
        || {
            let digits = "12345678911234567892123456789312345678941234567895123456789612345678971234567898112345678911234567892123456789112345678911234567892123456789";
            json!(format!("bug demonstration {digits} more text"))
        },
        "Python keeps the tabs of a folded subject; a fold is one space here, as in mailparser and in Go",
    ),
    (
        "msg_39.txt",
        "files",
        || {
            let file = |id, name| (id, "application/octet-stream", name, &b"]u"[..], true);
            list_as_json(&[
                file("1.1.1", "20592.1022586929.3@example.com"),
                file("1.1.2", "20592.1022586929.4@example.com"),
                file("1.2.1", "20592.1022586929.7@example.com"),
                file("1.2.2", "20592.1022586929.8@example.com"),
                file("1.3.1", "20592.1022586929.11@example.com"),
                file("1.3.2", "20592.1022586929.12@example.com"),
            ])
        },
        "two levels have the same boundary, and Python loses four of six files",
    ),
    (
        "msg_42.txt",
        "files",
        || list_as_json(&[("2", "message/rfc822", "part-2.eml", MSG_42, false)]),
        "Python serializes the enclosed message anew, without its closing boundary; the sink returns its bytes",
    ),
    (
        "msg_43.txt",
        "from",
        || json!(["MAILER DAEMON", ""]),
        "Python returns the brackets of an empty address",
    ),
];

/// Picture in msg_15.txt: the base64 in "Some removed base64 encoded chars.".
const XX_GIF: &[u8] = b"J\x89\x9e\xad\xe9\xa8\xbd\xe7[j\xc7\xba\xe1\xe9\xdc\xa1\xd7\x9dr\x16\xab";

/// Message in msg_42.txt.
const MSG_42: &[u8] = b"From: webmaster@python.org\r\nTo: zzz@example.com\r\nContent-Type: multipart/mixed; boundary=\"BBB\"\r\n\r\n--BBB--\r\n";

/// Returns files in the format of the script: number, type, name, bytes, whether they belong to the HTML.
fn list_as_json(files: &[(&str, &str, &str, &[u8], bool)]) -> Value {
    let file = |&(id, kind, name, bytes, is_inline): &(&str, &str, &str, &[u8], bool)| {
        let sum = hex(&Sha256::digest(bytes));
        known(id, kind, name, bytes.len(), &sum, is_inline)
    };
    files.iter().map(file).collect()
}

fn known(id: &str, kind: &str, name: &str, size: usize, sum: &str, is_inline: bool) -> Value {
    json!({"id": id, "type": kind, "name": name, "size": size, "sha256": sum, "is_inline": is_inline})
}

/// Damaged mails, each with a part of its warning. No other mail in tests/mails and tests/structure has a warning.
const FLAGGED: &[(&str, &str)] = &[
    ("base64-cut.eml", "part 2: the base64 is incomplete"),
    (
        "base64-strays.eml",
        "part 2: characters that are not base64",
    ),
    ("no-blank-line-in-part.eml", "part 1: no blank line"),
    ("no-blank-line.eml", "no blank line"),
    ("no-boundary.eml", "multipart without a boundary"),
    ("not-closed-within.eml", "part 1: the closing boundary"),
    ("not-closed.eml", "the closing boundary"),
    (
        "other-boundary.eml",
        "the boundary of the multipart does not occur",
    ),
    (
        "quoted-printable-broken.eml",
        "\"=\" without two hexadecimal digits",
    ),
    (
        "repeated-fields.eml",
        "Subject occurs 2 times, the first is shown",
    ),
    ("unknown-charset.eml", "unknown charset \"klingon-8\""),
];

fn read_by_python(folder: &Path, mails: &BTreeMap<String, Vec<u8>>) -> Option<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sink/expected.py");
    for (name, source) in mails {
        fs::write(folder.join(name), source).unwrap();
    }
    let output = Command::new("python3")
        .arg(script)
        .args(mails.keys())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            let what = "the comparison with Python's email package";
            report_skipped(what, &error.to_string(), "Put python3 on the PATH.");
            return None;
        }
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Delivers a mail. Returns its id, and the data of the API in the format of the script.
fn read_by_sink(sink: &Sink, source: &[u8]) -> (String, Value) {
    deliver(sink, source);
    let inbox = sink.inbox();
    let message = inbox.message("latest");
    let id = message["ID"].as_str().unwrap();
    assert!(inbox.source(id) == source, "the source was changed");
    let address = |address: &Value| json!([address["Name"], address["Address"]]);
    let to = message["To"].as_array().unwrap();
    let mut files: Vec<Value> = Vec::new();
    for (list, is_inline) in [("Attachments", false), ("Inline", true)] {
        for file in message[list].as_array().unwrap() {
            let part = file["PartID"].as_str().unwrap();
            let bytes = inbox.part(id, part);
            let sum = hex(&Sha256::digest(&bytes));
            assert_eq!(file["Size"], bytes.len(), "{file}");
            assert_eq!(file["Checksums"]["SHA256"], sum, "{file}");
            files.push(json!({
                "id": part,
                "type": file["ContentType"],
                "name": file["FileName"],
                "size": bytes.len(),
                "sha256": sum,
                "is_inline": is_inline,
            }));
        }
    }
    files.sort_by_key(|file| {
        let numbers = file["id"].as_str().unwrap().split('.');
        numbers
            .map(|number| number.parse::<usize>().unwrap())
            .collect::<Vec<_>>()
    });
    let read = json!({
        "subject": message["Subject"],
        "from": address(&message["From"]),
        "to": to.iter().map(address).collect::<Vec<_>>(),
        "text": message["Text"],
        "html": message["HTML"],
        "files": files,
    });
    (id.to_owned(), read)
}

fn repository_mails() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mails");
    let is_mail = |name: &str| name.ends_with(".eml");
    let mut paths = list_files(&folder, is_mail);
    paths.extend(list_files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/structure"),
        is_mail,
    ));
    paths
}

fn debian_mails() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let what = "the comparison over real mails";
    if let Some(folder) = unpack_package("libpython3.11-testsuite", what) {
        let data = folder.join("files/usr/lib/python3.11/test/test_email/data");
        let mails = list_files(&data, |name| name.starts_with("msg_"));
        assert!(mails.len() >= 40, "{mails:?}");
        paths.extend(mails);
    }
    if let Some(folder) = unpack_package("spamassassin", what) {
        let examples = folder.join("files/usr/share/doc/spamassassin/examples");
        let mails = list_files(&examples, |name| name.starts_with("sample-"));
        assert_eq!(mails.len(), 2, "{mails:?}");
        paths.extend(mails);
    }
    paths
}

/// Returns the bytes of a mail as a client sends them: every line ends with CRLF.
fn read_as_sent(path: &Path) -> Vec<u8> {
    let mut source = fs::read(path).unwrap();
    if !source.windows(2).any(|pair| pair == b"\r\n") {
        let lines: Vec<_> = source.split(|byte| *byte == b'\n').collect();
        source = lines.join(&b"\r\n"[..]);
    }
    if !source.ends_with(b"\r\n") {
        source.extend(b"\r\n");
    }
    source
}

#[test]
fn mails_are_parsed_as_by_pythons_email_package() {
    let home = Home::fresh();
    let mails: BTreeMap<String, Vec<u8>> = repository_mails()
        .iter()
        .chain(&debian_mails())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            (name.to_owned(), read_as_sent(path))
        })
        .collect();
    let folder = home.path().join("expected");
    fs::create_dir_all(&folder).unwrap();
    let Some(expected) = read_by_python(&folder, &mails) else {
        return;
    };
    let sink = home.sink(&["--format", "none"]);
    let mut wrong = Vec::new();
    for (name, source) in &mails {
        let (_, read) = read_by_sink(&sink, source);
        for (field, wanted) in expected[name].as_object().unwrap() {
            let intended = DIFFERENCES
                .iter()
                .find(|(mail, of, _, _)| mail == name && of == field);
            let got = &read[field];
            let of_html = || json!(visible_text(read["html"].as_str().unwrap()));
            let wanted = &if wanted.is_null() {
                of_html()
            } else {
                wanted.clone()
            };
            match intended {
                None if got == wanted => {}
                Some((_, _, value, _)) if got != wanted && *got == value() => {}
                _ => wrong.push(format!(
                    "{name}: {field}\n  Python {wanted}\n  sink   {got}"
                )),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_damaged_mails_have_warnings() {
    let home = Home::fresh();
    let sink = home.sink(&["--format", "none"]);
    for path in repository_mails() {
        let name = path.file_name().unwrap().to_str().unwrap();
        deliver(&sink, &read_as_sent(&path));
        let inbox = sink.inbox();
        let id = inbox.message("latest")["ID"].as_str().unwrap().to_owned();
        let warnings = inbox.envelope(&id)["warnings"].to_string();
        match FLAGGED.iter().find(|(mail, _)| *mail == name) {
            Some((_, warning)) => {
                let warning = warning.replace('"', "\\\"");
                assert!(warnings.contains(&warning), "{name}: {warnings}");
            }
            None => assert_eq!(warnings, "[]", "{name}"),
        }
    }
}
