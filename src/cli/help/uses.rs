//! Table of commands: settings they read, their exit codes and their JSON output.

/// Exit codes of all commands, in ascending order.
pub(super) const EXIT_CODES: [(u8, &str); 10] = [
    (0, "done"),
    (1, "failed"),
    (2, "wrong usage, or unreadable settings or templates"),
    (3, "no such account, mail or entry"),
    (4, "token invalid, expired or used"),
    (5, "password refused"),
    (6, "already exists"),
    (7, "a service (database, SMTP, sink) is unreachable"),
    (8, "timed out"),
    (130, "interrupted"),
];

/// Settings, exit codes and JSON output of a command.
pub(super) struct Use {
    /// Its words, without the program's name.
    pub(super) command: &'static str,
    /// Settings that it reads, by group, without profile and log, which all commands read.
    pub(super) settings: &'static [&'static [&'static str]],
    /// Exit codes with their meaning here, or "" for the usual meaning. 0, 2 and 130 need no entry.
    pub(super) exits: &'static [(u8, &'static str)],
    /// Output with `--json`; empty where a command has none of its own.
    pub(super) json: &'static str,
}

const DATABASE: &[&str] = &[
    "MOVIE_BAG_DATABASE",
    "MOVIE_BAG_DATA_DIR",
    "MOVIE_BAG_DATABASE_TIMEOUT",
];
const MAIL: &[&str] = &[
    "MAIL_SERVER",
    "MAIL_PORT",
    "MAIL_USERNAME",
    "MAIL_PASSWORD",
    "MAIL_USE_TLS",
    "MAIL_USE_SSL",
    "MAIL_CA_FILE",
    "MAIL_DEFAULT_SENDER",
    "MAIL_HELO_NAME",
    "MOVIE_BAG_MAIL_CONNECTIONS",
    "MOVIE_BAG_MAIL_TIMEOUT",
    "MOVIE_BAG_TEMPLATES",
];
/// For tokens, and for the links in mails.
const LINKS: &[&str] = &[
    "MOVIE_BAG_BIND",
    "MOVIE_BAG_PUBLIC_URL",
    "JWT_SECRET_KEY",
    "JWT_SECRET_KEY_PREVIOUS",
    "MOVIE_BAG_RESET_TOKEN_LIFETIME",
    "MOVIE_BAG_INVITATION_LIFETIME",
];
const PASSWORDS: &[&str] = &["MOVIE_BAG_PASSWORD_MIN_LENGTH", "MOVIE_BAG_BCRYPT_COST"];
const SERVER: &[&str] = &[
    "MOVIE_BAG_METRICS_BIND",
    "MOVIE_BAG_TRUSTED_PROXIES",
    "MOVIE_BAG_CORS_ORIGINS",
    "MOVIE_BAG_ACCESS_TOKEN_LIFETIME",
    "MOVIE_BAG_SIGNUP",
    "MOVIE_BAG_CONCEAL_ACCOUNTS",
    "MOVIE_BAG_HISTORY_DAYS",
    "MOVIE_BAG_RATE_LIMITS",
    "MOVIE_BAG_MAX_CONNECTIONS",
    "MOVIE_BAG_REQUEST_TIMEOUT",
];
const INBOX: &[&str] = &["MOVIE_BAG_INBOX_URL"];
const TEMPLATES: &[&str] = &["MOVIE_BAG_TEMPLATES"];

// Meanings that several commands share.
const NO_ACCOUNT: (u8, &str) = (3, "no such account");
const NO_MAIL: (u8, &str) = (3, "no such mail");
const NO_DATABASE: (u8, &str) = (7, "the database is unreachable");
const NO_DATABASE_TO_READ: (u8, &str) = (7, "the database does not exist or is unreachable");
const NO_SINK: (u8, &str) = (7, "the sink is unreachable");
const DECLINED: (u8, &str) = (1, "not confirmed");

pub(super) const USES: &[Use] = &[
    Use {
        command: "serve",
        settings: &[SERVER, DATABASE, LINKS, MAIL, PASSWORDS],
        exits: &[
            (
                0,
                "ended by SIGTERM or Ctrl-C, after the requests in progress",
            ),
            (1, "the address is in use"),
            NO_DATABASE,
        ],
        json: "with --smtp-debug one document per message, as that of \"smtp-debug\"",
    },
    Use {
        command: "smtp-debug",
        settings: &[],
        exits: &[
            (0, "ended by SIGTERM, Ctrl-C or --exit-after"),
            (
                1,
                "the address is in use; with -- CMD: the exit code of CMD",
            ),
        ],
        json: "one document per message: {\"id\", \"received_at\", \"from\", \"to\", \"subject\", \"message_id\", \
               \"text\", \"html\", \"links\", \"tokens\", \"codes\", \"attachments\", \"size\", \"helo\", \"peer\", \"parsed\", \
               \"warnings\"}",
    },
    Use {
        command: "inbox list",
        settings: &[INBOX],
        exits: &[NO_SINK],
        json: "one document per message, as in the lists of the inbox API",
    },
    Use {
        command: "inbox show",
        settings: &[INBOX],
        exits: &[
            (3, "no such message, or it has no part that --print names"),
            NO_SINK,
        ],
        json: "{\"message\", \"links\", \"tokens\", \"codes\"}; the message as in the inbox API",
    },
    Use {
        command: "inbox wait",
        settings: &[INBOX],
        exits: &[
            (3, "the message has no part that --print names"),
            NO_SINK,
            (8, "no such message arrived in time"),
        ],
        json: "{\"message\", \"links\", \"tokens\", \"codes\"}; the message as in the inbox API",
    },
    Use {
        command: "inbox clear",
        settings: &[INBOX],
        exits: &[DECLINED, NO_SINK],
        json: "{\"deleted\"}",
    },
    Use {
        command: "forgot",
        settings: &[DATABASE, LINKS, MAIL],
        exits: &[
            (1, "given up: the mail server rejected the mail permanently"),
            NO_ACCOUNT,
            (7, "the mail is queued, or the database is unreachable"),
        ],
        json: "{\"email\", \"sent\", \"reply\"}; with --print-link {\"link\", \"expires_at\"}",
    },
    Use {
        command: "reset",
        settings: &[DATABASE, LINKS, MAIL, PASSWORDS],
        exits: &[
            (
                0,
                "the password is changed, even if the confirmation is only queued",
            ),
            (4, ""),
            (5, ""),
            NO_DATABASE,
        ],
        json: "{\"changed\", \"confirmation_sent\"}",
    },
    Use {
        command: "user create",
        settings: &[DATABASE, LINKS, MAIL, PASSWORDS],
        exits: &[
            (1, "created, but the invitation was rejected permanently"),
            (5, ""),
            (6, "the address already has an account"),
            (
                7,
                "created, but the invitation is queued; or the database is unreachable",
            ),
        ],
        json: "{\"id\", \"email\"}; with --generate also \"password\"; with --invite also \"invitation_sent\" and \
               \"invitation\"",
    },
    Use {
        command: "user list",
        settings: &[DATABASE],
        exits: &[NO_DATABASE_TO_READ],
        json: "one document per account: {\"id\", \"email\", \"created_at\"}",
    },
    Use {
        command: "user show",
        settings: &[DATABASE],
        exits: &[NO_ACCOUNT, NO_DATABASE_TO_READ],
        json: "{\"id\", \"email\", \"created_at\", \"mails\": […], \"history\": […]}; newest event first, times in UTC",
    },
    Use {
        command: "user set-password",
        settings: &[DATABASE, LINKS, MAIL, PASSWORDS],
        exits: &[NO_ACCOUNT, (5, ""), NO_DATABASE],
        json: "{\"email\", \"changed\", \"confirmation_sent\"}; with --generate also \"password\"",
    },
    Use {
        command: "user set-email",
        settings: &[DATABASE, LINKS, MAIL],
        exits: &[
            NO_ACCOUNT,
            (6, "another account has the new address"),
            NO_DATABASE,
        ],
        json: "{\"before\", \"email\", \"changed\", \"confirmation_sent\"}",
    },
    Use {
        command: "user revoke",
        settings: &[DATABASE, LINKS, MAIL],
        exits: &[NO_ACCOUNT, NO_DATABASE],
        json: "{\"email\", \"revoked\", \"confirmation_sent\"}",
    },
    Use {
        command: "user delete",
        settings: &[DATABASE],
        exits: &[DECLINED, NO_ACCOUNT, NO_DATABASE],
        json: "{\"email\", \"movies\", \"mails\", \"history\"}; the last three are counts",
    },
    Use {
        command: "user import",
        settings: &[DATABASE, PASSWORDS],
        exits: &[
            (0, "all lines were imported"),
            (1, "a line was refused, or FILE is unreadable"),
            (2, "wrong usage, or FILE has an unknown format"),
            (
                7,
                "the database is unreachable; with --dry-run also if it does not exist",
            ),
            (130, "interrupted; a second run continues"),
        ],
        json: "for each refused line {\"line\", \"error\"}, at the end {\"created\", \"updated\", \"unchanged\", \
               \"refused\", \"dry_run\"}",
    },
    Use {
        command: "user export",
        settings: &[DATABASE],
        exits: &[
            (1, "FILE cannot be written"),
            (2, "wrong usage, or FILE has an unknown format"),
            (6, "FILE already exists"),
            NO_DATABASE_TO_READ,
        ],
        json: "{\"file\", \"accounts\"}; on stdout one document per account: {\"email\", \"password_hash\"}",
    },
    Use {
        command: "outbox list",
        settings: &[DATABASE],
        exits: &[NO_DATABASE_TO_READ],
        json: "one document per mail: {\"id\", \"email\", \"kind\", \"state\", \"requested_at\", \"attempts\", \
               \"next_try_at\", \"last_error\"}; times in UTC; next_try_at concerns waiting mails",
    },
    Use {
        command: "outbox flush",
        settings: &[DATABASE, LINKS, MAIL],
        exits: &[
            (0, "all mails were sent, and no dead mail is left"),
            (1, "dead mails are left, none is queued"),
            (
                7,
                "mails are still queued, or the database does not exist or is unreachable",
            ),
        ],
        json: "{\"total\", \"sent\", \"waiting\", \"dead\", \"elsewhere\", \"left\", \"already_dead\"}",
    },
    Use {
        command: "outbox retry",
        settings: &[DATABASE, LINKS, MAIL],
        exits: &[
            (0, "sent"),
            (1, "given up, or being sent by another process"),
            NO_MAIL,
            (7, "the mail is queued, or the database is unreachable"),
        ],
        json: "{\"id\", \"sent\", \"reply\"}; with --all as that of \"outbox flush\"",
    },
    Use {
        command: "outbox drop",
        settings: &[DATABASE],
        exits: &[(1, "being sent by another process"), NO_MAIL, NO_DATABASE],
        json: "{\"id\", \"kind\", \"dropped\"}",
    },
    Use {
        command: "copy",
        settings: &[DATABASE],
        exits: &[
            (1, "the copy differs from its source"),
            (6, "the target is not empty"),
            (7, "the source does not exist, or a database is unreachable"),
        ],
        json: "{\"accounts\", \"movies\", \"mails\", \"history\", \"compared\", \"mails_left_out\", \
               \"history_left_out\"}; all are counts",
    },
    Use {
        command: "check",
        settings: &[SERVER, DATABASE, LINKS, MAIL, PASSWORDS, INBOX],
        exits: &[
            (0, "no errors; there may be warnings"),
            (1, "an error was found, such as an unreachable service"),
        ],
        json: "{\"ok\", \"settings\": [{\"key\", \"value\", \"source\"}], \"checks\": [{\"name\", \"verdict\", \
               \"message\", \"hint\"}], \"dialogue\": [{\"step\", \"ok\", \"said\"}]}; a verdict is ok, warning or error; \
               the dialogue is the one with the mail server",
    },
    Use {
        command: "templates list",
        settings: &[TEMPLATES],
        exits: &[],
        json: "one document per template: {\"name\", \"purpose\", \"variables\", \"path\"}; each variable with its meaning; \
               the path of a built-in template is null",
    },
    Use {
        command: "templates eject",
        settings: &[TEMPLATES],
        exits: &[
            (1, "the folder cannot be written"),
            (6, "a file differs, and nothing was written"),
        ],
        json: "{\"folder\", \"written\", \"unchanged\"}",
    },
    Use {
        command: "templates preview",
        settings: &[TEMPLATES],
        exits: &[(2, "wrong usage, no such template, or an unreadable one")],
        json: "{\"subject\", \"text\", \"html\"} of a mail, {\"name\", \"content\"} of a single template",
    },
    Use {
        command: "completions",
        settings: &[],
        exits: &[],
        json: "",
    },
    Use {
        command: "manpages",
        settings: &[],
        exits: &[(1, "the folder cannot be written")],
        json: "",
    },
    Use {
        command: "help",
        settings: &[],
        exits: &[],
        json: "",
    },
];

/// Commands that run until they are stopped, for which Ctrl-C is no interruption.
const SERVERS: [&str; 2] = ["serve", "smtp-debug"];

/// Returns the entry of a command by its words.
pub(super) fn find(command: &str) -> Option<&'static Use> {
    USES.iter().find(|entry| entry.command == command)
}

impl Use {
    /// Returns all exit codes with their meaning for this command.
    pub(super) fn exit_codes(&self) -> Vec<(u8, &'static str)> {
        let meaning = |(code, usual): &(u8, &'static str)| {
            let own = self.exits.iter().find(|(own, _)| own == code);
            match own {
                Some((_, "")) => Some((*code, *usual)),
                Some((_, own)) => Some((*code, *own)),
                None if matches!(code, 0 | 2) => Some((*code, *usual)),
                None if *code == 130 && !SERVERS.contains(&self.command) => Some((*code, *usual)),
                None => None,
            }
        };
        EXIT_CODES.iter().filter_map(meaning).collect()
    }

    /// Returns the names of all settings that it reads.
    pub(super) fn settings(&self) -> impl Iterator<Item = &'static str> {
        self.settings.concat().into_iter()
    }
}
