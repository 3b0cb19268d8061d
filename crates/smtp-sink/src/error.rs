//! Errors for a sink that cannot start.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::{fmt, io};

use thiserror::Error;

use crate::net;

/// Error for a sink that cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SinkError {
    /// An address is not available.
    #[error("cannot listen for {port} on {address}: {why}", why = describe(source))]
    #[non_exhaustive]
    Bind {
        /// The port that is not available.
        port: Port,
        /// The address in the settings.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The certificate or its key is not usable.
    #[error("cannot use {file}: {source}", file = file.display())]
    #[non_exhaustive]
    Certificate {
        /// The PEM file in the settings.
        file: PathBuf,
        /// The defect of the file.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No certificate could be issued at the start.
    #[error("cannot issue a certificate: {0}")]
    IssueCertificate(#[source] Box<dyn StdError + Send + Sync>),
    /// The authority of the certificate cannot be written.
    #[error("cannot write the certificate authority to {file}: {why}", file = file.display(), why = describe(source))]
    #[non_exhaustive]
    CaOut {
        /// The file in the settings.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The Maildir cannot be opened.
    #[error("cannot store messages in {folder}: {why}", folder = folder.display(), why = describe(source))]
    #[non_exhaustive]
    Store {
        /// The folder in the settings.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The thread of a [`Sink`](crate::Sink), or the runtime on it, cannot be started.
    #[error("cannot start a thread for the sink: {0}")]
    Thread(#[source] io::Error),
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock => "another smtp-debug stores its messages there".to_owned(),
        _ => net::listen_error(error),
    }
}

/// Ports of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Port {
    /// [`SinkBuilder::listen`](crate::SinkBuilder::listen).
    Smtp,
    /// [`SinkBuilder::tls`](crate::SinkBuilder::tls).
    SmtpOverTls,
    /// [`SinkBuilder::web`](crate::SinkBuilder::web).
    Web,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtp => "SMTP",
            Self::SmtpOverTls => "SMTP over TLS",
            Self::Web => "HTTP",
        })
    }
}
