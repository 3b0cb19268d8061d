//! The right name that somebody probably meant by a wrong one, for settings, templates and whatever else has names.

/// How far a name may be from what was written to be meant by it.
const FARTHEST: usize = 4;

/// The nearest of these names, unless nothing is near.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = names
        .into_iter()
        .map(|name| (distance(written, name), name))
        .min()?;
    (distance <= FARTHEST && distance < written.chars().count() / 2).then_some(name)
}

/// How many letters must be put in, taken out or replaced to get from one word to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name_and_nonsense_none() {
        let names = ["reset_password", "invitation", "url"];
        assert_eq!(nearest("reset-pasword", names), Some("reset_password"));
        assert_eq!(nearest("Invitation", names), Some("invitation"));
        assert_eq!(nearest("origin", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("url", []), None);
    }
}
