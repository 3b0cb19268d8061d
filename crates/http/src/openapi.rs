//! `GET /openapi.json`: description of the JSON API in OpenAPI 3.1, for client generators and test tools.
//!
//! The document is derived from the routes in `routes.rs`: the signature of a handler and the `About` beside it describe its
//! operation (`operation.rs`), its structs describe the bodies (`schema.rs`), and [`Code`] describes the error responses. Tests
//! compare the operations with every response in the tests of [`crate`], and generate docs/http-api.md from them. The schemas
//! describe valid requests. A rule that JSON Schema cannot express, such as whether a password is common, appears as an error
//! code only.
//!
//! utoipa describes an operation in an attribute of its handler: bodies, parameters and each status again, beside the types
//! that already say it. Schemas there are constants, so that the minimum length of a password and the codes of a status would be
//! set afterwards, and request structs, which are read field by field to report all errors, would need its derive as well.

mod document;
pub(crate) mod operation;
#[cfg(test)]
mod reference;
pub(crate) mod schema;

use axum::extract::State;
use bytes::Bytes;
use movie_bag_core::app::SignupMode;
use movie_bag_core::domain::password::PasswordPolicy;

use super::error::{Code, PARSER_LIMITS};
use super::movies::{CachableJson, json_response};
use super::routes::api_operations;
use super::state::HttpState;
use document::{
    ComponentsObject, Document, Header, Info, License, Link, OperationObject, ParameterObject,
    ReferenceOr, RequestBody, Response, SecurityScheme, Server,
};
use operation::{About, Operation};
use schema::{AdditionalProperties, Components, Described, OrderedMap, Schema};

/// The document as the body of a response.
pub(crate) struct DocumentBody;

impl Described for DocumentBody {
    fn describe(components: &mut Components<'_>) -> Schema {
        components.add("Document", |_| Schema {
            kind: Some("object"),
            ..Schema::default()
        })
    }
}

pub(crate) const DESCRIBE: About =
    About::new("describe", "Get this document", "This document", &[]);

/// `GET /openapi.json`.
pub(crate) async fn describe(State(http): State<HttpState>) -> CachableJson<DocumentBody> {
    json_response(http.openapi.clone().into())
}

/// Returns the serialized document.
pub(super) fn document(policy: &PasswordPolicy, signup: SignupMode) -> Bytes {
    let mut components = Components {
        signup,
        ..Components::new(policy)
    };
    let mut document = Document {
        openapi: "3.1.0",
        info: Info {
            title: policy.product.to_string(),
            version: env!("CARGO_PKG_VERSION"),
            description: "Accounts, login and password reset, and the movies of the tutorial.\n\nErrors are JSON with a `message` for people and a `code` for programs. Unknown paths return 404 `not_found`, other methods 405 `method_not_allowed` with `Allow`. Paths with GET also accept HEAD. `X-Request-Id` identifies the request in the server's log.",
            license: License {
                name: "MIT",
                identifier: "MIT",
            },
        },
        // Relative to the URL of the document, so that it is correct for any host name of the server.
        servers: [Server { url: "/" }],
        paths: OrderedMap::default(),
        components: ComponentsObject {
            schemas: OrderedMap::default(),
            responses: OrderedMap::default(),
            security_schemes: OrderedMap(vec![(
                "bearer",
                SecurityScheme {
                    kind: "http",
                    scheme: "bearer",
                    bearer_format: "JWT",
                    description: "Access token from `logIn`",
                },
            )]),
        },
    };
    for operation in api_operations() {
        let object = operation_object(&operation, &mut components);
        *document.paths.entry(operation.path).entry(operation.method) = object;
    }
    document.components.responses = shared_responses(&mut components);
    document.components.schemas = components.schemas;
    let json = serde_json::to_vec(&document);
    json.expect("structs with text keys can be serialized")
        .into()
}

fn operation_object(operation: &Operation, components: &mut Components<'_>) -> OperationObject {
    let types = operation.types(components);
    let about = operation.about;
    let mut object = OperationObject {
        operation_id: about.id,
        summary: about.summary,
        ..OperationObject::default()
    };
    *object.responses.entry("200".to_owned()) = ReferenceOr::Item(Response {
        description: about.success.to_owned(),
        headers: OrderedMap(
            about
                .headers
                .iter()
                .map(|(name, description)| (*name, header(description, false, Schema::string())))
                .collect(),
        ),
        content: types.success.into(),
        links: OrderedMap(
            about
                .links
                .iter()
                .map(|(name, id)| (*name, link_with_id(id)))
                .collect(),
        ),
    });
    for codes in types.codes.chunk_by(|a, b| a.status() == b.status()) {
        let status = codes[0].status().as_u16();
        *object.responses.entry(status.to_string()) = match codes {
            [code] => response_reference(code.as_str()),
            several => ReferenceOr::Item(error_response(status, several, components)),
        };
    }
    for (status, name, _) in PARSER_LIMITS {
        *object.responses.entry(status.to_string()) = response_reference(name);
    }
    object.parameters = types
        .parameters
        .into_iter()
        .map(|mut parameter| ParameterObject {
            name: parameter.name,
            place: parameter.place,
            required: parameter.is_required,
            description: parameter.schema.description.take(),
            schema: parameter.schema,
        })
        .collect();
    object.request_body = types.body.map(|schema| RequestBody {
        required: true,
        content: schema.into(),
    });
    if types.needs_access_token {
        object.security = vec![OrderedMap(vec![("bearer", [])])];
    }
    object
}

fn link_with_id(operation_id: &'static str) -> Link {
    Link {
        operation_id,
        parameters: OrderedMap(vec![("id", "$response.body#/id")]),
    }
}

fn response_reference(name: &str) -> ReferenceOr<Response> {
    ReferenceOr::Reference {
        reference: format!("#/components/responses/{name}"),
    }
}

/// Returns the error responses with exactly one code, and those of the HTTP parser, which have a status of their own.
fn shared_responses(components: &mut Components<'_>) -> OrderedMap<&'static str, Response> {
    let mut responses = OrderedMap::default();
    for code in Code::ALL {
        *responses.entry(code.as_str()) =
            error_response(code.status().as_u16(), &[*code], components);
    }
    for (status, name, meaning) in PARSER_LIMITS {
        *responses.entry(name) = Response {
            description: describe_code(Code::PayloadTooLarge, meaning),
            ..error_response(status, &[Code::PayloadTooLarge], components)
        };
    }
    responses
}

fn describe_code(code: Code, meaning: &str) -> String {
    format!("`{}`: {meaning}", code.as_str())
}

/// Returns the response object for these codes, which all have this status.
fn error_response(status: u16, codes: &[Code], components: &mut Components<'_>) -> Response {
    let has = |code| codes.contains(&code);
    let descriptions: Vec<_> = codes
        .iter()
        .map(|code| describe_code(*code, code.meaning()))
        .collect();
    let others: Vec<&str> = codes
        .iter()
        .filter(|code| **code != Code::SchemaValidation)
        .map(|code| code.as_str())
        .collect();
    let schema = match (has(Code::SchemaValidation), others.is_empty()) {
        (true, true) => wrong_fields(components),
        (true, false) => Schema {
            one_of: vec![
                wrong_fields(components),
                error_body(status, code_schema(others), None),
            ],
            ..Schema::default()
        },
        (false, _) => error_body(status, code_schema(others), None),
    };
    Response {
        description: descriptions.join("\n\n"),
        headers: OrderedMap(error_header(status, codes).into_iter().collect()),
        content: schema.into(),
        ..Response::default()
    }
}

fn code_schema(values: Vec<&'static str>) -> Schema {
    Schema {
        values,
        ..Schema::string()
    }
}

/// Returns the schema of the body of an error response.
fn error_body(status: u16, code: Schema, fields: Option<Schema>) -> Schema {
    let status = Schema {
        kind: Some("integer"),
        constant: Some(status.into()),
        ..Schema::default()
    };
    let required = [
        (
            "message",
            Schema::non_empty().with_documentation("For people"),
        ),
        ("status", status),
        ("code", code.with_documentation("For programs")),
    ];
    let fields = fields.map(|fields| ("fields", fields));
    Schema::object(
        required
            .into_iter()
            .chain(fields)
            .map(|(name, schema)| (name, true, schema)),
    )
}

fn wrong_fields(components: &mut Components<'_>) -> Schema {
    components.add("WrongFields", |_| {
        let code = Code::SchemaValidation;
        let constant = Schema {
            constant: Some(code.as_str().into()),
            ..Schema::string()
        };
        let fields = Schema {
            kind: Some("object"),
            min_properties: Some(1),
            additional_properties: Some(AdditionalProperties::Each(Box::new(Schema::string()))),
            ..Schema::default()
        };
        let fields = fields.with_documentation(
            "Each invalid field (or `body`, such as `Invalid JSON: …`, or `request`) with the reason",
        );
        error_body(code.status().as_u16(), constant, Some(fields))
    })
}

/// Returns the header of error responses with this status, if there is one.
fn error_header(status: u16, codes: &[Code]) -> Option<(&'static str, Header)> {
    match status {
        401 => {
            let mut values: Vec<_> = codes.iter().filter_map(|code| code.challenge()).collect();
            values.dedup();
            let header = Header {
                required: true,
                schema: code_schema(values),
                description: None,
            };
            Some(("WWW-Authenticate", header))
        }
        405 => Some((
            "Allow",
            header("Methods that the path supports", true, Schema::string()),
        )),
        429 | 503 => {
            let seconds = Schema {
                kind: Some("integer"),
                minimum: Some(1),
                ..Schema::default()
            };
            let description = "Number of seconds to wait before the next try";
            Some(("Retry-After", header(description, true, seconds)))
        }
        _ => None,
    }
}

fn header(description: &'static str, required: bool, schema: Schema) -> Header {
    Header {
        description: Some(description),
        required,
        schema,
    }
}

#[cfg(test)]
pub(super) fn methods() -> std::collections::BTreeMap<&'static str, Vec<&'static str>> {
    let mut paths = std::collections::BTreeMap::<_, Vec<_>>::new();
    for operation in api_operations() {
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
    let operations = api_operations();
    let operation = operations
        .iter()
        .filter(matches_path)
        .find(|operation| operation.method.eq_ignore_ascii_case(method));
    let codes = match operation {
        Some(operation) => operation.error_codes(),
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
        "the OpenAPI document has no {status} {code:?} for {method} {path}"
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use movie_bag_core::domain::product_name::ProductName;
    use serde_json::{Value, json};

    use super::*;

    fn parsed() -> Value {
        document_with(8)
    }

    #[test]
    fn each_code_belongs_to_an_operation() {
        let used: Vec<Code> = api_operations()
            .iter()
            .flat_map(Operation::error_codes)
            // Responses to requests for which no operation exists.
            .chain([Code::NotFound, Code::MethodNotAllowed])
            .collect();
        for code in Code::ALL {
            assert!(
                used.contains(code),
                "no operation returns {code:?}: add it to its About"
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
        let operations = api_operations();
        let ids: BTreeSet<&str> = operations
            .iter()
            .map(|operation| operation.about.id)
            .collect();
        assert_eq!(ids.len(), operations.len());
        let linked = operations
            .iter()
            .flat_map(|operation| operation.about.links);
        for (name, id) in linked {
            assert!(ids.contains(id), "{name}");
        }
    }

    #[test]
    fn the_document_has_the_name_version_and_password_policy_of_the_server() {
        let document = parsed();
        assert_eq!(document["info"]["title"], "Filmotheque");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let strict = document_with(12);
        let password = "/components/schemas/SignUp/properties/password/minLength";
        assert_eq!(strict.pointer(password), Some(&json!(12)));
    }

    #[test]
    fn the_body_of_a_sign_up_depends_on_who_may_sign_up() {
        let policy = PasswordPolicy {
            min_length: 8,
            product: ProductName::parse("Filmotheque").unwrap(),
        };
        for (mode, body, response) in [
            (SignupMode::Open, "SignUp", "Made"),
            (SignupMode::Closed, "SignUp", "Made"),
            (SignupMode::Verified, "VerifiedSignUp", "Done"),
        ] {
            let document: Value = serde_json::from_slice(&document(&policy, mode)).unwrap();
            let operation = &document["paths"]["/api/auth/signup"]["post"];
            for (part, schema) in [("requestBody", body), ("responses/200", response)] {
                let pointer = format!("/{part}/content/application~1json/schema/$ref");
                let expected = json!(format!("#/components/schemas/{schema}"));
                assert_eq!(operation.pointer(&pointer), Some(&expected), "{mode:?}");
            }
        }
    }

    fn document_with(min_length: usize) -> Value {
        let policy = PasswordPolicy {
            min_length,
            product: ProductName::parse("Filmotheque").unwrap(),
        };
        serde_json::from_slice(&document(&policy, SignupMode::Open)).unwrap()
    }
}
