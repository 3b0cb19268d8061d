//! Requirements of a production system beyond valid settings: `check --deploy`.

use movie_bag_core::app::SignupMode;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use movie_bag_core::domain::link_template::LinkTemplate;
use movie_bag_core::domain::password::COSTS;

use super::database::DatabaseSettings;
use super::mail::MailTls;
use super::settings::{Profile, Settings};
use super::tokens::TokenSettings;
use super::values::{BaseUrl, PageUrl, is_loopback_host};

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Must be fixed.
    Error,
    /// May be intended.
    Warning,
}

/// Setting that a production system should not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) defect: String,
    pub(crate) effect: &'static str,
    /// One imperative sentence.
    pub(crate) fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.defect, self.effect, self.fix)
    }
}

fn error(defect: impl Into<String>, effect: &'static str, fix: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Error,
        defect: defect.into(),
        effect,
        fix: fix.into(),
    }
}

fn warning(defect: impl Into<String>, effect: &'static str, fix: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Warning,
        ..error(defect, effect, fix)
    }
}

/// Returns the settings that a production system should not have.
pub(crate) fn findings(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if settings.profile != Profile::Production {
        findings.push(error(
            "the profile is development",
            "a missing or published secret and plaintext links are accepted",
            "set MOVIE_BAG_PROFILE = production",
        ));
    }
    findings.extend(startup_obstacles(
        settings.public_url.as_ref(),
        &settings.tokens,
    ));
    findings.extend(plaintext_links(
        &settings.reset_link,
        settings.login_url.as_ref(),
    ));
    findings.extend(token_findings(&settings.tokens));
    findings.extend(account_findings(settings));
    findings.extend(password_findings(settings));
    findings.extend(mail_findings(settings));
    findings.extend(network_findings(settings));
    findings.extend(database_findings(&settings.database));
    findings
}

/// Returns the findings that keep a production system from starting.
pub(super) fn startup_obstacles(
    public_url: Option<&BaseUrl>,
    tokens: &TokenSettings,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    match public_url {
        None => findings.push(error(
            "MOVIE_BAG_PUBLIC_URL is missing",
            "links in mails would begin with http://localhost",
            "set MOVIE_BAG_PUBLIC_URL = https://YOUR.HOST",
        )),
        Some(url) if !url.is_https() => findings.push(error(
            format!("MOVIE_BAG_PUBLIC_URL ({}) is not https", url.as_str()),
            "an eavesdropper who reads a reset link can set the password",
            "set MOVIE_BAG_PUBLIC_URL = https://YOUR.HOST",
        )),
        Some(_) => {}
    }
    let another = |key: &str| format!("set {key} to the output of: openssl rand -base64 48");
    if tokens.secret.is_none() {
        findings.push(error(
            "JWT_SECRET_KEY is missing",
            "a generated one is lost with its folder, and other servers do not have it",
            another("JWT_SECRET_KEY"),
        ));
    }
    // Tokens signed with the previous secret are still accepted.
    for (key, secret) in tokens.secrets() {
        const FORGED: &str = "an attacker who has or guesses it can sign tokens for every account";
        if secret.is_published() {
            findings.push(error(
                format!("{key} is the published one"),
                FORGED,
                another(key),
            ));
        } else if secret.is_repetitive() {
            findings.push(error(
                format!("{key} is easily guessed because it repeats a few characters"),
                FORGED,
                another(key),
            ));
        }
    }
    findings
}

/// Returns the findings about links to the application, which keep a production system from starting too.
pub(super) fn plaintext_links(
    reset_link: &LinkTemplate,
    login_url: Option<&PageUrl>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if reset_link.is_plaintext() {
        findings.push(error(
            "MOVIE_BAG_RESET_URL is not https",
            "an eavesdropper who reads a reset link can set the password",
            "set MOVIE_BAG_RESET_URL = https://YOUR.HOST/reset?token={token}",
        ));
    }
    if login_url.is_some_and(|url| !url.is_https()) {
        findings.push(error(
            "MOVIE_BAG_LOGIN_URL is not https",
            "an eavesdropper can read the passwords that people type there",
            "set MOVIE_BAG_LOGIN_URL = https://YOUR.HOST/login",
        ));
    }
    findings
}

fn token_findings(tokens: &TokenSettings) -> Vec<Finding> {
    const LONGEST: Duration = Duration::from_secs(3_600);
    let mut findings = Vec::new();
    if tokens.reset_lifetime > LONGEST {
        findings.push(warning(
            "a reset link works for longer than an hour",
            "until then, an unused link in a mailbox opens the account",
            "set MOVIE_BAG_RESET_TOKEN_LIFETIME = 1h",
        ));
    }
    if tokens.previous.is_some() {
        findings.push(warning(
            "JWT_SECRET_KEY_PREVIOUS is set",
            "tokens signed with it still open accounts",
            "remove JWT_SECRET_KEY_PREVIOUS once the longest token lifetime has passed since the change",
        ));
    }
    findings
}

fn account_findings(settings: &Settings) -> Vec<Finding> {
    let accounts = &settings.accounts;
    let mut findings = Vec::new();
    if !accounts.conceal {
        findings.push(error(
            "\"forgot\" reveals whether an address has an account",
            "anyone can find out who is a customer",
            "set MOVIE_BAG_CONCEAL_ACCOUNTS = true",
        ));
    }
    if !accounts.rate_limits {
        findings.push(error(
            "rate limits are off",
            "attackers can guess passwords as fast as the server hashes them, and flood mailboxes",
            "set MOVIE_BAG_RATE_LIMITS = on",
        ));
    }
    if accounts.signup == SignupMode::Open {
        findings.push(warning(
            "sign-up is open",
            "sign-up reveals whether an address is taken, even if \"forgot\" conceals it",
            "set MOVIE_BAG_SIGNUP = verified or closed",
        ));
    }
    findings
}

fn password_findings(settings: &Settings) -> Vec<Finding> {
    let passwords = &settings.passwords;
    let mut findings = Vec::new();
    if passwords.bcrypt_cost < 12 {
        findings.push(error(
            format!("the cost of password hashes is {}", passwords.bcrypt_cost),
            "passwords of a stolen database can be guessed faster",
            "set MOVIE_BAG_BCRYPT_COST = 12",
        ));
    }
    if passwords.min_length < 8 {
        findings.push(error(
            format!(
                "passwords of {} characters are accepted",
                passwords.min_length
            ),
            "short passwords can be guessed within the rate limits",
            "set MOVIE_BAG_PASSWORD_MIN_LENGTH = 8",
        ));
    }
    findings
}

fn mail_findings(settings: &Settings) -> Vec<Finding> {
    let mail = &settings.mail;
    let mut findings = Vec::new();
    if is_loopback_host(&mail.server) && mail.port == 1025 {
        findings.push(error(
            "mails go to the debugging SMTP server",
            "it delivers none, and shows them to everyone who can open its inbox",
            "set MAIL_SERVER to your mail server",
        ));
    } else if mail.tls == MailTls::None && !is_loopback_host(&mail.server) {
        findings.push(error(
            format!("mails go to {} in plaintext", mail.server),
            "an eavesdropper who reads a reset link can set the password",
            "set MAIL_USE_TLS = true",
        ));
    }
    if mail.sender == "support@movie-bag.com" {
        findings.push(error(
            "mails come from support@movie-bag.com",
            "other mail servers reject mails from a domain that is not yours",
            "set MAIL_DEFAULT_SENDER = support@YOUR.DOMAIN",
        ));
    }
    findings
}

fn network_findings(settings: &Settings) -> Vec<Finding> {
    let http = &settings.http;
    let mut findings = Vec::new();
    if http.trusted_proxies.is_empty() {
        findings.push(error(
            "no proxy is trusted",
            "https needs a proxy in front, and behind an unnamed proxy all clients share one rate limit",
            "set MOVIE_BAG_TRUSTED_PROXIES = 127.0.0.1/32",
        ));
    }
    if http
        .trusted_proxies
        .iter()
        .any(|network| network.prefix_len() == 0)
    {
        findings.push(error(
            "every address is trusted as a proxy",
            "clients can forge their address in a header and evade the rate limits",
            "set MOVIE_BAG_TRUSTED_PROXIES to the address of your proxy",
        ));
    }
    if !http.bind.ip().is_loopback() {
        findings.push(warning(
            format!("the server listens on {}", http.bind),
            "it speaks plaintext HTTP, so only the proxy should reach it",
            "set MOVIE_BAG_BIND = 127.0.0.1:3000",
        ));
    }
    if let Some(bind) = http.metrics_bind
        && !bind.ip().is_loopback()
    {
        findings.push(warning(
            format!("metrics are served on {bind}"),
            "their counters reveal whether a mail was queued",
            "set MOVIE_BAG_METRICS_BIND = 127.0.0.1:9090",
        ));
    }
    findings
}

fn database_findings(database: &DatabaseSettings) -> Vec<Finding> {
    let DatabaseSettings::Mongodb(uri) = database else {
        return Vec::new();
    };
    // `url` refuses a URI with several hosts, each of which is examined here.
    let (place, options) = uri.split_once('?').unwrap_or((uri, ""));
    let options = options.to_ascii_lowercase();
    let is_srv = place.starts_with("mongodb+srv://");
    let has_tls = is_srv
        || ["tls=true", "ssl=true"]
            .iter()
            .any(|tls| options.contains(tls));
    let hosts = place.rsplit_once('@').map_or(place, |(_, hosts)| hosts);
    let hosts = hosts.trim_start_matches("mongodb://").split('/').next();
    let is_remote = hosts.unwrap_or_default().split(',').any(|host| {
        let name = match host.rsplit_once(':') {
            Some((name, _)) if !host.ends_with(']') => name,
            _ => host,
        };
        !is_loopback_host(name.trim_matches(['[', ']']))
    });
    let mut findings = Vec::new();
    if is_remote && !has_tls {
        findings.push(error(
            "the connection to the database is in plaintext",
            "an eavesdropper can read and change password hashes and addresses",
            "add tls=true to the options of MOVIE_BAG_DATABASE",
        ));
    }
    if is_remote && !place.contains('@') {
        findings.push(error(
            "the database is used without a login",
            "anyone who reaches it can read and change every account",
            "set MOVIE_BAG_DATABASE = mongodb://USER:PASSWORD@…",
        ));
    }
    findings
}

/// Returns findings about password hashes of a higher cost than the setting. `costs` has the number of accounts by cost.
pub(crate) fn hash_cost_findings(costs: &BTreeMap<u32, u64>, set: u32) -> Vec<Finding> {
    // `BTreeMap::range` is not used, since it panics if the start is after the end: the set cost may be the highest.
    let accounts = |is_meant: &dyn Fn(u32) -> bool| -> u64 {
        let meant = costs.iter().filter(|(cost, _)| is_meant(**cost));
        meant.map(|(_, accounts)| accounts).sum()
    };
    let mut findings = Vec::new();
    let costlier = accounts(&|cost| cost > set && COSTS.contains(&cost));
    if let Some((highest, _)) = costs
        .range(..=COSTS.end())
        .next_back()
        .filter(|_| costlier > 0)
    {
        findings.push(warning(
            format!("accounts with a password hash of a higher cost than {set}: {costlier}"),
            "every login takes as long as the most expensive one, so that its time reveals no account",
            format!("set MOVIE_BAG_BCRYPT_COST = {highest}, or reset the passwords of these accounts"),
        ));
    }
    let refused = accounts(&|cost| cost > *COSTS.end());
    if refused > 0 {
        findings.push(error(
            format!(
                "accounts with a password hash of a higher cost than {}: {refused}",
                COSTS.end()
            ),
            "such hashes are not verified, so the owners cannot log in",
            "reset the passwords of these accounts",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::{Flags, Sources, resolve};
    use super::*;

    const SECRET: &str = "a secret of thirty-two bytes or more";

    /// Returns the fixes of all errors.
    fn errors(settings: &[(&'static str, &str)]) -> Vec<String> {
        let good = [
            ("MOVIE_BAG_PROFILE", "production"),
            ("MOVIE_BAG_PUBLIC_URL", "https://movies.example"),
            ("JWT_SECRET_KEY", SECRET),
            ("MAIL_SERVER", "smtp.example"),
            ("MAIL_USE_TLS", "true"),
            ("MAIL_DEFAULT_SENDER", "support@movies.example"),
            ("MOVIE_BAG_TRUSTED_PROXIES", "10.0.0.1/32"),
            ("MOVIE_BAG_DATA_DIR", "/nowhere"),
        ];
        let mut environment: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in good.iter().chain(settings) {
            environment.insert((*key).to_owned(), (*value).to_owned());
        }
        let sources = Sources {
            flags: Flags::default(),
            environment,
            env_file: None,
        };
        let settings = resolve(&sources).unwrap();
        let findings = findings(&settings).into_iter();
        findings
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.fix)
            .collect()
    }

    #[test]
    fn a_well_configured_system_has_no_errors() {
        assert!(errors(&[]).is_empty(), "{:?}", errors(&[]));
        let own_pages = [
            ("MOVIE_BAG_RESET_URL", "https://app.example/#/reset/{token}"),
            ("MOVIE_BAG_LOGIN_URL", "https://app.example/login"),
        ];
        assert!(errors(&own_pages).is_empty());
        let remote = "mongodb://ann:secret@db.example:27017/movies?tls=true&replicaSet=r";
        assert!(errors(&[("MOVIE_BAG_DATABASE", remote)]).is_empty());
    }

    #[test]
    fn each_weakness_is_reported_with_the_setting_to_write() {
        for (key, value, fix) in [
            (
                "MOVIE_BAG_PROFILE",
                "development",
                "set MOVIE_BAG_PROFILE = production",
            ),
            (
                "MOVIE_BAG_CONCEAL_ACCOUNTS",
                "false",
                "set MOVIE_BAG_CONCEAL_ACCOUNTS = true",
            ),
            (
                "MOVIE_BAG_RATE_LIMITS",
                "off",
                "set MOVIE_BAG_RATE_LIMITS = on",
            ),
            (
                "MOVIE_BAG_BCRYPT_COST",
                "10",
                "set MOVIE_BAG_BCRYPT_COST = 12",
            ),
            (
                "MOVIE_BAG_PASSWORD_MIN_LENGTH",
                "7",
                "set MOVIE_BAG_PASSWORD_MIN_LENGTH = 8",
            ),
            ("MAIL_USE_TLS", "false", "set MAIL_USE_TLS = true"),
            (
                "MAIL_DEFAULT_SENDER",
                "support@movie-bag.com",
                "set MAIL_DEFAULT_SENDER = support@YOUR.DOMAIN",
            ),
            (
                "MOVIE_BAG_TRUSTED_PROXIES",
                "",
                "set MOVIE_BAG_TRUSTED_PROXIES = 127.0.0.1/32",
            ),
            (
                "MOVIE_BAG_TRUSTED_PROXIES",
                "0.0.0.0/0",
                "set MOVIE_BAG_TRUSTED_PROXIES to the address of your proxy",
            ),
            (
                "MOVIE_BAG_DATABASE",
                "mongodb://a:b@db.example/movies",
                "add tls=true to the options of MOVIE_BAG_DATABASE",
            ),
            (
                "MOVIE_BAG_DATABASE",
                "mongodb://a:b@localhost:27017,db.example:27018/movies",
                "add tls=true to the options of MOVIE_BAG_DATABASE",
            ),
            (
                "MOVIE_BAG_DATABASE",
                "mongodb+srv://db.example/movies",
                "set MOVIE_BAG_DATABASE = mongodb://USER:PASSWORD@…",
            ),
        ] {
            assert!(
                errors(&[(key, value)]).contains(&fix.to_owned()),
                "{key} = {value}: {:?}",
                errors(&[(key, value)])
            );
        }
        let sink = [("MAIL_SERVER", "localhost"), ("MAIL_PORT", "1025")];
        assert_eq!(errors(&sink), ["set MAIL_SERVER to your mail server"]);
        let all = errors(&[
            ("MOVIE_BAG_PROFILE", "development"),
            ("MOVIE_BAG_PUBLIC_URL", "http://movies.example"),
            ("MOVIE_BAG_RESET_URL", "http://app.example/#/reset/{token}"),
            ("MOVIE_BAG_LOGIN_URL", "http://app.example/login"),
            ("JWT_SECRET_KEY", super::super::values::PUBLISHED_SECRET),
        ]);
        for fix in [
            "set MOVIE_BAG_RESET_URL = https://YOUR.HOST/reset?token={token}",
            "set MOVIE_BAG_LOGIN_URL = https://YOUR.HOST/login",
        ] {
            assert!(all.contains(&fix.to_owned()), "{all:?}");
        }
        assert!(all.contains(&"set MOVIE_BAG_PUBLIC_URL = https://YOUR.HOST".to_owned()));
        assert!(
            all.contains(
                &"set JWT_SECRET_KEY to the output of: openssl rand -base64 48".to_owned()
            )
        );
    }

    #[test]
    fn hashes_of_a_higher_cost_are_reported_as_are_those_that_are_not_verified() {
        let found = |costs: &[(u32, u64)]| {
            let found = hash_cost_findings(&costs.iter().copied().collect(), 12);
            let found = found.iter();
            found
                .map(|finding| (finding.severity, finding.defect.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&[(4, 1), (12, 7)]), []);
        assert!(hash_cost_findings(&[(16, 3)].into(), 16).is_empty());
        let costly = "accounts with a password hash of a higher cost than 12: 5";
        let refused = "accounts with a password hash of a higher cost than 16: 1";
        assert_eq!(
            found(&[(12, 7), (13, 2), (16, 3), (31, 1)]),
            [
                (Severity::Warning, costly.to_owned()),
                (Severity::Error, refused.to_owned())
            ]
        );
    }
}
