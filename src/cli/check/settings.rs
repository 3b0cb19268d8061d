//! Check of the settings themselves.

use movie_bag_mail::smtp;

use super::verdict::Check;
use crate::config::{DatabaseSettings, Settings, secret_file};

/// Returns the verdicts on the settings themselves.
pub(super) fn check(settings: &Settings) -> Vec<Check> {
    const NAME: &str = "settings";
    if settings.warnings.is_empty() {
        return vec![Check::ok(
            NAME,
            "all valid; --all lists them with their sources",
        )];
    }
    let warnings = settings.warnings.iter();
    warnings
        .map(|warning| Check::warning(NAME, warning, None))
        .collect()
}

/// Reports the effective values of settings whose defaults are computed later.
pub(super) fn report_computed_defaults(settings: &mut Settings) {
    if let Some(name) = smtp::default_helo_name(&settings.mail.sender) {
        settings.report_default("MAIL_HELO_NAME", name);
    }
    let url = settings
        .public_url(settings.http.bind.port())
        .as_str()
        .to_owned();
    settings.report_default("MOVIE_BAG_RESET_URL", settings.reset_link.below(&url));
    settings.report_default("MOVIE_BAG_PUBLIC_URL", url);
    if matches!(settings.database, DatabaseSettings::Mongodb(_)) {
        let missing = "not set; serve needs it with MongoDB".to_owned();
        return settings.report_default("JWT_SECRET_KEY", missing);
    }
    let secret = secret_file::path(&settings.data_dir);
    let state = if secret.exists() {
        "generated, stored in"
    } else {
        "will be generated in"
    };
    settings.report_default("JWT_SECRET_KEY", format!("{state} {}", secret.display()));
}
