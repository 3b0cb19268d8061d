//! Values in requests and responses: how each is read, and its schema.

use jiff::Timestamp;
use movie_bag_core::domain::id::MovieId;
use movie_bag_core::domain::password::PasswordInput;
use movie_bag_core::domain::token::{self, Token};
use serde::Serialize;
use serde_json::Value;

use super::body::Field;
use super::openapi::schema::{Components, Described, Schema};

/// Text that the use case parses as an email address.
pub(crate) struct Address(pub(crate) String);

impl Field for Address {
    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        String::read(value).map(Self)
    }
}

impl Described for Address {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema {
            format: Some("idn-email"),
            min_length: Some(3),
            // An @ of any width with text on both sides. Names and domains may use any script.
            ..Schema::matching("^[^@\\uFF20\\uFE6B]+[@\\uFF20\\uFE6B][^@\\uFF20\\uFE6B]+$")
        }
    }
}

/// A password to be set, which the use case checks against the policy.
pub(crate) struct NewPassword(pub(crate) PasswordInput);

impl Field for NewPassword {
    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        PasswordInput::read(value).map(Self)
    }
}

impl Described for NewPassword {
    fn describe(components: &mut Components<'_>) -> Schema {
        Schema {
            min_length: Some(components.policy.min_length),
            // JSON Schema cannot express the rest of the rule, which counts bytes after a normalization.
            ..Schema::matching("^[^\\u0000]*$")
        }
    }
}

/// Pattern of a token.
const TOKEN_PATTERN: &str = "^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]{43}$";

pub(crate) struct ResetToken(pub(crate) Token);

impl Field for ResetToken {
    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        String::read(value).map(|text| Self(Token::from_exact(text)))
    }
}

impl Described for ResetToken {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema {
            max_length: Some(token::LONGEST),
            ..Schema::matching(TOKEN_PATTERN)
        }
    }
}

/// An access token in a response.
#[derive(Serialize)]
pub(crate) struct TokenText(pub(crate) String);

impl Described for TokenText {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema::matching(TOKEN_PATTERN)
    }
}

/// An id in a response.
#[derive(Serialize)]
pub(crate) struct Id(pub(crate) String);

impl Described for Id {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema::matching("^[0-9a-f]{24}$")
    }
}

/// A time in a response: RFC 3339 in UTC.
#[derive(Serialize)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Described for Time {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema {
            format: Some("date-time"),
            ..Schema::string()
        }
    }
}

/// A message for people.
#[derive(Serialize)]
pub(crate) struct Message(pub(crate) &'static str);

impl Described for Message {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema::non_empty()
    }
}

impl Field for MovieId {
    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        String::read(value)?
            .parse()
            .map_err(|_| "must be an id of 24 hex digits")
    }
}

impl Described for MovieId {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema::matching("^[0-9A-Fa-f]{24}$")
    }
}

/// A string with at least one visible character.
pub(crate) struct Text(pub(crate) String);

impl Field for Text {
    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        let text = String::read(value)?;
        if text.trim().is_empty() {
            return Err("must not be empty");
        }
        Ok(Self(text))
    }
}

impl Described for Text {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema {
            min_length: Some(1),
            // White space as defined by Unicode, written out because \S differs between regex dialects.
            ..Schema::matching(
                "[^\\u0009-\\u000D\\u0020\\u0085\\u00A0\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F\\u3000]",
            )
            .with_documentation("At least one visible character")
        }
    }
}

/// A non-empty array of strings, each with at least one visible character.
pub(crate) struct Texts(pub(crate) Vec<String>);

impl Field for Texts {
    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        let items = match value {
            Some(Value::Array(items)) => items,
            Some(_) => return Err("must be an array of strings"),
            None => return Err("is missing"),
        };
        if items.is_empty() {
            return Err("must not be empty");
        }
        let texts = items.into_iter().map(|item| match item {
            Value::String(text) if text.trim().is_empty() => Err("must not contain empty strings"),
            Value::String(text) => Ok(text),
            _ => Err("must be an array of strings"),
        });
        texts.collect::<Result<_, _>>().map(Self)
    }
}

impl Described for Texts {
    fn describe(components: &mut Components<'_>) -> Schema {
        Schema {
            min_items: Some(1),
            ..Schema::array(Text::describe(components))
        }
    }
}

/// Empty string, the body of responses without content.
#[derive(Serialize)]
pub(crate) struct Empty(pub(crate) &'static str);

impl Described for Empty {
    fn describe(components: &mut Components<'_>) -> Schema {
        components.add("Empty", |_| Schema {
            constant: Some("".into()),
            ..Schema::string()
        })
    }
}
