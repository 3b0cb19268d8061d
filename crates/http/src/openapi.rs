//! `GET /openapi.json`: description of the JSON API in OpenAPI 3.1, for client generators and test tools.
//!
//! [`OPERATIONS`] defines the input and the error codes of each operation. Statuses, bodies and headers of error responses are
//! derived from [`Code`]. Tests compare the description with the router, and with every response in the tests of
//! [`crate`]. The schemas describe valid requests. A rule that JSON Schema cannot express, such as whether a password is
//! common, appears as an error code only.

mod operations;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use movie_bag_core::domain::password::PasswordPolicy;
use serde_json::{Map, Value, json};

use super::error::Code;
use super::movies::{self, MAX_PAGE_SIZE};
use super::state::HttpState;

use operations::{COMMON_CODES, OPERATIONS, Operation};

/// `GET /openapi.json`.
pub(crate) async fn describe(State(http): State<HttpState>) -> Response {
    movies::json_response(Body::from(http.openapi.clone()))
}

/// Returns the serialized document.
pub(super) fn document(policy: &PasswordPolicy) -> Bytes {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = operation_object(operation);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "movie-bag",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Accounts, login and password reset, and the movies of the tutorial.\n\nErrors are JSON with a `message` for people and a `code` for programs. Unknown paths return 404 `not_found`, other methods 405 `method_not_allowed` with `Allow`. Paths with GET also accept HEAD. `X-Request-Id` identifies the request in the server's log.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        // Relative to the URL of the document, so that it is correct for any host name of the server.
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas(policy),
            "responses": responses(),
            "headers": {
                "Allow": {
                    "description": "Methods that the path supports",
                    "required": true,
                    "schema": {"type": "string"},
                },
                "Link": {
                    "description": "`<…>; rel=\"next\"`, the next page; missing on the last page",
                    "schema": {"type": "string"},
                },
                "RetryAfter": {
                    "description": "Number of seconds to wait before the next try",
                    "required": true,
                    "schema": {"type": "integer", "minimum": 1},
                },
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Access token from `logIn`",
                },
            },
        },
    });
    document.to_string().into()
}

fn operation_object(operation: &Operation) -> Value {
    let mut responses = Map::new();
    responses.insert("200".to_owned(), success(operation));
    let mut codes = [COMMON_CODES, operation.error_codes].concat();
    codes.sort_by_key(|code| code.status());
    for codes in codes.chunk_by(|a, b| a.status() == b.status()) {
        let response = match codes {
            [code] => json!({"$ref": format!("#/components/responses/{}", code.as_str())}),
            several => error_response(several[0].status().as_u16(), several),
        };
        responses.insert(codes[0].status().as_u16().to_string(), response);
    }
    for (status, name) in [("414", "uri_too_long"), ("431", "headers_too_large")] {
        let response = json!({"$ref": format!("#/components/responses/{name}")});
        responses.insert(status.to_owned(), response);
    }
    let mut object = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": responses,
    });
    let parameters = parameters(operation);
    if !parameters.is_empty() {
        object["parameters"] = parameters.into();
    }
    if let Some(schema) = operation.body {
        object["requestBody"] = json!({"required": true, "content": content(&schema_ref(schema))});
    }
    if operation.needs_access_token {
        object["security"] = json!([{"bearer": []}]);
    }
    object
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let id = json!({"type": "string", "pattern": "^[0-9A-Fa-f]{24}$"});
    if operation.path.ends_with("{id}") {
        return vec![json!({
            "name": "id",
            "in": "path",
            "required": true,
            "description": "Id of a movie",
            "schema": id,
        })];
    }
    if operation.id != "listMovies" {
        return Vec::new();
    }
    vec![
        json!({
            "name": "limit",
            "in": "query",
            "description": "Maximum number of movies; without it, all movies are returned",
            "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE},
        }),
        json!({
            "name": "after",
            "in": "query",
            "description": "Return movies with ids after this one, which may have been deleted",
            "schema": id,
        }),
    ]
}

fn success(operation: &Operation) -> Value {
    let (schema, description) = operation.success;
    let mut response = json!({"description": description, "content": content(&schema_ref(schema))});
    match operation.id {
        "listMovies" => {
            response["headers"] = json!({"Link": {"$ref": "#/components/headers/Link"}});
        }
        "addMovie" => {
            let with_id =
                |id| json!({"operationId": id, "parameters": {"id": "$response.body#/id"}});
            response["links"] = json!({
                "show": with_id("showMovie"),
                "change": with_id("changeMovie"),
                "delete": with_id("deleteMovie"),
            });
        }
        _ => {}
    }
    response
}

/// Returns the error responses with exactly one code, and the two that have a status of their own.
fn responses() -> Map<String, Value> {
    let mut responses: Map<_, _> = Code::ALL
        .iter()
        .map(|code| {
            let response = error_response(code.status().as_u16(), &[*code]);
            (code.as_str().to_owned(), response)
        })
        .collect();
    for (status, name) in [(414, "uri_too_long"), (431, "headers_too_large")] {
        let response = error_response(status, &[Code::PayloadTooLarge]);
        responses.insert(name.to_owned(), response);
    }
    responses
}

/// Returns the response object for these codes, which all have this status.
fn error_response(status: u16, codes: &[Code]) -> Value {
    let has = |code| codes.contains(&code);
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let others: Vec<&str> = codes
        .iter()
        .filter(|code| **code != Code::SchemaValidation)
        .map(|code| code.as_str())
        .collect();
    let error = json!({
        "type": "object",
        "properties": {
            "message": {"type": "string", "minLength": 1, "description": "For people"},
            "status": {"type": "integer", "const": status},
            "code": {"type": "string", "enum": others, "description": "For programs"},
        },
        "required": ["message", "status", "code"],
        "additionalProperties": false,
    });
    let schema = match (has(Code::SchemaValidation), others.is_empty()) {
        (true, true) => schema_ref("WrongFields"),
        (true, false) => json!({"oneOf": [schema_ref("WrongFields"), error]}),
        (false, _) => error,
    };
    let mut response = json!({
        "description": format!("`{}`", names.join("`, `")),
        "content": content(&schema),
    });
    match status {
        401 => {
            let mut challenges = vec!["Bearer"];
            if has(Code::InvalidAccessToken) {
                challenges.push("Bearer error=\"invalid_token\"");
            }
            if codes == [Code::InvalidAccessToken] {
                challenges.remove(0);
            }
            response["headers"] = json!({
                "WWW-Authenticate": {
                    "required": true,
                    "schema": {"type": "string", "enum": challenges},
                },
            });
        }
        405 => response["headers"] = json!({"Allow": {"$ref": "#/components/headers/Allow"}}),
        429 | 503 => {
            response["headers"] =
                json!({"Retry-After": {"$ref": "#/components/headers/RetryAfter"}});
        }
        _ => {}
    }
    response
}

fn content(schema: &Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn schema_ref(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// Returns the schema of an object that requires all of these fields and allows no others.
fn object(properties: Value) -> Value {
    let names: Vec<String> = properties
        .as_object()
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default();
    json!({
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": false,
    })
}

fn schemas(policy: &PasswordPolicy) -> Value {
    let new_password = json!({
        "type": "string",
        "minLength": policy.min_length,
        // JSON Schema cannot express the rest of the rule, which counts bytes after a normalization.
        "pattern": "^[^\\u0000]*$",
        "description": "At most 72 bytes in UTF-8; not a common password, the email address or the name of this service",
        "examples": ["correct horse battery"],
    });
    // An @ of any width with text on both sides. Names and domains may use any script.
    let address = json!({
        "type": "string",
        "format": "idn-email",
        "minLength": 3,
        "pattern": "^[^@\\uFF20\\uFE6B]+[@\\uFF20\\uFE6B][^@\\uFF20\\uFE6B]+$",
        "description": "One email address; surrounding spaces are removed and capital letters are lowered",
        "examples": ["ann@example.com"],
    });
    // White space as defined by Unicode, written out because \S differs between regex dialects.
    let text = json!({
        "type": "string",
        "minLength": 1,
        "pattern": "[^\\u0009-\\u000D\\u0020\\u0085\\u00A0\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F\\u3000]",
        "description": "At least one visible character",
    });
    let with_examples = |schema: &Value, examples: Value| {
        let mut schema = schema.clone();
        schema["examples"] = examples;
        schema
    };
    let texts = json!({"type": "array", "items": text, "minItems": 1});
    let movie = json!({
        "name": with_examples(&text, json!(["Metropolis"])),
        "casts": with_examples(&texts, json!([["Brigitte Helm"]])),
        "genres": with_examples(&texts, json!([["drama"]])),
    });
    let mut changes = object(movie.clone());
    changes["required"] = json!([]);
    changes["minProperties"] = json!(1);
    let id = json!({"type": "string", "pattern": "^[0-9a-f]{24}$"});
    let token = "[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]{43}";
    json!({
        "SignUp": object(json!({"email": address, "password": new_password})),
        "LogIn": object(json!({
            "email": {
                "type": "string",
                "description": "Text that is not an email address is treated as an unknown address",
                "examples": ["ann@example.com"],
            },
            "password": {"type": "string", "examples": ["correct horse battery"]},
        })),
        "Forgot": object(json!({"email": address})),
        "Reset": object(json!({
            "reset_token": {
                "type": "string",
                "pattern": format!("^{token}$"),
                "maxLength": movie_bag_core::domain::token::LONGEST,
                "description": "Last part of the reset link in the mail",
            },
            "password": new_password,
        })),
        "NewMovie": object(movie),
        "MovieChanges": changes,
        "Made": object(json!({"id": id})),
        "AccessToken": object(json!({"token": {"type": "string", "pattern": format!("^{token}$")}})),
        "Done": object(json!({"message": {"type": "string", "minLength": 1}})),
        "Empty": {"type": "string", "const": ""},
        "Health": object(json!({"status": {"type": "string", "const": "ok"}})),
        "Document": {"type": "object"},
        "Movies": {"type": "array", "items": schema_ref("Movie")},
        "Movie": object(json!({
            "_id": schema_ref("ObjectId"),
            "name": {"type": "string"},
            "casts": {"type": "array", "items": {"type": "string"}},
            "genres": {"type": "array", "items": {"type": "string"}},
            "added_by": schema_ref("ObjectId"),
        })),
        "ObjectId": object(json!({"$oid": id})),
        "WrongFields": object(json!({
            "message": {"type": "string", "minLength": 1, "description": "For people"},
            "status": {"type": "integer", "const": Code::SchemaValidation.status().as_u16()},
            "code": {"type": "string", "const": Code::SchemaValidation.as_str(), "description": "For programs"},
            "fields": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"type": "string"},
                "description": "Each invalid field (or `body`, such as `Invalid JSON: …`, or `request`) with the reason",
            },
        })),
    })
}

/// Returns the described paths with their methods.
#[cfg(test)]
pub(super) fn methods() -> std::collections::BTreeMap<&'static str, Vec<&'static str>> {
    let mut paths = std::collections::BTreeMap::<_, Vec<_>>::new();
    for operation in OPERATIONS {
        paths
            .entry(operation.path)
            .or_default()
            .push(operation.method);
    }
    paths
}

/// Panics if the document does not describe this response to a request for this path, which is given without its query. A
/// request for which no operation exists must get 404, 405 or 413.
#[cfg(test)]
pub(super) fn check(method: &str, path: &str, status: u16, code: Option<&str>) {
    let matches_path = |operation: &&Operation| {
        operation.path.split('/').count() == path.split('/').count()
            && operation
                .path
                .split('/')
                .zip(path.split('/'))
                .all(|(expected, actual)| {
                    expected == actual || (expected == "{id}" && !actual.is_empty())
                })
    };
    let is_head = method == "HEAD";
    let method = if is_head { "GET" } else { method };
    let operation = OPERATIONS
        .iter()
        .filter(matches_path)
        .find(|operation| operation.method.eq_ignore_ascii_case(method));
    let codes = match operation {
        Some(operation) => [COMMON_CODES, operation.error_codes].concat(),
        None => vec![
            Code::NotFound,
            Code::MethodNotAllowed,
            Code::PayloadTooLarge,
        ],
    };
    let is_described = match code {
        Some(code) => codes
            .iter()
            .any(|known| (known.status().as_u16(), known.as_str()) == (status, code)),
        // The response to a preflight request does not belong to an operation.
        None if method == "OPTIONS" => status == 204,
        None => operation.is_some() && (status == 200 || is_head),
    };
    assert!(
        is_described,
        "openapi.rs has no {status} {code:?} for {method} {path}"
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::routes::api_routes;
    use super::*;

    fn parsed() -> Value {
        serde_json::from_slice(&document(&PasswordPolicy { min_length: 8 })).unwrap()
    }

    #[test]
    fn exactly_the_api_routes_are_described() {
        let routed: BTreeSet<&str> = api_routes().iter().map(|(path, _)| *path).collect();
        let described: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.path).collect();
        assert_eq!(routed, described);
    }

    #[test]
    fn each_code_belongs_to_an_operation() {
        let used: Vec<Code> = OPERATIONS
            .iter()
            .flat_map(|operation| [COMMON_CODES, operation.error_codes].concat())
            // Responses to requests for which no operation exists.
            .chain([Code::NotFound, Code::MethodNotAllowed])
            .collect();
        for code in Code::ALL {
            assert!(
                used.contains(code),
                "no operation returns {code:?}: add it to OPERATIONS"
            );
        }
    }

    #[test]
    fn references_resolve_and_operation_ids_are_unique() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(fields) => {
                    for (name, value) in fields {
                        match value {
                            Value::String(target) if name == "$ref" => found.push(target),
                            other => references(other, found),
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = parsed();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50);
        for target in found {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
        let ids: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
    }

    #[test]
    fn the_document_has_the_version_and_password_policy_of_the_server() {
        let document = parsed();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let strict = document_with(12);
        let password = "/components/schemas/SignUp/properties/password/minLength";
        assert_eq!(strict.pointer(password), Some(&json!(12)));
    }

    fn document_with(min_length: usize) -> Value {
        serde_json::from_slice(&document(&PasswordPolicy { min_length })).unwrap()
    }
}
