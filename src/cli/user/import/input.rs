//! What is common to the formats of an import: bytes that come line by line within bounds, and what the fields of an
//! account must be.
//!
//! Whatever is wrong with a record is said without quoting it: where columns are mixed up, any of them may be a password.

use std::io::{self, BufRead};

use zeroize::Zeroizing;

use crate::app::{NewCredential, Record};
use crate::cli::report::Failure;
use crate::domain::foreign_hash::{ForeignHash, is_surely_a_hash};
use crate::domain::password::{PasswordHash, PasswordInput};

/// The longest record that is taken, in bytes; of a longer one no more is kept in memory.
pub(super) const LONGEST: usize = 64 * 1024;

/// What a record can have.
pub(super) const COLUMNS: [&str; 3] = ["email", "password", "password_hash"];

/// A record, or why it can't be one, and where it stands.
pub(super) struct Line {
    /// The number of its first line.
    pub(super) number: u64,
    /// Up to which byte of the input all is read.
    pub(super) position: u64,
    /// The record, or what is wrong with it.
    pub(super) record: Result<Record, Failure>,
}

/// A format of an import.
pub(super) trait Records {
    /// The next record.
    ///
    /// # Errors
    /// What ends the whole import: an input that can't be read, or that is not of this format at all.
    fn next(&mut self) -> Result<Option<Line>, Failure>;
}

/// Bytes, with the number of the line that comes next.
pub(super) struct Source<R> {
    reader: R,
    pub(super) line: u64,
    pub(super) position: u64,
}

impl<R: BufRead> Source<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            line: 1,
            position: 0,
        }
    }

    /// What comes next; nothing at the end.
    pub(super) fn ahead(&mut self) -> Result<&[u8], Failure> {
        loop {
            match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Asked for again, since the borrow checker does not see that it ends here.
                Ok(_) => return self.reader.fill_buf().map_err(|error| unreadable(&error)),
                Err(error) => return Err(unreadable(&error)),
            }
        }
    }

    /// Goes past these bytes of what comes next.
    pub(super) fn pass(&mut self, bytes: usize) -> Result<(), Failure> {
        let ahead = self.ahead()?;
        let passed = ahead.get(..bytes).unwrap_or(ahead);
        let breaks = passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        let bytes = passed.len();
        self.reader.consume(bytes);
        self.line += breaks;
        self.position += bytes as u64;
        Ok(())
    }

    /// Goes past the empty lines; whether anything is behind them.
    pub(super) fn pass_empty_lines(&mut self) -> Result<bool, Failure> {
        loop {
            let ahead = self.ahead()?;
            if ahead.is_empty() {
                return Ok(false);
            }
            let is_break = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            let breaks = ahead.iter().take_while(is_break).count();
            if breaks == 0 {
                return Ok(true);
            }
            self.pass(breaks)?;
        }
    }

    /// Goes past the mark that some programs put before UTF-8.
    ///
    /// # Errors
    /// Text in UTF-16.
    pub(super) fn pass_mark(&mut self) -> Result<(), Failure> {
        // Byte by byte, as a pipe may give them. None of these begins anything else that could be taken.
        for mark in b"\xef\xbb\xbf" {
            match self.ahead()?.first() {
                Some(0xfe | 0xff) => {
                    return Err(Failure::usage(
                        "the file is in UTF-16",
                        "convert it to UTF-8, for example with: iconv -f UTF-16 -t UTF-8",
                    ));
                }
                Some(byte) if byte == mark => self.pass(1)?,
                _ => break,
            }
        }
        Ok(())
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(
        1,
        "unreadable",
        format!("cannot read the file: {error}"),
        "fix the cause and run the same import again: it skips the accounts that are imported",
    )
}

/// The fields of a record as they stand there; what is not there is `None`.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) email: Option<String>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) password_hash: Option<String>,
}

impl Fields {
    /// The record of these.
    pub(super) fn record(self) -> Result<Record, Failure> {
        let email = self
            .email
            .ok_or_else(|| bad("email is missing", "add the email address of the account"))?;
        let credential = match (self.password, self.password_hash) {
            (Some(_), Some(_)) => {
                return Err(bad(
                    "it has both a password and a password_hash",
                    "leave one of them empty",
                ));
            }
            (None, None) => {
                return Err(bad(
                    "password and password_hash are both missing",
                    "add one of them, or run \"movie-bag user create --invite\" to let the owner choose a password",
                ));
            }
            (Some(password), None) if is_surely_a_hash(&password) => {
                return Err(bad("the password is a hash", "move it to password_hash"));
            }
            (Some(password), None) => {
                NewCredential::Password(PasswordInput::new(password.as_str()))
            }
            (None, Some(hash)) => {
                NewCredential::Hash(PasswordHash::parse_foreign(&hash).map_err(|why| refuse(&why))?)
            }
        };
        Ok(Record { email, credential })
    }
}

fn refuse(why: &ForeignHash) -> Failure {
    let hint = match why {
        ForeignHash::Wrapped(_) => "remove that prefix",
        ForeignHash::Cost(_) => {
            "import the account with a password, or run \"movie-bag user create --invite\" to let the owner choose one"
        }
        ForeignHash::Broken | ForeignHash::Unknown => {
            "copy the whole hash; a plaintext password belongs in password"
        }
        ForeignHash::Other(_) => {
            "run \"movie-bag user create --invite\" to let the owner choose a new password"
        }
    };
    Failure::new(1, "foreign_hash", why.to_string(), hint)
}

/// A record that can't be taken.
pub(super) fn bad(what: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::new(1, "bad_line", what, hint)
}

/// A record of which only the beginning was looked at.
pub(super) fn too_long() -> Failure {
    bad("it is longer than 64 KiB", "check for a missing line break")
}

pub(super) fn not_utf_8() -> Failure {
    bad(
        "it is not UTF-8",
        "convert the file to UTF-8, for example with: iconv -f WINDOWS-1252 -t UTF-8",
    )
}
