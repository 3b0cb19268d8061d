//! History of an account: events with their time and source. It answers "why did no mail arrive?" and contains no secret.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;

use super::id::AccountId;

/// Source of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// HTTP request from this client address.
    Client(IpAddr),
    /// Command on the terminal by this user of the operating system.
    Terminal(String),
}

impl Origin {
    /// Returns a noun phrase for a mail to the account owner, which fits after "by". It does not name the user of the
    /// server.
    pub fn noun_phrase(&self) -> String {
        match self {
            Self::Client(address) => format!("a device with the IP address {address}"),
            Self::Terminal(_) => "an administrator".to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(address) => write!(f, "{address}"),
            Self::Terminal(user) => write!(f, "terminal ({user})"),
        }
    }
}

impl FromStr for Origin {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let terminal = text
            .strip_prefix("terminal (")
            .and_then(|rest| rest.strip_suffix(')'));
        match terminal {
            Some(user) => Ok(Self::Terminal(user.to_owned())),
            None => text
                .parse()
                .map(Self::Client)
                .map_err(|_| UnknownName(text.to_owned())),
        }
    }
}

/// Error for an unknown name in the database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown name {0:?}, perhaps written by a newer movie-bag")]
pub struct UnknownName(pub String);

/// Declares an enum with the name of each variant, for `name`, `Display` and `FromStr`.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$variant_doc])* $variant,)+ }

        impl $type {
            /// All variants, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the name under which it is stored and shown.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::domain::event::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err($crate::domain::event::UnknownName(text.to_owned())),
                }
            }
        }
    };
}
pub(crate) use named;

/// Number of lines that an account's history keeps, the newest ones.
pub const HISTORY_LINES: usize = 500;

named! {
    /// Kind of an event.
    EventKind {
        /// The account was created.
        Created = "created",
        /// A reset was requested.
        ResetRequested = "reset_requested",
        /// The mail server accepted a mail. The detail has its reply.
        MailSent = "mail_sent",
        /// An attempt to send a mail failed, and is retried or given up. The detail has the error.
        MailFailed = "mail_failed",
        /// The administrator dropped a mail. The detail names its kind.
        MailDropped = "mail_dropped",
        /// A reset token was redeemed.
        ResetDone = "reset_done",
        /// A reset token was refused. The detail has the reason.
        ResetRefused = "reset_refused",
        /// An administrator set the password.
        PasswordSet = "password_set",
        /// The account owner changed the password, and gave the current one.
        PasswordChanged = "password_changed",
        /// The address was changed. The detail has both.
        AddressChanged = "address_changed",
        /// All sessions were ended, by an administrator or by the account owner. The origin shows which.
        AccessRevoked = "access_revoked",
        /// The owner requested a change of the address. The detail has the new one.
        AddressRequested = "address_requested",
        /// The owner of the previous address reverted the change. The detail has both.
        AddressReverted = "address_reverted",
        /// A link that confirms or reverts an address was refused. The detail has the reason.
        AddressRefused = "address_refused",
        /// An administrator disabled the account. The detail has the reason, if any.
        Disabled = "disabled",
        /// An administrator enabled the account. The detail has the reason, if any.
        Enabled = "enabled",
        /// Logins are delayed after too many wrong passwords.
        LoginDelayed = "login_delayed",
        /// A login succeeded.
        LoggedIn = "logged_in",
        /// A login was refused because the password was wrong.
        LoginFailed = "login_failed",
    }
}

/// Number of counted lines of one kind that an account keeps, the newest ones.
pub const COUNTED_LINES: usize = 30;

impl EventKind {
    /// Returns whether events of this kind share one line of the history per UTC day. These are the kinds that a stranger
    /// can cause at will, and those of everyday use: with a line for each event they would displace all others.
    pub fn is_counted(self) -> bool {
        matches!(
            self,
            Self::LoginDelayed | Self::LoggedIn | Self::LoginFailed
        )
    }
}

/// One line of an account's history. A line of a counted kind stands for all events of its UTC day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Account that it belongs to.
    pub account: AccountId,
    /// Time of the last event.
    pub at: Timestamp,
    pub kind: EventKind,
    /// Source of the last event.
    pub origin: Origin,
    /// Details of the last event, or nothing. Never a secret.
    pub detail: String,
    pub count: u32,
    /// Time of the first event.
    pub first_at: Timestamp,
}

impl Event {
    /// Returns a line for one event.
    pub fn new(
        account: AccountId,
        at: Timestamp,
        kind: EventKind,
        origin: Origin,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            account,
            at,
            kind,
            origin,
            detail: detail.into(),
            count: 1,
            first_at: at,
        }
    }

    /// Returns the UTC day of the event, in days since 1970.
    pub fn day(&self) -> i64 {
        self.at.as_second().div_euclid(86_400)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_parsed_from_its_text() {
        for origin in [
            Origin::Client("2001:db8::1".parse().unwrap()),
            Origin::Client("192.0.2.1".parse().unwrap()),
            Origin::Terminal("ann (the admin)".to_owned()),
            Origin::Terminal(String::new()),
        ] {
            assert_eq!(origin.to_string().parse(), Ok(origin));
        }
        assert!("nowhere".parse::<Origin>().is_err());
    }

    #[test]
    fn the_owner_does_not_learn_the_name_of_the_user_of_the_server() {
        let client = Origin::Client("192.0.2.1".parse().unwrap());
        assert_eq!(
            client.noun_phrase(),
            "a device with the IP address 192.0.2.1"
        );
        let terminal = Origin::Terminal("root".to_owned());
        assert_eq!(terminal.noun_phrase(), "an administrator");
    }

    #[test]
    fn logins_of_one_utc_day_share_a_line() {
        let counted: Vec<_> = EventKind::ALL
            .iter()
            .filter(|kind| kind.is_counted())
            .collect();
        let logins = [
            EventKind::LoginDelayed,
            EventKind::LoggedIn,
            EventKind::LoginFailed,
        ];
        assert_eq!(counted, logins.iter().collect::<Vec<_>>());
        for (second, day) in [
            (0, 0),
            (86_399, 0),
            (86_400, 1),
            (20_000 * 86_400, 20_000),
            (-1, -1),
        ] {
            let at = Timestamp::from_second(second).unwrap();
            let origin = Origin::Terminal(String::new());
            let account = AccountId::from_bytes([0; 12]);
            let event = Event::new(account, at, EventKind::LoggedIn, origin, "");
            assert_eq!(event.day(), day, "{second}");
        }
    }

    #[test]
    fn every_kind_is_parsed_from_its_name() {
        for kind in EventKind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        assert!("guessed".parse::<EventKind>().is_err());
    }
}
