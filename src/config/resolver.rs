//! Looks a key up in all sources, by their rank, and collects what was found and what was wrong.

use std::collections::BTreeMap;

use super::{ConfigError, Reported, Source, Sources, keys};

pub(super) struct Resolver<'a> {
    sources: &'a Sources,
    /// Whether the defaults of the profile `production` hold. Known once the profile is resolved.
    pub(super) is_production: bool,
    pub(super) report: Vec<Reported>,
    pub(super) problems: Vec<String>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self {
            sources,
            is_production: false,
            report: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The value that was set, with its source. An empty one in the environment or the env file counts as not set: it
    /// is how a shell and a compose file switch a setting off.
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

    /// A setting that may be missing.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let known = keys::find(key);
        let is_secret = known.is_some_and(|key| key.is_secret);
        let Some((value, source)) = self.find(key) else {
            let strict = known.and_then(|key| key.default_in_production);
            let default = strict
                .filter(|_| self.is_production)
                .or(known.map(|key| key.default))
                .unwrap_or_default();
            self.report.push(Reported {
                key,
                value: default.to_owned(),
                source: Source::Default,
            });
            return None;
        };
        let parsed = parse(&value);
        if let Err(wanted) = &parsed {
            let shown = if is_secret {
                String::new()
            } else {
                format!(" {:?}", without_password(&value))
            };
            self.problems
                .push(format!("invalid {key}{shown} ({source}): {wanted}"));
        }
        let shown = if is_secret {
            format!("set, {} characters", value.chars().count())
        } else {
            value
        };
        self.report.push(Reported {
            key,
            value: shown,
            source,
        });
        parsed.ok()
    }

    /// A setting with a default.
    pub(super) fn get<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        self.optional(key, parse).unwrap_or(default)
    }

    /// Reports the effective value of a setting in place of its default in words.
    pub(super) fn resolved_to(&mut self, key: &'static str, value: impl Into<String>) {
        if let Some(reported) = self.report.iter_mut().find(|reported| reported.key == key) {
            reported.value = value.into();
        }
    }

    /// A warning for each key that looks like ours and is not.
    pub(super) fn unknown_keys(&self) -> Vec<String> {
        let mut unknown: BTreeMap<&str, String> = BTreeMap::new();
        for key in self.sources.environment.keys() {
            unknown.insert(key, "environment".to_owned());
        }
        if let Some((path, lines)) = &self.sources.env_file {
            for line in lines {
                unknown.insert(&line.key, format!("{}:{}", path.display(), line.number));
            }
        }
        let is_ours = |key: &str| key.starts_with("MOVIE_BAG_") || key.starts_with("MAIL_");
        // Those of the test suite are not settings.
        let is_unknown = |key: &str| {
            is_ours(key) && !key.starts_with("MOVIE_BAG_TEST_") && keys::find(key).is_none()
        };
        unknown
            .into_iter()
            .filter(|(key, _)| is_unknown(key))
            .map(|(key, place)| match keys::nearest(key) {
                Some(nearest) => {
                    format!("unknown setting {key} ({place}) is ignored; did you mean {nearest}?")
                }
                None => format!("unknown setting {key} ({place}) is ignored"),
            })
            .collect()
    }

    /// The problems so far, as one error.
    pub(super) fn verdict(&self, warnings: &[String]) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        // What is missing may stand there under a misspelt key.
        let problems = self.problems.iter().chain(warnings).cloned().collect();
        Err(ConfigError { problems })
    }
}

/// A value as an error may show it: a mistyped URI may hold a password before its `@`.
fn without_password(value: &str) -> String {
    match value.rsplit_once('@') {
        Some((before, host)) if before.contains(':') => format!("…@{host}"),
        _ => value.to_owned(),
    }
}
