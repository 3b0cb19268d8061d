//! Address of the mail server, encryption and login, from the settings.

use super::trust::Tls;

/// Encryption of the connection.
#[derive(Clone)]
pub(super) enum Security {
    Plaintext,
    /// STARTTLS, required (RFC 3207).
    StartTls(Tls),
    /// TLS from the first byte (RFC 8314 3.3).
    Implicit(Tls),
}

/// Way to the mail server.
pub(super) struct Route {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    /// User name and password.
    pub(super) credentials: Option<(String, String)>,
    /// Name in EHLO; `None` is the address of this end of the connection.
    pub(super) helo_name: Option<String>,
    /// Whether hints may propose the debugging sink in place of a mail server.
    pub(super) hints_at_sink: bool,
}

impl Route {
    /// Returns `host:port`, for messages.
    pub(super) fn server(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}
