//! The picture of a terminal in README, made from a real run. `BLESS=1 cargo test terminal_picture` writes it.

use std::num::NonZeroU16;
use std::path::Path;

use movie_bag_testkit::markdown::repository;
use movie_bag_testkit::{Home, Shell};

use super::svg::{Line, window};

const PICTURE: &str = "docs/terminal.svg";
const TITLE: &str = "An account is created, its password is reset, and its history is shown";
/// Width of the terminals that [`Shell`] opens.
const COLUMNS: u16 = 100;
/// More lines than the run prints.
const ROWS: u16 = 200;

/// Shows each command after a prompt, as if it were typed. Only the first columns of the history are shown, since the next one names
/// the user who runs the tests.
const SCRIPT: &str = r#"
run() {
    printf '\033[32m$\033[0m \033[1m%s\033[0m\n' "$1"
    eval "$1"
}
run 'movie-bag user create --email ann@example.com'
echo
run 'movie-bag forgot --email ann@example.com'
echo
run 'link=$(movie-bag inbox wait --to ann@example.com --print link)'
run 'movie-bag reset --token "$link"'
echo
run 'movie-bag user show --email ann@example.com | cut -c 1-40'
"#;

/// Replacements for values that differ from run to run. Each has the length of the value, so that columns stay aligned.
const ID: &str = "6b04933dbb18cc05d63b86dd";
const MESSAGE: &str = "8E1dDWNqJhKDOq1OYY43R1";
const TIME: &str = "2027-03-15 09:26:53";

/// Replaces each value whose characters satisfy `is_value` and that has the length of the replacement.
fn redact(text: &mut [char], is_value: impl Fn(char) -> bool, by: &str) {
    let mut start = 0;
    for end in 0..=text.len() {
        if end < text.len() && is_value(text[end]) {
            continue;
        }
        if end - start == by.len() && text[start..end].iter().any(char::is_ascii_digit) {
            for (c, new) in text[start..end].iter_mut().zip(by.chars()) {
                *c = new;
            }
        }
        start = end + 1;
    }
}

fn redact_times(text: &mut [char]) {
    for at in 0..text.len().saturating_sub(TIME.len() - 1) {
        let place = &mut text[at..at + TIME.len()];
        let is_time = place.iter().zip(TIME.chars()).all(|(c, sample)| {
            c.is_ascii_digit() == sample.is_ascii_digit() && (c.is_ascii_digit() || *c == sample)
        });
        if is_time {
            for (c, new) in place.iter_mut().zip(TIME.chars()) {
                *c = new;
            }
        }
    }
}

/// Runs the commands, and draws the final screen.
fn picture() -> Option<String> {
    let home = Home::fresh();
    let server = home.serve(&[]);
    let shell = Shell::in_home(&home)?
        .with("MAIL_PORT", server.smtp().rsplit_once(':').unwrap().1)
        .with("MOVIE_BAG_INBOX_URL", server.inbox().address());
    let mut written: Vec<char> = shell.exits(SCRIPT, 0).chars().collect();
    redact(&mut written, |c| c.is_ascii_hexdigit(), ID);
    redact(&mut written, |c| c.is_ascii_alphanumeric(), MESSAGE);
    redact_times(&mut written);
    let size = |number| NonZeroU16::new(number).unwrap();
    let mut terminal = vt100::Parser::new(size(ROWS), size(COLUMNS), 0);
    terminal.process(String::from_iter(written).as_bytes());
    let rows = 0..ROWS;
    let mut lines: Vec<_> = rows
        .map(|row| Line::of(terminal.screen(), row, COLUMNS))
        .collect();
    let last = lines.iter().rposition(|line| !line.text.is_empty());
    lines.truncate(last.unwrap() + 1);
    Some(window(TITLE, &lines, COLUMNS))
}

#[test]
fn the_terminal_picture_shows_a_real_run() {
    let Some(picture) = picture() else {
        return;
    };
    assert!(picture.len() < 60_000, "{} bytes", picture.len());
    let path: &Path = &repository().join(PICTURE);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &picture).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines = picture.lines().zip(committed.lines());
    let differs = lines.find(|(new, old)| new != old);
    assert!(
        committed == picture,
        "{PICTURE} is not what the commands print: BLESS=1 cargo test terminal_picture writes it\n{differs:?}"
    );
}
