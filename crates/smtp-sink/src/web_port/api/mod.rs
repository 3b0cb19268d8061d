//! HTTP API of the web port: Mailpit's API v1 with exactly its JSON, the part of MailHog's API that clients use, and
//! extensions under `/api/movie-bag/`.
//!
//! Each resource has a file. [`mailpit_json`] defines the JSON that clients compare key by key. The extensions are [`wait`],
//! [`extract`] and [`envelope`].

pub(super) mod chaos;
pub(super) mod checks;
pub(super) mod envelope;
pub(super) mod events;
pub(super) mod extract;
pub(super) mod info;
pub(super) mod mailhog;
pub(crate) mod mailpit_json;
pub(super) mod message;
pub(crate) mod message_body;
pub(super) mod messages;
pub(super) mod part;
pub(super) mod search;
pub(super) mod send;
pub(super) mod swagger;
pub(super) mod tags;
pub(super) mod wait;
