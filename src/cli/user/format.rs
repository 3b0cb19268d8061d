//! Formats of account files. The file extension determines the format; `-` is stdin or stdout.

use std::path::Path;

use crate::failure::Failure;

/// Format of an account file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Comma-separated values with the names of the columns in the first line.
    Csv,
    /// One JSON object per line.
    JsonLines,
}

impl Format {
    /// Returns the format of a file by its extension.
    ///
    /// # Errors
    /// The extension is unknown.
    pub(super) fn from_extension(path: &Path) -> Result<Self, Failure> {
        if is_dash(path) {
            return Ok(Self::Csv);
        }
        let extension = path
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
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

/// Returns whether the path means stdin or stdout.
pub(super) fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_determines_the_format() {
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
            assert_eq!(
                Format::from_extension(Path::new(name)).ok(),
                format,
                "{name}"
            );
        }
    }
}
