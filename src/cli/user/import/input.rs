//! Common parts of the import formats: bounded reading of lines, and validation of the fields of an account.
//!
//! Error messages do not quote the record: if columns are swapped, any of them may be a password.

use std::io::{self, BufRead};

use movie_bag_core::app::{NewCredential, Record};
use movie_bag_core::domain::foreign_hash::{ForeignHash, is_surely_a_hash};
use movie_bag_core::domain::password::{PasswordHash, PasswordInput};
use zeroize::Zeroizing;

use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Maximum size of a record in bytes. Of a longer record, no more is kept in memory.
pub(super) const MAX_RECORD: usize = 64 * 1024;

/// Names of the columns or members of a record.
pub(super) const COLUMNS: [&str; 3] = ["email", "password", "password_hash"];

/// Record or the reason why it is invalid, with its position in the file.
pub(super) struct Line {
    /// Number of its first line.
    pub(super) number: u64,
    /// Number of bytes of the input read up to the end of the record.
    pub(super) position: u64,
    pub(super) record: Result<Record, Failure>,
}

/// Reader of the records of an import format.
pub(super) trait Records {
    /// Reads the next record; `None` at the end of the file.
    ///
    /// # Errors
    /// An error that ends the whole import: the input cannot be read, or does not have this format at all.
    fn next(&mut self) -> Result<Option<Line>, Failure>;
}

/// Input with the position of the next byte.
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

    /// Returns the next bytes without consuming them; none at the end of the input.
    pub(super) fn peek(&mut self) -> Result<&[u8], Failure> {
        loop {
            match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Called again, because the borrow checker does not see that the first borrow ends here.
                Ok(_) => return self.reader.fill_buf().map_err(|error| unreadable(&error)),
                Err(error) => return Err(unreadable(&error)),
            }
        }
    }

    /// Consumes a number of the next bytes.
    pub(super) fn consume(&mut self, bytes: usize) -> Result<(), Failure> {
        let next = self.peek()?;
        let consumed = next.get(..bytes).unwrap_or(next);
        let breaks = consumed.iter().filter(|byte| **byte == b'\n').count() as u64;
        let bytes = consumed.len();
        self.reader.consume(bytes);
        self.line += breaks;
        self.position += bytes as u64;
        Ok(())
    }

    /// Consumes empty lines. Returns whether any input is left.
    pub(super) fn skip_empty_lines(&mut self) -> Result<bool, Failure> {
        loop {
            let next = self.peek()?;
            if next.is_empty() {
                return Ok(false);
            }
            let is_break = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            let breaks = next.iter().take_while(is_break).count();
            if breaks == 0 {
                return Ok(true);
            }
            self.consume(breaks)?;
        }
    }

    /// Consumes the byte order mark that some programs write before UTF-8.
    ///
    /// # Errors
    /// The input is UTF-16.
    pub(super) fn skip_byte_order_mark(&mut self) -> Result<(), Failure> {
        // Byte by byte, because a pipe may deliver them separately. No valid file starts with one of these bytes otherwise.
        for mark in b"\xef\xbb\xbf" {
            match self.peek()?.first() {
                Some(0xfe | 0xff) => {
                    return Err(Failure::usage(
                        "the file is in UTF-16",
                        "convert it to UTF-8, for example with: iconv -f UTF-16 -t UTF-8",
                    ));
                }
                Some(byte) if byte == mark => self.consume(1)?,
                _ => break,
            }
        }
        Ok(())
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(
        ErrorCode::Unreadable,
        format!("cannot read the file: {error}"),
        "fix the cause and run the same import again: it skips the accounts that are imported",
    )
}

/// Fields of a record as written; `None` for an absent field.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) email: Option<String>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) password_hash: Option<String>,
}

impl Fields {
    /// Validates the fields.
    ///
    /// # Errors
    /// A field is missing, invalid, or in the wrong column.
    pub(super) fn into_record(self) -> Result<Record, Failure> {
        let email = self.email.ok_or_else(|| {
            invalid_record("email is missing", "add the email address of the account")
        })?;
        let credential = match (self.password, self.password_hash) {
            (Some(_), Some(_)) => {
                return Err(invalid_record(
                    "it has both a password and a password_hash",
                    "leave one of them empty",
                ));
            }
            (None, None) => {
                return Err(invalid_record(
                    "password and password_hash are both missing",
                    "add one of them, or run \"movie-bag user create --invite\" to let the owner choose a password",
                ));
            }
            (Some(password), None) if is_surely_a_hash(&password) => {
                return Err(invalid_record(
                    "the password is a hash",
                    "move it to password_hash",
                ));
            }
            (Some(password), None) => {
                NewCredential::Password(PasswordInput::new(password.as_str()))
            }
            (None, Some(hash)) => NewCredential::Hash(
                PasswordHash::parse_foreign(&hash).map_err(|why| foreign_hash_failure(&why))?,
            ),
        };
        Ok(Record { email, credential })
    }
}

fn foreign_hash_failure(why: &ForeignHash) -> Failure {
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
    Failure::new(ErrorCode::ForeignHash, why.to_string(), hint)
}

/// Failure of an invalid record.
pub(super) fn invalid_record(message: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::BadLine, message, hint)
}

/// Failure of a record that was not read completely.
pub(super) fn too_long() -> Failure {
    invalid_record("it is longer than 64 KiB", "check for a missing line break")
}

pub(super) fn not_utf_8() -> Failure {
    invalid_record(
        "it is not UTF-8",
        "convert the file to UTF-8, for example with: iconv -f WINDOWS-1252 -t UTF-8",
    )
}
