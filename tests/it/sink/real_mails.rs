//! Mails that others wrote, and damaged ones, read by the sink as Python's email package reads them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::bad_mails::deliver;
use crate::harness::{Home, Sink, files, hex, package, virtual_env};

/// A difference from Python that is meant: mail, field, value of the sink, reason.
type Difference = (&'static str, &'static str, fn() -> Value, &'static str);

const DIFFERENCES: &[Difference] = &[];

/// Damage that is flagged, and how: mail, part of a warning. Of no other mail in tests/mails is anything wrong.
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
        "Subject occurs 2 times: the first is shown",
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
            virtual_env::left_out(what, &error.to_string(), "Put python3 on the PATH.");
            return None;
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// What the sink answers of a mail, in the shape of the script.
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

fn own_mails() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mails");
    let is_mail = |name: &str| name.ends_with(".eml");
    let mut paths = files(&folder, is_mail);
    paths.extend(files(&folder.join("structure"), is_mail));
    paths
}

fn debian_mails() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let what = "the comparison over real mails";
    if let Some(folder) = package("libpython3.11-testsuite", what) {
        let data = folder.join("files/usr/lib/python3.11/test/test_email/data");
        let mails = files(&data, |name| name.starts_with("msg_"));
        assert!(mails.len() >= 40, "{mails:?}");
        paths.extend(mails);
    }
    if let Some(folder) = package("spamassassin", what) {
        let examples = folder.join("files/usr/share/doc/spamassassin/examples");
        let mails = files(&examples, |name| name.starts_with("sample-"));
        assert_eq!(mails.len(), 2, "{mails:?}");
        paths.extend(mails);
    }
    paths
}

/// The bytes of a mail as a client sends them: every line ends with CRLF.
fn as_sent(path: &Path) -> Vec<u8> {
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
fn mails_are_read_as_pythons_email_package_reads_them() {
    let home = Home::fresh();
    let mails: BTreeMap<String, Vec<u8>> = own_mails()
        .iter()
        .chain(&debian_mails())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            (name.to_owned(), as_sent(path))
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
            let meant = DIFFERENCES
                .iter()
                .find(|(mail, of, _, _)| mail == name && of == field);
            let got = &read[field];
            match meant {
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
fn damage_is_flagged_and_nothing_else_is() {
    let home = Home::fresh();
    let sink = home.sink(&["--format", "none"]);
    for path in own_mails() {
        let name = path.file_name().unwrap().to_str().unwrap();
        deliver(&sink, &as_sent(&path));
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
