//! Pages of the inbox, rendered on the server and complete without scripts. `inbox.js` keeps them up to date and makes them
//! faster.
//!
//! A [`page`](mod@page) consists of the list and one message or a question. [`message_list`], [`message_page`] and [`question`]
//! define the data of the templates in `crates/smtp-sink/templates/`. These pages contain the content of a mail as text only.
//! Its HTML is in a frame, which runs no scripts and loads nothing from other servers (see
//! [`message_body`](super::api::message_body)).
//!
//! Forms are accepted from these pages only: [`access_control`](super::access_control) refuses the Origin of any other site, and
//! browsers send the true Origin with every POST, since the Referrer-Policy of these pages permits it. [`actions`] performs the
//! forms. Deleting all messages requires a second form, the response to a question, and is final. Deleting selected messages can
//! be undone for a short time: the page then shows a notice with a form for that.

mod actions;
mod assets;
mod form;
mod formatting;
mod handlers;
mod message_list;
mod message_page;
mod message_summary;
mod page;
mod place;
mod question;
mod smtp_address;
mod templates;

pub(super) use actions::{submit_list_form, submit_message_form};
pub(super) use assets::{asset, icon};
pub(super) use handlers::{show_inbox, show_list, show_message};

#[cfg(test)]
pub(crate) use page::tests::render_all;
