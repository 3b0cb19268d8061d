//! MongoDB connection strings with other databases and hosts.

use std::net::SocketAddr;

use mongodb::options::{AuthMechanism, ConnectionString, HostInfo, Tls};

/// Parts of a connection string, as written. Only the parts that a test replaces change: the driver's own representation
/// drops the percent-encoding of option values and every option that is unknown to the driver, and PyMongo gets the same
/// connection string.
struct UriParts {
    scheme: String,
    /// User and password, with the `@` that ends them.
    user: String,
    hosts: String,
    database: String,
    options: Vec<String>,
}

impl UriParts {
    fn parse(uri: &str) -> Self {
        let (address, options) = uri.split_once('?').unwrap_or((uri, ""));
        let (scheme, address) = address.split_once("://").unwrap();
        let (server, database) = address.split_once('/').unwrap_or((address, ""));
        let hosts = server.rfind('@').map_or(0, |at| at + 1);
        Self {
            scheme: scheme.to_owned(),
            user: server[..hosts].to_owned(),
            hosts: server[hosts..].to_owned(),
            database: database.to_owned(),
            options: options
                .split('&')
                .filter(|option| !option.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }

    fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|option| is_option(option, name))
    }

    /// Replaces the database. Without `authSource`, a SCRAM user is authenticated against the database that the connection string
    /// names, so that database becomes the source first.
    fn set_database(&mut self, name: &str, parsed: &ConnectionString) {
        let is_scram = parsed
            .credential
            .as_ref()
            .is_some_and(|credential| credential.mechanism.as_ref().is_none_or(is_scram));
        if is_scram && !self.has_option("authSource") {
            let source = match self.database.as_str() {
                "" => "admin",
                database => database,
            };
            self.options.push(format!("authSource={source}"));
        }
        name.clone_into(&mut self.database);
    }

    fn text(&self) -> String {
        let Self {
            scheme,
            user,
            hosts,
            database,
            options,
        } = self;
        let mark = if options.is_empty() { "" } else { "?" };
        let options = options.join("&");
        format!("{scheme}://{user}{hosts}/{database}{mark}{options}")
    }
}

/// Returns whether an option has this name. Names of options are case-insensitive.
fn is_option(option: &str, name: &str) -> bool {
    let written = option.split('=').next().unwrap_or_default();
    written.eq_ignore_ascii_case(name)
}

fn is_scram(mechanism: &AuthMechanism) -> bool {
    matches!(
        mechanism,
        AuthMechanism::ScramSha1 | AuthMechanism::ScramSha256
    )
}

/// Returns the same URI with another database.
pub fn with_database(uri: &str, name: &str) -> String {
    let parsed = ConnectionString::parse(uri).unwrap();
    let mut parts = UriParts::parse(uri);
    parts.set_database(name, &parsed);
    parts.text()
}

/// Returns the first host of a URI, and the same URI with `address` instead of the hosts. Returns `None` if the driver looks the hosts
/// up in DNS or verifies their names.
pub fn through(uri: &str, address: SocketAddr) -> Option<(String, String)> {
    let parsed = ConnectionString::parse(uri).unwrap();
    let is_named = matches!(parsed.tls, Some(Tls::Enabled(_)));
    let first = match &parsed.host_info {
        HostInfo::HostIdentifiers(hosts) if !is_named => hosts.first()?.to_string(),
        _ => return None,
    };
    let mut parts = UriParts::parse(uri);
    parts.hosts = address.to_string();
    parts
        .options
        .retain(|option| !is_option(option, "directConnection"));
    parts.options.push("directConnection=true".to_owned());
    Some((first, parts.text()))
}
