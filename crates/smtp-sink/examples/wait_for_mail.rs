//! Test of a program that sends a mail: waits for the message and uses its link.
//!
//! `cargo run -p movie-bag-smtp-sink --example wait_for_mail`

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use lettre::{Message, SmtpTransport, Transport as _};
use movie_bag_smtp_sink::{Filter, Sink};

/// Program under test: sends a link to a person who wants a new password.
fn request_reset(mail_server: SocketAddr, address: &str) -> Result<(), Box<dyn Error>> {
    let mail = Message::builder()
        .from("Shop <shop@example.com>".parse()?)
        .to(address.parse()?)
        .subject("Reset your password")
        .body(
            "Open https://shop.example.com/reset?token=Zr8kQ2vXw9Lm4TbC within an hour.".to_owned(),
        )?;
    let client = SmtpTransport::builder_dangerous(mail_server.ip().to_string())
        .port(mail_server.port())
        .build();
    client.send(&mail)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let sink = Sink::builder().start_blocking()?;

    request_reset(sink.smtp_addr(), "ann@example.com")?;

    // In an async test: `sink.wait_for(…).await`. The error of a timeout lists the messages that arrived instead.
    let filter = Filter::to("ann@example.com").and(Filter::subject("password"));
    let message = sink.wait_for_blocking(filter, Duration::from_secs(10))?;
    assert_eq!(message.from.address, "shop@example.com");
    assert_eq!(message.tokens, ["Zr8kQ2vXw9Lm4TbC"]);
    let link = message.main_link().ok_or("the message has no link")?;
    assert_eq!(
        link,
        "https://shop.example.com/reset?token=Zr8kQ2vXw9Lm4TbC"
    );

    // A second request must send a new message. The first one does not count any more.
    request_reset(sink.smtp_addr(), "ann@example.com")?;
    let second = Filter::to("ann@example.com").after(&message.id);
    let second = sink.wait_for_blocking(second, Duration::from_secs(10))?;
    assert_ne!(second.id, message.id);

    // The sink stops here, and its port is free again.
    Ok(())
}
