//! Injected faults.

use std::time::Duration;

use super::*;
use crate::session::fault::Fault;

/// Decides on a fault for some occurrences of stages, counted from 1.
#[derive(Default)]
struct Plan {
    faults: Vec<(Stage, usize, Fault)>,
    reached: Vec<Stage>,
}

impl Plan {
    fn of(faults: &[(Stage, usize, Fault)]) -> Plan {
        Plan {
            faults: faults.to_vec(),
            reached: Vec::new(),
        }
    }

    fn decide(&mut self, stage: Stage) -> Option<Fault> {
        self.reached.push(stage);
        let number = self.reached.iter().filter(|other| **other == stage).count();
        let planned =
            |(at, occurrence, _): &&(Stage, usize, Fault)| *at == stage && *occurrence == number;
        self.faults.iter().find(planned).map(|(.., fault)| *fault)
    }

    fn step(&mut self, session: &mut Session, input: Input<'_>) -> Effects {
        session.step(input, &mut |stage| self.decide(stage))
    }

    fn send(&mut self, session: &mut Session, bytes: &str) -> Vec<u16> {
        codes(&self.step(session, Input::Bytes(bytes.as_bytes())))
    }
}

const OPEN_WITHOUT_RECIPIENT: &str = "EHLO x\r\nMAIL FROM:<a@b>\r\n";

#[test]
fn a_fault_replaces_the_reply_and_changes_nothing_else() {
    let mut plan = Plan::of(&[
        (Stage::Rcpt, 2, Fault::Answer(451)),
        (Stage::Message, 1, Fault::Answer(554)),
    ]);
    let mut session = connected(Setup::new("here"));
    let sent =
        format!("{OPEN_WITHOUT_RECIPIENT}RCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\nDATA\r\n");
    assert_eq!(
        plan.send(&mut session, &sent),
        [250, 250, 250, 451, 354, 554, 503]
    );
}

#[test]
fn sessions_share_the_decision_and_a_refused_chunk_is_read() {
    let mut plan = Plan::of(&[
        (Stage::Connect, 2, Fault::Answer(421)),
        (Stage::Data, 1, Fault::Answer(451)),
    ]);
    let setup = Setup::new("here");
    let mut first = Session::new(setup.clone());
    assert_eq!(codes(&plan.step(&mut first, Input::Connected)), [220]);
    let mut second = Session::new(setup);
    let refused = plan.step(&mut second, Input::Connected);
    assert_eq!(
        (codes(&refused), refused.last()),
        (vec![421], Some(&Effect::Close))
    );
    let sent = format!("{OPEN_WITHOUT_RECIPIENT}RCPT TO:<a@b>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
    assert_eq!(plan.send(&mut first, &sent), [250, 250, 250, 451, 250]);
}

#[test]
fn a_delay_keeps_the_reply_and_a_drop_sends_none() {
    let delay = Fault::Delay(Duration::from_secs(2));
    let mut plan = Plan::of(&[(Stage::Mail, 1, delay), (Stage::Data, 1, Fault::Drop)]);
    let mut session = connected(Setup::new("here"));
    let input = Input::Bytes(OPEN_WITHOUT_RECIPIENT.as_bytes());
    let effects = plan.step(&mut session, input);
    assert!(effects.contains(&Effect::Wait(Duration::from_secs(2))));
    assert_eq!(codes(&effects), [250, 250]);
    assert_eq!(plan.send(&mut session, "RCPT TO:<a@b>\r\n"), [250]);
    assert_eq!(
        plan.step(&mut session, Input::Bytes(b"DATA\r\nNOOP\r\n")),
        [Effect::Close]
    );
}
