//! Suggestions for misspelled names, such as those of settings and templates.

/// Largest distance between a name and the text for which it is suggested.
const FARTHEST: usize = 4;

/// Returns the name that is nearest to `written`, if one is near enough to suggest it.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = names
        .into_iter()
        .map(|name| (distance(written, name), name))
        .min()?;
    (distance <= FARTHEST && 2 * distance < written.chars().count()).then_some(name)
}

/// Returns the number of insertions, deletions, substitutions and transpositions of adjacent letters between two words
/// (Damerau–Levenshtein distance, optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut least = (rows[i][j] + usize::from(a != b))
                .min(rows[i][j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
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
