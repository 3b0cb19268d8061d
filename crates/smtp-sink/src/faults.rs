//! Fault injection: decides for all SMTP sessions of a server which stage fails, and how.
//!
//! A rule is `STAGE:COUNT:ACTION`: `rcpt:2:451` answers the second RCPT with 451, `data:*:552` every DATA with 552,
//! `connect:1-3:421` refuses the first three connections, `data:1:drop` closes the connection at the first DATA, and
//! `mail:*:delay=2s` delays the reply to every MAIL. Rules count from the start of the server and use no randomness, so that a
//! failing test fails again.
//!
//! [`Chaos`], known to clients of Mailpit, adds random refusals that can be changed while the server runs.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;

use crate::session::fault::{Fault, Stage};

/// Stages and their names in rules.
const STAGES: [(Stage, &str); 7] = [
    (Stage::Connect, "connect"),
    (Stage::Helo, "helo"),
    (Stage::Auth, "auth"),
    (Stage::Mail, "mail"),
    (Stage::Rcpt, "rcpt"),
    (Stage::Data, "data"),
    (Stage::Message, "message"),
];

/// Rule of an injected fault: which occurrences of a stage fail, and how. Parsed from text with [`FromStr`].
///
/// A rule is `STAGE:COUNT:ACTION`.
///
/// | part | values |
/// | --- | --- |
/// | `STAGE` | `connect`, `helo`, `auth`, `mail`, `rcpt`, `data`, or `message` for the end of a message |
/// | `COUNT` | `2` for the second occurrence since the start of the sink, `1-3` for the first three, `*` for all |
/// | `ACTION` | a reply code from 400 to 599, `drop` to close the connection, or a delay such as `delay=500ms`, `delay=2s`, `delay=1m` |
///
/// ```
/// # use movie_bag_smtp_sink::FaultRule;
/// let second_recipient_fails: FaultRule = "rcpt:2:451".parse()?;
/// assert!("rcpt:2:250".parse::<FaultRule>().is_err());
/// # Ok::<(), movie_bag_smtp_sink::FaultRuleError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    stage: Stage,
    first: u64,
    last: u64,
    fault: Fault,
}

/// Error for a text that is not a rule of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct RuleError(String);

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        parse(text).map_err(RuleError)
    }
}

/// Parses a rule.
///
/// # Errors
/// Describes the invalid part and the valid values.
fn parse(text: &str) -> Result<Rule, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let [stage, count, action] = parts[..] else {
        return Err("write STAGE:COUNT:ACTION, such as rcpt:2:451".to_owned());
    };
    let known = STAGES.iter().find(|(_, name)| *name == stage);
    let (stage, _) = known.ok_or_else(|| {
        let names: Vec<_> = STAGES.iter().map(|(_, name)| *name).collect();
        format!(
            "unknown stage \"{stage}\": write one of {}",
            names.join(", ")
        )
    })?;
    let parse_number = |text: &str| text.parse().ok().filter(|number| *number > 0);
    let range = match count.split_once('-') {
        _ if count == "*" => Some((1, u64::MAX)),
        Some((first, last)) => parse_number(first).zip(parse_number(last)),
        None => parse_number(count).map(|only| (only, only)),
    };
    let (first, last) = range.filter(|(first, last)| first <= last).ok_or_else(|| {
        format!(
            "invalid count \"{count}\": write 2 for the second, 1-3 for the first three, * for all"
        )
    })?;
    let fault = match (action, action.strip_prefix("delay=")) {
        ("drop", _) => Some(Fault::Drop),
        (_, Some(span)) => parse_delay(span).map(Fault::Delay),
        _ => action
            .parse()
            .ok()
            .filter(|code| (400..600).contains(code))
            .map(Fault::Answer),
    };
    let fault = fault.ok_or_else(|| {
        format!("unknown action \"{action}\": write a code from 400 to 599, drop, or delay=2s")
    })?;
    Ok(Rule {
        stage: *stage,
        first,
        last,
        fault,
    })
}

/// Parses a delay such as `500ms`, `2s` or `1m`.
fn parse_delay(text: &str) -> Option<Duration> {
    let end = text.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(millis)
        .map(Duration::from_millis)
}

/// Random refusal of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    /// Code of the refusal, from 400 to 599.
    pub code: u16,
    /// Percentage of refused commands; 0 for none.
    pub percent: u8,
}

impl Default for Trigger {
    fn default() -> Self {
        Self {
            code: 451,
            percent: 0,
        }
    }
}

/// Random refusals of all sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chaos {
    /// Refusal of MAIL.
    pub sender: Trigger,
    /// Refusal of RCPT.
    pub recipient: Trigger,
    /// Refusal of AUTH.
    pub authentication: Trigger,
}

/// Returns a random number from 0 to 99.
pub type Dice = dyn Fn() -> u8 + Send + Sync;

/// Rules of a server, and how often each stage was reached. All its sessions share one value.
#[derive(Default)]
pub struct Faults {
    rules: Vec<Rule>,
    reached: [AtomicU64; STAGES.len()],
    /// Sender, recipient and authentication; each number holds the code and the percentage.
    chaos: [AtomicU32; 3],
    dice: Option<Box<Dice>>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("rules", &self.rules)
            .field("chaos", &self.chaos())
            .finish_non_exhaustive()
    }
}

impl Faults {
    /// Returns the rules with all counters at zero.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Sets the source of randomness. Without one, nothing is refused at random.
    pub fn with_dice(mut self, dice: impl Fn() -> u8 + Send + Sync + 'static) -> Self {
        self.dice = Some(Box::new(dice));
        self
    }

    /// Counts an occurrence of a stage and returns its fault: that of the first matching rule, or a random one.
    pub fn decide(&self, stage: Stage) -> Option<Fault> {
        // Only rules need the counter.
        if self.rules.is_empty() {
            return self.draw(stage);
        }
        let number = self.reached[stage as usize].fetch_add(1, Ordering::Relaxed) + 1;
        let matches =
            |rule: &&Rule| rule.stage == stage && (rule.first..=rule.last).contains(&number);
        let by_rule = self.rules.iter().find(matches).map(|rule| rule.fault);
        by_rule.or_else(|| self.draw(stage))
    }

    fn draw(&self, stage: Stage) -> Option<Fault> {
        let index = match stage {
            Stage::Mail => 0,
            Stage::Rcpt => 1,
            Stage::Auth => 2,
            _ => return None,
        };
        let trigger = unpack(self.chaos[index].load(Ordering::Relaxed));
        let dice = self.dice.as_ref().filter(|_| trigger.percent > 0)?;
        (dice() < trigger.percent).then_some(Fault::Answer(trigger.code))
    }

    /// Returns the current random refusals.
    pub fn chaos(&self) -> Chaos {
        let [sender, recipient, authentication] =
            [0, 1, 2].map(|index: usize| unpack(self.chaos[index].load(Ordering::Relaxed)));
        Chaos {
            sender,
            recipient,
            authentication,
        }
    }

    /// Replaces the random refusals.
    pub fn set_chaos(&self, chaos: Chaos) {
        let triggers = [chaos.sender, chaos.recipient, chaos.authentication];
        for (packed_trigger, trigger) in self.chaos.iter().zip(triggers) {
            let packed = u32::from(trigger.code) << 8 | u32::from(trigger.percent);
            packed_trigger.store(packed, Ordering::Relaxed);
        }
    }
}

fn unpack(packed: u32) -> Trigger {
    match packed {
        0 => Trigger::default(),
        _ => Trigger {
            code: (packed >> 8) as u16,
            percent: (packed & 0xff) as u8,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_apply_to_the_occurrences_they_name() {
        let faults = Faults::new(
            [
                "rcpt:2:451",
                "data:*:552",
                "connect:1-3:421",
                "message:1:drop",
                "mail:*:delay=2s",
            ]
            .map(|rule| rule.parse().unwrap())
            .to_vec(),
        );
        let decide =
            |stage, times: usize| -> Vec<_> { (0..times).map(|_| faults.decide(stage)).collect() };
        assert_eq!(
            decide(Stage::Rcpt, 3),
            [None, Some(Fault::Answer(451)), None]
        );
        assert_eq!(decide(Stage::Data, 2), [Some(Fault::Answer(552)); 2]);
        assert_eq!(decide(Stage::Connect, 4).iter().flatten().count(), 3);
        assert_eq!(decide(Stage::Message, 2), [Some(Fault::Drop), None]);
        assert_eq!(
            decide(Stage::Mail, 1),
            [Some(Fault::Delay(Duration::from_secs(2)))]
        );
        assert_eq!(decide(Stage::Helo, 2), [None, None]);
    }

    #[test]
    fn an_invalid_rule_is_refused_with_the_reason() {
        for (rule, reason) in [
            ("rcpt", "STAGE:COUNT:ACTION"),
            ("rcpt:1:451:x", "STAGE:COUNT:ACTION"),
            (
                "rset:1:451",
                "unknown stage \"rset\": write one of connect, helo",
            ),
            ("rcpt:0:451", "invalid count"),
            ("rcpt:3-1:451", "invalid count"),
            ("rcpt:-1:451", "invalid count"),
            ("rcpt:1:250", "unknown action"),
            ("rcpt:1:delay=2", "unknown action"),
            ("rcpt:1:delay=99999999999999999999s", "unknown action"),
        ] {
            let error = rule.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(reason), "{rule}: {error}");
        }
    }

    #[test]
    fn random_refusals_follow_their_percentage() {
        let draws = AtomicU64::new(0);
        let faults = Faults::new(vec![])
            .with_dice(move || (draws.fetch_add(1, Ordering::Relaxed) % 100) as u8);
        assert_eq!(faults.chaos(), Chaos::default());
        let refused = |stage| (0..100).filter(|_| faults.decide(stage).is_some()).count();
        assert_eq!(refused(Stage::Mail), 0);
        let recipient = Trigger {
            code: 550,
            percent: 30,
        };
        faults.set_chaos(Chaos {
            recipient,
            ..Chaos::default()
        });
        assert_eq!(faults.chaos().recipient, recipient);
        assert_eq!(
            [Stage::Mail, Stage::Rcpt, Stage::Data].map(refused),
            [0, 30, 0]
        );
        assert_eq!(faults.decide(Stage::Rcpt), Some(Fault::Answer(550)));
    }
}
