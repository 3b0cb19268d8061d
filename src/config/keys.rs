//! Every key there is, in one table: what `check`, the manual and the warning about misspelt keys go by.

use crate::domain::spelling;

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in the environment and the env file.
    pub name: &'static str,
    /// Value that holds where it is not set, for people.
    pub default: &'static str,
    /// The same in the profile `production`, if it differs.
    pub default_in_production: Option<&'static str>,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// Whether its value is never shown.
    pub is_secret: bool,
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        default,
        default_in_production: None,
        meaning,
        is_secret: false,
    }
}

const fn secret(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key {
        is_secret: true,
        ..key(name, default, meaning)
    }
}

impl Key {
    const fn in_production(self, default: &'static str) -> Self {
        Self {
            default_in_production: Some(default),
            ..self
        }
    }

    /// Returns the default for people who do not know the profile yet.
    pub fn defaults(&self) -> String {
        match self.default_in_production {
            Some(strict) => format!("{} ({strict} in production)", self.default),
            None => self.default.to_owned(),
        }
    }
}

/// All keys, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    key(
        "MOVIE_BAG_PROFILE",
        "development",
        "development or production, which is stricter",
    ),
    key(
        "MOVIE_BAG_DATA_DIR",
        "the platform's data folder",
        "where the embedded database and the generated secret live",
    ),
    key(
        "MOVIE_BAG_DATABASE",
        "SQLite in the data folder",
        "sqlite:PATH or mongodb://…",
    ),
    key(
        "MOVIE_BAG_DATABASE_TIMEOUT",
        "30s",
        "how long a step on MongoDB may take, including the election of a new primary",
    ),
    key("MOVIE_BAG_BIND", "127.0.0.1:3000", "where the API listens"),
    key(
        "MOVIE_BAG_PUBLIC_URL",
        "http://localhost:PORT",
        "the base of every link in a mail",
    ),
    secret(
        "JWT_SECRET_KEY",
        "generated once and kept",
        "what signs tokens, 32 bytes or more",
    ),
    secret(
        "JWT_SECRET_KEY_PREVIOUS",
        "none",
        "still verifies while the secret is rotated, never signs",
    ),
    key(
        "MAIL_SERVER",
        "localhost",
        "the mail server, a host name or an IP address without the port",
    ),
    key("MAIL_PORT", "1025", "its port"),
    key("MAIL_USERNAME", "none", "the user name there"),
    secret(
        "MAIL_PASSWORD",
        "none",
        "the password there; empty means no login",
    ),
    key("MAIL_USE_TLS", "false", "demand STARTTLS"),
    key("MAIL_USE_SSL", "false", "TLS from the first byte"),
    key(
        "MAIL_CA_FILE",
        "none",
        "a PEM file of certificates to trust besides the public ones",
    ),
    key(
        "MAIL_DEFAULT_SENDER",
        "support@movie-bag.com",
        "sender of all mails; a name with a comma needs quotes",
    ),
    key(
        "MAIL_HELO_NAME",
        "the sender's domain",
        "name said in EHLO to the mail server",
    ),
    key(
        "MOVIE_BAG_MAIL_CONNECTIONS",
        "16",
        "most connections to the mail server at once",
    ),
    key(
        "MOVIE_BAG_MAIL_TIMEOUT",
        "30s",
        "how long one mail may take",
    ),
    key(
        "MOVIE_BAG_RESET_TOKEN_LIFETIME",
        "24h",
        "how long a reset link works, at most 7d",
    )
    .in_production("1h"),
    key(
        "MOVIE_BAG_INVITATION_LIFETIME",
        "7d",
        "how long an invitation works",
    ),
    key(
        "MOVIE_BAG_ACCESS_TOKEN_LIFETIME",
        "7d",
        "how long a login lasts",
    ),
    key(
        "MOVIE_BAG_BCRYPT_COST",
        "12",
        "the cost of a hash, 10 to 16, from 4 in development",
    ),
    key(
        "MOVIE_BAG_PASSWORD_MIN_LENGTH",
        "8",
        "the least number of characters of a new password",
    ),
    key(
        "MOVIE_BAG_CONCEAL_ACCOUNTS",
        "false",
        "forgot answers the same for unknown addresses",
    )
    .in_production("true"),
    key(
        "MOVIE_BAG_SIGNUP",
        "open",
        "open, or closed: accounts come from the terminal alone",
    ),
    key("MOVIE_BAG_RATE_LIMITS", "on", "on, or off for load tests"),
    key(
        "MOVIE_BAG_TRUSTED_PROXIES",
        "none",
        "CIDRs whose X-Forwarded-For is believed, with commas between",
    ),
    key(
        "MOVIE_BAG_CORS_ORIGINS",
        "none",
        "origins whose pages may call the API from a browser, with commas between",
    ),
    key(
        "MOVIE_BAG_MAX_CONNECTIONS",
        "768",
        "how many clients may be connected at once",
    ),
    key(
        "MOVIE_BAG_REQUEST_TIMEOUT",
        "90s",
        "how long an answer may take",
    ),
    key(
        "MOVIE_BAG_METRICS_BIND",
        "off",
        "where /metrics is served, apart from the API",
    ),
    key(
        "MOVIE_BAG_HISTORY_DAYS",
        "90",
        "how long the history of an account is kept",
    ),
    key(
        "MOVIE_BAG_TEMPLATES",
        "built in",
        "a folder whose templates win",
    ),
    // It may hold a password.
    secret(
        "MOVIE_BAG_INBOX_URL",
        "http://127.0.0.1:8025",
        "where the inbox commands find a sink",
    ),
    key(
        "MOVIE_BAG_LOG",
        "info for serve, warn for smtp-debug, else off",
        "what is logged: error, warn, info, debug, trace, or a filter",
    ),
    key("MOVIE_BAG_LOG_FORMAT", "text", "text or json"),
];

/// The key with this name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key that somebody probably meant, unless nothing is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    spelling::nearest(name, KEYS.iter().map(|key| key.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_key_and_nonsense_none() {
        assert_eq!(nearest("MAIL_SERVR"), Some("MAIL_SERVER"));
        assert_eq!(nearest("MOVIE_BAG_DATABSE"), Some("MOVIE_BAG_DATABASE"));
        assert_eq!(nearest("MOVIE_BAG_RESET_LIFETIME"), None);
        assert_eq!(nearest("MAIL_X"), None);
    }
}
