//! Page templates and the values that they are rendered with.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use movie_bag_core::app::AppError;

/// Error of a page template.
pub type PageError = Box<dyn Error + Send + Sync>;

/// Templates of the pages.
pub trait PageTemplates: Send + Sync {
    /// Renders the template `web/NAME`. Files that are not HTML are returned unchanged. Values that the template does not
    /// use are ignored.
    ///
    /// # Errors
    /// The template fails.
    fn render(&self, name: &str, values: &[(&str, &str)]) -> Result<String, PageError>;
}

/// Web pages.
pub struct Pages {
    templates: Arc<dyn PageTemplates>,
    /// Minimum length of a password, in characters.
    minimum: String,
    /// Address of the inbox, if the process runs a sink.
    inbox: Option<SocketAddr>,
}

/// Values of a template. Those that a page does not use stay empty.
#[derive(Default)]
pub(super) struct View<'a> {
    pub(super) root: &'a str,
    pub(super) email: &'a str,
    pub(super) error: &'a str,
    pub(super) field: &'a str,
    pub(super) heading: &'a str,
    pub(super) message: &'a str,
    pub(super) inbox: &'a str,
}

impl Pages {
    /// Returns the pages. `inbox` is the address of the inbox, if the process runs a sink.
    pub fn new(
        templates: Arc<dyn PageTemplates>,
        min_password_length: usize,
        inbox: Option<SocketAddr>,
    ) -> Self {
        Self {
            templates,
            minimum: min_password_length.to_string(),
            inbox,
        }
    }

    /// Renders `web/NAME`.
    pub(super) fn render(&self, name: &str, view: &View<'_>) -> Result<String, AppError> {
        let View {
            root,
            email,
            error,
            field,
            heading,
            message,
            inbox,
        } = *view;
        let values = [
            ("root", root),
            ("email", email),
            ("error", error),
            ("field", field),
            ("heading", heading),
            ("message", message),
            ("minimum", &self.minimum),
            ("inbox", inbox),
        ];
        self.templates
            .render(name, &values)
            .map_err(|error| AppError::Internal(format!("cannot render a page: {error}").into()))
    }

    /// Returns the URL of the inbox of a test server. If the inbox listens on all addresses, its host is that of the request.
    pub(super) fn inbox_for(&self, headers: &HeaderMap) -> String {
        let Some(address) = self.inbox else {
            return String::new();
        };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| host.parse::<Authority>().ok());
        match host.filter(|_| address.ip().is_unspecified()) {
            Some(host) => format!("http://{}:{}/", host.host(), address.port()),
            None => format!("http://{address}/"),
        }
    }
}
