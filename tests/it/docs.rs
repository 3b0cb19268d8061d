//! The documentation: its shell blocks run, its links resolve, and its pages have the format that readers rely on.
//!
//! A page is a Markdown file at the root of the repository or in `docs`. Pages are found on disk, so that a new page is tested
//! without being listed here.

mod architecture;
mod commands;
mod http_api;
mod integrate;
mod page_format;
mod page_picture;
mod references;
mod shell_blocks;
mod svg;
mod terminal_picture;
