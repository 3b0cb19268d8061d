//! Failure of a sink that cannot start, with the option to change.

use movie_bag_smtp_sink::{Port, SinkError};

use crate::cli::http_server::listen_hint;
use crate::error_code::ErrorCode;
use crate::failure::Failure;

pub(super) fn failure(error: &SinkError) -> Failure {
    match hint(error) {
        Some(hint) => Failure::new(ErrorCode::Address, error.to_string(), hint),
        None => Failure::without_hint(ErrorCode::Address, error.to_string()),
    }
}

fn hint(error: &SinkError) -> Option<String> {
    Some(match error {
        SinkError::Bind { port, source, .. } => {
            let option = match port {
                Port::Smtp => "--listen",
                Port::SmtpOverTls => "--tls",
                Port::Web => "--web",
                _ => return None,
            };
            listen_hint(source, option)
        }
        SinkError::Certificate { .. } => {
            "name a PEM file of certificates with --tls-cert, and one with the key of the first certificate with --tls-key"
                .to_owned()
        }
        SinkError::CaOut { .. } => {
            "name a file in a folder that exists with --tls-ca-out FILE".to_owned()
        }
        SinkError::Store { .. } => {
            "name another folder with --store DIR, or stop the program that uses this one".to_owned()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use movie_bag_smtp_sink::Sink;

    use super::*;

    #[test]
    fn the_hint_names_the_option_of_the_port() {
        let other_program = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = other_program.local_addr().unwrap();
        for (sink, port, option) in [
            (Sink::builder().listen(address), Port::Smtp, "--listen"),
            (Sink::builder().tls(address), Port::SmtpOverTls, "--tls"),
            (Sink::builder().web(address), Port::Web, "--web"),
        ] {
            let failure = failure(&sink.start_blocking().unwrap_err());
            assert_eq!(
                failure.message,
                format!("cannot listen for {port} on {address}: another program listens there")
            );
            assert_eq!(
                failure.hint.unwrap(),
                format!("stop it, or set {option} to another port (0 picks a free one)")
            );
        }
    }
}
