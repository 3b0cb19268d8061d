//! The documentation: its shell blocks run, its links lead somewhere, and its pages have the form that readers rely on.
//!
//! A page is a Markdown file at the root of the repository or in `docs`. Pages are found on the disk, so a new one is tested
//! without being named here.

mod commands;
mod form;
mod http_api;
mod integrate;
mod page_picture;
mod references;
mod shell_blocks;
mod svg;
mod terminal_picture;
