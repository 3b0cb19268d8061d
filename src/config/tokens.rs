//! Settings of tokens and their secrets.

use std::time::Duration;

use movie_bag_core::app::TokenForm;

use super::lookup::Lookup;
use super::setting::{Definition, Reader, Secrecy, Setting, Subject};
use super::values::{self, Secret, one_of};

pub(crate) static SECRET: Setting<Secret> = Setting::new(
    "JWT_SECRET_KEY",
    Subject::Tokens,
    &[Reader::Links],
    values::secret,
)
.default_in_words("generated once and kept")
.form("32 bytes or more")
.means("Secret that signs all tokens")
.details(
    "Generate one with `openssl rand -base64 48`. All servers and commands that share a database need the same secret. \
     A generated secret is kept in the data folder. `production` requires one of your own.",
)
.secrecy(Secrecy::Secret);

pub(crate) static PREVIOUS_SECRET: Setting<Secret> = Setting::new(
    "JWT_SECRET_KEY_PREVIOUS",
    Subject::Tokens,
    &[Reader::Links],
    values::secret,
)
.form("32 bytes or more")
.means("Former secret that still verifies tokens, for secret rotation")
.details("It never signs. Remove it when the tokens that it signed have expired. See [Secret rotation](operations.md#secret-rotation).")
.secrecy(Secrecy::Secret);

pub(crate) static RESET_LIFETIME: Setting<Duration> = Setting::new(
    "MOVIE_BAG_RESET_TOKEN_LIFETIME",
    Subject::Tokens,
    &[Reader::Links],
    |text| values::span_within(7, text),
)
.default("24h")
.default_in_production("1h")
.form("a time, at most `7d`")
.means("Lifetime of a reset link, counted from the request");

pub(crate) static INVITATION_LIFETIME: Setting<Duration> = Setting::new(
    "MOVIE_BAG_INVITATION_LIFETIME",
    Subject::Tokens,
    &[Reader::Links],
    |text| values::span_within(365, text),
)
.default("7d")
.form("a time, at most `365d`")
.means("Lifetime of an invitation");

pub(crate) static ACCESS_LIFETIME: Setting<Duration> = Setting::new(
    "MOVIE_BAG_ACCESS_TOKEN_LIFETIME",
    Subject::Tokens,
    &[Reader::Server],
    |text| values::span_within(365, text),
)
.default("7d")
.form("a time, at most `365d`")
.means("Lifetime of an access token");

pub(crate) static FORM: Setting<TokenForm> = Setting::new(
    "MOVIE_BAG_TOKEN_FORM",
    Subject::Tokens,
    &[Reader::Links],
    |text| {
        one_of(
            &[("short", TokenForm::Short), ("long", TokenForm::Long)],
            text,
        )
    },
)
.default("short")
.form("`short` or `long`")
.means("Form of new tokens; long while servers of an earlier version run")
.details("Tokens of both forms are accepted. See [Upgrade](operations.md#upgrade).");

/// Definitions of these settings, in the order of the documentation.
pub(super) static DEFINITIONS: &[&Definition] = &[
    &SECRET.definition,
    &PREVIOUS_SECRET.definition,
    &RESET_LIFETIME.definition,
    &INVITATION_LIFETIME.definition,
    &ACCESS_LIFETIME.definition,
    &FORM.definition,
];

/// Signing secrets and lifetimes of tokens.
#[derive(Debug, Clone)]
pub(crate) struct TokenSettings {
    /// Secret that signs. If it is not set, one is generated and stored (see [`super::secret_file`]).
    pub(crate) secret: Option<Secret>,
    /// Former secret, which only verifies.
    pub(crate) previous: Option<Secret>,
    pub(crate) reset_lifetime: Duration,
    pub(crate) invitation_lifetime: Duration,
    pub(crate) access_lifetime: Duration,
    /// Form of the tokens that are issued.
    pub(crate) form: TokenForm,
}

impl TokenSettings {
    /// Returns the secrets that are set, with the names of their settings.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        let current = self
            .secret
            .iter()
            .map(|secret| (SECRET.definition.name, secret));
        let previous = self.previous.iter();
        current.chain(previous.map(|secret| (PREVIOUS_SECRET.definition.name, secret)))
    }

    pub(super) fn resolve(lookup: &mut Lookup<'_>) -> Self {
        Self {
            secret: lookup.optional(&SECRET),
            previous: lookup.optional(&PREVIOUS_SECRET),
            reset_lifetime: lookup.get(&RESET_LIFETIME),
            invitation_lifetime: lookup.get(&INVITATION_LIFETIME),
            access_lifetime: lookup.get(&ACCESS_LIFETIME),
            form: lookup.get(&FORM),
        }
    }
}
