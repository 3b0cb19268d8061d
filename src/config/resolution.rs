//! Resolution of all settings: parses each one, with its default, and checks the settings that depend on each other.

use std::path::PathBuf;

use super::accounts::{AccountSettings, PasswordSettings};
use super::database::DatabaseSettings;
use super::deploy::{plaintext_links, startup_obstacles};
use super::http::HttpSettings;
use super::log::LogSettings;
use super::lookup::Lookup;
use super::mail::MailSettings;
use super::setting::Secrecy;
use super::settings::{EnvFile, Profile, Settings};
use super::sources::{ConfigError, Sources};
use super::tokens::TokenSettings;
use super::{database, definitions, env_file, http, settings};

/// Resolves all settings.
///
/// # Errors
/// All mistakes together.
pub(crate) fn resolve(sources: &Sources) -> Result<Settings, ConfigError> {
    let mut keys = Lookup::new(sources);
    let profile = keys.get(&settings::PROFILE);
    let is_production = profile == Profile::Production;
    keys.is_production = is_production;
    let data_dir = data_dir(&mut keys);
    let database = keys.optional(&database::DATABASE);
    let database =
        database.unwrap_or_else(|| DatabaseSettings::Sqlite(data_dir.join("movie-bag.sqlite3")));
    keys.replace_reported_value(&database::DATABASE, database.to_string());
    let database_timeout = keys.get(&database::TIMEOUT);
    let public_url = keys.optional(&http::PUBLIC_URL);
    let reset_link = keys.get(&http::RESET_URL);
    let login_url = keys.optional(&http::LOGIN_URL);
    let name = keys.get(&settings::NAME);
    let tokens = TokenSettings::resolve(&mut keys);
    let mail = MailSettings::resolve(&mut keys);
    let passwords = PasswordSettings::resolve(&mut keys);
    let accounts = AccountSettings::resolve(&mut keys);
    let http = HttpSettings::resolve(&mut keys);
    let templates = keys.optional(&settings::TEMPLATES);
    let inbox_url = keys.get(&settings::INBOX_URL);
    let log = LogSettings::resolve(&mut keys);

    let mut warnings = keys.unknown_setting_warnings();
    warnings.extend(mail.warnings(&name));
    if matches!(database, DatabaseSettings::Mongodb(_)) && tokens.secret.is_none() {
        warnings.push("JWT_SECRET_KEY is not set: reset links from this command work on this machine only, and \"serve\" does not start; set the same secret on all machines that use this MongoDB".to_owned());
    }
    if is_production {
        let mut obstacles = startup_obstacles(public_url.as_ref(), &tokens);
        obstacles.extend(plaintext_links(&reset_link, login_url.as_ref()));
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
        name,
        data_dir,
        database,
        database_timeout,
        http,
        public_url,
        reset_link,
        login_url,
        mail,
        tokens,
        passwords,
        accounts,
        templates,
        inbox_url,
        log,
        report: keys.into_report(),
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
        let definition = definitions::find(&line.key)?;
        let is_secret = match definition.secrecy {
            Secrecy::Public => false,
            Secrecy::Secret => !line.value.is_empty(),
            Secrecy::MayContainPassword => line.value.contains('@'),
        };
        is_secret.then_some(definition.name)
    };
    lines.iter().filter_map(secret).collect()
}

/// Returns the folder of injected faults. It is a setting of the test suite, not documented and ignored by a release build.
fn faults(sources: &Sources) -> Option<PathBuf> {
    let folder = sources.environment.get("MOVIE_BAG_TEST_FAULTS");
    folder.filter(|_| cfg!(debug_assertions)).map(PathBuf::from)
}

fn data_dir(keys: &mut Lookup<'_>) -> PathBuf {
    let folder = keys.optional(&settings::DATA_DIR);
    // Windows synchronizes its roaming data folder between machines file by file, which breaks an open database.
    let folder = folder.or_else(|| dirs::data_local_dir().map(|folder| folder.join("movie-bag")));
    match folder {
        Some(folder) => {
            keys.replace_reported_value(&settings::DATA_DIR, folder.display().to_string());
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

#[cfg(test)]
mod tests;
