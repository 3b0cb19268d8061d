//! Exit codes: the only place with their numbers and their usual meanings.

use std::process;

/// Exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    Done,
    Failed,
    /// Wrong usage, or settings or templates that cannot be read.
    Usage,
    /// The account, mail or entry does not exist.
    NotFound,
    BadToken,
    PasswordRefused,
    AlreadyExists,
    /// A service cannot be reached, or a mail waits for its next attempt: the same command may succeed later.
    Unavailable,
    TimedOut,
    Interrupted,
    /// Exit code of the command that `smtp-debug -- CMD` runs.
    Child(u8),
}

impl ExitCode {
    /// All exit codes except that of a child command, in ascending order.
    pub(crate) const ALL: [Self; 10] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::BadToken,
        Self::PasswordRefused,
        Self::AlreadyExists,
        Self::Unavailable,
        Self::TimedOut,
        Self::Interrupted,
    ];

    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::BadToken => 4,
            Self::PasswordRefused => 5,
            Self::AlreadyExists => 6,
            Self::Unavailable => 7,
            Self::TimedOut => 8,
            // 128 and the number of SIGINT, as shells report it.
            Self::Interrupted => 130,
            Self::Child(number) => number,
        }
    }

    /// Returns the meaning for the documentation. The help of a command may describe it more precisely.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "wrong usage, or unreadable settings or templates",
            Self::NotFound => "no such account, mail or entry",
            Self::BadToken => "token invalid, expired or used",
            Self::PasswordRefused => "password refused",
            Self::AlreadyExists => "already exists",
            Self::Unavailable => "a service (database, SMTP, sink) is unreachable",
            Self::TimedOut => "timed out",
            Self::Interrupted => "interrupted",
            Self::Child(_) => "the exit code of CMD",
        }
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_listed_in_ascending_order() {
        assert!(ExitCode::ALL.is_sorted_by(|one, next| one.number() < next.number()));
    }
}
