//! Normal form of texts for searching: lower case, with one space for each run of separators.

/// Returns the normal form of a text.
pub fn normalize(text: &str) -> String {
    let mut normalized = String::with_capacity(text.len());
    append_normalized(&mut normalized, text);
    normalized
}

/// Normal form of each ASCII character: lower case, or 0 for a separator.
const NORMALIZED: [u8; 128] = {
    let mut table = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'<' | b'>' | b'"' | b',' | b';' | b'(' | b')' | b'\t' | b'\r' | b'\n' | b' ' => 0,
            other => other.to_ascii_lowercase(),
        };
        byte += 1;
    }
    table
};

/// Appends the normal form of a text, after a space. A search normalizes every message, so this is its inner loop.
pub fn append_normalized(to: &mut String, text: &str) {
    let mut needs_space = !to.is_empty();
    for char in text.chars() {
        let byte = match u8::try_from(char) {
            Ok(byte) if byte.is_ascii() => NORMALIZED[usize::from(byte)],
            _ => 1,
        };
        if byte == 0 {
            needs_space = !to.is_empty();
            continue;
        }
        if needs_space {
            to.push(' ');
            needs_space = false;
        }
        if char.is_ascii() {
            to.push(char::from(byte));
        } else {
            to.extend(char.to_lowercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_without_case_and_separators() {
        assert_eq!(normalize(" <A>, (b)\t\"Ä\"\r\n ; "), "a b ä");
        assert_eq!(normalize(""), "");
    }
}
