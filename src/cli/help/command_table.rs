//! Table of commands: settings they read, their exit codes and their JSON output.

use crate::config::definitions;
use crate::config::setting::{Definition, Reader};
use crate::exit_code::ExitCode;

/// Exit code with its meaning for a command.
pub(in crate::cli) type ExitMeaning = (ExitCode, &'static str);

/// Settings, exit codes and JSON output of a command.
pub(super) struct CommandEntry {
    /// Words of the command, without the program's name.
    pub(super) command: &'static str,
    /// Settings that it reads, besides those that every command reads.
    pub(super) settings: &'static [Reader],
    /// Exit codes. Success, wrong usage and interruption need no entry unless their meaning differs here.
    pub(super) exits: &'static [ExitMeaning],
    /// Output with `--json`; empty if the command has none of its own.
    pub(super) json: &'static str,
}

// Meanings that several commands share.
const BAD_TOKEN: ExitMeaning = (ExitCode::BadToken, ExitCode::BadToken.meaning());
const WEAK_PASSWORD: ExitMeaning = (
    ExitCode::PasswordRefused,
    ExitCode::PasswordRefused.meaning(),
);
const NO_ACCOUNT: ExitMeaning = (ExitCode::NotFound, "no such account");
const NO_MAIL: ExitMeaning = (ExitCode::NotFound, "no such mail");
const NO_DATABASE: ExitMeaning = (ExitCode::Unavailable, "the database is unreachable");
const NO_DATABASE_TO_READ: ExitMeaning = (
    ExitCode::Unavailable,
    "the database does not exist or is unreachable",
);
const NO_SINK: ExitMeaning = (ExitCode::Unavailable, "the sink is unreachable");
const OTHER_LOGIN: ExitMeaning = (ExitCode::Failed, "the inbox requires another login");
const DECLINED: ExitMeaning = (ExitCode::Failed, "not confirmed");

pub(super) const COMMANDS: &[CommandEntry] = &[
    CommandEntry {
        command: "serve",
        settings: &[
            Reader::Server,
            Reader::Database,
            Reader::Links,
            Reader::Mail,
            Reader::Passwords,
        ],
        exits: &[
            (
                ExitCode::Done,
                "ended by SIGTERM or Ctrl-C, after the requests in progress",
            ),
            (ExitCode::Failed, "the address is in use"),
            NO_DATABASE,
        ],
        json: "with --smtp-debug one document per message, as that of \"smtp-debug\"",
    },
    CommandEntry {
        command: "smtp-debug",
        settings: &[],
        exits: &[
            (ExitCode::Done, "ended by SIGTERM, Ctrl-C or --exit-after"),
            (
                ExitCode::Failed,
                "the address is in use; with -- CMD: the exit code of CMD",
            ),
        ],
        json: "one document per message: {\"id\", \"received_at\", \"from\", \"to\", \"subject\", \"message_id\", \
               \"text\", \"html\", \"links\", \"tokens\", \"codes\", \"attachments\", \"size\", \"helo\", \"peer\", \"parsed\", \
               \"warnings\"}",
    },
    CommandEntry {
        command: "inbox list",
        settings: &[Reader::Inbox],
        exits: &[
            OTHER_LOGIN,
            (
                ExitCode::Usage,
                "wrong usage, or a search that the inbox cannot read",
            ),
            NO_SINK,
        ],
        json: "one document per message, as in the lists of the inbox API",
    },
    CommandEntry {
        command: "inbox show",
        settings: &[Reader::Inbox],
        exits: &[
            OTHER_LOGIN,
            (
                ExitCode::NotFound,
                "no such message, or it has no part that --print names",
            ),
            NO_SINK,
        ],
        json: "{\"message\", \"links\", \"tokens\", \"codes\"}; the message as in the inbox API",
    },
    CommandEntry {
        command: "inbox wait",
        settings: &[Reader::Inbox],
        exits: &[
            OTHER_LOGIN,
            (
                ExitCode::NotFound,
                "the message has no part that --print names",
            ),
            NO_SINK,
            (ExitCode::TimedOut, "no such message arrived in time"),
        ],
        json: "{\"message\", \"links\", \"tokens\", \"codes\"}; the message as in the inbox API",
    },
    CommandEntry {
        command: "inbox clear",
        settings: &[Reader::Inbox],
        exits: &[
            (
                ExitCode::Failed,
                "not confirmed, or the inbox requires another login",
            ),
            NO_SINK,
        ],
        json: "{\"deleted\"}",
    },
    CommandEntry {
        command: "forgot",
        settings: &[Reader::Database, Reader::Links, Reader::Mail],
        exits: &[
            (
                ExitCode::Failed,
                "given up: the mail server rejected the mail permanently",
            ),
            NO_ACCOUNT,
            (
                ExitCode::Unavailable,
                "the mail is queued, or the database is unreachable",
            ),
        ],
        json: "{\"email\", \"sent\", \"reply\"}; with --print-link {\"link\", \"expires_at\"}",
    },
    CommandEntry {
        command: "reset",
        settings: &[
            Reader::Database,
            Reader::Links,
            Reader::Mail,
            Reader::Passwords,
        ],
        exits: &[
            (
                ExitCode::Done,
                "the password is changed, even if the confirmation is only queued",
            ),
            BAD_TOKEN,
            WEAK_PASSWORD,
            NO_DATABASE,
        ],
        json: "{\"changed\", \"confirmation_sent\"}",
    },
    CommandEntry {
        command: "user create",
        settings: &[
            Reader::Database,
            Reader::Links,
            Reader::Mail,
            Reader::Passwords,
        ],
        exits: &[
            (
                ExitCode::Failed,
                "created, but the invitation was rejected permanently",
            ),
            WEAK_PASSWORD,
            (
                ExitCode::AlreadyExists,
                "the address already has an account",
            ),
            (
                ExitCode::Unavailable,
                "created, but the invitation is queued; or the database is unreachable",
            ),
        ],
        json: "{\"id\", \"email\"}; with --generate also \"password\"; with --invite also \"invitation_sent\" and \
               \"invitation\"",
    },
    CommandEntry {
        command: "user list",
        settings: &[Reader::Database],
        exits: &[NO_DATABASE_TO_READ],
        json: "one document per account: {\"id\", \"email\", \"created_at\"}",
    },
    CommandEntry {
        command: "user show",
        settings: &[Reader::Database],
        exits: &[NO_ACCOUNT, NO_DATABASE_TO_READ],
        json: "{\"id\", \"email\", \"created_at\", \"mails\": […], \"history\": […]}; newest event first, times in UTC",
    },
    CommandEntry {
        command: "user set-password",
        settings: &[
            Reader::Database,
            Reader::Links,
            Reader::Mail,
            Reader::Passwords,
        ],
        exits: &[NO_ACCOUNT, WEAK_PASSWORD, NO_DATABASE],
        json: "{\"email\", \"changed\", \"confirmation_sent\"}; with --generate also \"password\"",
    },
    CommandEntry {
        command: "user set-email",
        settings: &[Reader::Database, Reader::Links, Reader::Mail],
        exits: &[
            NO_ACCOUNT,
            (
                ExitCode::AlreadyExists,
                "another account has the new address",
            ),
            NO_DATABASE,
        ],
        json: "{\"before\", \"email\", \"changed\", \"confirmation_sent\"}",
    },
    CommandEntry {
        command: "user revoke",
        settings: &[Reader::Database, Reader::Links, Reader::Mail],
        exits: &[NO_ACCOUNT, NO_DATABASE],
        json: "{\"email\", \"revoked\", \"confirmation_sent\"}",
    },
    CommandEntry {
        command: "user delete",
        settings: &[Reader::Database],
        exits: &[DECLINED, NO_ACCOUNT, NO_DATABASE],
        json: "{\"email\", \"movies\", \"mails\", \"history\"}; the last three are counts",
    },
    CommandEntry {
        command: "user import",
        settings: &[Reader::Database, Reader::Passwords],
        exits: &[
            (ExitCode::Done, "all lines were imported"),
            (
                ExitCode::Failed,
                "a line was refused, or FILE is unreadable",
            ),
            (
                ExitCode::Usage,
                "wrong usage, or FILE has an unknown format",
            ),
            (
                ExitCode::Unavailable,
                "the database is unreachable; with --dry-run also if it does not exist",
            ),
            (ExitCode::Interrupted, "interrupted; a second run continues"),
        ],
        json: "for each refused line {\"line\", \"error\"}, at the end {\"created\", \"updated\", \"unchanged\", \
               \"refused\", \"dry_run\"}",
    },
    CommandEntry {
        command: "user export",
        settings: &[Reader::Database],
        exits: &[
            (ExitCode::Failed, "FILE cannot be written"),
            (
                ExitCode::Usage,
                "wrong usage, or FILE has an unknown format",
            ),
            (ExitCode::AlreadyExists, "FILE already exists"),
            NO_DATABASE_TO_READ,
        ],
        json: "{\"file\", \"accounts\"}; on stdout one document per account: {\"email\", \"password_hash\"}",
    },
    CommandEntry {
        command: "outbox list",
        settings: &[Reader::Database],
        exits: &[NO_DATABASE_TO_READ],
        json: "one document per mail: {\"id\", \"email\", \"kind\", \"state\", \"requested_at\", \"attempts\", \
               \"next_try_at\", \"last_error\"}; times in UTC; next_try_at concerns waiting mails",
    },
    CommandEntry {
        command: "outbox flush",
        settings: &[Reader::Database, Reader::Links, Reader::Mail],
        exits: &[
            (
                ExitCode::Done,
                "all mails were sent, and no dead mail is left",
            ),
            (ExitCode::Failed, "dead mails are left, none is queued"),
            (
                ExitCode::Unavailable,
                "mails are still queued, or the database does not exist or is unreachable",
            ),
        ],
        json: "{\"total\", \"sent\", \"waiting\", \"dead\", \"elsewhere\", \"left\", \"already_dead\"}",
    },
    CommandEntry {
        command: "outbox retry",
        settings: &[Reader::Database, Reader::Links, Reader::Mail],
        exits: &[
            (ExitCode::Done, "sent"),
            (
                ExitCode::Failed,
                "given up, or being sent by another process",
            ),
            NO_MAIL,
            (
                ExitCode::Unavailable,
                "the mail is queued, or the database is unreachable",
            ),
        ],
        json: "{\"id\", \"sent\", \"reply\"}; with --all as that of \"outbox flush\"",
    },
    CommandEntry {
        command: "outbox drop",
        settings: &[Reader::Database],
        exits: &[
            (ExitCode::Failed, "being sent by another process"),
            NO_MAIL,
            NO_DATABASE,
        ],
        json: "{\"id\", \"kind\", \"dropped\"}",
    },
    CommandEntry {
        command: "copy",
        settings: &[Reader::Database],
        exits: &[
            (ExitCode::Failed, "the copy differs from its source"),
            (ExitCode::AlreadyExists, "the target is not empty"),
            (
                ExitCode::Unavailable,
                "the source does not exist, or a database is unreachable",
            ),
        ],
        json: "{\"accounts\", \"movies\", \"mails\", \"history\", \"compared\", \"mails_left_out\", \
               \"history_left_out\"}; all are counts",
    },
    CommandEntry {
        command: "check",
        settings: &[
            Reader::Server,
            Reader::Database,
            Reader::Links,
            Reader::Mail,
            Reader::Passwords,
            Reader::Inbox,
        ],
        exits: &[
            (ExitCode::Done, "no errors; there may be warnings"),
            (
                ExitCode::Failed,
                "an error was found, such as an unreachable service",
            ),
        ],
        json: "{\"ok\", \"settings\": [{\"key\", \"value\", \"source\"}], \"checks\": [{\"name\", \"verdict\", \
               \"message\", \"hint\"}], \"dialogue\": [{\"step\", \"ok\", \"said\"}]}; a verdict is ok, warning or error; \
               the dialogue is the one with the mail server",
    },
    CommandEntry {
        command: "templates list",
        settings: &[Reader::Templates],
        exits: &[],
        json: "one document per template: {\"name\", \"purpose\", \"variables\", \"path\"}; each variable with its meaning; \
               the path of a built-in template is null",
    },
    CommandEntry {
        command: "templates eject",
        settings: &[Reader::Templates],
        exits: &[
            (ExitCode::Failed, "the folder cannot be written"),
            (
                ExitCode::AlreadyExists,
                "a file differs, and nothing was written",
            ),
        ],
        json: "{\"folder\", \"written\", \"unchanged\"}",
    },
    CommandEntry {
        command: "templates preview",
        settings: &[Reader::Templates],
        exits: &[(
            ExitCode::Usage,
            "wrong usage, no such template, or an unreadable one",
        )],
        json: "{\"subject\", \"text\", \"html\"} of a mail, {\"name\", \"content\"} of a single template",
    },
    CommandEntry {
        command: "completions",
        settings: &[],
        exits: &[],
        json: "",
    },
    CommandEntry {
        command: "manpages",
        settings: &[],
        exits: &[(ExitCode::Failed, "the folder cannot be written")],
        json: "",
    },
    CommandEntry {
        command: "help",
        settings: &[],
        exits: &[],
        json: "",
    },
];

/// Commands that run until they are stopped, for which Ctrl-C is no interruption.
const SERVERS: [&str; 2] = ["serve", "smtp-debug"];

/// Returns the entry of a command by its words.
pub(super) fn find(command: &str) -> Option<&'static CommandEntry> {
    COMMANDS.iter().find(|entry| entry.command == command)
}

impl CommandEntry {
    /// Returns all exit codes with their meaning for this command, in ascending order.
    pub(super) fn exit_codes(&self) -> Vec<ExitMeaning> {
        let entry = |code: ExitCode| {
            let special = self.exits.iter().find(|(exit, _)| *exit == code);
            special.copied().or_else(|| {
                let is_usual = match code {
                    ExitCode::Done | ExitCode::Usage => true,
                    ExitCode::Interrupted => !SERVERS.contains(&self.command),
                    _ => false,
                };
                is_usual.then(|| (code, code.meaning()))
            })
        };
        ExitCode::ALL.into_iter().filter_map(entry).collect()
    }

    /// Returns the settings that it reads, besides those that every command reads.
    pub(super) fn settings(&self) -> impl Iterator<Item = &'static Definition> {
        definitions::read_by(self.settings)
    }
}
