//! Conversion of a session's failure into the error that the use cases receive.
//!
//! A failure before MAIL is one of the server: it does not concern the mail, which keeps its place in the queue. From MAIL
//! on, the verdict distinguishes the refusal of this mail from the refusal of all mails.

use movie_bag_core::ports::mail::DeliveryError;

use super::error_messages::{hint, message};
use super::failure::{Cause, Failure, Stage};
use super::route::Route;
use super::verdict::{Verdict, common_words, is_about_login, verdict};

/// Returns the error and a hint. Errors that may pass without a change of settings have no hint of their own, so it is
/// returned besides.
pub(super) fn delivery_error(failure: &Failure, route: &Route) -> (DeliveryError, String) {
    let server = route.server();
    let reply = match &failure.cause {
        Cause::MissingExtension(extension) if failure.stage == Stage::Mail => {
            return missing_extension(&server, extension);
        }
        Cause::MessageTooLarge { .. } => {
            let (message, hint) = (message(failure, route), hint(failure, route));
            return unsendable(message, hint);
        }
        Cause::Refused(reply) if failure.stage >= Stage::Mail => reply,
        _ => return unreachable(failure, route),
    };
    let hint = hint(failure, route);
    let error = match verdict(failure.stage, reply) {
        Verdict::Later => DeliveryError::Transient {
            server,
            reply: reply.to_string(),
        },
        Verdict::Never => DeliveryError::Permanent {
            server,
            reply: reply.to_string(),
        },
        Verdict::Policy => DeliveryError::Policy {
            message: match reply.code {
                code if is_about_login(code) => message(failure, route),
                400..500 => format!("{server} deferred the mail: {reply}"),
                _ => format!("{server} rejects mails from this sender or client: {reply}"),
            },
            hint: hint.clone(),
            reply: common_words(reply),
        },
    };
    (error, hint)
}

fn unreachable(failure: &Failure, route: &Route) -> (DeliveryError, String) {
    let (message, hint) = (message(failure, route), hint(failure, route));
    let error = DeliveryError::Unreachable {
        message,
        hint: hint.clone(),
    };
    (error, hint)
}

fn unsendable(message: String, hint: String) -> (DeliveryError, String) {
    let error = DeliveryError::Unsendable {
        message,
        hint: hint.clone(),
    };
    (error, hint)
}

/// Returns the error of a mail that needs an extension which the server does not offer.
fn missing_extension(server: &str, extension: &str) -> (DeliveryError, String) {
    unsendable(
        format!(
            "mail server {server} does not offer {extension}, which an address beyond ASCII needs"
        ),
        "give the account an address in ASCII, or use a mail server with SMTPUTF8".to_owned(),
    )
}
