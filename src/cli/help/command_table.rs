//! Table of commands: settings they read, their exit codes and their JSON output.

use crate::cli::check::report::CheckDocument;
use crate::cli::copy::CopyDocument;
use crate::cli::document::{self, Described as _, Field};
use crate::cli::forgot::{PrintedLink, SentLink};
use crate::cli::inbox::clear::ClearedInbox;
use crate::cli::outbox::drop::DroppedMail;
use crate::cli::outbox::flush::FlushDocument;
use crate::cli::outbox::list::ListedMail;
use crate::cli::outbox::retry::SentMail;
use crate::cli::reset::CompletedReset;
use crate::cli::sink::message_printer::MessageDocument;
use crate::cli::templates::eject::EjectedTemplates;
use crate::cli::templates::list::ListedTemplate;
use crate::cli::templates::preview::{PreviewedMail, PreviewedTemplate};
use crate::cli::user::create::CreatedAccount;
use crate::cli::user::delete::DeletedAccount;
use crate::cli::user::disable::AccountStatus;
use crate::cli::user::export::{ExportedAccount, ExportedFile};
use crate::cli::user::import::{ImportSummary, RefusedLine};
use crate::cli::user::list::{ListedAccount, ListedPendingChange};
use crate::cli::user::revoke::RevokedAccess;
use crate::cli::user::set_email::ChangedAddress;
use crate::cli::user::set_password::ChangedPassword;
use crate::cli::user::show::AccountDocument;
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
    pub(super) json: JsonOutput,
}

/// Kind of documents: when one is printed, as a phrase that may be empty, and its fields.
pub(super) type DocumentKind = (&'static str, fn() -> Vec<Field>);

/// Output of a command with `--json`.
pub(super) enum JsonOutput {
    /// None of its own.
    None,
    Documents(&'static [DocumentKind]),
    /// Documents of the inbox's API, which may be that of another program, in words. Their fields are described by hand.
    OfInbox(&'static str),
}

impl JsonOutput {
    /// Returns a description for the help.
    pub(super) fn describe(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::OfInbox(words) => Some((*words).to_owned()),
            Self::Documents(kinds) => {
                let described = kinds.iter().map(|(when, fields)| {
                    let outline = document::outline(&fields());
                    if when.is_empty() {
                        outline
                    } else {
                        format!("{when}: {outline}")
                    }
                });
                Some(described.collect::<Vec<_>>().join("; "))
            }
        }
    }
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
const DISABLED: ExitMeaning = (ExitCode::Failed, "the account is disabled");
const DECLINED: ExitMeaning = (ExitCode::Failed, "not confirmed");

pub(super) static COMMANDS: &[CommandEntry] = &[
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
        json: JsonOutput::Documents(&[(
            "with --smtp-debug one document for each message as it arrives",
            MessageDocument::fields,
        )]),
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
        json: JsonOutput::Documents(&[(
            "one document for each message as it arrives",
            MessageDocument::fields,
        )]),
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
        json: JsonOutput::OfInbox("one document per message, as in the lists of the inbox API"),
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
        json: JsonOutput::OfInbox(
            "{\"message\", \"links\", \"tokens\", \"codes\"}; the message as in the inbox API",
        ),
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
        json: JsonOutput::OfInbox(
            "{\"message\", \"links\", \"tokens\", \"codes\"}; the message as in the inbox API",
        ),
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
        json: JsonOutput::Documents(&[("", ClearedInbox::fields)]),
    },
    CommandEntry {
        command: "forgot",
        settings: &[Reader::Database, Reader::Links, Reader::Mail],
        exits: &[
            (
                ExitCode::Failed,
                "the account is disabled, or the mail server rejected the mail permanently",
            ),
            NO_ACCOUNT,
            (
                ExitCode::Unavailable,
                "the mail is queued, or the database is unreachable",
            ),
        ],
        json: JsonOutput::Documents(&[
            ("", SentLink::fields),
            ("with --print-link", PrintedLink::fields),
        ]),
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
            DISABLED,
            BAD_TOKEN,
            WEAK_PASSWORD,
            NO_DATABASE,
        ],
        json: JsonOutput::Documents(&[("", CompletedReset::fields)]),
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
        json: JsonOutput::Documents(&[("", CreatedAccount::fields)]),
    },
    CommandEntry {
        command: "user list",
        settings: &[Reader::Database],
        exits: &[NO_DATABASE_TO_READ],
        json: JsonOutput::Documents(&[
            (
                "one document for each account, ordered by id",
                ListedAccount::fields,
            ),
            (
                "with `--pending`: one document for each pending change",
                ListedPendingChange::fields,
            ),
        ]),
    },
    CommandEntry {
        command: "user show",
        settings: &[Reader::Database],
        exits: &[NO_ACCOUNT, NO_DATABASE_TO_READ],
        json: JsonOutput::Documents(&[("", AccountDocument::fields)]),
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
        json: JsonOutput::Documents(&[("", ChangedPassword::fields)]),
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
        json: JsonOutput::Documents(&[("", ChangedAddress::fields)]),
    },
    CommandEntry {
        command: "user revoke",
        settings: &[Reader::Database, Reader::Links, Reader::Mail],
        exits: &[DISABLED, NO_ACCOUNT, NO_DATABASE],
        json: JsonOutput::Documents(&[("", RevokedAccess::fields)]),
    },
    CommandEntry {
        command: "user disable",
        settings: &[Reader::Database],
        exits: &[
            (ExitCode::Done, "disabled, or already disabled before"),
            DECLINED,
            NO_ACCOUNT,
            NO_DATABASE,
        ],
        json: JsonOutput::Documents(&[("", AccountStatus::fields)]),
    },
    CommandEntry {
        command: "user enable",
        settings: &[Reader::Database],
        exits: &[
            (ExitCode::Done, "enabled, or not disabled before"),
            NO_ACCOUNT,
            NO_DATABASE,
        ],
        json: JsonOutput::Documents(&[("", AccountStatus::fields)]),
    },
    CommandEntry {
        command: "user delete",
        settings: &[Reader::Database],
        exits: &[DECLINED, NO_ACCOUNT, NO_DATABASE],
        json: JsonOutput::Documents(&[("", DeletedAccount::fields)]),
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
        json: JsonOutput::Documents(&[
            (
                "for each refused line, printed immediately",
                RefusedLine::fields,
            ),
            ("at the end", ImportSummary::fields),
        ]),
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
        json: JsonOutput::Documents(&[
            ("with a file", ExportedFile::fields),
            (
                "on stdout one document for each account, ordered by id",
                ExportedAccount::fields,
            ),
        ]),
    },
    CommandEntry {
        command: "outbox list",
        settings: &[Reader::Database],
        exits: &[NO_DATABASE_TO_READ],
        json: JsonOutput::Documents(&[(
            "one document for each mail, oldest first",
            ListedMail::fields,
        )]),
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
        json: JsonOutput::Documents(&[("", FlushDocument::fields)]),
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
        json: JsonOutput::Documents(&[
            ("", SentMail::fields),
            ("with --all", FlushDocument::fields),
        ]),
    },
    CommandEntry {
        command: "outbox drop",
        settings: &[Reader::Database],
        exits: &[
            (ExitCode::Failed, "being sent by another process"),
            NO_MAIL,
            NO_DATABASE,
        ],
        json: JsonOutput::Documents(&[("", DroppedMail::fields)]),
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
        json: JsonOutput::Documents(&[("", CopyDocument::fields)]),
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
        json: JsonOutput::Documents(&[("also if the exit code is 1", CheckDocument::fields)]),
    },
    CommandEntry {
        command: "templates list",
        settings: &[Reader::Templates],
        exits: &[],
        json: JsonOutput::Documents(&[("one document for each template", ListedTemplate::fields)]),
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
        json: JsonOutput::Documents(&[("", EjectedTemplates::fields)]),
    },
    CommandEntry {
        command: "templates preview",
        settings: &[Reader::Templates],
        exits: &[(
            ExitCode::Usage,
            "wrong usage, no such template, or an unreadable one",
        )],
        json: JsonOutput::Documents(&[
            ("for a mail", PreviewedMail::fields),
            ("for a single template", PreviewedTemplate::fields),
        ]),
    },
    CommandEntry {
        command: "completions",
        settings: &[],
        exits: &[],
        json: JsonOutput::None,
    },
    CommandEntry {
        command: "manpages",
        settings: &[],
        exits: &[(ExitCode::Failed, "the folder cannot be written")],
        json: JsonOutput::None,
    },
    CommandEntry {
        command: "help",
        settings: &[],
        exits: &[],
        json: JsonOutput::None,
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
