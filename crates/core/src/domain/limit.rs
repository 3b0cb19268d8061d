//! Limits: how often something may be done, as arithmetic over what is kept of one key.
//!
//! What is kept is a [`Tally`], one for each [`LimitKey`]; a key is a keyed digest, so that the database holds no list
//! of the addresses that were typed. A refused call changes no tally: it does not prolong the wait, and costs nothing
//! durable.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

/// How many failed logins an account has before they are delayed.
const FREE_FAILURES: u32 = 10;
/// The first delay; each further failure doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);
/// How long failures are remembered after the last one.
const FAILURES_KEPT: Duration = Duration::from_secs(86_400);

/// How many bits of an IPv6 address tell one client from another: a household or a server has a /64 to itself.
const IPV6_PREFIX: u32 = 64;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Asking for a reset, by address: 3 at once, then 1 in 5 minutes.
    Forgot,
    /// Failed logins, by address: 10, then a delay that doubles from 1 second to 15 minutes.
    Login,
    /// Sign-ups, logins, forgots and resets, by client address: 60 a minute.
    Client,
}

/// Whom a limit is about: a keyed digest of the limit and its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitKey(pub [u8; 32]);

/// What is kept of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState {
    /// How many were counted: of the minute ([`Limit::Client`]), of failures in a row ([`Limit::Login`]).
    pub count: u32,
    /// [`Limit::Login`]: attempts are refused until then. The others: from then on it is as if nothing had been counted.
    pub until: Timestamp,
}

/// It is too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooEarly {
    /// From this moment on it may be done again.
    pub until: Timestamp,
}

impl Limit {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Forgot, Self::Login, Self::Client];

    /// What stands before the subject in a key's digest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forgot => "forgot",
            Self::Login => "login",
            Self::Client => "client",
        }
    }

    /// Whether another one may be done at `now`.
    ///
    /// # Errors
    /// [`TooEarly`].
    pub fn check(self, kept: Option<LimitState>, now: Timestamp) -> Result<(), TooEarly> {
        self.count(kept, now).map(|_| ())
    }

    /// Counts one more at `now`: a call, or for [`Limit::Login`] a failure. What is to be kept from then on.
    ///
    /// # Errors
    /// [`TooEarly`]; what is kept stays as it is.
    pub fn count(self, kept: Option<LimitState>, now: Timestamp) -> Result<LimitState, TooEarly> {
        let kept = kept.filter(|tally| now < self.kept_until(tally));
        match self {
            Self::Forgot => spaced(kept, now, 3, Duration::from_secs(300)),
            Self::Client => windowed(kept, now, 60, Duration::from_secs(60)),
            Self::Login => failed(kept, now),
        }
    }

    /// When a tally may be forgotten.
    pub fn kept_until(self, tally: &LimitState) -> Timestamp {
        match self {
            Self::Forgot | Self::Client => tally.until,
            Self::Login => tally.until + FAILURES_KEPT,
        }
    }
}

/// `at_once` calls, and then one in each `period` (the generic cell rate algorithm, ITU-T I.371 A.2): `until` is when the
/// last one's period ends if each begins where the one before ends.
fn spaced(
    kept: Option<LimitState>,
    now: Timestamp,
    at_once: u32,
    period: Duration,
) -> Result<LimitState, TooEarly> {
    let begins = kept.map_or(now, |tally| tally.until.max(now));
    let earliest = begins - period * (at_once - 1);
    if now < earliest {
        return Err(TooEarly { until: earliest });
    }
    Ok(LimitState {
        count: 0,
        until: begins + period,
    })
}

/// So many in the `window` that begins with the first of them.
fn windowed(
    kept: Option<LimitState>,
    now: Timestamp,
    most: u32,
    window: Duration,
) -> Result<LimitState, TooEarly> {
    match kept {
        None => Ok(LimitState {
            count: 1,
            until: now + window,
        }),
        Some(tally) if tally.count < most => Ok(LimitState {
            count: tally.count + 1,
            ..tally
        }),
        Some(tally) => Err(TooEarly { until: tally.until }),
    }
}

fn failed(kept: Option<LimitState>, now: Timestamp) -> Result<LimitState, TooEarly> {
    let before = match kept {
        Some(tally) if now < tally.until => return Err(TooEarly { until: tally.until }),
        Some(tally) => tally.count,
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

/// Who a client is, as far as its address tells.
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

    #[test]
    fn three_forgots_go_at_once_and_then_one_in_five_minutes() {
        let mut kept = None;
        let mut ask = |now| {
            let counted = Limit::Forgot.count(kept, at(now));
            if let Ok(tally) = counted {
                kept = Some(tally);
            }
            counted.map(|_| ())
        };
        let early = |until| Err(TooEarly { until: at(until) });
        for _ in 0..3 {
            assert_eq!(ask(0), Ok(()));
        }
        assert_eq!(ask(0), early(5 * MINUTE));
        // Asking again and again does not prolong it.
        assert_eq!(ask(5 * MINUTE - 1), early(5 * MINUTE));
        assert_eq!(ask(5 * MINUTE), Ok(()));
        assert_eq!(ask(5 * MINUTE), early(10 * MINUTE));
        assert_eq!(ask(17 * MINUTE), Ok(()));
        assert_eq!(ask(17 * MINUTE), Ok(()));
        assert_eq!(ask(17 * MINUTE), early(20 * MINUTE));
    }

    #[test]
    fn a_client_has_sixty_in_the_minute_that_begins_with_the_first() {
        let mut kept = None;
        for second in 0..60 {
            kept = Some(Limit::Client.count(kept, at(second * 900)).unwrap());
        }
        let early = Err(TooEarly { until: at(MINUTE) });
        assert_eq!(Limit::Client.count(kept, at(59 * 900)), early);
        assert_eq!(Limit::Client.count(kept, at(MINUTE - 1)), early);
        let next = Limit::Client.count(kept, at(MINUTE)).unwrap();
        assert_eq!((next.count, next.until), (1, at(2 * MINUTE)));
    }

    #[test]
    fn ten_failures_are_free_and_then_the_delay_doubles_up_to_fifteen_minutes() {
        let (mut kept, mut now, mut delays) = (None, at(0), Vec::new());
        for _ in 0..24 {
            let tally = Limit::Login.count(kept, now).unwrap();
            let delay = tally.until.duration_since(now).as_secs();
            delays.push(delay);
            if delay > 0 {
                // Refused until the very end, and no later.
                let just_before = tally.until - Duration::from_millis(1);
                let early = Err(TooEarly { until: tally.until });
                assert_eq!(Limit::Login.check(Some(tally), just_before), early);
                assert_eq!(Limit::Login.check(Some(tally), tally.until), Ok(()));
            }
            (kept, now) = (Some(tally), tally.until);
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
    fn a_client_is_an_address_or_a_network_of_ipv6() {
        let client = |text: &str| client_network(text.parse().unwrap()).to_string();
        assert_eq!(client("192.0.2.7"), "192.0.2.7");
        assert_eq!(client("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(client("2001:db8:1:2:ffff::"), "2001:db8:1:2::");
        assert_ne!(client("2001:db8:1:3::"), client("2001:db8:1:2::"));
    }
}
