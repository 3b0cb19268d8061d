//! Operations of the API. What the types of a handler say is derived from them: parameters, body, response, authentication, and
//! the error codes that come with these. The rest is in [`About`], beside the handler.

use std::future::Future;

use axum::Json;
use axum::extract::State;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};

use super::schema::{Components, Described, Schema};
use crate::client_address::Client;
use crate::error::{ApiError, Code};
use crate::state::HttpState;

/// The part of an operation that its types do not say.
pub(crate) struct About {
    /// Name of the function in generated clients.
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    /// Description of the response with status 200.
    pub(crate) success: &'static str,
    /// Error codes, in addition to those that follow from the types.
    pub(crate) error_codes: &'static [Code],
    /// Headers of the response with status 200, each with its description.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// Operations that take the `id` from the body of the response, each with the name of the link.
    pub(crate) links: &'static [(&'static str, &'static str)],
}

impl About {
    pub(crate) const fn new(
        id: &'static str,
        summary: &'static str,
        success: &'static str,
        error_codes: &'static [Code],
    ) -> Self {
        Self {
            id,
            summary,
            success,
            error_codes,
            headers: &[],
            links: &[],
        }
    }
}

/// One route and method of the API.
pub(crate) struct Operation {
    pub(crate) path: &'static str,
    /// Method in lower case, as in the document.
    pub(crate) method: &'static str,
    pub(crate) about: &'static About,
    pub(crate) route: MethodRouter<HttpState>,
    describe: fn(&mut Types, &mut Components<'_>),
}

macro_rules! methods {
    ($($method:ident)+) => {
        $(#[doc = concat!("Declares an operation with the method `", stringify!($method), "`.")]
        pub(crate) fn $method<H, T: 'static, D>(
            path: &'static str,
            handler: H,
            about: &'static About,
        ) -> Operation
        where
            H: Handler<T, HttpState> + DescribedHandler<D>,
        {
            Operation {
                path,
                method: stringify!($method),
                about,
                route: routing::$method(handler),
                describe: H::describe,
            }
        })+
    };
}
methods! { delete get post put }

impl Operation {
    /// Returns what follows from the types of the handler, and adds their schemas to the components.
    pub(crate) fn types(&self, components: &mut Components<'_>) -> Types {
        let mut types = Types::default();
        (self.describe)(&mut types, components);
        types.codes.extend(self.about.error_codes);
        // By status, and in the order of their declaration within a status.
        types.codes.sort_by_key(|code| (code.status(), *code as u8));
        types.codes.dedup();
        types
    }

    /// Returns all error codes.
    #[cfg(test)]
    pub(crate) fn error_codes(&self) -> Vec<Code> {
        let policy = movie_bag_core::domain::password::PasswordPolicy {
            min_length: 1,
            product: movie_bag_core::domain::product_name::ProductName::DEFAULT,
        };
        self.types(&mut Components::new(&policy)).codes
    }
}

/// Parts of an operation that follow from the types of its handler.
pub(crate) struct Types {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Schema>,
    pub(crate) success: Schema,
    pub(crate) needs_access_token: bool,
    pub(crate) codes: Vec<Code>,
}

impl Default for Types {
    fn default() -> Self {
        Self {
            parameters: Vec::new(),
            body: None,
            success: Schema::default(),
            needs_access_token: false,
            // Any request can be malformed, and any body can be too slow or too large.
            codes: vec![
                Code::SchemaValidation,
                Code::RequestTimeout,
                Code::PayloadTooLarge,
            ],
        }
    }
}

/// Parameter in the path or in the query.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) place: &'static str,
    pub(crate) is_required: bool,
    pub(crate) schema: Schema,
}

/// Extractor in the signature of a handler.
pub(crate) trait Input {
    fn describe(types: &mut Types, components: &mut Components<'_>);
}

impl Input for State<HttpState> {
    fn describe(_: &mut Types, _: &mut Components<'_>) {}
}

/// Operations that ask for the address of the client limit the calls of each client.
impl Input for Client {
    fn describe(types: &mut Types, _: &mut Components<'_>) {
        types.codes.push(Code::RateLimited);
    }
}

/// Return type of a handler.
pub(crate) trait Output {
    fn describe(types: &mut Types, components: &mut Components<'_>);
}

impl<T: Described> Output for Json<T> {
    fn describe(types: &mut Types, components: &mut Components<'_>) {
        types.success = T::describe(components);
    }
}

/// A handler that can fail calls a use case, which needs the database.
impl<T: Output> Output for Result<T, ApiError> {
    fn describe(types: &mut Types, components: &mut Components<'_>) {
        types.codes.extend([Code::InternalError, Code::Unavailable]);
        T::describe(types, components);
    }
}

/// A handler whose signature describes its operation. The type parameter makes the implementations distinct.
pub(crate) trait DescribedHandler<D> {
    fn describe(types: &mut Types, components: &mut Components<'_>);
}

macro_rules! described_handler {
    ($($input:ident)*) => {
        impl<F, R, O, $($input),*> DescribedHandler<($($input,)*)> for F
        where
            F: Fn($($input),*) -> R,
            R: Future<Output = O>,
            O: Output,
            $($input: Input,)*
        {
            fn describe(types: &mut Types, components: &mut Components<'_>) {
                $($input::describe(types, components);)*
                O::describe(types, components);
            }
        }
    };
}
described_handler! {}
described_handler! { A }
described_handler! { A B }
described_handler! { A B C }
described_handler! { A B C D }
