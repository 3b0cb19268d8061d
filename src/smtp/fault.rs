//! Faults on demand: which command of which number is answered by what, counted from the start of the server.
//!
//! A rule is `STAGE:COUNT:ACTION`: `rcpt:2:451` answers the second RCPT with 451, `data:*:552` every DATA with 552,
//! `connect:1-3:421` turns the first three connections away, `data:1:drop` closes at the first DATA, and
//! `mail:*:delay=2s` lets every MAIL wait. Nothing is drawn, so that a test that failed fails again.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
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
            return Err("a rule is STAGE:COUNT:ACTION, such as rcpt:2:451".to_owned());
        };
        let known = Stage::ALL.iter().find(|(_, name)| *name == stage);
        let (stage, _) = known.ok_or_else(|| {
            let names: Vec<_> = Stage::ALL.iter().map(|(_, name)| *name).collect();
            format!("\"{stage}\" is none of {}", names.join(", "))
        })?;
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
        let range = match count.split_once('-') {
            _ if count == "*" => Some((1, u64::MAX)),
            Some((first, last)) => number(first).zip(number(last)),
            None => number(count).map(|only| (only, only)),
        };
        let (first, last) = range.filter(|(first, last)| first <= last).ok_or_else(|| {
            format!("\"{count}\" is no count: write 2 for the second, 1-3 for the first three, * for all")
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
            format!("\"{action}\" is no action: write a code from 400 to 599, drop, or delay=2s")
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

/// The rules of a server, and how often each stage has been reached. All its sessions share them.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<Rule>,
    reached: [AtomicU64; Stage::ALL.len()],
}

impl Faults {
    /// Nothing was counted yet.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Counts one more, and answers what befalls it: by the first rule that fits.
    pub fn reach(&self, stage: Stage) -> Option<Fault> {
        let number = self.reached[stage as usize].fetch_add(1, Ordering::Relaxed) + 1;
        let fits = |rule: &&Rule| rule.stage == stage && (rule.first..=rule.last).contains(&number);
        self.rules.iter().find(fits).map(|rule| rule.fault)
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
            ("rset:1:451", "none of connect, helo"),
            ("rcpt:0:451", "no count"),
            ("rcpt:3-1:451", "no count"),
            ("rcpt:-1:451", "no count"),
            ("rcpt:1:250", "no action"),
            ("rcpt:1:delay=2", "no action"),
            ("rcpt:1:delay=99999999999999999999s", "no action"),
        ] {
            let error = rule.parse::<Rule>().unwrap_err();
            assert!(error.contains(why), "{rule}: {error}");
        }
    }
}
