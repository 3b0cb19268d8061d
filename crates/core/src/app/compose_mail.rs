//! Messages of queued mails. Text, link and token are created for the account as it is at the time of sending.

use std::time::Duration;

use super::application::App;
use super::error::{AppError, parse_address};
use crate::domain::account::Account;
use crate::domain::id::AccountId;
use crate::domain::mail::{
    AccessRevoked, AccountExists, AddressChanged, ConfirmAddress, ConfirmSignup, Internal,
    Invitation, Mail, MailKind, Period, ResetPassword, ResetSuccessful, RevertAddress, Time,
    TokenLink, UserInput,
};
use crate::domain::outbox::Entry;
use crate::domain::pending::{PendingChange, PendingKind};
use crate::ports::mail::Message;

/// Age at which a mail is given up, even if its link is still valid: a mail server that is only busy accepts it before (RFC 5321
/// 4.5.4.1).
const GIVEN_UP_AFTER: Duration = Duration::from_secs(5 * 86_400);

const DELETED: &str = "the account was deleted";
const DISABLED: &str = "the account is disabled";

/// Reason why an entry has no message.
pub(super) enum Undeliverable {
    /// The mail must not be sent any more.
    Obsolete(&'static str),
    /// The templates failed.
    Broken(String),
}

/// Mail of an entry.
pub(super) struct Composed {
    pub(super) mail: Mail,
    /// Address that it is sent to.
    pub(super) to: String,
    /// Account that it tells of a sign-up, which is not the one of the entry.
    pub(super) informed: Option<AccountId>,
}

/// Returns the address that a mail is sent to; `None` if its account does not exist.
pub(super) fn recipient(entry: &Entry, account: Option<&Account>) -> Option<String> {
    let named = entry.recipient.clone();
    named.or_else(|| account.map(|account| account.address.clone()))
}

impl App {
    /// Creates the message of an entry, with its token, for the account as it is now.
    ///
    /// # Errors
    /// The database.
    pub(super) async fn message(
        &self,
        entry: &Entry,
    ) -> Result<Result<(Message, Option<AccountId>), Undeliverable>, AppError> {
        let composed = match self.compose(entry).await? {
            Ok(composed) => composed,
            Err(why) => return Ok(Err(Undeliverable::Obsolete(why))),
        };
        let rendered = match self.renderer.render(&composed.mail) {
            Ok(rendered) => rendered,
            Err(error) => return Ok(Err(Undeliverable::Broken(error.to_string()))),
        };
        let sender = &self.rules.sender;
        let domain = sender
            .rsplit_once('@')
            .map_or("localhost", |(_, domain)| domain.trim_end_matches('>'));
        let message = Message {
            message_id: format!("{}.{}@{domain}", entry.kind, entry.id),
            date: self.clock.now(),
            from: sender.clone(),
            to: composed.to,
            subject: rendered.subject,
            text: rendered.text,
            html: rendered.html,
        };
        Ok(Ok((message, composed.informed)))
    }

    /// Returns the mail of an entry, or the reason why it must not be sent any more.
    ///
    /// # Errors
    /// The database.
    pub(super) async fn compose(
        &self,
        entry: &Entry,
    ) -> Result<Result<Composed, &'static str>, AppError> {
        if self.clock.now() >= entry.requested_at + GIVEN_UP_AFTER {
            return Ok(Err("no mail server accepted it for five days"));
        }
        let account = self.store.account(entry.account).await?;
        // Disabling deletes the entries of the account. This one was queued or leased at the same moment.
        if account.as_ref().is_some_and(Account::is_disabled) {
            return Ok(Err(DISABLED));
        }
        let pending = |kind| self.pending_mail(entry, kind, account.as_ref());
        match entry.kind {
            MailKind::ConfirmSignup => return pending(PendingKind::ConfirmSignup).await,
            MailKind::ConfirmAddress => return pending(PendingKind::ConfirmAddress).await,
            MailKind::RevertAddress => return pending(PendingKind::RevertAddress).await,
            _ => {}
        }
        let Some(account) = account else {
            return Ok(Err(DELETED));
        };
        Ok(self.mail(entry, &account).map(|mail| Composed {
            mail,
            to: recipient(entry, Some(&account)).unwrap_or_default(),
            informed: None,
        }))
    }

    /// Returns the mail with the link of a pending change. If an account has the address that is to be confirmed, its owner is
    /// told instead: this is decided here and not at the request, whose work is therefore the same for all addresses.
    async fn pending_mail(
        &self,
        entry: &Entry,
        kind: PendingKind,
        account: Option<&Account>,
    ) -> Result<Result<Composed, &'static str>, AppError> {
        let changes = self.store.pending_changes_of(entry.account).await?;
        let is_own = |change: &PendingChange| {
            change.kind == kind && entry.recipient.as_ref() == Some(&change.address)
        };
        let Some(change) = changes.into_iter().find(is_own) else {
            return Ok(Err(
                "its link was already used, or has been replaced or reverted",
            ));
        };
        if self.clock.now() >= change.expires_at {
            return Ok(Err("its link would have expired already"));
        }
        match (kind, account) {
            (PendingKind::ConfirmSignup, Some(_)) => return Ok(Err("the account was created")),
            (PendingKind::ConfirmSignup, None) => {}
            (_, None) => return Ok(Err(DELETED)),
            (_, Some(_)) => {}
        }
        if kind != PendingKind::RevertAddress {
            let address = parse_address(&change.address)?;
            let found = self
                .store
                .account_by_address(address.as_str(), &address)
                .await?;
            if let Some(owner) = found.filter(|owner| owner.id != change.account) {
                if owner.is_disabled() {
                    return Ok(Err(DISABLED));
                }
                return Ok(Ok(Composed {
                    mail: Mail::AccountExists(AccountExists {
                        email: UserInput(owner.address.clone()),
                        requested_at: Time(entry.requested_at),
                        origin: UserInput(entry.origin.noun_phrase()),
                        forgot_url: self.forgot_url(),
                    }),
                    to: owner.address,
                    informed: Some(owner.id),
                }));
            }
        }
        let token = self.keys.issue_pending(&change, account, &*self.rng);
        let link = format!(
            "{}/{}/{}",
            self.rules.public_url,
            kind.path(),
            token.as_str()
        );
        let url = TokenLink(link);
        let email = UserInput(change.address.clone());
        let origin = UserInput(entry.origin.noun_phrase());
        let lifetime = Period(kind.lifetime());
        let expires_at = Time(change.expires_at);
        let mail = match kind {
            PendingKind::ConfirmSignup => Mail::ConfirmSignup(ConfirmSignup {
                url,
                email,
                lifetime,
                expires_at,
                origin,
            }),
            PendingKind::ConfirmAddress => Mail::ConfirmAddress(ConfirmAddress {
                url,
                email,
                lifetime,
                expires_at,
                origin,
            }),
            PendingKind::RevertAddress => Mail::RevertAddress(RevertAddress {
                url,
                email,
                at: Time(entry.requested_at),
                lifetime,
                expires_at,
                origin,
            }),
        };
        Ok(Ok(Composed {
            mail,
            to: change.address,
            informed: None,
        }))
    }

    /// Returns the values of the templates of a mail about an account, or the reason why its link could not be used any more.
    fn mail(&self, entry: &Entry, account: &Account) -> Result<Mail, &'static str> {
        let rules = &self.rules;
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
                email: UserInput(recipient(entry, Some(account)).unwrap_or_default()),
                at,
                origin,
            })),
            MailKind::AccessRevoked => Ok(Mail::AccessRevoked(AccessRevoked {
                email,
                at,
                origin,
                forgot_url: self.forgot_url(),
            })),
            MailKind::ConfirmSignup
            | MailKind::AccountExists
            | MailKind::ConfirmAddress
            | MailKind::RevertAddress => Err("it belongs to a pending change"),
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
