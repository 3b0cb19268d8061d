//! Option of all inbox commands that names the inbox.

/// Option that names the inbox.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct UrlOption {
    /// Use this inbox [default: MOVIE_BAG_INBOX_URL]
    ///
    /// Without the option and the setting, it is http://127.0.0.1:8025. If the inbox requires a login, write http://USER:PASSWORD@HOST:PORT.
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    pub(super) url: Option<String>,
}
