//! List of all settings. `check`, the help topic `settings`, the help of each command, the man pages, docs/settings.md and the
//! warning about misspelled keys use it.

use movie_bag_core::domain::spelling;

use super::setting::{Definition, Reader, Subject};
use super::{accounts, database, http, log, mail, settings, tokens};

/// Lists of the consumers. Within a subject, settings are documented in this order.
static LISTS: [&[&Definition]; 7] = [
    settings::DEFINITIONS,
    database::DEFINITIONS,
    mail::DEFINITIONS,
    tokens::DEFINITIONS,
    accounts::DEFINITIONS,
    log::DEFINITIONS,
    http::DEFINITIONS,
];

/// Returns the definitions of all settings, by subject.
pub(crate) fn all() -> impl Iterator<Item = &'static Definition> {
    Subject::ALL.into_iter().flat_map(of_subject)
}

/// Returns the definitions of a subject.
pub(crate) fn of_subject(subject: Subject) -> impl Iterator<Item = &'static Definition> {
    let listed = LISTS.into_iter().flatten().copied();
    listed.filter(move |definition| definition.subject == subject)
}

/// Returns the definitions of the settings that commands of these kinds read, by subject.
pub(crate) fn read_by(readers: &[Reader]) -> impl Iterator<Item = &'static Definition> {
    all().filter(|definition| {
        let mut read = definition.readers.iter();
        read.any(|reader| readers.contains(reader))
    })
}

/// Returns the definition of a setting.
pub(crate) fn find(name: &str) -> Option<&'static Definition> {
    all().find(|definition| definition.name == name)
}

/// Returns the most similar name of a setting, if one is close to a misspelled name.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    spelling::nearest(name, all().map(|definition| definition.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::setting::Secrecy;
    use crate::config::{Sources, resolve};

    #[test]
    fn a_misspelled_name_finds_its_setting_and_others_do_not() {
        assert_eq!(nearest("MAIL_SERVR"), Some("MAIL_SERVER"));
        assert_eq!(nearest("MOVIE_BAG_DATABSE"), Some("MOVIE_BAG_DATABASE"));
        assert_eq!(nearest("MOVIE_BAG_RESET_LIFETIME"), None);
        assert_eq!(nearest("MAIL_X"), None);
    }

    #[test]
    fn settings_are_fully_documented() {
        for key in all() {
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
        for key in all() {
            let is_range = key.form.starts_with(|c: char| c.is_ascii_digit());
            if is_range && !(key.secrecy == Secrecy::Secret) {
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
            if key.form.contains("` or `")
                && key.form.starts_with('`')
                && !key.form.contains(['@', ':'])
            {
                for word in key.form.split('`').skip(1).step_by(2) {
                    // Production requires further settings.
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
}
