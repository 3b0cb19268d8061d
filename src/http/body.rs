//! Bodies: read whole before anything is decided, at most 64 KiB of them, and every wrong field named at once.

use std::fmt;
use std::pin::pin;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::Http;
use super::error::{ApiError, WrongFields};
use crate::domain::password::PasswordInput;

/// The most that a body may take.
pub const LIMIT: usize = 64 * 1024;
/// The most that is read and dropped of a body over the limit. Whoever sends more is cut off, answer or not.
const DRAINED: usize = 64 * 1024 * 1024;

/// Reads the body of every request to its end before it is handled, whatever comes of it: a client that is answered
/// while it still sends gets a reset connection in place of the answer.
pub async fn read_whole(State(http): State<Http>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let mut reading = Reading::default();
    let read = match timeout(http.options.body_timeout, reading.read(body)).await {
        Ok(read) => read,
        Err(_) => Err(ApiError::BodyTooSlow),
    };
    // What is too large already is not called slow.
    let read = if reading.seen > LIMIT {
        Err(ApiError::PayloadTooLarge)
    } else {
        read
    };
    match read {
        Ok(()) => {
            let body = Body::from(reading.kept.freeze());
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => error.into_response(),
    }
}

#[derive(Default)]
struct Reading {
    kept: BytesMut,
    seen: usize,
}

impl Reading {
    async fn read(&mut self, body: Body) -> Result<(), ApiError> {
        let mut chunks = pin!(body.into_data_stream());
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk
                .map_err(|_| ApiError::field("body", "ended early, or is not chunked correctly"))?;
            self.seen += chunk.len();
            if self.seen > DRAINED {
                break;
            }
            if self.seen <= LIMIT {
                self.kept.extend_from_slice(&chunk);
            }
        }
        Ok(())
    }
}

/// The fields of a body, taken out one by one. A wrong one reads as an empty value, and [`Fields::finish`] then
/// refuses all of them at once.
pub struct Fields {
    values: Map<String, Value>,
    wrong: WrongFields,
}

impl Fields {
    /// Takes fields, in their order.
    pub fn new(values: Map<String, Value>) -> Self {
        Self {
            values,
            wrong: WrongFields::new(),
        }
    }

    /// Whether there is such a field, of whatever type.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A string.
    pub fn string(&mut self, name: &str) -> String {
        match self.values.shift_remove(name) {
            Some(Value::String(text)) => text,
            Some(_) => self.refuse(name, "must be a string"),
            None => self.refuse(name, "is missing"),
        }
    }

    /// A password; it is in clear nowhere else afterwards.
    pub fn password(&mut self, name: &str) -> PasswordInput {
        PasswordInput::new(self.string(name))
    }

    /// A string in which something can be seen.
    pub fn text(&mut self, name: &str) -> String {
        let text = self.string(name);
        if text.trim().is_empty() && !self.wrong.contains_key(name) {
            return self.refuse(name, "must not be empty");
        }
        text
    }

    /// One or more strings in which something can be seen.
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        let items = match self.values.shift_remove(name) {
            Some(Value::Array(items)) => items,
            Some(_) => return self.refuse(name, "must be an array of strings"),
            None => return self.refuse(name, "is missing"),
        };
        if items.is_empty() {
            return self.refuse(name, "must not be empty");
        }
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Value::String(text) if text.trim().is_empty() => {
                    return self.refuse(name, "must not contain empty strings");
                }
                Value::String(text) => texts.push(text),
                _ => return self.refuse(name, "must be an array of strings"),
            }
        }
        texts
    }

    fn refuse<T: Default>(&mut self, name: &str, why: &str) -> T {
        self.wrong
            .insert(name.to_owned(), Value::String(why.to_owned()));
        T::default()
    }

    /// The end: nothing may be wrong, and nothing left over.
    ///
    /// # Errors
    /// [`ApiError::Fields`] with every wrong field.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for name in self.values.keys() {
            self.wrong
                .insert(name.clone(), Value::String("is unknown".to_owned()));
        }
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(ApiError::Fields(self.wrong))
        }
    }
}

/// The fields of a JSON object.
pub struct JsonBody(pub Fields);

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let body = bytes_of(request, "application/json").await?;
        let object: Object = serde_json::from_slice(&body).map_err(|error| {
            // A body of another type may be no JSON further on. Text within an object that is no UTF-8 is not read as data.
            let why = match serde_json::from_slice::<IgnoredAny>(&body) {
                Err(error) => format!("Invalid JSON: {error}"),
                Ok(_) if error.is_data() => "must be a JSON object".to_owned(),
                Ok(_) => format!("Invalid JSON: {error}"),
            };
            ApiError::field("body", why)
        })?;
        match object.duplicate {
            Some(name) => Err(ApiError::field(&name, "occurs more than once")),
            None => Ok(Self(Fields::new(object.fields))),
        }
    }
}

/// A JSON object, and a field that is there twice: of two with one name a proxy may have looked at the first, and
/// serde_json by itself takes the last.
#[derive(Default)]
struct Object {
    fields: Map<String, Value>,
    duplicate: Option<String>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = fields.next_entry::<String, Value>()? {
            if self.fields.insert(name.clone(), value).is_some() {
                self.duplicate.get_or_insert(name);
            }
        }
        Ok(self)
    }
}

/// The fields of a form as a browser sends it.
pub struct FormBody(pub Fields);

impl<S: Sync> FromRequest<S> for FormBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let body = bytes_of(request, "application/x-www-form-urlencoded").await?;
        let mut values = Map::new();
        for (name, value) in form_urlencoded::parse(&body) {
            // What is no UTF-8 would be replaced silently, and the password be another one than was sent.
            if value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(ApiError::field(&name, "is not UTF-8"));
            }
            if values
                .insert(name.clone().into_owned(), value.into_owned().into())
                .is_some()
            {
                return Err(ApiError::field(&name, "occurs more than once"));
            }
        }
        Ok(Self(Fields::new(values)))
    }
}

async fn bytes_of(request: Request, wanted: &'static str) -> Result<Bytes, ApiError> {
    if !is_of_type(request.headers(), wanted) {
        return Err(ApiError::UnsupportedMediaType(wanted));
    }
    to_bytes(request.into_body(), LIMIT)
        .await
        .map_err(|_| ApiError::PayloadTooLarge)
}

/// Parameters such as `charset=utf-8` are allowed, and say nothing: JSON is UTF-8 (RFC 8259 8.1).
fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return false;
    };
    value.to_str().is_ok_and(|value| {
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case(wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        Fields::new(serde_json::from_str(json).unwrap())
    }

    fn wrong(fields: Fields) -> String {
        match fields.finish() {
            Ok(()) => String::new(),
            Err(ApiError::Fields(wrong)) => Value::Object(wrong).to_string(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let mut fields = fields(r#"{"password": 1, "id": "x", "casts": [1], "genres": [" "]}"#);
        fields.string("email");
        fields.password("password");
        fields.texts("casts");
        fields.texts("genres");
        assert_eq!(
            wrong(fields),
            r#"{"email":"is missing","password":"must be a string","casts":"must be an array of strings","genres":"must not contain empty strings","id":"is unknown"}"#
        );
    }

    #[test]
    fn a_string_is_a_string_and_nothing_else() {
        for value in [
            "null",
            "0",
            "true",
            "[]",
            "{}",
            r#"{"$gt": ""}"#,
            r#"["a"]"#,
        ] {
            let mut fields = fields(&format!(r#"{{"email": {value}}}"#));
            assert_eq!(fields.string("email"), "");
            assert_eq!(wrong(fields), r#"{"email":"must be a string"}"#, "{value}");
        }
    }

    #[test]
    fn right_fields_come_as_they_were_sent() {
        let mut fields = fields(r#"{"name": " The Dark Knight ", "casts": ["a", "b"]}"#);
        assert_eq!(fields.text("name"), " The Dark Knight ");
        assert_eq!(fields.texts("casts"), ["a", "b"]);
        assert_eq!(wrong(fields), "");
    }

    #[test]
    fn a_type_may_have_parameters_and_any_capitals() {
        let is_json = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_TYPE, value.parse().unwrap());
            }
            is_of_type(&headers, "application/json")
        };
        assert!(is_json(&["application/json"]));
        assert!(is_json(&["Application/JSON ; charset=utf-8"]));
        assert!(!is_json(&[]));
        assert!(!is_json(&["application/jsonp"]));
        assert!(!is_json(&["text/plain, application/json"]));
        assert!(!is_json(&["application/json", "text/plain"]));
    }
}
