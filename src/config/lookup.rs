//! Lookup of settings in all sources by precedence. Collects the values for `check`, and all problems.

use std::collections::BTreeMap;

use super::definitions;
use super::setting::{Secrecy, Setting};
use super::settings::ReportedSetting;
use super::sources::{ConfigError, Source, Sources};

pub(super) struct Lookup<'a> {
    sources: &'a Sources,
    /// Whether the defaults of the profile `production` apply. Set once the profile is resolved.
    pub(super) is_production: bool,
    report: Vec<ReportedSetting>,
    pub(super) problems: Vec<String>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self {
            sources,
            is_production: false,
            report: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Returns the value that was set, with its source. An empty value in the environment or the env file counts as not set:
    /// shells and Compose files turn a setting off that way.
    fn find(&self, key: &'static str) -> Option<(String, Source)> {
        if let Some((option, value)) = self.sources.flags.settings.get(key) {
            return Some((value.clone(), Source::Flag(option)));
        }
        let environment = self
            .sources
            .environment
            .get(key)
            .map(|value| (value.clone(), Source::Environment));
        let in_file = || {
            let (path, lines) = self.sources.env_file.as_ref()?;
            let line = lines.iter().find(|line| line.key == key)?;
            Some((
                line.value.clone(),
                Source::EnvFile {
                    path: path.clone(),
                    line: line.number,
                },
            ))
        };
        environment
            .or_else(in_file)
            .filter(|(value, _)| !value.is_empty())
    }

    /// Returns the value of a setting; `None` if it is not set or invalid.
    pub(super) fn optional<T>(&mut self, setting: &'static Setting<T>) -> Option<T> {
        let definition = &setting.definition;
        let key = definition.name;
        let Some((value, source)) = self.find(key) else {
            self.report.push(ReportedSetting {
                key,
                value: definition.default_for(self.is_production).to_owned(),
                source: Source::Default,
            });
            return None;
        };
        let parsed = setting.parse(&value, self.is_production);
        let is_shown = definition.secrecy == Secrecy::Public;
        if let Err(wanted) = &parsed {
            let shown = match definition.secrecy {
                Secrecy::Public | Secrecy::MayContainPassword => {
                    format!(" {:?}", without_password(&value))
                }
                Secrecy::Secret => String::new(),
            };
            self.problems
                .push(format!("invalid {key}{shown} ({source}): {wanted}"));
        }
        let shown = if is_shown {
            value
        } else {
            format!("set, {} characters", value.chars().count())
        };
        self.report.push(ReportedSetting {
            key,
            value: shown,
            source,
        });
        parsed.ok()
    }

    /// Returns the value of a setting, or its default if it is not set or invalid.
    ///
    /// # Panics
    /// The setting has no default, or an invalid one. Resolving without any source finds that.
    pub(super) fn get<T>(&mut self, setting: &'static Setting<T>) -> T {
        #[expect(
            clippy::expect_used,
            reason = "a mistake in a constant, which every test finds"
        )]
        self.optional(setting).unwrap_or_else(|| {
            let default = setting.parsed_default(self.is_production);
            default
                .and_then(Result::ok)
                .expect("the default of the setting is valid")
        })
    }

    /// Reports the effective value of a setting in place of its default in words.
    pub(super) fn replace_reported_value<T>(&mut self, setting: &Setting<T>, value: String) {
        let key = setting.definition.name;
        if let Some(reported) = self.report.iter_mut().find(|reported| reported.key == key) {
            reported.value = value;
        }
    }

    /// Returns the value and source of each setting, in the order of the documentation.
    pub(super) fn into_report(mut self) -> Vec<ReportedSetting> {
        self.report.sort_by_cached_key(|reported| {
            definitions::all().position(|definition| definition.name == reported.key)
        });
        self.report
    }

    /// Returns a warning for each key with a prefix of the settings that is not a setting.
    pub(super) fn unknown_setting_warnings(&self) -> Vec<String> {
        let mut unknown: BTreeMap<&str, String> = BTreeMap::new();
        for key in self.sources.environment.keys() {
            unknown.insert(key, "environment".to_owned());
        }
        if let Some((path, lines)) = &self.sources.env_file {
            for line in lines {
                unknown.insert(&line.key, format!("{}:{}", path.display(), line.number));
            }
        }
        let has_our_prefix = |key: &str| key.starts_with("MOVIE_BAG_") || key.starts_with("MAIL_");
        // Variables of the test suite are not settings.
        let is_unknown = |key: &str| {
            has_our_prefix(key)
                && !key.starts_with("MOVIE_BAG_TEST_")
                && definitions::find(key).is_none()
        };
        unknown
            .into_iter()
            .filter(|(key, _)| is_unknown(key))
            .map(|(key, place)| match definitions::nearest(key) {
                Some(nearest) => {
                    format!("unknown setting {key} ({place}) is ignored; did you mean {nearest}?")
                }
                None => format!("unknown setting {key} ({place}) is ignored"),
            })
            .collect()
    }

    /// Returns all problems as one error, if there are any.
    pub(super) fn finish(&self, warnings: &[String]) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        // A missing setting may be present under a misspelled key.
        let problems = self.problems.iter().chain(warnings).cloned().collect();
        Err(ConfigError { problems })
    }
}

/// Returns a value for an error message without the part before `@`, which is a password in a mistyped URI.
fn without_password(value: &str) -> String {
    match value.rsplit_once('@') {
        Some((before, host)) if before.contains(':') => format!("…@{host}"),
        _ => value.to_owned(),
    }
}
