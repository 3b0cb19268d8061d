//! The debugging sink inside this process, as `serve --smtp-debug` and `smtp-debug` run it.

mod bind_error;
pub(super) mod message_output;
pub(super) mod message_printer;
pub(super) mod tasks;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use movie_bag_smtp_sink::{BoundSink, SinkBuilder, SinkSettings};

use super::ui::Ui;

/// Default address of SMTP.
pub(super) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1025);

/// Default address of the inbox.
pub(super) const DEFAULT_WEB: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8025);

/// Binds a sink.
pub(super) async fn bind(settings: SinkSettings) -> anyhow::Result<BoundSink> {
    let bound = SinkBuilder::from(settings).bind().await;
    Ok(bound.map_err(|error| bind_error::failure(&error))?)
}

/// Prints the addresses of a sink.
pub(super) fn announce(ui: &Ui, sink: &BoundSink) {
    ui.say(&format!("SMTP on {}", sink.smtp_addr()));
    if let Some(smtps) = sink.smtps_addr() {
        ui.say(&format!("SMTP over TLS on {smtps}"));
    }
    if let Some(web) = sink.web_addr() {
        ui.say(&format!("inbox on http://{web}"));
    }
}

/// Returns an address that this machine can connect to.
pub(super) fn connectable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Returns the connection limits of a sink.
pub(super) fn connection_limits(settings: &mut SinkSettings) -> [&mut usize; 2] {
    [
        &mut settings.max_sessions,
        &mut settings.max_web_connections,
    ]
}
