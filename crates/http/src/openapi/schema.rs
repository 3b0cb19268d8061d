//! JSON Schema of the types in requests and responses.

use movie_bag_core::app::SignupMode;
use movie_bag_core::domain::password::PasswordPolicy;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A type of JSON values.
pub(crate) trait Described {
    /// Whether an object with a field of this type is invalid without the field.
    const REQUIRED: bool = true;

    /// Returns the schema, or a reference to it after adding it to the components.
    fn describe(components: &mut Components<'_>) -> Schema;
}

/// Schemas that have a name, and the rules from which some of them follow.
pub(crate) struct Components<'a> {
    pub(crate) policy: &'a PasswordPolicy,
    /// Mode of sign-up, which decides the form of its request and response.
    pub(crate) signup: SignupMode,
    pub(crate) schemas: OrderedMap<&'static str, Schema>,
}

impl<'a> Components<'a> {
    pub(crate) fn new(policy: &'a PasswordPolicy) -> Self {
        Self {
            policy,
            signup: SignupMode::Open,
            schemas: OrderedMap::default(),
        }
    }

    /// Adds a schema, unless it was added before, and returns a reference to it.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        schema: impl FnOnce(&mut Self) -> Schema,
    ) -> Schema {
        if self.schemas.get(name).is_none() {
            let schema = schema(self);
            *self.schemas.entry(name) = schema;
        }
        Schema {
            reference: Some(format!("#/components/schemas/{name}")),
            ..Schema::default()
        }
    }
}

/// The keywords of JSON Schema that the document uses.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schema {
    #[serde(rename = "$ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<&'static str>,
    #[serde(rename = "const", skip_serializing_if = "Option::is_none")]
    pub(crate) constant: Option<Value>,
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) minimum: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) maximum: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) items: Option<Box<Schema>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_items: Option<usize>,
    #[serde(skip_serializing_if = "OrderedMap::is_empty")]
    pub(crate) properties: OrderedMap<&'static str, Schema>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) required: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_properties: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) additional_properties: Option<AdditionalProperties>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) one_of: Vec<Schema>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) examples: Vec<Value>,
}

/// Value of the keyword `additionalProperties`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum AdditionalProperties {
    Allowed(bool),
    Each(Box<Schema>),
}

impl Schema {
    pub(crate) fn string() -> Self {
        Self {
            kind: Some("string"),
            ..Self::default()
        }
    }

    pub(crate) fn matching(pattern: impl Into<String>) -> Self {
        Self {
            pattern: Some(pattern.into()),
            ..Self::string()
        }
    }

    pub(crate) fn non_empty() -> Self {
        Self {
            min_length: Some(1),
            ..Self::string()
        }
    }

    pub(crate) fn array(items: Self) -> Self {
        Self {
            kind: Some("array"),
            items: Some(Box::new(items)),
            ..Self::default()
        }
    }

    /// Returns the schema of an object with these fields and no others. An object without required fields has at least one
    /// field.
    pub(crate) fn object(fields: impl IntoIterator<Item = (&'static str, bool, Self)>) -> Self {
        let mut schema = Self {
            kind: Some("object"),
            additional_properties: Some(AdditionalProperties::Allowed(false)),
            ..Self::default()
        };
        for (name, is_required, field) in fields {
            *schema.properties.entry(name) = field;
            if is_required {
                schema.required.push(name);
            }
        }
        schema.min_properties = schema.required.is_empty().then_some(1);
        schema
    }

    /// Adds the text of a doc comment as the description, if there is one.
    pub(crate) fn with_documentation(mut self, comment: &str) -> Self {
        let comment = comment.trim();
        if !comment.is_empty() {
            self.description = Some(comment.to_owned());
        }
        self
    }

    pub(crate) fn with_example(mut self, example: impl Into<Value>) -> Self {
        self.examples = vec![example.into()];
        self
    }
}

impl Described for String {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema::string()
    }
}

impl Described for &str {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema::string()
    }
}

impl<T: Described> Described for &[T] {
    fn describe(components: &mut Components<'_>) -> Schema {
        Schema::array(T::describe(components))
    }
}

impl<T: Described> Described for Option<T> {
    const REQUIRED: bool = false;

    fn describe(components: &mut Components<'_>) -> Schema {
        T::describe(components)
    }
}

/// Declares a struct that is an object in JSON, with its schema. The doc comment of a field is its description in the OpenAPI
/// document and in docs/http-api.md; the attribute `example` adds an example. The schema has the name of the struct, or the one
/// after `as`.
macro_rules! object {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident $(<$lifetime:lifetime>)? $(as $component:literal)? {
            $($(#[doc = $comment:literal])* $(#[example = $example:expr])? $field:ident: $type:ty,)+
        }
    ) => {
        $(#[$attribute])*
        $visibility struct $name $(<$lifetime>)? {
            $($(#[doc = $comment])* pub(crate) $field: $type,)+
        }

        impl $(<$lifetime>)? $crate::openapi::schema::Described for $name $(<$lifetime>)? {
            fn describe(
                components: &mut $crate::openapi::schema::Components<'_>,
            ) -> $crate::openapi::schema::Schema {
                components.add([$($component,)? stringify!($name)][0], |components| {
                    $crate::openapi::schema::Schema::object([$((
                        stringify!($field),
                        <$type as $crate::openapi::schema::Described>::REQUIRED,
                        <$type as $crate::openapi::schema::Described>::describe(components)
                            .with_documentation(concat!("", $($comment),*))
                            $(.with_example($example))?,
                    ),)+])
                })
            }
        }
    };
}
pub(crate) use object;

/// A map that is serialized in the order in which its entries were added.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderedMap<K, V>(pub(crate) Vec<(K, V)>);

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq, V> OrderedMap<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.0
            .iter()
            .find(|(other, _)| *other == key)
            .map(|(_, value)| value)
    }

    /// Returns the value of a key, after adding it if it is missing.
    pub(crate) fn entry(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let index = match self.0.iter().position(|(other, _)| *other == key) {
            Some(index) => index,
            None => {
                self.0.push((key, V::default()));
                self.0.len() - 1
            }
        };
        &mut self.0[index].1
    }
}

impl<K: Serialize, V: Serialize> Serialize for OrderedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}
