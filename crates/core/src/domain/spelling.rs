//! The right name that somebody probably meant by a wrong one, for settings, templates and whatever else has names.

/// How far a name may be from what was written to be meant by it.
const FARTHEST: usize = 4;

/// The nearest of these names, unless nothing is near.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = names
        .into_iter()
        .map(|name| (distance(written, name), name))
        .min()?;
    (distance <= FARTHEST && 2 * distance < written.chars().count()).then_some(name)
}

/// How many letters must be put in, taken out, replaced or swapped with the next one to get from one word to the other
/// (Damerau and Levenshtein, optimal string alignment).
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
    fn a_typo_finds_its_name_and_nonsense_none() {
        let names = ["reset_password", "invitation", "url"];
        assert_eq!(nearest("reset-pasword", names), Some("reset_password"));
        assert_eq!(nearest("Invitation", names), Some("invitation"));
        assert_eq!(nearest("emial", ["email"]), Some("email"));
        assert_eq!(nearest("origin", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("url", []), None);
    }
}
