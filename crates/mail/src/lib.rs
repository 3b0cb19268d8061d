//! Rendering and sending of mails, the implementations of [`movie_bag_core::ports::mail`].
//!
//! - [`templates`]: templates of mails and pages, and overrides from a folder of the administrator
//! - [`render`]: text and HTML of a mail, from its templates
//! - [`smtp`]: SMTP client
//! - [`dialogue`]: session with a mail server as a list of steps, for the administrator

pub mod dialogue;
pub mod render;
pub mod smtp;
pub mod templates;
