//! Settings of accounts and passwords.

use movie_bag_core::app::SignupMode;

use super::lookup::Lookup;
use super::setting::{Definition, Reader, Setting, Subject};
use super::values::{self, SWITCH, one_of};

pub(crate) static SIGNUP: Setting<SignupMode> = Setting::new(
    "MOVIE_BAG_SIGNUP",
    Subject::Accounts,
    &[Reader::Server],
    |text| {
        let modes = [
            ("open", SignupMode::Open),
            ("verified", SignupMode::Verified),
            ("closed", SignupMode::Closed),
        ];
        one_of(&modes, text)
    },
)
.default("open")
.default_in_production("verified")
.form("`open`, `verified` or `closed`")
.means("Who may create an account over HTTP")
.details(
    "With `open`, everyone with any address, and sign-up reveals which addresses are taken. With `verified`, the account is created \
     when the owner of the address opens the mailed link and chooses a password; the answer is the same for all addresses. With `closed`, \
     only `user create` and `user import` create accounts.",
);

pub(crate) static PENDING_SIGNUPS: Setting<u64> = Setting::new(
    "MOVIE_BAG_PENDING_SIGNUPS",
    Subject::Limits,
    &[Reader::Server],
    |text| values::number(1, 10_000_000, text),
)
.default("100000")
.form("1 to 10000000")
.means("Maximum number of sign-ups that wait for their confirmation")
.details("At the maximum, verified sign-up answers 503 for every address. An unconfirmed sign-up expires after 24 hours.");

pub(crate) static CONCEAL: Setting<bool> = Setting::new(
    "MOVIE_BAG_CONCEAL_ACCOUNTS",
    Subject::Accounts,
    &[Reader::Server],
    values::switch,
)
.default("false")
.default_in_production("true")
.form(SWITCH)
.means("Give the same answer to forgot for unknown addresses")
.details(
    "It concerns the API and the pages. Commands on the terminal always name unknown accounts.",
);

pub(crate) static PASSWORD_MIN_LENGTH: Setting<usize> = Setting::new(
    "MOVIE_BAG_PASSWORD_MIN_LENGTH",
    Subject::Accounts,
    &[Reader::Passwords],
    |text| values::number(1, 64, text),
)
.default("8")
.form("1 to 64")
.means("Minimum number of characters of a new password")
.details("A password has at most 72 bytes in any case.");

pub(crate) static BCRYPT_COST: Setting<u32> = Setting::new(
    "MOVIE_BAG_BCRYPT_COST",
    Subject::Accounts,
    &[Reader::Passwords],
    |text| values::number(4, 16, text),
)
.default("12")
.parsed_in_production(|text| values::number(10, 16, text))
.form("4 to 16, in production 10 to 16")
.means("Cost of a bcrypt hash; each step doubles the time")
.details("Stored hashes of another cost stay valid.");

pub(crate) static HISTORY_DAYS: Setting<u64> = Setting::new(
    "MOVIE_BAG_HISTORY_DAYS",
    Subject::Accounts,
    &[Reader::Server],
    |text| values::number(1, 36_500, text),
)
.default("90")
.form("1 to 36500")
.means("Days to keep the history of an account")
.details(
    "A running server deletes older lines, and keeps the newest 500 lines of an account. Logins have one line per kind and day, \
     for 30 days.",
);

pub(crate) static RATE_LIMITS: Setting<bool> = Setting::new(
    "MOVIE_BAG_RATE_LIMITS",
    Subject::Limits,
    &[Reader::Server],
    |text| one_of(&[("on", true), ("off", false)], text),
)
.default("on")
.form("`on` or `off`")
.means("Limits on logins, signups and resets; off for load tests only")
.details("See [Limits](http-api.md#limits).");

/// Definitions of these settings, in the order of the documentation.
pub(super) static DEFINITIONS: &[&Definition] = &[
    &SIGNUP.definition,
    &CONCEAL.definition,
    &PASSWORD_MIN_LENGTH.definition,
    &BCRYPT_COST.definition,
    &HISTORY_DAYS.definition,
    &RATE_LIMITS.definition,
    &PENDING_SIGNUPS.definition,
];

/// Rules for passwords and their hashes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PasswordSettings {
    /// Base-2 logarithm of the number of bcrypt rounds.
    pub(crate) bcrypt_cost: u32,
    /// Minimum length of a new password, in code points.
    pub(crate) min_length: usize,
}

/// Rules for accounts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccountSettings {
    /// Whether `forgot` gives the same answer for known and unknown addresses.
    pub(crate) conceal: bool,
    /// Mode of sign-up over HTTP.
    pub(crate) signup: SignupMode,
    /// Maximum number of sign-ups that wait for their confirmation.
    pub(crate) pending_signups: u64,
    /// Whether logins, signups and resets are limited.
    pub(crate) rate_limits: bool,
    /// Days to keep the history of an account.
    pub(crate) history_days: u64,
}

impl PasswordSettings {
    pub(super) fn resolve(lookup: &mut Lookup<'_>) -> Self {
        Self {
            bcrypt_cost: lookup.get(&BCRYPT_COST),
            min_length: lookup.get(&PASSWORD_MIN_LENGTH),
        }
    }
}

impl AccountSettings {
    pub(super) fn resolve(lookup: &mut Lookup<'_>) -> Self {
        Self {
            conceal: lookup.get(&CONCEAL),
            signup: lookup.get(&SIGNUP),
            pending_signups: lookup.get(&PENDING_SIGNUPS),
            rate_limits: lookup.get(&RATE_LIMITS),
            history_days: lookup.get(&HISTORY_DAYS),
        }
    }
}
