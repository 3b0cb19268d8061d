//! Test of a mail client: it must encrypt, verify the certificate, and send a message again after a temporary failure.
//!
//! `cargo run -p movie-bag-smtp-sink --example starttls_and_faults`

use std::error::Error;
use std::time::Duration;

use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use movie_bag_smtp_sink::{Filter, Sink};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let sink = Sink::builder()
        .starttls(true)
        // Rules count from the start and use no randomness, so a test that fails once fails each time.
        .fail("rcpt:1:451".parse()?)
        .fail("message:2:delay=100ms".parse()?)
        .start()
        .await?;

    // Client under test. The sink has issued a certificate for localhost, by an authority of its own.
    let authority = sink.authority_pem().ok_or("no certificate was issued")?;
    let trust = TlsParameters::builder("localhost".to_owned())
        .certificate_store(CertificateStore::None)
        .add_root_certificate(Certificate::from_pem(authority.as_bytes())?)
        .build_rustls()?;
    let client = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(sink.smtp_addr().port())
        .tls(Tls::Required(trust))
        .build();
    let mail = Message::builder()
        .from("shop@example.com".parse()?)
        .to("ann@example.com".parse()?)
        .subject("Your order")
        .body("Thank you.".to_owned())?;

    // The first recipient is refused for now; a real client would put the message into a queue.
    let refusal = client
        .send(mail.clone())
        .await
        .expect_err("the injected fault");
    assert!(refusal.is_transient());
    assert!(sink.messages().is_empty());
    client.send(mail).await?;

    let message = sink
        .wait_for(Filter::to("ann@example.com"), Duration::from_secs(10))
        .await?;
    assert_eq!(message.subject, "Your order");
    // `get` returns the message as it is stored, with its SMTP session.
    let stored = sink
        .inbox()
        .get(&message.id)
        .ok_or("the message was dropped")?;
    assert_eq!(stored.session.tls.as_deref(), Some("TLS 1.3"));

    let summary = sink.stop().await?;
    assert_eq!(summary.received, 1);
    Ok(())
}
