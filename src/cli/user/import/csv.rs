//! CSV (RFC 4180): values separated by commas, in double quotes if needed, with the names of the columns in the first line.
//!
//! The parser is `csv-core` and not `csv`, which stores a record of any length: after a quote that is not closed, that
//! would be the rest of the file.

use std::io::BufRead;

use csv_core::ReadRecordResult;
use movie_bag_core::domain::spelling::nearest;
use zeroize::Zeroizing;

use super::input::{
    COLUMNS, Fields, Line, MAX_RECORD, Records, Source, invalid_record, not_utf_8, too_long,
};
use crate::failure::Failure;

/// Maximum number of columns.
const MAX_FIELDS: usize = 256;

/// Reader of accounts in CSV.
pub(super) struct Csv<R> {
    source: Source<R>,
    parser: csv_core::Reader,
    /// Concatenated fields of the current record, and the end of each.
    fields: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
    header: Option<Header>,
}

/// Columns of the file.
#[derive(Debug, Clone, Copy)]
struct Header {
    /// Position of each of [`COLUMNS`].
    columns: [Option<usize>; 3],
    /// Number of fields of a line.
    width: usize,
}

/// Extent of a record in the input and in `fields`.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    first_line: u64,
    last_line: u64,
    /// Length of all fields together.
    length: usize,
    /// Number of fields.
    fields: usize,
    is_too_long: bool,
    /// Whether the file ended inside a quoted value.
    is_open: bool,
}

impl<R: BufRead> Csv<R> {
    pub(super) fn new(reader: R) -> Self {
        let mut parser = csv_core::Reader::new();
        // The parser skips a byte order mark at its start, but only if it arrives in one piece. After an empty line it does not,
        // so that `skip_byte_order_mark` handles it.
        parser.read_record(b"\n", &mut [0], &mut [0]);
        Self {
            source: Source::new(reader),
            parser,
            fields: Zeroizing::new(vec![0; MAX_RECORD]),
            ends: vec![0; MAX_FIELDS],
            header: None,
        }
    }

    /// Reads one record into `fields` and `ends`; `None` at the end of the file.
    fn read_record(&mut self) -> Result<Option<Extent>, Failure> {
        if !self.source.skip_empty_lines()? {
            return Ok(None);
        }
        let mut extent = Extent {
            first_line: self.source.line,
            ..Extent::default()
        };
        let mut quotes = 0;
        loop {
            let next = self.source.peek()?;
            let is_end = next.is_empty();
            let (result, consumed, written, ended) = self.parser.read_record(
                next,
                &mut self.fields[extent.length..],
                &mut self.ends[extent.fields..],
            );
            let raw = next.get(..consumed).unwrap_or_default();
            quotes += raw.iter().filter(|byte| **byte == b'"').count();
            let is_break = raw.last() == Some(&b'\n');
            self.source.consume(consumed)?;
            extent.length += written;
            extent.fields += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    extent.is_too_long = true;
                    (extent.length, extent.fields) = (0, 0);
                }
                ReadRecordResult::Record => {
                    extent.last_line = self.source.line - u64::from(is_break);
                    extent.is_open = is_end && quotes % 2 == 1;
                    return Ok(Some(extent));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    fn fields(&self, extent: Extent) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends[..extent.fields].iter().map(move |end| {
            let field = self.fields.get(start..*end).unwrap_or_default();
            start = *end;
            field
        })
    }

    fn read_header(&mut self) -> Result<Header, Failure> {
        self.source.skip_byte_order_mark()?;
        let Some(extent) = self.read_record()? else {
            return Err(Failure::usage(
                "the file is empty",
                "name the columns in the first line: email,password_hash or email,password",
            ));
        };
        let names: Vec<String> = self
            .fields(extent)
            .map(|name| String::from_utf8_lossy(name).trim().to_lowercase())
            .collect();
        Ok(Header {
            columns: find_columns(&names)?,
            width: names.len(),
        })
    }

    fn parse_fields(
        &self,
        extent: Extent,
        Header { columns, width }: Header,
    ) -> Result<Fields, Failure> {
        if extent.is_open {
            return Err(invalid_record(
                "a double quote is not closed before the end of the file, so the rest was not read",
                "close the quote; write a quote inside a value twice: \"\"",
            ));
        }
        if extent.last_line > extent.first_line {
            return Err(invalid_record(
                format!(
                    "a value in double quotes continues up to line {}: line breaks are not allowed",
                    extent.last_line
                ),
                "close the quote; write a quote inside a value twice: \"\"",
            ));
        }
        if extent.is_too_long {
            return Err(too_long());
        }
        if extent.fields != width {
            return Err(invalid_record(
                format!("it has {} values for {width} columns", extent.fields),
                "write values that contain a comma in double quotes",
            ));
        }
        let all: Vec<&[u8]> = self.fields(extent).collect();
        let field = |column: Option<usize>| {
            let field = column.and_then(|column| all.get(column));
            field
                .filter(|field| !field.is_empty())
                .map(|field| std::str::from_utf8(field).map_err(|_| not_utf_8()))
                .transpose()
        };
        let [email, password, password_hash] = columns;
        Ok(Fields {
            email: field(email)?.map(str::to_owned),
            password: field(password)?.map(|text| Zeroizing::new(text.to_owned())),
            password_hash: field(password_hash)?.map(str::to_owned),
        })
    }
}

impl<R: BufRead> Records for Csv<R> {
    fn next(&mut self) -> Result<Option<Line>, Failure> {
        let header = match self.header {
            Some(header) => header,
            None => {
                let header = self.read_header()?;
                *self.header.insert(header)
            }
        };
        let Some(extent) = self.read_record()? else {
            return Ok(None);
        };
        Ok(Some(Line {
            number: extent.first_line,
            position: self.source.position,
            record: self
                .parse_fields(extent, header)
                .and_then(Fields::into_record),
        }))
    }
}

/// Returns the position of each of [`COLUMNS`].
///
/// # Errors
/// A column is missing, unknown or named twice, or the first line does not name columns.
fn find_columns(names: &[String]) -> Result<[Option<usize>; 3], Failure> {
    const HINT: &str =
        "name the columns email and password_hash, or email and password, in the first line";
    let wrong = |message: String, hint: &str| Err(Failure::usage(message, hint));
    // If the first line is an account, it must not be quoted: one of the values is a password.
    if names.iter().any(|name| name.contains('@')) {
        return wrong("the first line does not name the columns".to_owned(), HINT);
    }
    if let [name] = names
        && let Some(separator) = [';', '\t', '|'].into_iter().find(|c| name.contains(*c))
    {
        let separator = if separator == '\t' {
            "tabs".to_owned()
        } else {
            format!("{separator:?}")
        };
        return wrong(
            format!("the columns are separated by {separator}"),
            "save the file with commas between the values",
        );
    }
    let mut places = [None; 3];
    let (mut unknown, mut is_any_known) = (Vec::new(), false);
    for (place, name) in names.iter().enumerate() {
        let known = COLUMNS.iter().zip(&mut places);
        match known.into_iter().find(|(column, _)| *column == name) {
            None => unknown.push(name),
            Some((_, Some(_))) => {
                return wrong(format!("the column {name} occurs twice"), HINT);
            }
            Some((_, found)) => {
                *found = Some(place);
                is_any_known = true;
            }
        }
    }
    let similar = |name: &str| nearest(name, COLUMNS);
    if !unknown.is_empty() {
        if !is_any_known && unknown.iter().all(|name| similar(name).is_none()) {
            return wrong("the first line does not name the columns".to_owned(), HINT);
        }
        let named = unknown.iter().map(|name| match similar(name) {
            Some(similar) => format!("{name:?} (did you mean {similar}?)"),
            None => format!("{name:?}"),
        });
        let named: Vec<_> = named.collect();
        return wrong(format!("unknown column {}", named.join(", ")), HINT);
    }
    match places {
        [None, ..] => wrong("the column email is missing".to_owned(), HINT),
        [_, None, None] => wrong(
            "a column password or password_hash is missing".to_owned(),
            HINT,
        ),
        places => Ok(places),
    }
}
