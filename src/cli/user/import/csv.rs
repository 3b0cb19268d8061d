//! CSV (RFC 4180): values with commas between, in double quotes where they need them, the columns named in the first
//! line.
//!
//! Read by `csv-core` and not by `csv`, which keeps a record however long it is: behind a quote that is not closed that
//! would be all the rest of the file.

use std::io::BufRead;

use csv_core::ReadRecordResult;
use zeroize::Zeroizing;

use super::input::{COLUMNS, Fields, LONGEST, Line, Records, Source, bad, not_utf_8, too_long};
use crate::cli::report::Failure;
use crate::domain::spelling::nearest;

/// More than any file has columns.
const MOST_FIELDS: usize = 256;

/// Accounts in CSV.
pub(super) struct Csv<R> {
    source: Source<R>,
    parser: csv_core::Reader,
    /// The fields of the present record, one behind the other, and where each ends.
    fields: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
    /// Where each of [`COLUMNS`] stands, and how many fields there are.
    header: Option<([Option<usize>; 3], usize)>,
}

/// What was read of a record.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    first_line: u64,
    last_line: u64,
    /// Where the last field ends in `fields`, and how many there are.
    length: usize,
    fields: usize,
    is_too_long: bool,
    /// Whether the file ended within quotes.
    is_open: bool,
}

impl<R: BufRead> Csv<R> {
    pub(super) fn new(reader: R) -> Self {
        let mut parser = csv_core::Reader::new();
        // It passes a mark of its own, and only where that comes in one piece. After an empty line it does not.
        parser.read_record(b"\n", &mut [0], &mut [0]);
        Self {
            source: Source::new(reader),
            parser,
            fields: Zeroizing::new(vec![0; LONGEST]),
            ends: vec![0; MOST_FIELDS],
            header: None,
        }
    }

    /// Reads one record into `fields` and `ends`.
    fn read(&mut self) -> Result<Option<Extent>, Failure> {
        if !self.source.pass_empty_lines()? {
            return Ok(None);
        }
        let mut extent = Extent {
            first_line: self.source.line,
            ..Extent::default()
        };
        let mut quotes = 0;
        loop {
            let ahead = self.source.ahead()?;
            let is_end = ahead.is_empty();
            let (result, passed, written, ended) = self.parser.read_record(
                ahead,
                &mut self.fields[extent.length..],
                &mut self.ends[extent.fields..],
            );
            let raw = ahead.get(..passed).unwrap_or_default();
            quotes += raw.iter().filter(|byte| **byte == b'"').count();
            let is_break = raw.last() == Some(&b'\n');
            self.source.pass(passed)?;
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

    /// The fields that were read.
    fn fields(&self, extent: Extent) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends[..extent.fields].iter().map(move |end| {
            let field = self.fields.get(start..*end).unwrap_or_default();
            start = *end;
            field
        })
    }

    fn read_header(&mut self) -> Result<([Option<usize>; 3], usize), Failure> {
        self.source.pass_mark()?;
        let Some(extent) = self.read()? else {
            return Err(Failure::usage(
                "the file is empty",
                "name the columns in the first line: email,password_hash or email,password",
            ));
        };
        let names: Vec<String> = self
            .fields(extent)
            .map(|name| String::from_utf8_lossy(name).trim().to_lowercase())
            .collect();
        Ok((columns(&names)?, names.len()))
    }

    fn record(
        &self,
        extent: Extent,
        (columns, width): ([Option<usize>; 3], usize),
    ) -> Result<Fields, Failure> {
        if extent.is_open {
            return Err(bad(
                "a double quote is not closed before the end of the file, so the rest was not read",
                "close the quote; write a quote inside a value twice: \"\"",
            ));
        }
        if extent.last_line > extent.first_line {
            return Err(bad(
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
            return Err(bad(
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
        let Some(extent) = self.read()? else {
            return Ok(None);
        };
        Ok(Some(Line {
            number: extent.first_line,
            position: self.source.position,
            record: self.record(extent, header).and_then(Fields::record),
        }))
    }
}

/// Where each column stands.
fn columns(names: &[String]) -> Result<[Option<usize>; 3], Failure> {
    const HINT: &str =
        "name the columns email and password_hash, or email and password, in the first line";
    let wrong = |what: String, hint: &str| Err(Failure::usage(what, hint));
    // A first line that is an account has no names that could be quoted: one of them is a password.
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
    let meant = |name: &str| nearest(name, COLUMNS);
    if !unknown.is_empty() {
        if !is_any_known && unknown.iter().all(|name| meant(name).is_none()) {
            return wrong("the first line does not name the columns".to_owned(), HINT);
        }
        let named = unknown.iter().map(|name| match meant(name) {
            Some(meant) => format!("{name:?} (did you mean {meant}?)"),
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
