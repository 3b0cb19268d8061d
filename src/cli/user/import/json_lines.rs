//! JSON Lines: one JSON object per line.

use std::fmt;
use std::io::BufRead;

use movie_bag_core::domain::spelling::nearest;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;
use zeroize::Zeroizing;

use super::input::{
    COLUMNS, Fields, Line, MAX_RECORD, Records, Source, invalid_record, not_utf_8, too_long,
};
use crate::failure::Failure;

/// Reader of accounts in JSON Lines.
pub(super) struct JsonLines<R> {
    source: Source<R>,
    line: Zeroizing<Vec<u8>>,
    has_started: bool,
}

impl<R: BufRead> JsonLines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            source: Source::new(reader),
            line: Zeroizing::new(Vec::with_capacity(MAX_RECORD)),
            has_started: false,
        }
    }

    /// Reads a line without its line ending, and stores at most [`MAX_RECORD`] bytes of it. Returns whether the line was
    /// stored completely.
    fn read_line(&mut self) -> Result<bool, Failure> {
        self.line.clear();
        let mut is_complete = true;
        loop {
            let next = self.source.peek()?;
            let end = next.iter().position(|byte| *byte == b'\n');
            let part = next.get(..end.unwrap_or(next.len())).unwrap_or_default();
            if self.line.len() + part.len() <= MAX_RECORD {
                self.line.extend_from_slice(part);
            } else {
                is_complete = false;
            }
            let (is_last, length) = (next.is_empty() || end.is_some(), part.len());
            self.source.consume(length + usize::from(end.is_some()))?;
            if is_last {
                return Ok(is_complete);
            }
        }
    }
}

impl<R: BufRead> Records for JsonLines<R> {
    fn next(&mut self) -> Result<Option<Line>, Failure> {
        if !self.has_started {
            self.source.skip_byte_order_mark()?;
            self.has_started = true;
        }
        loop {
            if !self.source.skip_empty_lines()? {
                return Ok(None);
            }
            let number = self.source.line;
            let is_complete = self.read_line()?;
            if is_complete && self.line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let fields = if is_complete {
                parse_fields(&self.line)
            } else {
                Err(too_long())
            };
            return Ok(Some(Line {
                number,
                position: self.source.position,
                record: fields.and_then(Fields::into_record),
            }));
        }
    }
}

fn parse_fields(line: &[u8]) -> Result<Fields, Failure> {
    let line = std::str::from_utf8(line).map_err(|_| not_utf_8())?;
    let Object(members) = serde_json::from_str(line).map_err(|error| {
        // The message of the parser may quote the line.
        match error.classify() {
            Category::Data => invalid_record(
                "it is not a JSON object",
                "write one object per line: {\"email\": …, \"password_hash\": …}",
            ),
            Category::Syntax | Category::Eof | Category::Io => invalid_record(
                format!("it is not valid JSON at column {}", error.column()),
                "write one JSON object per line, with double quotes around names and values",
            ),
        }
    })?;
    let mut found: [Option<Value>; 3] = [None, None, None];
    for (name, value) in members {
        let place = COLUMNS.iter().position(|column| *column == name);
        let Some(place) = place.and_then(|place| found.get_mut(place)) else {
            let similar = nearest(&name, COLUMNS);
            let hint = similar.map_or_else(
                || "remove it; the fields are email, password and password_hash".to_owned(),
                |similar| format!("did you mean {similar}?"),
            );
            return Err(invalid_record(format!("unknown field {name:?}"), hint));
        };
        if place.replace(value).is_some() {
            return Err(invalid_record(
                format!("the field {name} occurs twice"),
                "remove one of them",
            ));
        }
    }
    let mut texts = COLUMNS.iter().zip(found).map(|(name, value)| match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid_record(
            format!("{name} is not a string"),
            "write it in double quotes",
        )),
    });
    let mut next = || texts.next().transpose().map(Option::flatten);
    Ok(Fields {
        email: next()?,
        password: next()?.map(Zeroizing::new),
        password_hash: next()?,
    })
}

/// Members of an object in their order, including those with the same name.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}
