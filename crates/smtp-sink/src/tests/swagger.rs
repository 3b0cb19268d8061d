//! `/api/v1/swagger.json` compared with the responses of the API.

use serde_json::json;

use super::*;

/// Resolves `$ref`, and compares the keys of a response with the properties of its definition, at every depth.
fn assert_described(document: &Value, schema: &Value, response: &Value, path: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let definition = &document["definitions"][name.trim_start_matches("#/definitions/")];
        assert!(definition.is_object(), "{path}: {name}");
        return assert_described(document, definition, response, path);
    }
    let kind = match response {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Null => "null",
    };
    let described = schema["type"]
        .as_str()
        .unwrap()
        .replace("integer", "number");
    assert_eq!(described, kind, "{path}");
    if let Some(items) = response.as_array() {
        for item in items {
            assert_described(document, &schema["items"], item, path);
        }
    }
    let Some(fields) = response.as_object() else {
        return;
    };
    match schema["properties"].as_object() {
        Some(properties) => {
            let keys =
                |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(properties), keys(fields), "{path}");
            for (key, value) in fields {
                assert_described(document, &properties[key], value, &format!("{path}.{key}"));
            }
        }
        None => {
            for value in fields.values() {
                assert_described(document, &schema["additionalProperties"], value, path);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_response_matches_the_swagger_document() {
    let sink = start(|_| {}).await;
    sink.send_smtp(mail("ann@example.com", PARTS)).await;
    let document = sink.json("/api/v1/swagger.json").await;
    assert_eq!(document["swagger"], "2.0");
    let message = sink.json("/api/v1/message/latest").await;
    let part = message["Inline"][0]["PartID"].as_str().unwrap().to_owned();
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            sink.send_smtp(mail("ann@example.com", PARTS)).await;
            let id = sink.inbox.latest().unwrap().id.0.clone();
            let tags = json!({"IDs": [id], "Tags": ["tag"]}).to_string();
            sink.call("PUT", "/api/v1/tags", &tags).await;
            let parameters = operation["parameters"].as_array();
            let names: Vec<_> = parameters
                .into_iter()
                .flatten()
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let mut called = path
                .replace("{ID}", "latest")
                .replace("{PartID}", &part)
                .replace("{Tag}", "tag");
            if names.contains(&"query") {
                called.push_str("?query=subject:p");
            }
            let body = match (path.as_str(), method.as_str()) {
                ("/api/v1/send", _) => {
                    r#"{"From":{"Email":"a@b.example"},"To":[{"Email":"a@b.example"}]}"#.to_owned()
                }
                ("/api/v1/tags", "put") => tags,
                ("/api/v1/tags/{Tag}", "put") => r#"{"Name":"tag2"}"#.to_owned(),
                _ if names.contains(&"Body") => "{}".to_owned(),
                _ => String::new(),
            };
            let (status, text) = sink.call(&method.to_uppercase(), &called, &body).await;
            let response = &operation["responses"][status.to_string()];
            assert!(response.is_object(), "{method} {called}: {status} {text}");
            if operation["produces"] == json!(["application/json"]) {
                let json = serde_json::from_str(&text).unwrap();
                assert_described(&document, &response["schema"], &json, path);
            }
        }
    }
    assert_eq!(operations, 24);
    sink.end().await;
}
