//! Table of all settings: names, defaults, accepted forms and documentation.
//!
//! `check`, the help topic `settings`, the man pages, docs/settings.md and the warning about misspelled keys all use this
//! table. [`super::resolve`] parses the values.

use movie_bag_core::domain::spelling;

/// Group of settings in the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    General,
    Server,
    Database,
    Mail,
    Tokens,
    Accounts,
    Limits,
    Other,
    Logs,
}

impl Subject {
    /// All subjects in the order of the documentation.
    pub(crate) const ALL: [Self; 9] = [
        Self::General,
        Self::Server,
        Self::Database,
        Self::Mail,
        Self::Tokens,
        Self::Accounts,
        Self::Limits,
        Self::Other,
        Self::Logs,
    ];

    /// Returns the heading of the subject.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::General => "General",
            Self::Server => "Server",
            Self::Database => "Database",
            Self::Mail => "Mail",
            Self::Tokens => "Tokens and secrets",
            Self::Accounts => "Accounts and passwords",
            Self::Limits => "Limits",
            Self::Other => "Templates and inbox",
            Self::Logs => "Logs and metrics",
        }
    }
}

/// Definition of a setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// Name in the environment and the env file.
    pub(crate) name: &'static str,
    pub(crate) subject: Subject,
    /// Command-line option that overrides it, with its command.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "only the generated documentation shows it")
    )]
    pub(crate) option: Option<&'static str>,
    /// Default, as a value or in words.
    pub(crate) default: &'static str,
    /// Default in the profile `production`, if it differs.
    pub(crate) default_in_production: Option<&'static str>,
    /// Accepted values, in Markdown.
    pub(crate) form: &'static str,
    /// Meaning in one line, without a full stop.
    pub(crate) meaning: &'static str,
    /// Further explanation for docs/settings.md, in Markdown.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "only the generated documentation shows it")
    )]
    pub(crate) details: &'static str,
    /// Whether the value is never shown.
    pub(crate) is_secret: bool,
}

const fn key(name: &'static str, subject: Subject, default: &'static str) -> Key {
    Key {
        name,
        subject,
        option: None,
        default,
        default_in_production: None,
        form: "",
        meaning: "",
        details: "",
        is_secret: false,
    }
}

impl Key {
    const fn option(self, option: &'static str) -> Self {
        Self {
            option: Some(option),
            ..self
        }
    }

    const fn in_production(self, default: &'static str) -> Self {
        Self {
            default_in_production: Some(default),
            ..self
        }
    }

    const fn form(self, form: &'static str) -> Self {
        Self { form, ..self }
    }

    const fn means(self, meaning: &'static str) -> Self {
        Self { meaning, ..self }
    }

    const fn details(self, details: &'static str) -> Self {
        Self { details, ..self }
    }

    const fn secret(self) -> Self {
        Self {
            is_secret: true,
            ..self
        }
    }

    /// Returns the defaults of both profiles.
    pub(crate) fn defaults(&self) -> String {
        match self.default_in_production {
            Some(strict) => format!("{} ({strict} in production)", self.default),
            None => self.default.to_owned(),
        }
    }
}

const TIME: &str = "a time: `90s`, `30m`, `24h`, `7d`";
const SWITCH: &str = "`true` or `false`";
const ADDRESS: &str = "address and port: `127.0.0.1:3000`, `[::]:3000`";

/// All settings, by subject.
pub(crate) const KEYS: &[Key] = &[
    key("MOVIE_BAG_PROFILE", Subject::General, "development")
        .form("`development` or `production`")
        .means("Profile; production has stricter defaults and checks")
        .details("See [Profiles](#profiles)."),
    key(
        "MOVIE_BAG_DATA_DIR",
        Subject::General,
        "the platform's data folder",
    )
    .form("path of a folder")
    .means("Folder of the SQLite database and the generated secret")
    .details(
        "Default: `~/.local/share/movie-bag` on Linux, `~/Library/Application Support/movie-bag` on macOS, \
         `%LOCALAPPDATA%\\movie-bag` on Windows. It is created with mode 0700, files in it with mode 0600.",
    ),
    key("MOVIE_BAG_BIND", Subject::Server, "127.0.0.1:3000")
        .option("serve --bind")
        .form(ADDRESS)
        .means("Address and port of the API and the web pages")
        .details("A socket that systemd passes replaces it. Port 0 chooses a free port."),
    key(
        "MOVIE_BAG_PUBLIC_URL",
        Subject::Server,
        "http://localhost:PORT",
    )
    .option("serve --public-url")
    .form("an `http` or `https` URL without `?` and `#`")
    .means("Base URL of the links in mails")
    .details("It is never taken from a request. It may have a path, for a proxy that strips one. The default has the port of `MOVIE_BAG_BIND`."),
    key("MOVIE_BAG_TRUSTED_PROXIES", Subject::Server, "none")
        .form("CIDR networks, separated by commas: `10.0.0.0/8, ::1`")
        .means("Proxies whose X-Forwarded-For header is trusted")
        .details("Without it, all clients behind a proxy count as one client in the limits."),
    key("MOVIE_BAG_CORS_ORIGINS", Subject::Server, "none")
        .form("origins such as `https://app.example`, separated by commas")
        .means("Web origins whose pages may call the API from a browser")
        .details(
            "An origin must match exactly: scheme, host and port. There is no `*`. \
             See [Calls from browsers](http-api.md#calls-from-browsers).",
        ),
    key(
        "MOVIE_BAG_DATABASE",
        Subject::Database,
        "SQLite in the data folder",
    )
    .option("--database")
    .form("`sqlite:PATH`, `mongodb://…` or `mongodb+srv://…`")
    .means("Database, a SQLite file or MongoDB")
    .details(
        "The file in the data folder is `movie-bag.sqlite3`. On Windows, a drive is part of the path: \
         `sqlite:C:\\data\\movies.sqlite3`. Characters in a MongoDB password that have a meaning in URLs must be \
         percent-encoded (`%40` for `@`). The user, the password and the options of the URI are never shown. Without a name in the URI, the \
         MongoDB database is `movie-bag`. See [Several servers on one MongoDB](operations.md#several-servers-on-one-mongodb).",
    ),
    key("MOVIE_BAG_DATABASE_TIMEOUT", Subject::Database, "30s")
        .form(TIME)
        .means("Maximum time of a database operation on MongoDB")
        .details(
            "It includes the election of a new primary. A server that is not reachable at startup ends `serve` with \
             exit code 7 within this time. On SQLite, an operation waits 5 seconds for another process that writes.",
        ),
    key("MAIL_SERVER", Subject::Mail, "localhost")
        .form("host name or IP address, without the port")
        .means("Mail server")
        .details("See [Mail](mail.md) for the settings of common providers."),
    key("MAIL_PORT", Subject::Mail, "1025")
        .form("1 to 65535")
        .means("Port of the mail server")
        .details("The default is the port of the debugging SMTP sink."),
    key("MAIL_USERNAME", Subject::Mail, "none")
        .form("text")
        .means("User name at the mail server")
        .details("Used only if `MAIL_PASSWORD` is set too."),
    key("MAIL_PASSWORD", Subject::Mail, "none")
        .form("text")
        .means("Password at the mail server")
        .details(
            "Used only if `MAIL_USERNAME` is set too. If only one of them is set, no login takes place, and `check` reports it.",
        )
        .secret(),
    key("MAIL_USE_TLS", Subject::Mail, "false")
        .form(SWITCH)
        .means("Require STARTTLS, usually on port 587")
        .details("The certificate must be valid for `MAIL_SERVER`. There is no fallback to plaintext."),
    key("MAIL_USE_SSL", Subject::Mail, "false")
        .form(SWITCH)
        .means("Use TLS from the first byte, usually on port 465")
        .details("The certificate must be valid for `MAIL_SERVER`. Excludes `MAIL_USE_TLS`."),
    key("MAIL_CA_FILE", Subject::Mail, "none")
        .form("path of a PEM file")
        .means("Certificates to trust in addition to the public authorities")
        .details(
            "The file holds the certificate of an authority, or the self-signed certificate of the mail server itself. \
             It has an effect only with `MAIL_USE_TLS` or `MAIL_USE_SSL`.",
        ),
    key(
        "MAIL_DEFAULT_SENDER",
        Subject::Mail,
        "support@movie-bag.com",
    )
    .form("`support@movies.example` or `Movie-bag <support@movies.example>`")
    .means("Sender of all mails")
    .details("A name with a comma needs quotes: `'\"Movie-bag, Inc.\" <support@movies.example>'`."),
    key("MAIL_HELO_NAME", Subject::Mail, "the sender's domain")
        .form("host name, or an IP address in brackets: `[192.0.2.1]`")
        .means("Name sent in EHLO to the mail server"),
    key("MOVIE_BAG_MAIL_CONNECTIONS", Subject::Mail, "16")
        .form("1 to 500")
        .means("Maximum number of connections to the mail server at once")
        .details("Each process has its own."),
    key("MOVIE_BAG_MAIL_TIMEOUT", Subject::Mail, "30s")
        .form(TIME)
        .means("Maximum time to send one mail")
        .details(
            "It covers everything from the name lookup to the last reply. The lookup, the connection and the TLS handshake may each take \
             a third of it, every command a half, and the reply to the message all that is left.",
        ),
    key("JWT_SECRET_KEY", Subject::Tokens, "generated once and kept")
        .form("32 bytes or more")
        .means("Secret that signs all tokens")
        .details(
            "Generate one with `openssl rand -base64 48`. All servers and commands that share a database need the same secret. \
             A generated secret is kept in the data folder. `production` requires one of your own.",
        )
        .secret(),
    key("JWT_SECRET_KEY_PREVIOUS", Subject::Tokens, "none")
        .form("32 bytes or more")
        .means("Former secret that still verifies tokens, for secret rotation")
        .details("It never signs. Remove it when the tokens that it signed have expired. See [Secret rotation](operations.md#secret-rotation).")
        .secret(),
    key("MOVIE_BAG_RESET_TOKEN_LIFETIME", Subject::Tokens, "24h")
        .in_production("1h")
        .form("a time, at most `7d`")
        .means("Lifetime of a reset link, counted from the request"),
    key("MOVIE_BAG_INVITATION_LIFETIME", Subject::Tokens, "7d")
        .form("a time, at most `365d`")
        .means("Lifetime of an invitation"),
    key("MOVIE_BAG_ACCESS_TOKEN_LIFETIME", Subject::Tokens, "7d")
        .form("a time, at most `365d`")
        .means("Lifetime of an access token"),
    key("MOVIE_BAG_SIGNUP", Subject::Accounts, "open")
        .form("`open` or `closed`")
        .means("Whether everyone may create an account over HTTP")
        .details("With `closed`, only `user create` and `user import` create accounts."),
    key("MOVIE_BAG_CONCEAL_ACCOUNTS", Subject::Accounts, "false")
        .in_production("true")
        .form(SWITCH)
        .means("Give the same answer to forgot for unknown addresses")
        .details("It concerns the API and the pages. Commands on the terminal always name unknown accounts."),
    key("MOVIE_BAG_PASSWORD_MIN_LENGTH", Subject::Accounts, "8")
        .form("1 to 64")
        .means("Minimum number of characters of a new password")
        .details("A password has at most 72 bytes in any case."),
    key("MOVIE_BAG_BCRYPT_COST", Subject::Accounts, "12")
        .form("4 to 16, in production 10 to 16")
        .means("Cost of a bcrypt hash; each step doubles the time")
        .details("Stored hashes of another cost stay valid."),
    key("MOVIE_BAG_HISTORY_DAYS", Subject::Accounts, "90")
        .form("1 to 36500")
        .means("Days to keep the history of an account")
        .details(
            "A running server deletes older lines, and keeps the newest 500 lines of an account. Logins have one line per kind and day, \
             for 30 days.",
        ),
    key("MOVIE_BAG_RATE_LIMITS", Subject::Limits, "on")
        .form("`on` or `off`")
        .means("Limits on logins, signups and resets; off for load tests only")
        .details("See [Limits](http-api.md#limits)."),
    key("MOVIE_BAG_MAX_CONNECTIONS", Subject::Limits, "768")
        .form("1 to 100000")
        .means("Maximum number of client connections at once")
        .details("See [Connections and open files](operations.md#connections-and-open-files)."),
    key("MOVIE_BAG_REQUEST_TIMEOUT", Subject::Limits, "90s")
        .form(TIME)
        .means("Maximum time to answer a request")
        .details(
            "At shutdown the server waits this long for requests in progress. A second Ctrl-C ends it at once.",
        ),
    key("MOVIE_BAG_TEMPLATES", Subject::Other, "built in")
        .form("path of a folder")
        .means("Folder of templates that replace built-in ones of the same name")
        .details("See [Mails and pages](templates.md)."),
    key("MOVIE_BAG_INBOX_URL", Subject::Other, "http://127.0.0.1:8025")
        .option("inbox --url")
        .form("an `http` or `https` URL, with `name:password@` if a login is required")
        .means("Inbox that the inbox commands read")
        .details("Name and password stand before the host: `http://ann:secret@127.0.0.1:8025`.")
        // The URL may hold a password.
        .secret(),
    key(
        "MOVIE_BAG_LOG",
        Subject::Logs,
        "info for serve, warn for smtp-debug, else off",
    )
    .option("--verbose")
    .form("`error`, `warn`, `info`, `debug`, `trace`, or `warn,movie_bag_mail=debug`")
    .means("Log level, or a filter by module")
    .details("A filter gives modules their own levels. `--verbose` means `info`, given twice `debug`. Logs go to stderr."),
    key("MOVIE_BAG_LOG_FORMAT", Subject::Logs, "text")
        .form("`text` or `json`")
        .means("Log format"),
    key("MOVIE_BAG_METRICS_BIND", Subject::Logs, "off")
        .form(ADDRESS)
        .means("Address and port of the Prometheus metrics at /metrics")
        .details(
            "It is separate from the API so that metrics are not public. A socket of systemd with the name `metrics` replaces it. \
             See [Metrics](operations.md#metrics).",
        ),
];

pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Returns the most similar name of a setting, if one is close to a misspelled name.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    spelling::nearest(name, KEYS.iter().map(|key| key.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, resolve};

    #[test]
    fn a_misspelled_name_finds_its_setting_and_others_do_not() {
        assert_eq!(nearest("MAIL_SERVR"), Some("MAIL_SERVER"));
        assert_eq!(nearest("MOVIE_BAG_DATABSE"), Some("MOVIE_BAG_DATABASE"));
        assert_eq!(nearest("MOVIE_BAG_RESET_LIFETIME"), None);
        assert_eq!(nearest("MAIL_X"), None);
    }

    #[test]
    fn settings_are_grouped_by_subject_and_fully_documented() {
        assert!(KEYS.is_sorted_by_key(|key| key.subject));
        for key in KEYS {
            assert!(!key.form.is_empty() && !key.meaning.is_empty(), "{key:?}");
            assert!(!key.meaning.ends_with('.'), "{key:?}");
            assert!(
                key.details.is_empty() || key.details.ends_with('.'),
                "{key:?}"
            );
        }
    }

    fn sources_with(name: &str, value: &str) -> Sources {
        Sources {
            environment: [
                ("MOVIE_BAG_DATA_DIR".to_owned(), "/data".to_owned()),
                (name.to_owned(), value.to_owned()),
            ]
            .into(),
            ..Sources::default()
        }
    }

    /// Numbers in a text: `from 1 to 500` has 1 and 500.
    fn numbers(text: &str) -> Vec<u64> {
        let digits = text.split(|c: char| !c.is_ascii_digit());
        digits.filter_map(|digits| digits.parse().ok()).collect()
    }

    #[test]
    fn exactly_the_documented_ranges_and_words_are_accepted() {
        let mut ranges = 0;
        for key in KEYS {
            let is_range = key.form.starts_with(|c: char| c.is_ascii_digit());
            if is_range && !key.is_secret {
                let bounds = &numbers(key.form)[..2];
                for (value, is_accepted) in [
                    (bounds[0], true),
                    (bounds[1], true),
                    (bounds[0].wrapping_sub(1), false),
                    (bounds[1] + 1, false),
                ] {
                    let resolved = resolve(&sources_with(key.name, &value.to_string()));
                    assert_eq!(resolved.is_ok(), is_accepted, "{} = {value}", key.name);
                }
                ranges += 1;
            }
            if let Some((_, longest)) = key.form.split_once("at most `") {
                let days = numbers(longest)[0];
                assert!(resolve(&sources_with(key.name, &format!("{days}d"))).is_ok());
                assert!(resolve(&sources_with(key.name, &format!("{}d", days + 1))).is_err());
                ranges += 1;
            }
            if let Some((one, other)) = key.form.split_once("` or `")
                && key.form.starts_with('`')
                && !key.form.contains(['@', ':'])
            {
                for word in [one, other] {
                    // Production requires further settings.
                    let word = word.trim_matches('`');
                    let resolved = resolve(&sources_with(key.name, word));
                    assert!(
                        resolved.is_ok() || word == "production",
                        "{} = {word}",
                        key.name
                    );
                }
                assert!(
                    resolve(&sources_with(key.name, "nonsense")).is_err(),
                    "{}",
                    key.name
                );
                ranges += 1;
            }
        }
        assert!(ranges > 15, "{ranges}");
    }

    #[test]
    fn documented_defaults_are_the_effective_ones() {
        for key in KEYS {
            let is_words = key.default.contains(' ') || matches!(key.default, "none" | "off");
            if is_words || key.default.contains("PORT") {
                continue;
            }
            let set = resolve(&sources_with(key.name, key.default)).unwrap();
            let unset = resolve(&sources_with("MOVIE_BAG_DATA_DIR", "/data")).unwrap();
            let mut same = [format!("{set:?}"), format!("{unset:?}")];
            for text in &mut same {
                // The report is not compared, because the sources differ.
                let report = text.find("report: [").unwrap();
                text.truncate(report);
            }
            assert_eq!(same[0], same[1], "{}", key.name);
        }
    }
}
