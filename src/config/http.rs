//! Settings of the HTTP server.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use movie_bag_core::domain::link_template::LinkTemplate;

use super::lookup::Lookup;
use super::setting::{Definition, Reader, Setting, Subject};
use super::values::{self, ADDRESS, BaseUrl, PageUrl, TIME};

pub(crate) static BIND: Setting<SocketAddr> = Setting::new(
    "MOVIE_BAG_BIND",
    Subject::Server,
    &[Reader::Links],
    values::socket_address,
)
.default("127.0.0.1:3000")
.option("serve --bind")
.form(ADDRESS)
.means("Address and port of the API and the web pages")
.details("A socket that systemd passes replaces it. Port 0 chooses a free port.");

pub(crate) static PUBLIC_URL: Setting<BaseUrl> = Setting::new(
    "MOVIE_BAG_PUBLIC_URL",
    Subject::Server,
    &[Reader::Links],
    BaseUrl::parse,
)
.default_in_words("http://localhost:PORT")
.option("serve --public-url")
.form("an `http` or `https` URL without `?` and `#`")
.means("Base URL of the links in mails")
.details("It is never taken from a request. It may have a path, for a proxy that strips one. The default has the port of `MOVIE_BAG_BIND`.");

pub(crate) static RESET_URL: Setting<LinkTemplate> = Setting::new(
    "MOVIE_BAG_RESET_URL",
    Subject::Server,
    &[Reader::Links],
    values::link_template,
)
.default("{public_url}/reset/{token}")
.form("an `http` or `https` URL with `{token}`; `{public_url}` may begin it")
.means("Link in reset mails and invitations, for a page of your own")
.details(
    "`{token}` is a segment of the path, or a value in the query or fragment: `https://app.example/#/reset?token={token}`. The page \
     sends the token to `POST /api/auth/reset`. See [Password reset](integrate.md#password-reset). The pages of movie-bag keep working. \
     In production it is an https URL.",
);

pub(crate) static LOGIN_URL: Setting<PageUrl> = Setting::new(
    "MOVIE_BAG_LOGIN_URL",
    Subject::Server,
    &[Reader::Mail, Reader::Server, Reader::Templates],
    PageUrl::parse,
)
.form("an `http` or `https` URL")
.means("Page where people log in, linked from mails and pages")
.details("Without it, mails and pages have no such link. In production it is an https URL.");

pub(crate) static TRUSTED_PROXIES: Setting<Vec<IpNet>> = Setting::new(
    "MOVIE_BAG_TRUSTED_PROXIES",
    Subject::Server,
    &[Reader::Server],
    values::networks,
)
.form("CIDR networks, separated by commas: `10.0.0.0/8, ::1`")
.means("Proxies whose X-Forwarded-For header is trusted")
.details("Without it, all clients behind a proxy count as one client in the limits.");

pub(crate) static CORS_ORIGINS: Setting<Vec<String>> = Setting::new(
    "MOVIE_BAG_CORS_ORIGINS",
    Subject::Server,
    &[Reader::Server],
    values::origins,
)
.form("origins such as `https://app.example`, separated by commas")
.means("Web origins whose pages may call the API from a browser")
.details(
    "An origin must match exactly: scheme, host and port. There is no `*`. \
             See [Calls from browsers](http-api.md#calls-from-browsers).",
);

pub(crate) static MAX_CONNECTIONS: Setting<usize> = Setting::new(
    "MOVIE_BAG_MAX_CONNECTIONS",
    Subject::Limits,
    &[Reader::Server],
    |text| values::number(1, 100_000, text),
)
.default("768")
.form("1 to 100000")
.means("Maximum number of client connections at once")
.details("See [Connections and open files](operations.md#connections-and-open-files).");

pub(crate) static REQUEST_TIMEOUT: Setting<Duration> = Setting::new(
    "MOVIE_BAG_REQUEST_TIMEOUT",
    Subject::Limits,
    &[Reader::Server],
    values::span,
)
.default("90s")
.form(TIME)
.means("Maximum time to answer a request")
.details(
    "At shutdown the server waits this long for requests in progress. A second Ctrl-C ends it at once.",
);

pub(crate) static METRICS_BIND: Setting<SocketAddr> = Setting::new(
    "MOVIE_BAG_METRICS_BIND",
    Subject::Logs,
    &[Reader::Server],
    values::socket_address,
)
.default_in_words("off")
.form(ADDRESS)
.means("Address and port of the Prometheus metrics at /metrics")
.details(
    "It is separate from the API so that metrics are not public. A socket of systemd with the name `metrics` replaces it. \
     See [Metrics](operations.md#metrics).",
);

/// Definitions of these settings, in the order of the documentation.
pub(super) static DEFINITIONS: &[&Definition] = &[
    &BIND.definition,
    &PUBLIC_URL.definition,
    &RESET_URL.definition,
    &LOGIN_URL.definition,
    &TRUSTED_PROXIES.definition,
    &CORS_ORIGINS.definition,
    &MAX_CONNECTIONS.definition,
    &REQUEST_TIMEOUT.definition,
    &METRICS_BIND.definition,
];

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
pub(crate) struct HttpSettings {
    pub(crate) bind: SocketAddr,
    /// Maximum number of client connections at once.
    pub(crate) max_connections: usize,
    /// Maximum time to answer a request.
    pub(crate) request_timeout: Duration,
    /// Proxies whose `X-Forwarded-For` header is trusted.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Web origins whose pages may call the API from a browser.
    pub(crate) cors_origins: Vec<String>,
    /// Address of `/metrics`, which is not served with the API.
    pub(crate) metrics_bind: Option<SocketAddr>,
}

impl HttpSettings {
    pub(super) fn resolve(lookup: &mut Lookup<'_>) -> Self {
        Self {
            bind: lookup.get(&BIND),
            max_connections: lookup.get(&MAX_CONNECTIONS),
            request_timeout: lookup.get(&REQUEST_TIMEOUT),
            trusted_proxies: lookup.optional(&TRUSTED_PROXIES).unwrap_or_default(),
            cors_origins: lookup.optional(&CORS_ORIGINS).unwrap_or_default(),
            metrics_bind: lookup.optional(&METRICS_BIND),
        }
    }
}
