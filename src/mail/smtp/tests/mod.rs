//! The client against a server that does what it is told to: right, wrong, or nothing at all.

mod encryption;
mod failures;
mod server;
mod sessions;

use crate::mail::Message;

fn message() -> Message {
    Message {
        message_id: "reset_password.0123@movie-bag.com".to_owned(),
        date: jiff::Timestamp::UNIX_EPOCH,
        from: "support@movie-bag.com".to_owned(),
        to: "ann@example.com".to_owned(),
        subject: "[Movie-bag] Reset Your Password".to_owned(),
        text: "Hello\n\n.\n..\nhttps://movies.example/reset/x\n".to_owned(),
        html: "<p>https://movies.example/reset/x</p>\n".to_owned(),
    }
}
