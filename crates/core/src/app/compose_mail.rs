//! Messages of queued mails. Text, link and token are created for the account as it is at the time of sending.

use std::time::Duration;

use super::application::App;
use crate::domain::account::Account;
use crate::domain::mail::{
    AccessRevoked, AddressChanged, Internal, Invitation, Mail, MailKind, Period, ResetPassword,
    ResetSuccessful, Time, TokenLink, UserInput,
};
use crate::domain::outbox::Entry;
use crate::ports::mail::Message;

/// Age at which a mail is given up, even if its link is still valid: a mail server that is only busy accepts it before (RFC 5321
/// 4.5.4.1).
const GIVEN_UP_AFTER: Duration = Duration::from_secs(5 * 86_400);

/// Reason why an entry has no message.
pub(super) enum Undeliverable {
    /// The mail must not be sent any more.
    Obsolete(&'static str),
    /// The templates failed.
    Broken(String),
}

/// Returns the address that a mail is sent to.
pub(super) fn recipient(entry: &Entry, account: &Account) -> String {
    let named = entry.recipient.clone();
    named.unwrap_or_else(|| account.address.clone())
}
impl App {
    /// Creates the message, with its token, for the account as it is now.
    pub(super) fn message(
        &self,
        entry: &Entry,
        account: &Account,
    ) -> Result<Message, Undeliverable> {
        let mail = self.mail(entry, account).map_err(Undeliverable::Obsolete)?;
        let rendered = self
            .renderer
            .render(&mail)
            .map_err(|error| Undeliverable::Broken(error.to_string()))?;
        let sender = &self.rules.sender;
        let domain = sender
            .rsplit_once('@')
            .map_or("localhost", |(_, domain)| domain.trim_end_matches('>'));
        Ok(Message {
            message_id: format!("{}.{}@{domain}", entry.kind, entry.id),
            date: self.clock.now(),
            from: sender.clone(),
            to: recipient(entry, account),
            subject: rendered.subject,
            text: rendered.text,
            html: rendered.html,
        })
    }

    /// Returns the values of the mail's templates, or the reason why its link could not be used any more.
    pub(super) fn mail(&self, entry: &Entry, account: &Account) -> Result<Mail, &'static str> {
        let rules = &self.rules;
        // Disabling deletes the entries of the account. This one was queued or leased at the same moment.
        if account.is_disabled() {
            return Err("the account is disabled");
        }
        if self.clock.now() >= entry.requested_at + GIVEN_UP_AFTER {
            return Err("no mail server accepted it for five days");
        }
        let email = UserInput(account.address.clone());
        let origin = UserInput(entry.origin.noun_phrase());
        let at = Time(entry.requested_at);
        match entry.kind {
            MailKind::ResetPassword => {
                let lifetime = rules.reset_lifetime;
                let (url, expires_at) = self.fresh_link(entry, account, lifetime)?;
                Ok(Mail::ResetPassword(ResetPassword {
                    url,
                    email,
                    expires_at,
                    lifetime: Period(lifetime),
                    requested_at: at,
                    origin,
                }))
            }
            MailKind::Invitation => {
                let lifetime = rules.invitation_lifetime;
                let (url, expires_at) = self.fresh_link(entry, account, lifetime)?;
                Ok(Mail::Invitation(Invitation {
                    url,
                    email,
                    expires_at,
                    lifetime: Period(lifetime),
                    site: self.site(),
                }))
            }
            MailKind::ResetSuccessful => Ok(Mail::ResetSuccessful(ResetSuccessful {
                email,
                at,
                origin,
                forgot_url: self.forgot_url(),
            })),
            MailKind::AddressChanged => Ok(Mail::AddressChanged(AddressChanged {
                email: UserInput(recipient(entry, account)),
                at,
                origin,
            })),
            MailKind::AccessRevoked => Ok(Mail::AccessRevoked(AccessRevoked {
                email,
                at,
                origin,
                forgot_url: self.forgot_url(),
            })),
        }
    }

    fn forgot_url(&self) -> Internal {
        Internal(format!("{}/forgot", self.rules.public_url))
    }

    /// Returns host, port and path of the public URL, which identify the service in mails.
    fn site(&self) -> Internal {
        let url = &self.rules.public_url;
        let site = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        Internal(site.trim_end_matches('/').to_owned())
    }

    fn fresh_link(
        &self,
        entry: &Entry,
        account: &Account,
        lifetime: Duration,
    ) -> Result<(TokenLink, Time), &'static str> {
        if !self.keys.fits(&entry.fingerprint, account) {
            return Err("the password or the address has changed since the request");
        }
        let link = self.reset_link(account, entry.requested_at, lifetime);
        if self.clock.now() >= link.expires_at {
            return Err("its link would have expired already");
        }
        Ok((TokenLink(link.link), Time(link.expires_at)))
    }
}
