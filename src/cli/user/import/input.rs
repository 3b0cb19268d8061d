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
                        "save it as UTF-8, such as by: iconv -f UTF-16 -t UTF-8",
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
        format!("the file can't be read: {error}"),
        "mend that, and run the same import again: what is done is left alone",
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
            .ok_or_else(|| bad("there is no email", "give every account one"))?;
        let credential = match (self.password, self.password_hash) {
            (Some(_), Some(_)) => {
                return Err(bad(
                    "there are a password and a password_hash",
                    "leave one of them empty",
                ));
            }
            (None, None) => {
                return Err(bad(
                    "there is neither a password nor a password_hash",
                    "give one of them; \"movie-bag user create --invite\" mails a link to choose one",
                ));
            }
            (Some(password), None) if is_surely_a_hash(&password) => {
                return Err(bad(
                    "what stands in the place of the password is a hash",
                    "put it into password_hash",
                ));
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
        ForeignHash::Wrapped(_) => "take that off: what is behind it is the hash",
        ForeignHash::Cost(_) => {
            "import the address with a password of your own, or let its owner choose one: \"movie-bag user create --invite\""
        }
        ForeignHash::Broken | ForeignHash::Unknown => {
            "take it whole from where it was made; a clear password belongs into password"
        }
        ForeignHash::Other(_) => {
            "let the owner choose a new password: \"movie-bag user create --invite\""
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
    bad(
        "it is longer than 64 KiB",
        "an address and a password take far less: look at what stands there",
    )
}

pub(super) fn not_utf_8() -> Failure {
    bad(
        "it is not UTF-8",
        "save the file as UTF-8, such as by: iconv -f WINDOWS-1252 -t UTF-8",
    )
}
