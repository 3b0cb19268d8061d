//! Documents of `--json`. Each is a struct; the detailed help of its command and docs/json.md follow from it.

use jiff::Timestamp;
use movie_bag_core::domain::event::EventKind;
use movie_bag_core::domain::mail::MailKind;
use movie_bag_core::domain::outbox::EntryState;
use movie_bag_core::domain::pending::PendingKind;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error_code::ErrorCode;

/// Field of a document, for the help and the documentation.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Type, in words.
    #[cfg(test)]
    pub(super) kind: String,
    #[cfg(test)]
    pub(super) meaning: String,
    /// Whether the field is missing in some cases. Its meaning says when.
    pub(super) may_be_missing: bool,
    pub(super) is_list: bool,
    /// Fields within, of an object or of the objects in a list.
    pub(super) fields: Vec<Field>,
}

/// Type of a value in a document.
pub(super) trait Described {
    /// Type, in words.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "only docs/json.md has types and values")
    )]
    fn kind() -> String;

    /// Fields, of an object or of the objects in a list.
    fn fields() -> Vec<Field> {
        Vec::new()
    }

    /// All possible values, if the type has a fixed list of them.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "only docs/json.md has types and values")
    )]
    fn values() -> Vec<&'static str> {
        Vec::new()
    }

    const MAY_BE_MISSING: bool = false;
    const IS_LIST: bool = false;

    /// Returns whether the field is left out.
    fn is_missing(&self) -> bool {
        false
    }
}

/// Defines documents: the doc comment of a field is its meaning in docs/json.md. A document begins with the fields of the one after
/// the colon.
macro_rules! documents {
    ($(
        $(#[doc = $doc:literal])*
        $visibility:vis struct $name:ident $(<$lifetime:lifetime>)? $(: $base:ty)? {
            $(
                $(#[doc = $meaning:literal])+
                $field:ident: $type:ty,
            )+
        }
    )+) => {$(
        $(#[doc = $doc])*
        #[derive(serde::Serialize)]
        $visibility struct $name $(<$lifetime>)? {
            $(
                #[serde(flatten)]
                pub(super) base: $base,
            )?
            $(
                $(#[doc = $meaning])+
                #[serde(skip_serializing_if = "crate::cli::document::Described::is_missing")]
                pub(super) $field: $type,
            )+
        }

        impl $(<$lifetime>)? $crate::cli::document::Described for $name $(<$lifetime>)? {
            fn kind() -> String {
                "object".to_owned()
            }

            fn fields() -> Vec<$crate::cli::document::Field> {
                let fields = vec![$($crate::cli::document::field::<$type>(
                    stringify!($field),
                    concat!($($meaning),+),
                ),)+];
                $(let fields = [<$base as $crate::cli::document::Described>::fields(), fields].concat();)?
                fields
            }
        }
    )+};
}
pub(super) use documents;

/// Returns the description of a field of this type. `comment` is its doc comment.
#[cfg_attr(
    not(test),
    expect(unused_variables, reason = "only docs/json.md has meanings")
)]
pub(super) fn field<T: Described>(name: &'static str, comment: &str) -> Field {
    Field {
        name,
        #[cfg(test)]
        kind: T::kind(),
        #[cfg(test)]
        meaning: meaning(comment, &T::values()),
        may_be_missing: T::MAY_BE_MISSING,
        is_list: T::IS_LIST,
        fields: T::fields(),
    }
}

#[cfg(test)]
fn meaning(comment: &str, values: &[&str]) -> String {
    let phrase = movie_bag_core::domain::phrase::phrase(comment);
    if values.is_empty() {
        return phrase;
    }
    format!("{phrase}: `{}`", values.join("`, `"))
}

/// Value of a field that is left out in some cases.
#[derive(Debug)]
pub(super) struct Maybe<T>(pub(super) Option<T>);

impl<T: Serialize> Serialize for Maybe<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T: Described> Described for Maybe<T> {
    fn kind() -> String {
        T::kind()
    }

    fn fields() -> Vec<Field> {
        T::fields()
    }

    fn values() -> Vec<&'static str> {
        T::values()
    }

    const MAY_BE_MISSING: bool = true;
    const IS_LIST: bool = T::IS_LIST;

    fn is_missing(&self) -> bool {
        self.0.is_none()
    }
}

impl<T: Described> Described for Option<T> {
    fn kind() -> String {
        format!("{} or null", T::kind())
    }

    fn fields() -> Vec<Field> {
        T::fields()
    }
}

impl<T: Described> Described for Vec<T> {
    fn kind() -> String {
        "list".to_owned()
    }

    fn fields() -> Vec<Field> {
        T::fields()
    }

    const IS_LIST: bool = true;
}

impl<T: Described> Described for &[T] {
    fn kind() -> String {
        Vec::<T>::kind()
    }

    fn fields() -> Vec<Field> {
        T::fields()
    }

    const IS_LIST: bool = true;
}

macro_rules! described {
    ($($type:ty => $kind:literal,)+) => {
        $(impl Described for $type {
            fn kind() -> String {
                $kind.to_owned()
            }
        })+
    };
}

described! {
    &str => "text",
    String => "text",
    Timestamp => "text",
    ErrorCode => "text",
    bool => "true or false",
    u32 => "number",
    u64 => "number",
    usize => "number",
    &Value => "object",
    Map<String, Value> => "names and values",
}

macro_rules! described_by_names {
    ($($type:ty)+) => {
        $(impl Described for $type {
            fn kind() -> String {
                "text".to_owned()
            }

            fn values() -> Vec<&'static str> {
                Self::ALL.iter().map(|one| one.name()).collect()
            }
        })+
    };
}

described_by_names! { EntryState EventKind MailKind PendingKind }

/// Returns the names of the fields of a document: `{"id", "mails": [{"kind"}]}`.
pub(super) fn outline(fields: &[Field]) -> String {
    let outlined = |field: &Field| {
        let name = format!("\"{}\"", field.name);
        match (field.fields.as_slice(), field.is_list) {
            ([], _) => name,
            (fields, false) => format!("{name}: {}", outline(fields)),
            (fields, true) => format!("{name}: [{}]", outline(fields)),
        }
    };
    let (optional, always): (Vec<_>, Vec<_>) =
        fields.iter().partition(|field| field.may_be_missing);
    let list = |fields: Vec<&Field>| {
        let names: Vec<String> = fields.into_iter().map(outlined).collect();
        names.join(", ")
    };
    if optional.is_empty() {
        format!("{{{}}}", list(always))
    } else {
        format!(
            "{{{}}}, in some cases also {{{}}}",
            list(always),
            list(optional)
        )
    }
}
