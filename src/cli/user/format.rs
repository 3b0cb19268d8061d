//! The files that accounts come from and go to: `-` is stdin or stdout, the ending of a name says the format.

use std::path::Path;

use crate::cli::report::Failure;

/// How accounts are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Values with commas between, the names of the columns in the first line.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

impl Format {
    /// The format of a file by its name.
    ///
    /// # Errors
    /// An ending that says nothing.
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        if is_dash(path) {
            return Ok(Self::Csv);
        }
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "jsonl" | "ndjson" => Ok(Self::JsonLines),
            _ => Err(Failure::usage(
                format!(
                    "cannot tell the format of {} from its extension",
                    path.display()
                ),
                "name it .csv, or .jsonl for one JSON object per line; - is stdin or stdout, as CSV",
            )),
        }
    }
}

/// Whether stdin or stdout is meant.
pub(super) fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_the_format() {
        for (name, format) in [
            ("-", Some(Format::Csv)),
            ("a/b.csv", Some(Format::Csv)),
            ("B.CSV", Some(Format::Csv)),
            ("a.jsonl", Some(Format::JsonLines)),
            ("a.ndjson", Some(Format::JsonLines)),
            ("a.json", None),
            ("a.csv.gz", None),
            ("csv", None),
            (".csv", None),
            ("", None),
        ] {
            assert_eq!(Format::of(Path::new(name)).ok(), format, "{name}");
        }
    }
}
