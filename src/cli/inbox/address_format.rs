//! Formats of the addresses in the JSON of a message.

use serde_json::Value;

/// Formats an address in JSON as `Ann <ann@example.com>`.
pub(super) fn format_address(value: &Value) -> String {
    let field = |name: &str| value[name].as_str().unwrap_or_default();
    match field("Name") {
        "" => field("Address").to_owned(),
        name => format!("{name} <{}>", field("Address")),
    }
}

pub(super) fn format_addresses(value: &Value) -> String {
    let list = value.as_array().into_iter().flatten().map(format_address);
    list.collect::<Vec<_>>().join(", ")
}
