//! Generates docs/http-api.md from `reference.md` and the operations, and compares it. `BLESS=1 cargo test docs_http_api`
//! rewrites it.
//!
//! In `reference.md`, `{calls}` and `{codes}` are tables of all operations and of all error codes. A section with an operation as
//! its heading has the prose of that operation, `{fields}` and `{errors}`. An operation without such a section gets one at
//! `{other calls}`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use movie_bag_core::domain::password::PasswordPolicy;
use movie_bag_core::domain::product_name::ProductName;

use super::operation::{Operation, Types};
use super::schema::{Components, Schema};
use crate::error::{Code, PARSER_LIMITS};
use crate::routes::api_operations;

const PROSE: &str = include_str!("reference.md");

static POLICY: PasswordPolicy = PasswordPolicy {
    min_length: 8,
    product: ProductName::DEFAULT,
};

#[test]
fn docs_http_api_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/http-api.md");
    let generated = page();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "docs/http-api.md is out of date: run BLESS=1 cargo test docs_http_api"
    );
}

fn page() -> String {
    let operations = api_operations();
    let mut text = PROSE
        .replace("{calls}\n", &calls(&operations))
        .replace("{codes}\n", &codes(&operations));
    let mut others = String::new();
    for operation in &operations {
        let heading = format!("\n### `{}`\n", call(operation));
        if let Some((before, rest)) = text.split_once(&heading) {
            let end = rest.find("\n##").unwrap_or(rest.len());
            let (section, after) = rest.split_at(end);
            text = format!("{before}{heading}{}{after}", fill(section, operation));
        } else {
            let section = format!(
                "\n{}.\n\n{{fields}}\n\n{{errors}}\n",
                operation.about.summary
            );
            write!(others, "{heading}{}", fill(&section, operation)).unwrap();
        }
    }
    let text = text.replace("\n{other calls}\n", &others);
    for placeholder in [
        "{calls}",
        "{codes}",
        "{fields}",
        "{errors}",
        "{other calls}",
    ] {
        assert!(
            !text.contains(placeholder),
            "{placeholder} is in no section of a call"
        );
    }
    text
}

/// Fills in the fields and the error codes. A placeholder without content disappears with its paragraph.
fn fill(section: &str, operation: &Operation) -> String {
    let fields = fields(operation);
    let errors = errors(operation);
    for (name, content) in [("{fields}", &fields), ("{errors}", &errors)] {
        assert!(
            content.is_empty() || section.contains(name),
            "reference.md has no {name} of {}",
            call(operation)
        );
    }
    let mut text = section.to_owned();
    for (name, content) in [("{fields}\n", fields), ("{errors}\n", errors)] {
        text = if content.is_empty() {
            text.replace(&format!("\n{name}"), "")
        } else {
            text.replace(name, &content)
        };
    }
    text
}

/// Returns the operation as it is written on the page, such as `GET /api/movies/ID`.
fn call(operation: &Operation) -> String {
    let path = operation.path.replace("{id}", "ID");
    format!("{} {path}", operation.method.to_uppercase())
}

/// Returns what the types of a handler say, and the schema of the body.
fn types(operation: &Operation) -> (Types, Option<Schema>) {
    let mut components = Components::new(&POLICY);
    let types = operation.types(&mut components);
    let reference = types.body.as_ref().and_then(|body| body.reference.as_ref());
    let body = reference.map(|reference| {
        let (_, name) = reference.rsplit_once('/').unwrap();
        let mut schemas = components.schemas.0.iter();
        schemas.find(|(other, _)| *other == name).unwrap().1.clone()
    });
    (types, body)
}

fn calls(operations: &[Operation]) -> String {
    let mut table = "| call | purpose | access token |\n| --- | --- | --- |\n".to_owned();
    for operation in operations {
        let call = call(operation);
        let anchor: String = call
            .to_lowercase()
            .chars()
            .filter_map(|c| match c {
                ' ' | '-' => Some('-'),
                c => c.is_ascii_alphanumeric().then_some(c),
            })
            .collect();
        let summary = uncapitalized(operation.about.summary);
        let access_token = if types(operation).0.needs_access_token {
            "yes"
        } else {
            "no"
        };
        writeln!(
            table,
            "| [`{call}`](#{anchor}) | {summary} | {access_token} |"
        )
        .unwrap();
    }
    table
}

/// Returns the table of the fields in the body, or of the parameters in the query.
fn fields(operation: &Operation) -> String {
    let (types, body) = types(operation);
    let mut table = String::new();
    if let Some(object) = body {
        table.push_str("| field | value |\n| --- | --- |\n");
        for (name, schema) in object.properties.0 {
            writeln!(table, "| `{name}` | {} |", value(&schema)).unwrap();
        }
    }
    let in_query = types.parameters.iter();
    for parameter in in_query.filter(|parameter| parameter.place == "query") {
        if table.is_empty() {
            table.push_str("| parameter | value |\n| --- | --- |\n");
        }
        writeln!(
            table,
            "| `{}` | {} |",
            parameter.name,
            value(&parameter.schema)
        )
        .unwrap();
    }
    table
}

fn value(schema: &Schema) -> String {
    let description = schema
        .description
        .as_deref()
        .expect("each field is described");
    let range = match (schema.minimum, schema.maximum) {
        (Some(minimum), Some(maximum)) => format!(", from {minimum} to {maximum}"),
        _ => String::new(),
    };
    format!("{}{range}", uncapitalized(description))
}

/// Returns the line of the error codes that are not described once for all operations.
fn errors(operation: &Operation) -> String {
    let codes: Vec<_> = types(operation)
        .0
        .codes
        .into_iter()
        .filter(|code| !is_common(*code))
        .map(|code| format!("`{}`", code.as_str()))
        .collect();
    if codes.is_empty() {
        String::new()
    } else {
        format!("Errors: {}.\n", codes.join(", "))
    }
}

/// Returns whether the page describes this code once for all calls.
fn is_common(code: Code) -> bool {
    matches!(
        code,
        Code::SchemaValidation
            | Code::RequestTimeout
            | Code::PayloadTooLarge
            | Code::UnsupportedMediaType
            | Code::InternalError
            | Code::Unavailable
    )
}

fn codes(operations: &[Operation]) -> String {
    let mut table = "| code | status | from | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for code in Code::ALL {
        let status = code.status().as_u16();
        let meaning = uncapitalized(code.meaning());
        let origin = origin(*code, operations);
        let code_text = code.as_str();
        writeln!(table, "| `{code_text}` | {status} | {origin} | {meaning} |").unwrap();
        if *code == Code::PayloadTooLarge {
            for (status, _, meaning) in PARSER_LIMITS {
                let meaning = uncapitalized(meaning);
                writeln!(table, "| `{code_text}` | {status} | any | {meaning} |").unwrap();
            }
        }
    }
    table
}

/// Returns the operations that have this code.
fn origin(code: Code, operations: &[Operation]) -> String {
    let with = |condition: &dyn Fn(&Types) -> bool| -> BTreeSet<String> {
        let operations = operations.iter();
        let matching = operations.filter(|operation| condition(&types(operation).0));
        matching.map(call).collect()
    };
    let origin = with(&|types| types.codes.contains(&code));
    let others = with(&|types| !types.codes.contains(&code));
    match code {
        Code::NotFound => return "any path that is not on this page".to_owned(),
        Code::MethodNotAllowed => return "any".to_owned(),
        _ if others.is_empty() => return "any".to_owned(),
        _ if origin == with(&|types| types.body.is_some()) => {
            return "calls with a body".to_owned();
        }
        _ if origin == with(&|types| types.needs_access_token) => {
            return "calls with an access token".to_owned();
        }
        _ => {}
    }
    let list = |calls: BTreeSet<String>| {
        let calls: Vec<_> = calls.iter().map(|call| format!("`{call}`")).collect();
        calls.join(", ")
    };
    if others.len() * 2 < operations.len() {
        format!("any except {}", list(others))
    } else {
        list(origin)
    }
}

/// Returns the text with a small letter at its beginning, for a cell of a table.
fn uncapitalized(text: &str) -> String {
    let mut rest = text.chars();
    match rest.next() {
        Some(first) => first.to_lowercase().chain(rest).collect(),
        None => String::new(),
    }
}
