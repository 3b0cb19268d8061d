//! Web port of the sink: the pages of the inbox and its HTTP API.
//!
//! [`router`](mod@router) maps each path to a handler in [`api`] or [`pages`], behind [`access_control`] and [`body_memory`].
//! Handlers read a request with [`request`], do long work with [`background`], and answer with [`responses`] or, if a response
//! may be large, with [`bounded_response`]. [`server`] runs the router on a runtime of its own.

mod access_control;
mod api;
mod background;
mod body_memory;
mod bounded_response;
mod pages;
mod request;
mod responses;
mod router;
mod server;
mod state;

pub(crate) use router::router;
pub(crate) use server::serve;
pub(crate) use state::{WebOptions, WebState};

#[cfg(test)]
pub(crate) use api::mailpit_json;
#[cfg(test)]
pub(crate) use api::message_body;
#[cfg(test)]
pub(crate) use pages::render_all;
