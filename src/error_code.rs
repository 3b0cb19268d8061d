//! Names of errors in JSON. Each belongs to an exit code, and docs/json.md lists them.

use serde::{Serialize, Serializer};

use crate::exit_code::ExitCode;

/// Defines the codes: the doc comment is the meaning, which docs/json.md has.
macro_rules! error_codes {
    ($(#[doc = $meaning:literal] $code:ident = $name:literal => $exit:ident,)+) => {
        /// Name of an error in JSON.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum ErrorCode {
            $(#[doc = $meaning] $code,)+
        }

        impl ErrorCode {
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)+
                }
            }

            /// Returns the exit code of a command that fails with this error.
            pub(crate) const fn exit(self) -> ExitCode {
                match self {
                    $(Self::$code => ExitCode::$exit,)+
                }
            }

            /// All codes with their doc comments.
            #[cfg(test)]
            pub(crate) const ALL: &[(Self, &str)] = &[$((Self::$code, $meaning),)+];
        }
    };
}

// Errors that the HTTP API has too have the same name there.
error_codes! {
    /// Another error; the message says which.
    Failed = "failed" => Failed,
    /// An error of the program itself.
    InternalError = "internal_error" => Failed,
    /// Wrong usage: an option or argument.
    Usage = "usage" => Usage,
    /// The settings are invalid.
    Settings = "settings" => Usage,
    /// A template is invalid.
    Template = "template" => Usage,
    /// The search is invalid.
    Query = "query" => Usage,
    /// The text is not an email address.
    InvalidEmail = "invalid_email" => Usage,
    /// The account does not exist.
    EmailDoesNotExist = "email_does_not_exist" => NotFound,
    /// The account is disabled.
    AccountDisabled = "account_disabled" => Failed,
    /// The outbox or the inbox has no such mail.
    NoSuchMail = "no_such_mail" => NotFound,
    /// The message has no link, token, code or text of that kind.
    NotInMail = "not_in_mail" => NotFound,
    /// The movie does not exist.
    MovieNotExists = "movie_not_exists" => NotFound,
    /// The token is invalid or used.
    BadToken = "bad_token" => BadToken,
    /// The token has expired.
    ExpiredToken = "expired_token" => BadToken,
    /// The password is refused.
    WeakPassword = "weak_password" => PasswordRefused,
    /// Another account has the address.
    EmailAlreadyExists = "email_already_exists" => AlreadyExists,
    /// A movie of that name exists.
    MovieAlreadyExists = "movie_already_exists" => AlreadyExists,
    /// A file exists and would be overwritten.
    FileExists = "file_exists" => AlreadyExists,
    /// The target of a copy is not empty.
    NotEmpty = "not_empty" => AlreadyExists,
    /// The database cannot be reached, or is busy.
    Unavailable = "unavailable" => Unavailable,
    /// The database does not exist.
    NoDatabase = "no_database" => Unavailable,
    /// The database is damaged, or of another version.
    Database = "database" => Failed,
    /// The database is an unfinished copy.
    HalfCopied = "half_copied" => Failed,
    /// The copy differs from its source.
    Differs = "differs" => Failed,
    /// The source of a copy has movies without an account.
    Orphans = "orphans" => Failed,
    /// The mail server cannot be reached; the mail stays queued.
    MailServer = "mail_server" => Unavailable,
    /// The mail server refused the mail for good.
    MailRefused = "mail_refused" => Failed,
    /// The mail server refused the mail for now.
    MailDeferred = "mail_refused" => Unavailable,
    /// The mail cannot be sent as it is.
    MailUnsendable = "mail_unsendable" => Failed,
    /// Another process sends the mail.
    MailHeld = "mail_held" => Failed,
    /// Mails were given up.
    MailsDead = "mails_dead" => Failed,
    /// Mails are still queued.
    MailsLeft = "mails_left" => Unavailable,
    /// The inbox cannot be reached.
    Inbox = "inbox" => Unavailable,
    /// The address of the inbox is that of another server.
    NoInbox = "inbox" => Failed,
    /// The inbox requires another login, or the password is wrong.
    Unauthorized = "unauthorized" => Failed,
    /// No matching message arrived in time.
    TimedOut = "timed_out" => TimedOut,
    /// The movie belongs to another account.
    NotYourMovie = "not_your_movie" => Failed,
    /// Sign-up is closed.
    SignupClosed = "signup_closed" => Failed,
    /// A limit was reached.
    RateLimited = "rate_limited" => Failed,
    /// A line of the file is invalid.
    BadLine = "bad_line" => Failed,
    /// The hash in the line is of another kind than bcrypt.
    ForeignHash = "foreign_hash" => Failed,
    /// Lines of the file were refused.
    LinesRefused = "lines_refused" => Failed,
    /// The file cannot be read.
    Unreadable = "unreadable" => Failed,
    /// The path is that of a folder.
    NoFile = "no_file" => Failed,
    /// The user did not confirm.
    Declined = "declined" => Failed,
    /// The address cannot be listened on.
    Address = "address" => Failed,
    /// The command after `--` cannot be started.
    Command = "command" => Failed,
    /// A task of the server failed repeatedly.
    Task = "task" => Failed,
    /// Stdout cannot be written.
    Stdout = "stdout" => Failed,
    /// A check failed.
    Check = "check" => Failed,
    /// A check failed, and a template is invalid.
    BrokenTemplate = "check" => Usage,
    /// Interrupted by Ctrl-C.
    Interrupted = "interrupted" => Interrupted,
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
