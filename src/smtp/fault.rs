//! Faults on demand: which command of which number is answered by what, counted from the start of the server.
//!
//! A rule is `STAGE:COUNT:ACTION`: `rcpt:2:451` answers the second RCPT with 451, `data:*:552` every DATA with 552,
//! `connect:1-3:421` turns the first three connections away, `data:1:drop` closes at the first DATA, and
//! `mail:*:delay=2s` lets every MAIL wait. Nothing of that is drawn, so that a test that failed fails again.
//!
//! Beside the rules stands [`Chaos`], which Mailpit's clients know: refusals that are drawn, and changed while the server runs.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Where a fault can be put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The connection, in place of the banner.
    Connect,
    /// EHLO, HELO and LHLO.
    Helo,
    /// AUTH.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA and BDAT.
    Data,
    /// The message, at its end.
    Message,
}

impl Stage {
    const ALL: [(Self, &str); 7] = [
        (Self::Connect, "connect"),
        (Self::Helo, "helo"),
        (Self::Auth, "auth"),
        (Self::Mail, "mail"),
        (Self::Rcpt, "rcpt"),
        (Self::Data, "data"),
        (Self::Message, "message"),
    ];
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This code is the answer; 421 closes the connection, too.
    Answer(u16),
    /// The connection is closed without a word.
    Drop,
    /// The answer comes so much later, and is the right one.
    Delay(Duration),
}

/// One fault, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    stage: Stage,
    first: u64,
    last: u64,
    fault: Fault,
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let [stage, count, action] = parts[..] else {
            return Err("write STAGE:COUNT:ACTION, such as rcpt:2:451".to_owned());
        };
        let known = Stage::ALL.iter().find(|(_, name)| *name == stage);
        let (stage, _) = known.ok_or_else(|| {
            let names: Vec<_> = Stage::ALL.iter().map(|(_, name)| *name).collect();
            format!(
                "unknown stage \"{stage}\": write one of {}",
                names.join(", ")
            )
        })?;
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
        let range = match count.split_once('-') {
            _ if count == "*" => Some((1, u64::MAX)),
            Some((first, last)) => number(first).zip(number(last)),
            None => number(count).map(|only| (only, only)),
        };
        let (first, last) = range.filter(|(first, last)| first <= last).ok_or_else(|| {
            format!("invalid count \"{count}\": write 2 for the second, 1-3 for the first three, * for all")
        })?;
        let fault = match (action, action.strip_prefix("delay=")) {
            ("drop", _) => Some(Fault::Drop),
            (_, Some(span)) => delay(span).map(Fault::Delay),
            _ => action
                .parse()
                .ok()
                .filter(|code| (400..600).contains(code))
                .map(Fault::Answer),
        };
        let fault = fault.ok_or_else(|| {
            format!("unknown action \"{action}\": write a code from 400 to 599, drop, or delay=2s")
        })?;
        Ok(Self {
            stage: *stage,
            first,
            last,
            fault,
        })
    }
}

/// `500ms`, `2s`, `1m`.
fn delay(text: &str) -> Option<Duration> {
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

/// How often a command is refused by chance, and with which code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    /// The code of the refusal, from 400 to 599.
    pub code: u16,
    /// Of a hundred commands so many are refused; 0 for none.
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

/// What is refused by chance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chaos {
    /// Of MAIL.
    pub sender: Trigger,
    /// Of RCPT.
    pub recipient: Trigger,
    /// Of AUTH.
    pub authentication: Trigger,
}

/// Draws a number from 0 to 99.
pub type Dice = dyn Fn() -> u8 + Send + Sync;

/// The rules of a server, and how often each stage has been reached. All its sessions share them.
#[derive(Default)]
pub struct Faults {
    rules: Vec<Rule>,
    reached: [AtomicU64; Stage::ALL.len()],
    /// Of sender, recipient and authentication: the code and the percentage in one number.
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
    /// Nothing was counted yet.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// The same, with chance; without it nothing is refused by chance.
    pub fn with_dice(mut self, dice: impl Fn() -> u8 + Send + Sync + 'static) -> Self {
        self.dice = Some(Box::new(dice));
        self
    }

    /// Counts one more, and answers what befalls it: by the first rule that fits, or by chance.
    pub fn reach(&self, stage: Stage) -> Option<Fault> {
        // Without a rule there is nothing to count for.
        if self.rules.is_empty() {
            return self.draw(stage);
        }
        let number = self.reached[stage as usize].fetch_add(1, Ordering::Relaxed) + 1;
        let fits = |rule: &&Rule| rule.stage == stage && (rule.first..=rule.last).contains(&number);
        let by_rule = self.rules.iter().find(fits).map(|rule| rule.fault);
        by_rule.or_else(|| self.draw(stage))
    }

    fn draw(&self, stage: Stage) -> Option<Fault> {
        let place = match stage {
            Stage::Mail => 0,
            Stage::Rcpt => 1,
            Stage::Auth => 2,
            _ => return None,
        };
        let trigger = unpacked(self.chaos[place].load(Ordering::Relaxed));
        let dice = self.dice.as_ref().filter(|_| trigger.percent > 0)?;
        (dice() < trigger.percent).then_some(Fault::Answer(trigger.code))
    }

    /// What is refused by chance now.
    pub fn chaos(&self) -> Chaos {
        let [sender, recipient, authentication] =
            [0, 1, 2].map(|place: usize| unpacked(self.chaos[place].load(Ordering::Relaxed)));
        Chaos {
            sender,
            recipient,
            authentication,
        }
    }

    /// What is refused by chance from now on.
    pub fn set_chaos(&self, chaos: Chaos) {
        let triggers = [chaos.sender, chaos.recipient, chaos.authentication];
        for (place, trigger) in self.chaos.iter().zip(triggers) {
            let packed = u32::from(trigger.code) << 8 | u32::from(trigger.percent);
            place.store(packed, Ordering::Relaxed);
        }
    }
}

fn unpacked(packed: u32) -> Trigger {
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
    fn the_rules_of_the_contract_are_read() {
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
        let reach =
            |stage, times: usize| -> Vec<_> { (0..times).map(|_| faults.reach(stage)).collect() };
        assert_eq!(
            reach(Stage::Rcpt, 3),
            [None, Some(Fault::Answer(451)), None]
        );
        assert_eq!(reach(Stage::Data, 2), [Some(Fault::Answer(552)); 2]);
        assert_eq!(reach(Stage::Connect, 4).iter().flatten().count(), 3);
        assert_eq!(reach(Stage::Message, 2), [Some(Fault::Drop), None]);
        assert_eq!(
            reach(Stage::Mail, 1),
            [Some(Fault::Delay(Duration::from_secs(2)))]
        );
        assert_eq!(reach(Stage::Helo, 2), [None, None]);
    }

    #[test]
    fn a_rule_that_is_none_says_why() {
        for (rule, why) in [
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
            let error = rule.parse::<Rule>().unwrap_err();
            assert!(error.contains(why), "{rule}: {error}");
        }
    }

    #[test]
    fn chance_refuses_what_it_is_told_to() {
        let draws = AtomicU64::new(0);
        let faults = Faults::new(vec![])
            .with_dice(move || (draws.fetch_add(1, Ordering::Relaxed) % 100) as u8);
        assert_eq!(faults.chaos(), Chaos::default());
        let refused = |stage| (0..100).filter(|_| faults.reach(stage).is_some()).count();
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
        assert_eq!(faults.reach(Stage::Rcpt), Some(Fault::Answer(550)));
    }
}
