//! Resolution of all settings: parses each one, with its default, and checks the settings that depend on each other.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::deploy::startup_obstacles;
use super::lookup::Lookup;
use super::settings::{
    AccountSettings, DatabaseSettings, EnvFile, HttpSettings, LogSettings, MailSettings, MailTls,
    PasswordSettings, Profile, Settings, TokenSettings,
};
use super::sources::{ConfigError, Sources};
use super::values::{self, BaseUrl, InboxUrl, Secret, is_loopback_host, socket_address};
use super::{env_file, keys, mail_values};

/// Resolves all settings.
///
/// # Errors
/// All mistakes together.
pub(crate) fn resolve(sources: &Sources) -> Result<Settings, ConfigError> {
    use values::{number, one_of, span, span_within, switch};

    let mut keys = Lookup::new(sources);
    let profile = keys.get(
        "MOVIE_BAG_PROFILE",
        Profile::Development,
        one_of(&[
            ("development", Profile::Development),
            ("production", Profile::Production),
        ]),
    );
    let is_production = profile == Profile::Production;
    keys.is_production = is_production;
    let data_dir = data_dir(&mut keys);
    let database = keys.get(
        "MOVIE_BAG_DATABASE",
        DatabaseSettings::Sqlite(data_dir.join("movie-bag.sqlite3")),
        DatabaseSettings::parse,
    );
    keys.replace_reported_value("MOVIE_BAG_DATABASE", database.to_string());
    let database_timeout = keys.get("MOVIE_BAG_DATABASE_TIMEOUT", Duration::from_secs(30), span);

    let default_bind = SocketAddr::from(([127, 0, 0, 1], 3000));
    let bind = keys.get("MOVIE_BAG_BIND", default_bind, socket_address);
    let public_url = keys.optional("MOVIE_BAG_PUBLIC_URL", BaseUrl::parse);
    let secret = keys.optional("JWT_SECRET_KEY", values::secret);
    let previous = keys.optional("JWT_SECRET_KEY_PREVIOUS", values::secret);

    let mail = mail(&mut keys, is_production);
    let tokens = TokenSettings {
        secret,
        previous,
        reset_lifetime: keys.get(
            "MOVIE_BAG_RESET_TOKEN_LIFETIME",
            Duration::from_secs(if is_production { 3_600 } else { 86_400 }),
            span_within(7),
        ),
        invitation_lifetime: keys.get(
            "MOVIE_BAG_INVITATION_LIFETIME",
            Duration::from_secs(7 * 86_400),
            span_within(365),
        ),
        access_lifetime: keys.get(
            "MOVIE_BAG_ACCESS_TOKEN_LIFETIME",
            Duration::from_secs(7 * 86_400),
            span_within(365),
        ),
    };
    let passwords = PasswordSettings {
        bcrypt_cost: keys.get(
            "MOVIE_BAG_BCRYPT_COST",
            12,
            number(if is_production { 10 } else { 4 }, 16),
        ) as u32,
        min_length: keys.get("MOVIE_BAG_PASSWORD_MIN_LENGTH", 8, number(1, 64)) as usize,
    };
    let accounts = AccountSettings {
        conceal: keys.get("MOVIE_BAG_CONCEAL_ACCOUNTS", is_production, switch),
        signup_open: keys.get(
            "MOVIE_BAG_SIGNUP",
            true,
            one_of(&[("open", true), ("closed", false)]),
        ),
        rate_limits: keys.get(
            "MOVIE_BAG_RATE_LIMITS",
            true,
            one_of(&[("on", true), ("off", false)]),
        ),
        history_days: keys.get("MOVIE_BAG_HISTORY_DAYS", 90, number(1, 36_500)),
    };
    let http = HttpSettings {
        bind,
        max_connections: keys.get("MOVIE_BAG_MAX_CONNECTIONS", 768, number(1, 100_000)) as usize,
        request_timeout: keys.get("MOVIE_BAG_REQUEST_TIMEOUT", Duration::from_secs(90), span),
        trusted_proxies: keys.get("MOVIE_BAG_TRUSTED_PROXIES", Vec::new(), values::networks),
        cors_origins: keys.get("MOVIE_BAG_CORS_ORIGINS", Vec::new(), values::origins),
        metrics_bind: keys.optional("MOVIE_BAG_METRICS_BIND", socket_address),
    };
    let templates = keys.optional("MOVIE_BAG_TEMPLATES", |path| Ok(PathBuf::from(path)));
    let inbox_url = keys.get(
        "MOVIE_BAG_INBOX_URL",
        InboxUrl::default_url(),
        InboxUrl::parse,
    );
    let log = LogSettings {
        filter: keys.optional("MOVIE_BAG_LOG", |filter| Ok(filter.to_owned())),
        json: keys.get(
            "MOVIE_BAG_LOG_FORMAT",
            false,
            one_of(&[("text", false), ("json", true)]),
        ),
    };

    let mut warnings = keys.unknown_setting_warnings();
    warnings.extend(mail_warnings(&mail));
    if matches!(database, DatabaseSettings::Mongodb(_)) && tokens.secret.is_none() {
        warnings.push("JWT_SECRET_KEY is not set: reset links from this command work on this machine only, and \"serve\" does not start; set the same secret on all machines that use this MongoDB".to_owned());
    }
    if is_production {
        let obstacles = startup_obstacles(public_url.as_ref(), &tokens);
        keys.problems
            .extend(obstacles.iter().map(ToString::to_string));
    } else {
        for (key, _) in tokens.secrets().filter(|(_, secret)| secret.is_published()) {
            warnings.push(format!("{key} is the published one, with which anyone can sign tokens; remove it to have one generated"));
        }
    }
    keys.finish(&warnings)?;
    Ok(Settings {
        profile,
        data_dir,
        database,
        database_timeout,
        http,
        public_url,
        mail,
        tokens,
        passwords,
        accounts,
        templates,
        inbox_url,
        log,
        report: keys.report,
        warnings,
        env_file: sources.env_file.as_ref().map(|(path, lines)| EnvFile {
            path: path.clone(),
            secrets: find_secrets(lines),
        }),
        faults: faults(sources),
    })
}

/// Returns the keys of the secrets in an env file, including those that the environment or an option overrides.
fn find_secrets(lines: &[env_file::Line]) -> Vec<&'static str> {
    let secret = |line: &env_file::Line| {
        let key = keys::find(&line.key)?;
        let is_secret = match key.name {
            "MOVIE_BAG_DATABASE" => line.value.starts_with("mongodb") && line.value.contains('@'),
            _ => key.is_secret,
        };
        (is_secret && !line.value.is_empty()).then_some(key.name)
    };
    lines.iter().filter_map(secret).collect()
}

/// Returns the folder of injected faults. It is a setting of the test suite, not documented and ignored by a release build.
fn faults(sources: &Sources) -> Option<PathBuf> {
    let folder = sources.environment.get("MOVIE_BAG_TEST_FAULTS");
    folder.filter(|_| cfg!(debug_assertions)).map(PathBuf::from)
}

fn data_dir(keys: &mut Lookup<'_>) -> PathBuf {
    let folder = keys.optional("MOVIE_BAG_DATA_DIR", |path| Ok(PathBuf::from(path)));
    // Windows synchronizes its roaming data folder between machines file by file, which breaks an open database.
    let folder = folder.or_else(|| dirs::data_local_dir().map(|folder| folder.join("movie-bag")));
    match folder {
        Some(folder) => {
            keys.replace_reported_value("MOVIE_BAG_DATA_DIR", folder.display().to_string());
            folder
        }
        None => {
            keys.problems.push(
                "cannot determine the data folder, since HOME is not set: set MOVIE_BAG_DATA_DIR"
                    .to_owned(),
            );
            PathBuf::new()
        }
    }
}

fn mail(keys: &mut Lookup<'_>, is_production: bool) -> MailSettings {
    let server = keys.get(
        "MAIL_SERVER",
        "localhost".to_owned(),
        mail_values::mail_server,
    );
    let port = keys.get("MAIL_PORT", 1025, values::number(1, 65_535)) as u16;
    let user = keys.optional("MAIL_USERNAME", |user| Ok(user.to_owned()));
    let password = keys.optional("MAIL_PASSWORD", |password| Ok(Secret::new(password)));
    let start_tls = keys.get("MAIL_USE_TLS", false, values::switch);
    let implicit = keys.get("MAIL_USE_SSL", false, values::switch);
    if start_tls && implicit {
        keys.problems.push("MAIL_USE_TLS and MAIL_USE_SSL are both true: keep MAIL_USE_TLS for STARTTLS (port 587), or MAIL_USE_SSL for TLS from the first byte (port 465)".to_owned());
    }
    let missing_credential = match (&user, &password) {
        (Some(_), None) => Some("MAIL_PASSWORD"),
        (None, Some(_)) => Some("MAIL_USERNAME"),
        _ => None,
    };
    MailSettings {
        server,
        port,
        credentials: user.zip(password),
        missing_credential,
        tls: match (start_tls, implicit) {
            (_, true) => MailTls::Implicit,
            (true, false) => MailTls::StartTls,
            (false, false) => MailTls::None,
        },
        ca_file: keys.optional("MAIL_CA_FILE", |path| Ok(PathBuf::from(path))),
        sender: keys.get(
            "MAIL_DEFAULT_SENDER",
            "support@movie-bag.com".to_owned(),
            mail_values::mail_sender,
        ),
        helo_name: keys.optional("MAIL_HELO_NAME", mail_values::helo_name),
        connections: keys.get("MOVIE_BAG_MAIL_CONNECTIONS", 16, values::number(1, 500)) as usize,
        timeout: keys.get(
            "MOVIE_BAG_MAIL_TIMEOUT",
            Duration::from_secs(30),
            values::span,
        ),
        hints_at_sink: !is_production,
    }
}

/// Returns warnings about mail settings that are valid but probably a mistake.
fn mail_warnings(mail: &MailSettings) -> Vec<String> {
    let mut warnings = Vec::new();
    if mail.tls != MailTls::None {
        return warnings;
    }
    if mail.credentials.is_some() && !is_loopback_host(&mail.server) {
        warnings.push(format!(
            "MAIL_PASSWORD and all reset links go to {} in plaintext: set MAIL_USE_TLS=true, or MAIL_USE_SSL=true for port 465",
            mail.server
        ));
    }
    if mail.ca_file.is_some() {
        warnings.push("MAIL_CA_FILE has no effect without encryption: set MAIL_USE_TLS=true, or MAIL_USE_SSL=true for port 465".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests;
