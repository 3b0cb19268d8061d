//! Which settings each command goes by and how it may end: the one table of it.

/// How any command may end, in the order of their numbers.
pub(super) const EXIT_CODES: [(u8, &str); 10] = [
    (0, "done"),
    (1, "failed"),
    (
        2,
        "wrong usage, or settings or templates that can't be read",
    ),
    (3, "no such account, mail or entry"),
    (4, "token invalid, expired or used"),
    (5, "password refused"),
    (6, "already exists"),
    (7, "a service (database, SMTP, sink) can't be reached"),
    (8, "timed out"),
    (130, "interrupted"),
];

/// What a command goes by, and how it may end.
pub(super) struct Use {
    /// Its words, without the program's name.
    pub(super) command: &'static str,
    pub(super) settings: &'static [&'static str],
    /// Without 0, 2 and 130, by which each may end; what one means here, where that is more than its usual meaning.
    pub(super) exits: &'static [(u8, &'static str)],
}

/// Where the database is, and so of nearly every command.
const DATABASE: [&str; 2] = ["MOVIE_BAG_DATABASE", "MOVIE_BAG_DATA_DIR"];
const MAIL: [&str; 4] = ["MAIL_SERVER", "MAIL_PORT", "MAIL_USERNAME", "MAIL_PASSWORD"];

// What several commands mean by a code.
const NO_ACCOUNT: (u8, &str) = (3, "no such account");
const NO_MAIL: (u8, &str) = (3, "no such mail");
const NO_DATABASE: (u8, &str) = (7, "the database can't be reached");
const NO_DATABASE_TO_READ: (u8, &str) = (7, "there is no database, or it can't be reached");
const NO_SINK: (u8, &str) = (7, "no sink answers");

pub(super) const USES: &[Use] = &[
    Use {
        command: "serve",
        settings: &[
            "MOVIE_BAG_PROFILE",
            "MOVIE_BAG_BIND",
            "MOVIE_BAG_PUBLIC_URL",
            DATABASE[0],
            "JWT_SECRET_KEY",
            MAIL[0],
            MAIL[1],
            "MOVIE_BAG_METRICS_BIND",
        ],
        exits: &[
            (
                0,
                "ended by SIGTERM or Ctrl-C; requests in flight are finished first",
            ),
            (1, "the address is taken"),
            NO_DATABASE,
        ],
    },
    Use {
        command: "smtp-debug",
        settings: &[],
        exits: &[
            (0, "ended by SIGTERM or Ctrl-C, or by --exit-after"),
            (1, "the address is taken; with -- CMD: the exit code of CMD"),
        ],
    },
    Use {
        command: "inbox list",
        settings: &["MOVIE_BAG_INBOX_URL"],
        exits: &[NO_SINK],
    },
    Use {
        command: "inbox show",
        settings: &["MOVIE_BAG_INBOX_URL"],
        exits: &[NO_MAIL, NO_SINK],
    },
    Use {
        command: "inbox wait",
        settings: &["MOVIE_BAG_INBOX_URL"],
        exits: &[
            (3, "a mail came, and lacks what --print asks for"),
            NO_SINK,
            (8, "no such mail came in time"),
        ],
    },
    Use {
        command: "inbox clear",
        settings: &["MOVIE_BAG_INBOX_URL"],
        exits: &[(1, "the question was answered with no"), NO_SINK],
    },
    Use {
        command: "forgot",
        settings: &[
            DATABASE[0],
            MAIL[0],
            MAIL[1],
            "MOVIE_BAG_PUBLIC_URL",
            "MOVIE_BAG_RESET_TOKEN_LIFETIME",
        ],
        exits: &[
            (
                1,
                "the mail server refused the mail for good: it is given up",
            ),
            NO_ACCOUNT,
            (
                7,
                "the mail is queued and not delivered yet, or the database can't be reached",
            ),
        ],
    },
    Use {
        command: "reset",
        settings: &[
            DATABASE[0],
            MAIL[0],
            MAIL[1],
            "MOVIE_BAG_PASSWORD_MIN_LENGTH",
            "MOVIE_BAG_BCRYPT_COST",
        ],
        exits: &[
            (
                0,
                "the password is changed; a confirmation not sent yet is a warning",
            ),
            (4, ""),
            (5, ""),
            NO_DATABASE,
        ],
    },
    Use {
        command: "user create",
        settings: &[
            DATABASE[0],
            "MOVIE_BAG_PASSWORD_MIN_LENGTH",
            "MOVIE_BAG_BCRYPT_COST",
            "MOVIE_BAG_INVITATION_LIFETIME",
        ],
        exits: &[
            (
                1,
                "the account is created, but the mail server refused its invitation for good",
            ),
            (5, ""),
            (6, "the address has an account"),
            (
                7,
                "the account is created, but its invitation is queued and not delivered yet, or the database can't be reached",
            ),
        ],
    },
    Use {
        command: "user list",
        settings: &DATABASE,
        exits: &[NO_DATABASE_TO_READ],
    },
    Use {
        command: "user show",
        settings: &DATABASE,
        exits: &[NO_ACCOUNT, NO_DATABASE_TO_READ],
    },
    Use {
        command: "user set-password",
        settings: &[
            DATABASE[0],
            MAIL[0],
            MAIL[1],
            "MOVIE_BAG_PASSWORD_MIN_LENGTH",
            "MOVIE_BAG_BCRYPT_COST",
        ],
        exits: &[NO_ACCOUNT, (5, ""), NO_DATABASE],
    },
    Use {
        command: "user set-email",
        settings: &[DATABASE[0], MAIL[0], MAIL[1]],
        exits: &[
            NO_ACCOUNT,
            (6, "another account has that address"),
            NO_DATABASE,
        ],
    },
    Use {
        command: "user revoke",
        settings: &[DATABASE[0], MAIL[0], MAIL[1]],
        exits: &[NO_ACCOUNT, NO_DATABASE],
    },
    Use {
        command: "user delete",
        settings: &DATABASE,
        exits: &[
            (1, "the question was answered with no"),
            NO_ACCOUNT,
            NO_DATABASE,
        ],
    },
    Use {
        command: "user import",
        settings: &[
            DATABASE[0],
            "MOVIE_BAG_PASSWORD_MIN_LENGTH",
            "MOVIE_BAG_BCRYPT_COST",
        ],
        exits: &[
            (0, "every line was taken"),
            (1, "a line was not taken, or FILE can't be read"),
            (2, "wrong usage, or FILE is in no format that is known"),
            (
                7,
                "the database can't be reached; with --dry-run also: there is none",
            ),
            (130, "interrupted: running it again goes on"),
        ],
    },
    Use {
        command: "user export",
        settings: &DATABASE,
        exits: &[
            (1, "FILE can't be written"),
            (2, "wrong usage, or FILE is in no format that is known"),
            (6, "FILE is there already"),
            NO_DATABASE_TO_READ,
        ],
    },
    Use {
        command: "outbox list",
        settings: &DATABASE,
        exits: &[NO_DATABASE_TO_READ],
    },
    Use {
        command: "outbox flush",
        settings: &[DATABASE[0], MAIL[0], MAIL[1], "MOVIE_BAG_MAIL_TIMEOUT"],
        exits: &[
            (0, "all were sent, and no dead mail is left"),
            (1, "a mail was given up, now or before; none is queued"),
            (
                7,
                "some are queued and not delivered yet, or there is no database, or it can't be reached",
            ),
        ],
    },
    Use {
        command: "outbox retry",
        settings: &[DATABASE[0], MAIL[0], MAIL[1], "MOVIE_BAG_MAIL_TIMEOUT"],
        exits: &[
            (0, "sent"),
            (1, "it was given up, or is just being sent"),
            NO_MAIL,
            (
                7,
                "the mail is queued and not delivered yet, or the database can't be reached",
            ),
        ],
    },
    Use {
        command: "outbox drop",
        settings: &DATABASE,
        exits: &[(1, "it is just being sent"), NO_MAIL, NO_DATABASE],
    },
    Use {
        command: "copy",
        settings: &[DATABASE[0], DATABASE[1], "MOVIE_BAG_DATABASE_TIMEOUT"],
        exits: &[
            (1, "the copy differs from its source"),
            (6, "the target is not empty"),
            (7, "there is no database to copy, or one can't be reached"),
        ],
    },
    Use {
        command: "check",
        settings: &["MOVIE_BAG_PROFILE", "ENV_FILE_LOCATION"],
        exits: &[
            (0, "no error; there may be warnings"),
            (
                1,
                "an error was found, such as a service that can't be reached",
            ),
        ],
    },
    Use {
        command: "templates list",
        settings: &["MOVIE_BAG_TEMPLATES"],
        exits: &[],
    },
    Use {
        command: "templates eject",
        settings: &["MOVIE_BAG_TEMPLATES"],
        exits: &[
            (1, "the folder can't be written"),
            (6, "a file differs, and nothing was written"),
        ],
    },
    Use {
        command: "templates preview",
        settings: &["MOVIE_BAG_TEMPLATES"],
        exits: &[(
            2,
            "wrong usage, no such template, or one that can't be read",
        )],
    },
    Use {
        command: "completions",
        settings: &[],
        exits: &[],
    },
    Use {
        command: "manpages",
        settings: &[],
        exits: &[(1, "the folder can't be written")],
    },
    Use {
        command: "help",
        settings: &[],
        exits: &[],
    },
];
