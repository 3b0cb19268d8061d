//! Structure of an OpenAPI document, as far as it is used here.

use serde::Serialize;

use super::schema::{OrderedMap, Schema};

#[derive(Serialize)]
pub(super) struct Document {
    pub(super) openapi: &'static str,
    pub(super) info: Info,
    pub(super) servers: [Server; 1],
    /// Operations by path and method.
    pub(super) paths: OrderedMap<&'static str, OrderedMap<&'static str, OperationObject>>,
    pub(super) components: ComponentsObject,
}

#[derive(Serialize)]
pub(super) struct Info {
    pub(super) title: String,
    pub(super) version: &'static str,
    pub(super) description: &'static str,
    pub(super) license: License,
}

#[derive(Serialize)]
pub(super) struct License {
    pub(super) name: &'static str,
    pub(super) identifier: &'static str,
}

#[derive(Serialize)]
pub(super) struct Server {
    pub(super) url: &'static str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OperationObject {
    pub(super) operation_id: &'static str,
    pub(super) summary: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parameters: Vec<ParameterObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_body: Option<RequestBody>,
    /// Responses by status.
    pub(super) responses: OrderedMap<String, ReferenceOr<Response>>,
    /// Each alternative names a security scheme and its scopes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) security: Vec<OrderedMap<&'static str, [&'static str; 0]>>,
}

#[derive(Serialize)]
pub(super) struct ParameterObject {
    pub(super) name: &'static str,
    #[serde(rename = "in")]
    pub(super) place: &'static str,
    pub(super) required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) schema: Schema,
}

#[derive(Serialize)]
pub(super) struct RequestBody {
    pub(super) required: bool,
    pub(super) content: Content,
}

#[derive(Default, Serialize)]
pub(super) struct Content {
    #[serde(rename = "application/json")]
    pub(super) json: MediaType,
}

#[derive(Default, Serialize)]
pub(super) struct MediaType {
    pub(super) schema: Schema,
}

impl From<Schema> for Content {
    fn from(schema: Schema) -> Self {
        Self {
            json: MediaType { schema },
        }
    }
}

#[derive(Default, Serialize)]
pub(super) struct Response {
    pub(super) description: String,
    #[serde(skip_serializing_if = "OrderedMap::is_empty")]
    pub(super) headers: OrderedMap<&'static str, Header>,
    pub(super) content: Content,
    #[serde(skip_serializing_if = "OrderedMap::is_empty")]
    pub(super) links: OrderedMap<&'static str, Link>,
}

#[derive(Default, Serialize)]
pub(super) struct Header {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'static str>,
    pub(super) required: bool,
    pub(super) schema: Schema,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    pub(super) operation_id: &'static str,
    pub(super) parameters: OrderedMap<&'static str, &'static str>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ReferenceOr<T> {
    Reference {
        #[serde(rename = "$ref")]
        reference: String,
    },
    Item(T),
}

impl<T: Default> Default for ReferenceOr<T> {
    fn default() -> Self {
        Self::Item(T::default())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ComponentsObject {
    pub(super) schemas: OrderedMap<&'static str, Schema>,
    pub(super) responses: OrderedMap<&'static str, Response>,
    pub(super) security_schemes: OrderedMap<&'static str, SecurityScheme>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecurityScheme {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) scheme: &'static str,
    pub(super) bearer_format: &'static str,
    pub(super) description: &'static str,
}
