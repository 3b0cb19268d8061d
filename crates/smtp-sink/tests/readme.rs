//! Example of the README, with a program under test.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use movie_bag_smtp_sink::{Filter, Sink};

#[tokio::test]
async fn a_reset_link_is_sent() {
    let sink = Sink::builder().start().await.unwrap();

    // The program under test sends its mail to this address.
    let shop = Shop::start(sink.smtp_addr()).await;
    shop.request_reset("ann@example.com").await;

    let message = sink
        .wait_for(Filter::to("ann@example.com"), Duration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(message.subject, "Reset your password");
    shop.open(message.main_link().unwrap()).await;
} // The sink stops here, and its port is free again.

use shop::Shop;

/// Program under test.
mod shop {
    use std::net::SocketAddr;

    use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

    const LINK: &str = "https://shop.example.com/reset?token=Zr8kQ2vXw9Lm4TbC";

    pub(crate) struct Shop {
        mailer: AsyncSmtpTransport<Tokio1Executor>,
    }

    impl Shop {
        pub(crate) async fn start(mail_server: SocketAddr) -> Shop {
            let mailer = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
                .port(mail_server.port())
                .build();
            Shop { mailer }
        }

        pub(crate) async fn request_reset(&self, address: &str) {
            let mail = Message::builder()
                .from("shop@example.com".parse().unwrap())
                .to(address.parse().unwrap())
                .subject("Reset your password")
                .body(format!("Open {LINK}"))
                .unwrap();
            self.mailer.send(mail).await.unwrap();
        }

        pub(crate) async fn open(&self, link: &str) {
            assert_eq!(link, LINK);
        }
    }
}

#[test]
fn the_readme_contains_this_example() {
    let readme = include_str!("../README.md");
    let (_, from_example) = readme.split_once("```rust\n").unwrap();
    let (example, _) = from_example.split_once("```").unwrap();
    assert!(include_str!("readme.rs").contains(example), "{example}");
}
