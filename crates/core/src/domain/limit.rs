//! Rate limits, as arithmetic over the stored state of one key.
//!
//! There is one [`LimitState`] for each [`LimitKey`]. A key is a keyed digest, so that the database has no list of the
//! addresses that were typed. A refused call changes no state: it does not extend the delay, and writes nothing.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

/// Number of failed logins before further ones are delayed.
const FREE_FAILURES: u32 = 10;
/// First delay. Each further failure doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);
/// Time after the last failure at which all of them are forgotten.
const FAILURES_KEPT: Duration = Duration::from_secs(86_400);

/// Number of bits of an IPv6 address that identify a client: a household or a server has a /64 of its own.
const IPV6_PREFIX: u32 = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Reset requests, by address: 3 at once, then 1 in 5 minutes.
    Forgot,
    /// Mails with a link that confirms an address, by that address: 3 at once, then 1 in 5 minutes.
    Confirmation,
    /// Failed logins, by address: 10, then a delay that doubles from 1 second to 15 minutes.
    Login,
    /// Sign-ups, logins, reset requests, resets, and changes of an own account, by client address: 60 a minute.
    Client,
    /// Changes of the password with the current one, by address: 3 at once, then 1 in 5 minutes.
    PasswordChange,
}

/// Keyed digest of a limit and its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitKey(pub [u8; 32]);

/// Stored state of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState {
    /// Number of calls in the minute ([`Limit::Client`]), or of failures in a row ([`Limit::Login`]).
    pub count: u32,
    /// For [`Limit::Login`] the end of the delay, otherwise the time at which the state expires.
    pub until: Timestamp,
}

/// Refusal of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooEarly {
    /// Time from which the limit admits the call.
    pub until: Timestamp,
}

impl Limit {
    pub const ALL: &[Self] = &[
        Self::Forgot,
        Self::Confirmation,
        Self::Login,
        Self::Client,
        Self::PasswordChange,
    ];

    /// Returns the name, which is part of the digest of a key and a label of the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forgot => "forgot",
            Self::Confirmation => "confirmation",
            Self::Login => "login",
            Self::Client => "client",
            Self::PasswordChange => "password_change",
        }
    }

    /// Checks whether the limit admits a call at `now`, without counting it.
    ///
    /// # Errors
    /// [`TooEarly`].
    pub fn check(self, stored: Option<LimitState>, now: Timestamp) -> Result<(), TooEarly> {
        self.count(stored, now).map(|_| ())
    }

    /// Counts a call at `now`, or for [`Limit::Login`] a failure, and returns the new state.
    ///
    /// # Errors
    /// [`TooEarly`]: the stored state is unchanged.
    pub fn count(self, stored: Option<LimitState>, now: Timestamp) -> Result<LimitState, TooEarly> {
        let stored = stored.filter(|state| now < self.expires_at(state));
        match self {
            Self::Forgot | Self::Confirmation | Self::PasswordChange => {
                count_spaced(stored, now, 3, Duration::from_secs(300))
            }
            Self::Client => count_in_window(stored, now, 60, Duration::from_secs(60)),
            Self::Login => count_failure(stored, now),
        }
    }

    /// Returns the time at which a state expires.
    pub fn expires_at(self, state: &LimitState) -> Timestamp {
        match self {
            Self::Forgot | Self::Confirmation | Self::Client | Self::PasswordChange => state.until,
            Self::Login => state.until + FAILURES_KEPT,
        }
    }
}

/// Admits `at_once` calls, and then one in each `period` (the generic cell rate algorithm, ITU-T I.371 A.2). `until` is the
/// end of the last call's period if each period begins at the end of the one before.
fn count_spaced(
    stored: Option<LimitState>,
    now: Timestamp,
    at_once: u32,
    period: Duration,
) -> Result<LimitState, TooEarly> {
    let begins = stored.map_or(now, |state| state.until.max(now));
    let earliest = begins - period * (at_once - 1);
    if now < earliest {
        return Err(TooEarly { until: earliest });
    }
    Ok(LimitState {
        count: 0,
        until: begins + period,
    })
}

/// Admits `most` calls in the `window` that begins with the first of them.
fn count_in_window(
    stored: Option<LimitState>,
    now: Timestamp,
    most: u32,
    window: Duration,
) -> Result<LimitState, TooEarly> {
    match stored {
        None => Ok(LimitState {
            count: 1,
            until: now + window,
        }),
        Some(state) if state.count < most => Ok(LimitState {
            count: state.count + 1,
            ..state
        }),
        Some(state) => Err(TooEarly { until: state.until }),
    }
}

fn count_failure(stored: Option<LimitState>, now: Timestamp) -> Result<LimitState, TooEarly> {
    let before = match stored {
        Some(state) if now < state.until => return Err(TooEarly { until: state.until }),
        Some(state) => state.count,
        None => 0,
    };
    let failures = before.saturating_add(1);
    let doublings = failures.checked_sub(FREE_FAILURES);
    let delay = doublings.map_or(Duration::ZERO, |doublings| {
        let factor = 2u32.checked_pow(doublings).unwrap_or(u32::MAX);
        FIRST_DELAY.saturating_mul(factor).min(LONGEST_DELAY)
    });
    Ok(LimitState {
        count: failures,
        until: now + delay,
    })
}

/// Returns the network by which a client is identified.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let host_bits = u128::BITS - IPV6_PREFIX;
            IpAddr::V6((v6.to_bits() >> host_bits << host_bits).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
    }

    const MINUTE: i64 = 60_000;

    /// Stored keys are digests of these names, and dashboards use them.
    #[test]
    fn the_names_of_limits_are_stable() {
        let names: Vec<_> = Limit::ALL.iter().map(|limit| limit.name()).collect();
        assert_eq!(
            names,
            [
                "forgot",
                "confirmation",
                "login",
                "client",
                "password_change"
            ]
        );
    }

    #[test]
    fn three_reset_requests_are_admitted_at_once_and_then_one_in_five_minutes() {
        let mut stored = None;
        let mut ask = |now| {
            let counted = Limit::Forgot.count(stored, at(now));
            if let Ok(tally) = counted {
                stored = Some(tally);
            }
            counted.map(|_| ())
        };
        let early = |until| Err(TooEarly { until: at(until) });
        for _ in 0..3 {
            assert_eq!(ask(0), Ok(()));
        }
        assert_eq!(ask(0), early(5 * MINUTE));
        // Refused calls do not prolong the delay.
        assert_eq!(ask(5 * MINUTE - 1), early(5 * MINUTE));
        assert_eq!(ask(5 * MINUTE), Ok(()));
        assert_eq!(ask(5 * MINUTE), early(10 * MINUTE));
        assert_eq!(ask(17 * MINUTE), Ok(()));
        assert_eq!(ask(17 * MINUTE), Ok(()));
        assert_eq!(ask(17 * MINUTE), early(20 * MINUTE));
    }

    #[test]
    fn sixty_calls_are_admitted_in_the_minute_that_begins_with_the_first() {
        let mut stored = None;
        for second in 0..60 {
            stored = Some(Limit::Client.count(stored, at(second * 900)).unwrap());
        }
        let early = Err(TooEarly { until: at(MINUTE) });
        assert_eq!(Limit::Client.count(stored, at(59 * 900)), early);
        assert_eq!(Limit::Client.count(stored, at(MINUTE - 1)), early);
        let next = Limit::Client.count(stored, at(MINUTE)).unwrap();
        assert_eq!((next.count, next.until), (1, at(2 * MINUTE)));
    }

    #[test]
    fn ten_failures_cause_no_delay_and_then_it_doubles_up_to_fifteen_minutes() {
        let (mut stored, mut now, mut delays) = (None, at(0), Vec::new());
        for _ in 0..24 {
            let tally = Limit::Login.count(stored, now).unwrap();
            let delay = tally.until.duration_since(now).as_secs();
            delays.push(delay);
            if delay > 0 {
                // Logins are refused until exactly the end of the delay.
                let just_before = tally.until - Duration::from_millis(1);
                let early = Err(TooEarly { until: tally.until });
                assert_eq!(Limit::Login.check(Some(tally), just_before), early);
                assert_eq!(Limit::Login.check(Some(tally), tally.until), Ok(()));
            }
            (stored, now) = (Some(tally), tally.until);
        }
        assert_eq!(delays[..9], [0; 9]);
        assert_eq!(
            delays[9..],
            [
                1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900, 900
            ]
        );
    }

    #[test]
    fn failures_are_forgotten_a_day_after_the_last_one() {
        let tally = LimitState {
            count: 9,
            until: at(0),
        };
        let day = 24 * 60 * MINUTE;
        let failures = |now| Limit::Login.count(Some(tally), at(now)).unwrap().count;
        assert_eq!(failures(day - 1), 10);
        assert_eq!(failures(day), 1);
        let most = LimitState {
            count: u32::MAX,
            until: at(0),
        };
        assert_eq!(
            Limit::Login.count(Some(most), at(0)).unwrap().until,
            at(15 * MINUTE)
        );
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
        let client = |text: &str| client_network(text.parse().unwrap()).to_string();
        assert_eq!(client("192.0.2.7"), "192.0.2.7");
        assert_eq!(client("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(client("2001:db8:1:2:ffff::"), "2001:db8:1:2::");
        assert_ne!(client("2001:db8:1:3::"), client("2001:db8:1:2::"));
    }
}
