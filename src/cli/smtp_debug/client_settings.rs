//! Settings that point mail clients of other makers at a sink, one line each.
//!
//! They are printed at start and in the help. `tests/it/foreign_clients.rs` sends a mail with each line that the binary
//! prints, so a new line needs a client there. Each is the client's default configuration: host and port, nothing else.

use std::net::SocketAddr;

/// Returns one line for each client: its name, and what is to be written there.
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
