//! Suggestions for misspelled names, such as those of settings and templates.

use strsim::osa_distance;

/// Largest distance between a name and the text for which it is suggested.
const FARTHEST: usize = 4;

/// Returns the name that is nearest to `written`, if one is near enough to suggest it.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = names
        .into_iter()
        .map(|name| (osa_distance(written, name), name))
        .min()?;
    (distance <= FARTHEST && 2 * distance < written.chars().count()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_gets_a_suggestion_and_another_word_gets_none() {
        let names = ["reset_password", "invitation", "url"];
        assert_eq!(nearest("reset-pasword", names), Some("reset_password"));
        assert_eq!(nearest("Invitation", names), Some("invitation"));
        assert_eq!(nearest("emial", ["email"]), Some("email"));
        assert_eq!(nearest("origin", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("url", []), None);
    }
}
