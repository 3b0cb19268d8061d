//! Settings of common mail clients for a sink, one line for each client.
//!
//! They are printed at startup and in the help. `tests/it/foreign_clients.rs` sends a mail with each printed line, so a new line
//! needs a client there. Each line is the default configuration of the client with host and port only.

use std::net::SocketAddr;

/// Returns one line for each client: its name and the settings.
pub(super) fn client_settings(smtp: SocketAddr) -> String {
    let (host, port) = (smtp.ip(), smtp.port());
    let clients = [
        ("Flask", format!("MAIL_SERVER={host} MAIL_PORT={port}")),
        (
            "Django",
            format!("EMAIL_HOST = \"{host}\"; EMAIL_PORT = {port}"),
        ),
        ("Python", format!("smtplib.SMTP(\"{host}\", {port})")),
        (
            "Rails",
            format!("config.action_mailer.smtp_settings = {{ address: \"{host}\", port: {port} }}"),
        ),
        (
            "Nodemailer",
            format!("nodemailer.createTransport({{ host: \"{host}\", port: {port} }})"),
        ),
        (
            "PHP",
            format!(
                "sendmail_path = \"msmtp --host={host} --port={port} --read-envelope-from -t\""
            ),
        ),
        ("Symfony", format!("MAILER_DSN=smtp://{smtp}")),
        (
            "lettre",
            format!("SmtpTransport::builder_dangerous(\"{host}\").port({port}).build()"),
        ),
        (
            "swaks",
            format!("swaks --server {smtp} --from me@example.com --to ann@example.com"),
        ),
    ];
    let lines = clients.map(|(name, settings)| format!("  {name:<11} {settings}"));
    lines.join("\n")
}
