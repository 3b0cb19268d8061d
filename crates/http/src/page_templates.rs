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
    pub(super) button: &'a str,
    /// Form of the page: `forgot` or `signup`.
    pub(super) form: &'a str,
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
            button,
            form,
            inbox,
        } = *view;
        let values = [
            ("root", root),
            ("email", email),
            ("error", error),
            ("field", field),
            ("heading", heading),
            ("message", message),
            ("button", button),
            ("form", form),
            ("minimum", &self.minimum),
            ("inbox", inbox),
        ];
        self.templates
            .render(name, &values)
            .map_err(|error| AppError::Internal(format!("cannot render a page: {error}").into()))
    }

    /// Returns the URL of the inbox of a test server. If the inbox listens on all addresses, its host is that of the request.
    pub(super) fn inbox_url(&self, headers: &HeaderMap) -> String {
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

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::super::tests::file_templates::FileTemplates;
    use super::*;

    fn pages() -> Pages {
        Pages::new(FileTemplates::load(), 8, None)
    }

    const HOSTILE: &str = "\"><script>alert(1)</script>&amp;{{ root }}";

    #[test]
    fn every_page_renders_and_escapes_user_input() {
        let pages = pages();
        for name in [
            "home.html",
            "forgot.html",
            "sent.html",
            "reset.html",
            "done.html",
            "refused.html",
            "problem.html",
            "signup.html",
            "confirm.html",
            "confirmed.html",
        ] {
            let view = View {
                root: "../",
                email: HOSTILE,
                error: HOSTILE,
                field: "password",
                heading: HOSTILE,
                message: HOSTILE,
                button: HOSTILE,
                form: "signup",
                inbox: "",
            };
            let page = pages.render(name, &view).unwrap();
            assert!(!page.contains("<script>"), "{name}: {page}");
            assert!(page.contains("<html lang=\"en\">"), "{name}");
            assert!(page.contains("<title>"), "{name}");
            assert!(page.contains("href=\"../assets/style.css\""), "{name}");
            for absolute in ["http:", "https:", "=\"//", "href=\"/", "action=\"/"] {
                assert!(!page.contains(absolute), "{name} has {absolute}");
            }
        }
    }

    #[test]
    fn fields_have_labels_and_are_marked_for_password_managers() {
        let pages = pages();
        let forgot = pages.render("forgot.html", &View::default()).unwrap();
        assert!(forgot.contains("<label for=\"email\">"));
        assert!(forgot.contains("autocomplete=\"email\""));
        let reset = pages.render("reset.html", &View::default()).unwrap();
        assert!(reset.contains("<label for=\"password\">"));
        assert!(reset.contains("<label for=\"password_again\">"));
        assert_eq!(reset.matches("autocomplete=\"new-password\"").count(), 2);
        assert!(reset.contains("minlength: 8;"));
    }

    #[test]
    fn an_inbox_on_all_addresses_has_the_host_of_the_request() {
        let at = |address: &str, host: &str| {
            let pages = Pages::new(FileTemplates::load(), 8, Some(address.parse().unwrap()));
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]);
            pages.inbox_url(&headers)
        };
        assert_eq!(
            at("127.0.0.1:8025", "10.0.0.5:3000"),
            "http://127.0.0.1:8025/"
        );
        assert_eq!(at("0.0.0.0:8025", "10.0.0.5:3000"), "http://10.0.0.5:8025/");
        assert_eq!(at("[::]:8025", "[::1]:3000"), "http://[::1]:8025/");
        assert_eq!(at("0.0.0.0:8025", "a b\"<"), "http://0.0.0.0:8025/");
    }
}
