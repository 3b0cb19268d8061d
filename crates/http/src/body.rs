//! Request bodies: read to their end before the request is handled, limited to 64 KiB, with all invalid fields reported
//! in one response.

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
use movie_bag_core::domain::password::PasswordInput;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::error::{ApiError, InvalidFields};
use super::state::HttpState;

/// Maximum size of a request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Maximum number of bytes read from a body over the limit, to discard them. A client that sends more is disconnected, even
/// if it then cannot read the response.
const MAX_DRAINED: usize = 64 * 1024 * 1024;

/// Reads the body of every request to its end before the request is handled or refused. A client that receives a response
/// while it is still sending gets a connection reset in place of the response.
pub(crate) async fn read_to_end(
    State(http): State<HttpState>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let mut buffer = BodyBuffer::default();
    let result = match timeout(http.options.body_timeout, buffer.fill(body)).await {
        Ok(result) => result,
        Err(_) => Err(ApiError::BodyTooSlow),
    };
    // A body that is both too large and too slow is reported as too large.
    let result = if buffer.received > MAX_BODY_BYTES {
        Err(ApiError::PayloadTooLarge)
    } else {
        result
    };
    match result {
        Ok(()) => {
            let body = Body::from(buffer.bytes.freeze());
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => error.into_response(),
    }
}

/// Bytes of a body, up to [`MAX_BODY_BYTES`], and the number of bytes received.
#[derive(Default)]
struct BodyBuffer {
    bytes: BytesMut,
    received: usize,
}

impl BodyBuffer {
    async fn fill(&mut self, body: Body) -> Result<(), ApiError> {
        let mut chunks = pin!(body.into_data_stream());
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk
                .map_err(|_| ApiError::field("body", "ended early, or is not chunked correctly"))?;
            self.received += chunk.len();
            if self.received > MAX_DRAINED {
                break;
            }
            if self.received <= MAX_BODY_BYTES {
                self.bytes.extend_from_slice(&chunk);
            }
        }
        Ok(())
    }
}

/// Fields of a body, taken out one by one. An invalid field is returned as an empty value, and [`Fields::finish`] then
/// reports all invalid fields.
pub(crate) struct Fields {
    values: Map<String, Value>,
    invalid: InvalidFields,
}

impl Fields {
    pub(crate) fn new(values: Map<String, Value>) -> Self {
        Self {
            values,
            invalid: InvalidFields::new(),
        }
    }

    /// Returns whether the field exists, with a value of any type.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Takes a string.
    pub(crate) fn string(&mut self, name: &str) -> String {
        match self.values.shift_remove(name) {
            Some(Value::String(text)) => text,
            Some(_) => self.refuse(name, "must be a string"),
            None => self.refuse(name, "is missing"),
        }
    }

    /// Takes a password. No other copy of the plaintext password remains.
    pub(crate) fn password(&mut self, name: &str) -> PasswordInput {
        PasswordInput::new(self.string(name))
    }

    /// Takes a string with at least one visible character.
    pub(crate) fn text(&mut self, name: &str) -> String {
        let text = self.string(name);
        if text.trim().is_empty() && !self.invalid.contains_key(name) {
            return self.refuse(name, "must not be empty");
        }
        text
    }

    /// Takes a non-empty array of strings, each with at least one visible character.
    pub(crate) fn texts(&mut self, name: &str) -> Vec<String> {
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

    fn refuse<T: Default>(&mut self, name: &str, reason: &str) -> T {
        self.invalid
            .insert(name.to_owned(), Value::String(reason.to_owned()));
        T::default()
    }

    /// Checks that no field was invalid and that no unknown field remains.
    ///
    /// # Errors
    /// [`ApiError::Fields`] with every invalid field.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        for name in self.values.keys() {
            self.invalid
                .insert(name.clone(), Value::String("is unknown".to_owned()));
        }
        if self.invalid.is_empty() {
            Ok(())
        } else {
            Err(ApiError::Fields(self.invalid))
        }
    }
}

/// Extractor for the fields of a JSON object.
pub(crate) struct JsonBody(pub(crate) Fields);

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let body = read_body(request, "application/json").await?;
        let object: Object = serde_json::from_slice(&body).map_err(|error| {
            // A body that is not an object fails at its first byte, so the second pass checks whether all of it is JSON. That pass
            // accepts invalid UTF-8 in strings, which the first one reports as a syntax error.
            let reason = match serde_json::from_slice::<IgnoredAny>(&body) {
                Err(error) => format!("Invalid JSON: {error}"),
                Ok(_) if error.is_data() => "must be a JSON object".to_owned(),
                Ok(_) => format!("Invalid JSON: {error}"),
            };
            ApiError::field("body", reason)
        })?;
        match object.duplicate {
            Some(name) => Err(ApiError::field(&name, "occurs more than once")),
            None => Ok(Self(Fields::new(object.fields))),
        }
    }
}

/// A JSON object, with the name of a duplicate field if it has one. Duplicates are refused because a proxy may have checked
/// the first of the two, while serde_json by itself takes the last.
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

/// Extractor for the fields of a form, as a browser encodes it.
pub(crate) struct FormBody(pub(crate) Fields);

impl<S: Sync> FromRequest<S> for FormBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let body = read_body(request, "application/x-www-form-urlencoded").await?;
        let mut values = Map::new();
        for (name, value) in form_urlencoded::parse(&body) {
            // Invalid UTF-8 would be replaced silently, so a stored password would differ from the one sent.
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

async fn read_body(request: Request, media_type: &'static str) -> Result<Bytes, ApiError> {
    if !has_media_type(request.headers(), media_type) {
        return Err(ApiError::UnsupportedMediaType(media_type));
    }
    to_bytes(request.into_body(), MAX_BODY_BYTES)
        .await
        .map_err(|_| ApiError::PayloadTooLarge)
}

/// Returns whether a request has exactly this media type. Parameters such as `charset=utf-8` are allowed and ignored: JSON is
/// UTF-8 (RFC 8259, section 8.1).
fn has_media_type(headers: &HeaderMap, media_type: &str) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return false;
    };
    value.to_str().is_ok_and(|value| {
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case(media_type)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        Fields::new(serde_json::from_str(json).unwrap())
    }

    fn invalid_fields(fields: Fields) -> String {
        match fields.finish() {
            Ok(()) => String::new(),
            Err(ApiError::Fields(invalid)) => Value::Object(invalid).to_string(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_invalid_fields_are_reported_in_one_response() {
        let mut fields = fields(r#"{"password": 1, "id": "x", "casts": [1], "genres": [" "]}"#);
        fields.string("email");
        fields.password("password");
        fields.texts("casts");
        fields.texts("genres");
        assert_eq!(
            invalid_fields(fields),
            r#"{"email":"is missing","password":"must be a string","casts":"must be an array of strings","genres":"must not contain empty strings","id":"is unknown"}"#
        );
    }

    #[test]
    fn a_value_of_another_type_is_not_accepted_as_a_string() {
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
            assert_eq!(
                invalid_fields(fields),
                r#"{"email":"must be a string"}"#,
                "{value}"
            );
        }
    }

    #[test]
    fn valid_fields_are_returned_unchanged() {
        let mut fields = fields(r#"{"name": " The Dark Knight ", "casts": ["a", "b"]}"#);
        assert_eq!(fields.text("name"), " The Dark Knight ");
        assert_eq!(fields.texts("casts"), ["a", "b"]);
        assert_eq!(invalid_fields(fields), "");
    }

    #[test]
    fn a_media_type_may_have_parameters_and_any_letter_case() {
        let is_json = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_TYPE, value.parse().unwrap());
            }
            has_media_type(&headers, "application/json")
        };
        assert!(is_json(&["application/json"]));
        assert!(is_json(&["Application/JSON ; charset=utf-8"]));
        assert!(!is_json(&[]));
        assert!(!is_json(&["application/jsonp"]));
        assert!(!is_json(&["text/plain, application/json"]));
        assert!(!is_json(&["application/json", "text/plain"]));
    }
}
