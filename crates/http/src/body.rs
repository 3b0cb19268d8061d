//! Request bodies: read to their end before the request is handled, limited to 64 KiB, with all invalid fields reported
//! in one response.

use std::fmt;
use std::pin::pin;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request as HttpRequest, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use movie_bag_core::domain::password::PasswordInput;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::error::{ApiError, Code, InvalidFields};
use super::openapi::operation::{Input, Parameter, Types};
use super::openapi::schema::{Components, Described, Schema};
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
    request: HttpRequest,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(HttpRequest::from_parts(parts, body)).await;
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
            next.run(HttpRequest::from_parts(parts, body)).await
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

/// Type of a field in a request.
pub(crate) trait Field: Sized {
    /// Reads the value, which is `None` if the field is missing.
    ///
    /// # Errors
    /// Reason why the field is invalid.
    fn read(value: Option<Value>) -> Result<Self, &'static str>;
}

/// A request whose fields are read from a body or a query. [`request`] implements it.
pub(crate) trait Request: Described + Sized + Send {
    const NAMES: &'static [&'static str];

    /// Reads all fields.
    ///
    /// # Errors
    /// [`ApiError::Fields`] with every invalid field.
    fn read(fields: Fields) -> Result<Self, ApiError>;
}

/// Declares the struct of a request. Each field is declared once: its type reads and describes it, and its doc comment is its
/// description (see `object!`).
macro_rules! request {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident $(as $component:literal)? {
            $($(#[doc = $comment:literal])* $(#[example = $example:expr])? $field:ident: $type:ty,)+
        }
    ) => {
        $crate::openapi::schema::object! {
            $(#[$attribute])*
            $visibility struct $name $(as $component)? {
                $($(#[doc = $comment])* $(#[example = $example])? $field: $type,)+
            }
        }

        impl $crate::body::Request for $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),+];

            fn read(mut fields: $crate::body::Fields) -> Result<Self, $crate::error::ApiError> {
                let read = ($(fields.take::<$type>(stringify!($field)),)+);
                match (fields.finish(), read) {
                    (Ok(()), ($(Some($field),)+)) => Ok(Self { $($field),+ }),
                    (Err(error), _) => Err(error),
                    // A field without a value is invalid, which is an error above.
                    (Ok(()), _) => Err($crate::error::ApiError::field("body", "is invalid")),
                }
            }
        }
    };
}
pub(crate) use request;

/// Fields that are not read yet, and those that were found invalid.
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

    /// Reads a field; `None` if it is invalid, which [`Fields::finish`] then reports.
    pub(crate) fn take<T: Field>(&mut self, name: &str) -> Option<T> {
        match T::read(self.values.shift_remove(name)) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.refuse(name, reason);
                None
            }
        }
    }

    fn refuse(&mut self, name: &str, reason: &str) {
        self.invalid
            .entry(name)
            .or_insert_with(|| Value::String(reason.to_owned()));
    }

    /// Checks that no field was invalid and that no unknown field remains.
    ///
    /// # Errors
    /// [`ApiError::Fields`] with every invalid field.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        for (name, _) in std::mem::take(&mut self.values) {
            self.refuse(&name, "is unknown");
        }
        if self.invalid.is_empty() {
            Ok(())
        } else {
            Err(ApiError::Fields(self.invalid))
        }
    }
}

impl<T: Field> Field for Option<T> {
    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        value.map(|value| T::read(Some(value))).transpose()
    }
}

impl Field for String {
    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        match value {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err("must be a string"),
            None => Err("is missing"),
        }
    }
}

/// A password, of which no other copy in plaintext remains.
impl Field for PasswordInput {
    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        String::read(value).map(Self::new)
    }
}

impl Described for PasswordInput {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema::string()
    }
}

/// Extractor for the parameters in the query. Other parameters are ignored, such as a random one that bypasses caches.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: Request> Query<T> {
    pub(crate) fn parse(query: &str) -> Result<T, ApiError> {
        let mut fields = Fields::new(Map::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !T::NAMES.contains(&&*name) {
                continue;
            }
            let value = Value::String(value.into_owned());
            if fields
                .values
                .insert(name.clone().into_owned(), value)
                .is_some()
            {
                fields.refuse(&name, "occurs more than once");
            }
        }
        T::read(fields)
    }
}

impl<T: Request, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

impl<T: Request> Input for Query<T> {
    fn describe(types: &mut Types, components: &mut Components<'_>) {
        // The struct itself is not a component of the document.
        let mut own = Components::new(components.policy);
        T::describe(&mut own);
        let Some((_, object)) = own.schemas.0.pop() else {
            return;
        };
        for (name, schema) in object.properties.0 {
            types.parameters.push(Parameter {
                name,
                place: "query",
                is_required: object.required.contains(&name),
                schema,
            });
        }
    }
}

/// Extractor for a request in a JSON object.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: Request, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: HttpRequest, _state: &S) -> Result<Self, ApiError> {
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
            None => T::read(Fields::new(object.fields)).map(Self),
        }
    }
}

impl<T: Request> Input for JsonBody<T> {
    fn describe(types: &mut Types, components: &mut Components<'_>) {
        types.codes.push(Code::UnsupportedMediaType);
        types.body = Some(T::describe(components));
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

/// Extractor for a request in a form, as a browser encodes it.
pub(crate) struct FormBody<T>(pub(crate) T);

impl<T: Request, S: Sync> FromRequest<S> for FormBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: HttpRequest, _state: &S) -> Result<Self, ApiError> {
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
        T::read(Fields::new(values)).map(Self)
    }
}

async fn read_body(request: HttpRequest, media_type: &'static str) -> Result<Bytes, ApiError> {
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
    use crate::values::{NewPassword, Text, Texts};

    request! {
        struct Sample {
            email: String,
            password: NewPassword,
            casts: Texts,
            genres: Option<Texts>,
            name: Option<Text>,
        }
    }

    fn read(json: &str) -> Result<Sample, String> {
        match Sample::read(Fields::new(serde_json::from_str(json).unwrap())) {
            Ok(sample) => Ok(sample),
            Err(ApiError::Fields(invalid)) => Err(Value::Object(invalid).to_string()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_invalid_fields_are_reported_in_one_response() {
        let invalid = read(r#"{"password": 1, "id": "x", "casts": [1], "genres": [" "]}"#);
        assert_eq!(
            invalid.err().unwrap(),
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
            for field in ["email", "password", "name"] {
                let other = ["email", "password"]
                    .into_iter()
                    .filter(|name| *name != field);
                let mut json = format!(r#"{{"{field}": {value}, "casts": ["a"]"#);
                other.for_each(|name| json += &format!(r#", "{name}": "x""#));
                assert_eq!(
                    read(&(json + "}")).err().unwrap(),
                    format!(r#"{{"{field}":"must be a string"}}"#),
                    "{value}"
                );
            }
        }
    }

    #[test]
    fn valid_fields_are_returned_unchanged() {
        let sample = read(
            r#"{"email": " a", "password": "p", "name": " The Dark Knight ", "casts": ["a", "b"]}"#,
        )
        .unwrap();
        assert_eq!(sample.email, " a");
        assert!(sample.password.0.is_same_as(&PasswordInput::new("p")));
        assert_eq!(sample.name.unwrap().0, " The Dark Knight ");
        assert_eq!(sample.casts.0, ["a", "b"]);
        assert!(sample.genres.is_none());
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
