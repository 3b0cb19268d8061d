//! Check of the secret that signs tokens.

use super::verdict::Check;
use crate::config::{DatabaseSettings, Settings, secret_file};

/// Returns the verdict; `None` if the secret is missing on MongoDB, which the settings report.
pub(super) fn check(settings: &Settings) -> Option<Check> {
    const NAME: &str = "secret";
    let tokens = &settings.tokens;
    if let Some(secret) = &tokens.secret {
        let bytes = secret.expose().len();
        let previous = if tokens.previous.is_some() {
            "; tokens signed with JWT_SECRET_KEY_PREVIOUS are still accepted"
        } else {
            ""
        };
        return Some(match secret.weakness() {
            None => Check::ok(NAME, format!("JWT_SECRET_KEY has {bytes} bytes{previous}")),
            Some(weakness) => Check::warning(
                NAME,
                format!(
                    "JWT_SECRET_KEY {weakness}: an attacker who guesses it can open every account"
                ),
                "replace it with the output of: openssl rand -base64 48".to_owned(),
            ),
        });
    }
    if matches!(settings.database, DatabaseSettings::Mongodb(_)) {
        return None;
    }
    Some(match secret_file::exists(&settings.data_dir) {
        Ok(true) => Check::ok(NAME, "generated and stored next to the database"),
        Ok(false) => Check::ok(NAME, "will be generated on first use"),
        Err(error) => Check::failed(NAME, &error.into()),
    })
}
