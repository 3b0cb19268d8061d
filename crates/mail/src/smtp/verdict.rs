//! Meaning of a refusal of MAIL, RCPT, DATA or the message: whether it is about this one mail, or about this client.
//!
//! The codes alone are ambiguous. Postfix checks the client, the HELO name and the sender only at RCPT (`smtpd_delay_reject`), so a
//! refusal of the client arrives there as 5xx, in place of an answer about the recipient.

use super::failure::Stage;
use super::reply::Reply;

/// Meaning of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not now (4xx).
    Later,
    /// Never, for this recipient or this message.
    Never,
    /// A rule about this client, its login, its HELO name or the sender. A change of settings on either side ends it, so the
    /// mail is tried again.
    Policy,
}

/// Texts of servers that send no enhanced code with such a reply, or an unrelated one; in lower case.
const POLICY_PHRASES: [&str; 26] = [
    // Postfix.
    "client host rejected",
    "helo command rejected",
    "relay access denied",
    "sender address rejected",
    "not owned by user",
    "blocked using",
    // Exim.
    "relay not permitted",
    "sender verify failed",
    "administrative prohibition",
    "is in a black list at",
    // Sendmail, Exchange, qmail, Courier and others.
    "relaying denied",
    "relaying not allowed",
    "relaying is not allowed",
    "unable to relay",
    "not permitted to relay",
    "we do not relay",
    "isn't in my list of allowed rcpthosts",
    "authentication required",
    "authentication is required",
    "must authenticate",
    "authenticate first",
    "must issue a starttls command first",
    "bad helo",
    "invalid helo",
    "blacklisted",
    "blocklisted",
];

/// Words of greylisting, which ends by itself for each recipient, with any code.
const GREYLISTING: [&str; 3] = ["greylist", "graylist", "grey-list"];

/// Returns the meaning of a refusal at or after MAIL.
pub(super) fn verdict(stage: Stage, reply: &Reply) -> Verdict {
    let is_temporary = reply.code < 500;
    let text = without_addresses(&reply.text().to_lowercase());
    let contains_any = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    if is_temporary && contains_any(&GREYLISTING) {
        return Verdict::Later;
    }
    // Bad recipient: mailbox, system, syntax, ambiguous, moved, null MX (RFC 3463 3.2, RFC 7505). Postfix gives 5.1.0 and 5.1.8 for a
    // sender.
    if stage == Stage::Rcpt && matches!(reply.enhanced(), Some((1, 1..=4 | 6 | 10))) {
        return if is_temporary {
            Verdict::Later
        } else {
            Verdict::Never
        };
    }
    if is_about_login(reply.code) || contains_any(&POLICY_PHRASES) {
        return Verdict::Policy;
    }
    match reply.enhanced() {
        Some((7, _)) => Verdict::Policy,
        // Bad sender's mailbox, bad sender's system (RFC 3463 3.2).
        Some((1, 7 | 8)) => Verdict::Policy,
        _ if is_temporary => Verdict::Later,
        // The mailbox, the size, or the content.
        Some((2, _) | (3, 4) | (6, _)) => Verdict::Never,
        _ if reply.code == 552 => Verdict::Never,
        // MAIL names no recipient: a refusal there applies to all mails.
        _ if stage == Stage::Mail => Verdict::Policy,
        _ => Verdict::Never,
    }
}

/// Removes addresses from a text: a server repeats the recipient, and an account owner must not influence the verdict by it.
fn without_addresses(text: &str) -> String {
    let words = text
        .split_whitespace()
        .filter(|word| !word.contains('@') && !word.starts_with('<'));
    words.collect::<Vec<_>>().join(" ")
}

/// Returns whether a code is about the login or encryption (RFC 4954 6, RFC 3207 4).
pub(super) fn is_about_login(code: u16) -> bool {
    matches!(code, 530 | 534 | 535 | 538)
}

/// Returns the reply without the parts that differ from mail to mail: addresses, host names, ids and numbers.
pub(super) fn common_words(reply: &Reply) -> String {
    let words = reply.text().to_lowercase();
    let common = words.split_whitespace().filter(|word| {
        let is_plain =
            |c: char| c.is_ascii_alphabetic() || matches!(c, ':' | ',' | '.' | ';' | '\'');
        word.chars().all(is_plain) && !word.trim_end_matches('.').contains('.')
    });
    let (code, enhanced) = (reply.code, reply.enhanced());
    let mut key = code.to_string();
    if let Some((subject, detail)) = enhanced {
        key += &format!(" {subject}.{detail}");
    }
    for word in common {
        key.push(' ');
        key.push_str(word);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replies as the named servers write them.
    #[test]
    fn replies_of_real_servers_get_the_right_verdict() {
        use Verdict::{Later, Never, Policy};
        for (stage, code, text, expected) in [
            // Postfix.
            (
                Stage::Rcpt,
                550,
                "5.1.1 <blacklisted@d1.example>: Recipient address rejected: User unknown",
                Never,
            ),
            (
                Stage::Rcpt,
                450,
                "4.1.2 <blacklisted@d1.example>: Recipient address rejected: Domain not found",
                Later,
            ),
            (
                Stage::Rcpt,
                550,
                "<blacklisted@d1.example>: unknown user",
                Never,
            ),
            (
                Stage::Rcpt,
                554,
                "5.7.1 <bob@example.org>: Relay access denied",
                Policy,
            ),
            (
                Stage::Rcpt,
                454,
                "4.7.1 <bob@example.org>: Relay access denied",
                Policy,
            ),
            (
                Stage::Rcpt,
                553,
                "5.7.1 <a@b.example>: Sender address rejected: not owned by user x",
                Policy,
            ),
            (
                Stage::Rcpt,
                553,
                "5.7.1 <a@b.example>: Sender address rejected: not logged in",
                Policy,
            ),
            (
                Stage::Rcpt,
                550,
                "5.1.0 <a@b.example>: Sender address rejected: User unknown in virtual mailbox table",
                Policy,
            ),
            (
                Stage::Rcpt,
                450,
                "4.1.8 <a@b.example>: Sender address rejected: Domain not found",
                Policy,
            ),
            (
                Stage::Rcpt,
                550,
                "5.1.8 <a@b.example>: Domain not found",
                Policy,
            ),
            (
                Stage::Rcpt,
                504,
                "5.5.2 <host>: Helo command rejected: need fully-qualified hostname",
                Policy,
            ),
            (
                Stage::Rcpt,
                450,
                "4.7.1 Client host rejected: cannot find your hostname, [127.0.0.1]",
                Policy,
            ),
            (
                Stage::Rcpt,
                554,
                "5.7.1 <localhost[127.0.0.1]>: Client host rejected: Access denied",
                Policy,
            ),
            (
                Stage::Rcpt,
                554,
                "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
                Policy,
            ),
            (
                Stage::Mail,
                530,
                "5.7.0 Must issue a STARTTLS command first",
                Policy,
            ),
            (
                Stage::Rcpt,
                550,
                "5.1.1 <bob@example.org>: Recipient address rejected: User unknown in local recipient table",
                Never,
            ),
            (
                Stage::Rcpt,
                550,
                "<bob@example.org>: Recipient address rejected: User unknown",
                Never,
            ),
            (
                Stage::Rcpt,
                450,
                "4.2.0 <bob@example.org>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.org.html",
                Later,
            ),
            (
                Stage::Rcpt,
                450,
                "4.1.2 <bob@example.org>: Recipient address rejected: Domain not found",
                Later,
            ),
            (Stage::Rcpt, 452, "4.3.1 Insufficient system storage", Later),
            (
                Stage::Mail,
                552,
                "5.3.4 Message size exceeds fixed limit",
                Never,
            ),
            (
                Stage::Message,
                550,
                "5.7.1 id=1 - Rejected by next-hop MTA",
                Policy,
            ),
            (
                Stage::Message,
                554,
                "5.6.0 Message contains an attachment",
                Never,
            ),
            // rspamd.
            (
                Stage::Message,
                451,
                "4.7.1 Greylisted, please try again later",
                Later,
            ),
            (Stage::Message, 451, "4.7.1 Try again later", Policy),
            // Exim.
            (Stage::Rcpt, 550, "relay not permitted", Policy),
            (Stage::Rcpt, 550, "Sender verify failed", Policy),
            (Stage::Rcpt, 550, "Administrative prohibition", Policy),
            (Stage::Rcpt, 550, "authentication required", Policy),
            (Stage::Rcpt, 550, "Unrouteable address", Never),
            (Stage::Rcpt, 550, "Unknown user", Never),
            (
                Stage::Mail,
                501,
                "<support>: sender address must contain a domain",
                Policy,
            ),
            // OpenSMTPD.
            (
                Stage::Mail,
                530,
                "5.7.0 Must issue an AUTH command first",
                Policy,
            ),
            (
                Stage::Rcpt,
                550,
                "Invalid recipient: <bob@example.org>",
                Never,
            ),
            // sendmail, qmail, Exchange Online, Gmail, Amazon SES.
            (
                Stage::Rcpt,
                550,
                "5.7.1 <bob@example.org>... Relaying denied",
                Policy,
            ),
            (
                Stage::Rcpt,
                553,
                "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
                Policy,
            ),
            (
                Stage::Rcpt,
                550,
                "5.4.1 Recipient address rejected: Access denied. [AM1.prod.protection.outlook.com]",
                Never,
            ),
            (
                Stage::Message,
                550,
                "5.7.26 Unauthenticated email from b.example is not accepted",
                Policy,
            ),
            (
                Stage::Rcpt,
                550,
                "5.1.1 The email account that you tried to reach does not exist",
                Never,
            ),
            (
                Stage::Rcpt,
                552,
                "5.2.2 The email account that you tried to reach is over quota",
                Never,
            ),
            (
                Stage::Message,
                554,
                "Message rejected: Email address is not verified",
                Never,
            ),
            (Stage::Data, 554, "5.5.1 Error: no valid recipients", Never),
            (Stage::Data, 451, "4.3.0 disk", Later),
        ] {
            let reply = Reply::new(code, text);
            assert_eq!(verdict(stage, &reply), expected, "{code} {text}");
        }
    }

    #[test]
    fn a_reply_has_the_same_common_words_for_other_recipients_and_ids() {
        let common = |text: &str| common_words(&Reply::new(554, text));
        assert_eq!(
            common("5.7.1 <bob@example.org>: Relay access denied"),
            common("5.7.1 <carl@a.example>: Relay access denied")
        );
        assert_eq!(
            common("5.7.1 not allowed, see https://mail.example/?q=1 a640c23a62f3a.12 - gsmtp"),
            common("5.7.1 not allowed, see https://mail.example/?q=2 b640c23a62f3a.99 - gsmtp")
        );
        assert_ne!(
            common("5.7.1 <bob@example.org>: Relay access denied"),
            common("5.7.1 <bob@example.org>: Sender address rejected: not owned by user ann")
        );
    }
}
