//! Availability of the mail server, as one process observes it: whether another connection may be opened, and whether mails
//! may be offered to it.
//!
//! Two separate values, since they fail for different reasons:
//! - [`Connections`] counts sessions. A failure before MAIL (look-up, connection, TLS, greeting, EHLO, login) does
//!   not concern a mail, so it delays the next connection and not the mails.
//! - [`PolicyWatch`] counts replies that refuse the client, its login, its HELO name or the sender. They arrive in place of a reply
//!   about a recipient, so only several recipients together show that the server refuses all mails.
//!
//! Both pause with the same growing delay, end the pause by one probe, and take time and randomness as parameters.

use std::time::{Duration, Instant};

use super::outbox::{Round, backoff};

/// Number of recipient domains that must meet the same policy reply before the server is paused.
const DOMAINS: usize = 3;
/// Number of refused recipient domains that are remembered for the choice of probes.
const REMEMBERED: usize = 256;

/// Growing delay after failures in a row: 1, 2, 4, 8 … seconds, at most 10 minutes, with jitter.
#[derive(Debug, Clone, Copy, Default)]
struct Pause {
    failures: u32,
    until: Option<Instant>,
}

impl Pause {
    /// Counts a failure. One that was already under way when the pause began adds nothing.
    fn extend(&mut self, now: Instant, chance: u32) {
        if self.is_on(now) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + backoff(self.failures, chance));
    }

    fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

/// Number of mails that can be worked on at once, and when that number may grow by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Mails in progress at once; 0 while the server is paused.
    pub mails: usize,
    /// End of the pause, if there is one.
    pub until: Option<Instant>,
}

/// Source of the session that a mail gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A session that is open and idle.
    Idle,
    New,
}

/// Connections of one process to the mail server.
///
/// ```text
///  none open ──open one──▶ open ──double──▶ up to `most`
///      ▲  │ fails             │ a further one is refused
///      │  ▼                   ▼
///    paused (no mail sent)  limited (open sessions go on; one more is tried after each delay)
/// ```
#[derive(Debug, Clone)]
pub struct Connections {
    most: usize,
    /// Sessions that are ready, idle or in use.
    open: usize,
    idle: usize,
    opening: usize,
    /// Mails of the later rounds that have a session or open one.
    later: usize,
    /// Number of sessions that were open when the last new one failed; forgotten once there are more.
    limit: Option<usize>,
    pause: Pause,
    /// Round that was served last, so that the rounds take turns.
    last: Round,
}

impl Connections {
    /// Creates the state before the first connection.
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            open: 0,
            idle: 0,
            opening: 0,
            later: 0,
            limit: None,
            pause: Pause::default(),
            last: Round::Later,
        }
    }

    /// Returns the number of mails for which sessions are available.
    pub fn capacity(&self, now: Instant) -> Capacity {
        let until = self.pause.until.filter(|until| now < *until);
        let mails = match self.limit {
            _ if self.open == 0 => usize::from(self.opening > 0 || self.may_open(now)),
            None => self.most,
            Some(limit) => {
                let known = limit.max(self.open);
                (known + usize::from(until.is_none())).min(self.most)
            }
        };
        Capacity { mails, until }
    }

    /// Chooses the round that gets a session next, and counts the session as taken; `None` while no session is available.
    /// `waiting` states whether mails of the first and of the later rounds are waiting.
    pub fn next(&mut self, now: Instant, waiting: [bool; 2]) -> Option<(Round, Source)> {
        let source = if self.idle > 0 {
            Source::Idle
        } else if self.may_open(now) {
            Source::New
        } else {
            return None;
        };
        let [first, later] = waiting;
        // Mails that failed before may hang: they never take all sessions.
        let later = later && self.later < later_share(self.capacity(now).mails);
        let round = match (first, later) {
            (true, true) if self.last == Round::First => Round::Later,
            (true, _) => Round::First,
            (false, true) => Round::Later,
            (false, false) => return None,
        };
        self.last = round;
        self.later += usize::from(round == Round::Later);
        match source {
            Source::Idle => self.idle -= 1,
            Source::New => self.opening += 1,
        }
        Some((round, source))
    }

    /// Returns whether another connection may be opened: one at first, then at most twice as many each time, so that a
    /// server that refuses the login receives few attempts.
    fn may_open(&self, now: Instant) -> bool {
        let taken = self.open + self.opening;
        taken < self.most
            && match self.limit {
                Some(limit) if taken >= limit => self.opening == 0 && !self.pause.is_on(now),
                _ => self.opening < self.open.max(1),
            }
    }

    /// Records that a connection was opened. The mail that requested it has the session.
    pub fn opened(&mut self) {
        self.opening -= 1;
        self.open += 1;
        if self.limit.is_some_and(|limit| self.open > limit) {
            self.limit = None;
            self.pause = Pause::default();
        }
    }

    /// Records that a connection could not be opened.
    pub fn failed(&mut self, round: Round, now: Instant, chance: u32) {
        self.abandoned(round);
        if self.limit.is_some_and(|limit| self.open < limit) {
            // Fewer than before: another cause, which begins with a short delay.
            self.pause = Pause::default();
        }
        self.limit = Some(self.open);
        self.pause.extend(now, chance);
    }

    /// Records that the mail that requested a connection no longer waits.
    pub fn abandoned(&mut self, round: Round) {
        self.opening -= 1;
        self.leave(round);
    }

    /// Records that a session is idle again.
    pub fn idle(&mut self, round: Round) {
        self.idle += 1;
        self.leave(round);
    }

    /// Records that a session that was in use is closed.
    pub fn closed(&mut self, round: Round) {
        self.open -= 1;
        self.leave(round);
    }

    /// Records that idle sessions are closed.
    pub fn idle_closed(&mut self, number: usize) {
        self.idle -= number;
        self.open -= number;
    }

    /// Returns whether no session is open and none may be opened now.
    pub fn is_paused(&self, now: Instant) -> bool {
        self.open == 0 && self.opening == 0 && !self.may_open(now)
    }

    /// Returns the end of the delay before a further connection is tried.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pause.until.filter(|until| now < *until)
    }

    fn leave(&mut self, round: Round) {
        self.later -= usize::from(round == Round::Later);
    }
}

/// Returns the number of sessions, out of `mails`, that mails of the later rounds may have: at least one, and not all of two or
/// more.
pub fn later_share(mails: usize) -> usize {
    (mails * 3 / 4).max(1)
}

/// Detects a mail server that refuses mails by a policy about this client rather than because of the mails.
#[derive(Debug, Default)]
pub struct PolicyWatch {
    /// The last policy reply, without the parts that differ from mail to mail.
    reply: String,
    /// Recipient domains that met it since the last acceptance, the last one at the end.
    domains: Vec<String>,
    pause: Pause,
}

impl PolicyWatch {
    /// Records that the server accepted a mail: it does not refuse all.
    pub fn accepted(&mut self) {
        if !self.domains.is_empty() {
            *self = Self::default();
        }
    }

    /// Records a policy reply to a mail. Returns the delay if this begins or extends the pause.
    pub fn refused(
        &mut self,
        reply: &str,
        domain: &str,
        now: Instant,
        chance: u32,
    ) -> Option<Duration> {
        if !self.is_tripped() && self.reply != reply {
            self.reply = reply.to_owned();
            self.domains.clear();
        }
        self.domains.retain(|known| known != domain);
        if self.domains.len() >= REMEMBERED {
            self.domains.remove(0);
        }
        self.domains.push(domain.to_owned());
        if !self.is_tripped() || self.pause.is_on(now) {
            return None;
        }
        self.pause.extend(now, chance);
        self.pause.until.map(|until| until - now)
    }

    /// Returns whether mails are held back, except for one probe after each delay.
    pub fn is_tripped(&self) -> bool {
        self.domains.len() >= DOMAINS
    }

    /// Returns the end of the delay before the next probe; `None` if a probe may be sent now.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pause
            .until
            .filter(|until| self.is_tripped() && now < *until)
    }

    /// Returns the rank of a domain for the next probe: 0 if none of its mails was refused, and higher the more recently one
    /// was.
    pub fn rank(&self, domain: &str) -> usize {
        let refused = self.domains.iter().position(|known| known == domain);
        refused.map_or(0, |position| position + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u32 = u32::MAX / 2;
    const BOTH: [bool; 2] = [true, true];
    const FIRST: [bool; 2] = [true, false];
    const LATER: [bool; 2] = [false, true];

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    /// Opens sessions for new mails until no more may be opened.
    fn open_all(connections: &mut Connections, now: Instant) {
        while connections.next(now, FIRST).is_some() {
            connections.opened();
        }
    }

    #[test]
    fn the_first_connection_is_opened_alone_and_then_their_number_doubles() {
        let now = Instant::now();
        let mut connections = Connections::new(16);
        assert_eq!(connections.capacity(now).mails, 1);
        let mut opened_at_once = Vec::new();
        loop {
            let mut opening = 0;
            while connections.next(now, FIRST).is_some() {
                opening += 1;
            }
            if opening == 0 {
                break;
            }
            (0..opening).for_each(|_| connections.opened());
            opened_at_once.push(opening);
        }
        assert_eq!(opened_at_once, [1, 1, 2, 4, 8]);
        assert_eq!(
            connections.capacity(now),
            Capacity {
                mails: 16,
                until: None
            }
        );
    }

    #[test]
    fn the_delays_limit_failed_logins_within_a_minute() {
        let began = Instant::now();
        let mut now = began;
        let mut connections = Connections::new(16);
        let mut logins = 0;
        while now < began + seconds(60) {
            if connections.next(now, BOTH).is_some() {
                logins += 1;
                assert_eq!(connections.next(now, BOTH), None, "one at a time");
                connections.failed(Round::First, now, MIDDLE);
                assert!(connections.is_paused(now));
                assert_eq!(connections.capacity(now).mails, 0);
            }
            now += Duration::from_millis(10);
        }
        // After 0, 1, 3, 7, 15 and 31 seconds.
        assert_eq!(logins, 6);
    }

    #[test]
    fn one_opened_connection_ends_the_pause_for_all_mails() {
        let mut now = Instant::now();
        let mut connections = Connections::new(4);
        for _ in 0..5 {
            assert!(connections.next(now, FIRST).is_some());
            connections.failed(Round::First, now, MIDDLE);
            now = connections.paused_until(now).unwrap();
        }
        assert_eq!(
            connections.capacity(now),
            Capacity {
                mails: 1,
                until: None
            }
        );
        assert!(connections.next(now, FIRST).is_some());
        connections.opened();
        assert_eq!(
            connections.capacity(now),
            Capacity {
                mails: 4,
                until: None
            }
        );
        open_all(&mut connections, now);
        assert_eq!(connections.open, 4);
    }

    #[test]
    fn a_server_that_accepts_three_connections_gets_further_attempts_ever_more_rarely() {
        let mut now = Instant::now();
        let mut connections = Connections::new(16);
        let mut refused = 0;
        let end = now + seconds(600);
        while now < end {
            while connections.next(now, FIRST).is_some() {
                if connections.open >= 3 {
                    connections.failed(Round::First, now, MIDDLE);
                    refused += 1;
                } else {
                    connections.opened();
                }
            }
            assert!(!connections.is_paused(now));
            now += Duration::from_millis(100);
        }
        assert_eq!(connections.open, 3);
        assert!((9..=11).contains(&refused), "{refused}");
        assert!(connections.capacity(now).mails >= 3);
        // Sessions that end are replaced at once, also while the delay runs.
        connections.closed(Round::First);
        connections.closed(Round::First);
        assert!(connections.next(now, FIRST).is_some());
        connections.opened();
        assert!(connections.next(now, FIRST).is_some());
        connections.opened();
        assert_eq!(connections.open, 3);
    }

    #[test]
    fn a_limit_that_is_lifted_is_noticed() {
        let mut now = Instant::now();
        let mut connections = Connections::new(16);
        connections.next(now, FIRST);
        connections.opened();
        connections.next(now, FIRST);
        connections.failed(Round::First, now, MIDDLE);
        assert_eq!(connections.capacity(now).mails, 1);
        now += seconds(2);
        assert_eq!(connections.capacity(now).mails, 2);
        open_all(&mut connections, now);
        assert_eq!(connections.open, 16);
    }

    #[test]
    fn failures_that_began_before_the_pause_do_not_prolong_it() {
        let now = Instant::now();
        let mut connections = Connections::new(16);
        open_all(&mut connections, now);
        for _ in 0..8 {
            connections.closed(Round::First);
        }
        let under_way = std::iter::from_fn(|| connections.next(now, FIRST)).count();
        assert_eq!(under_way, 8);
        for _ in 0..under_way {
            connections.failed(Round::First, now, MIDDLE);
        }
        assert!(connections.paused_until(now).unwrap() < now + seconds(2));
        assert!(!connections.is_paused(now), "eight sessions are open");
    }

    #[test]
    fn old_mails_never_take_all_sessions_and_neither_round_starves() {
        for most in 1..=40 {
            let now = Instant::now();
            let mut connections = Connections::new(most);
            open_all(&mut connections, now);
            (0..most).for_each(|_| connections.idle(Round::First));
            let mut old = 0;
            while connections.next(now, LATER).is_some() {
                old += 1;
            }
            assert_eq!(old, later_share(most));
            let new = std::iter::from_fn(|| connections.next(now, FIRST)).count();
            assert_eq!(old + new, most);
            assert!(most == 1 || new > 0, "{most}");
            // Where there is one session, the rounds take turns.
            (0..old).for_each(|_| connections.idle(Round::Later));
            (0..new).for_each(|_| connections.idle(Round::First));
            let (one, _) = connections.next(now, BOTH).unwrap();
            connections.idle(one);
            let (other, _) = connections.next(now, BOTH).unwrap();
            assert_ne!(one, other);
        }
    }

    /// Every order of six events keeps the counts consistent and never blocks for ever.
    #[test]
    fn no_order_of_events_loses_a_session_or_stops_the_sending() {
        #[derive(Clone, Copy)]
        enum Event {
            Take,
            Open,
            Fail,
            Keep,
            Close,
            Sweep,
            Wait,
        }
        use Event::{Close, Fail, Keep, Open, Sweep, Take, Wait};
        const EVENTS: [Event; 7] = [Take, Open, Fail, Keep, Close, Sweep, Wait];
        const DEPTH: u32 = 6;
        let start = Instant::now();
        for code in 0..7_usize.pow(DEPTH) {
            let (mut now, mut rest) = (start, code);
            let mut connections = Connections::new(2);
            let (mut opening, mut used) = (Vec::new(), Vec::new());
            for _ in 0..DEPTH {
                match EVENTS[rest % 7] {
                    Take => match connections.next(now, BOTH) {
                        Some((round, Source::New)) => opening.push(round),
                        Some((round, Source::Idle)) => used.push(round),
                        None => {}
                    },
                    Open => {
                        if let Some(round) = opening.pop() {
                            connections.opened();
                            used.push(round);
                        }
                    }
                    Fail => {
                        if let Some(round) = opening.pop() {
                            connections.failed(round, now, MIDDLE);
                        }
                    }
                    Keep => {
                        if let Some(round) = used.pop() {
                            connections.idle(round);
                        }
                    }
                    Close => {
                        if let Some(round) = used.pop() {
                            connections.closed(round);
                        }
                    }
                    Sweep => connections.idle_closed(connections.idle),
                    Wait => now += seconds(2),
                }
                rest /= 7;
                let later = opening
                    .iter()
                    .chain(&used)
                    .filter(|round| **round == Round::Later);
                assert_eq!(connections.later, later.count());
                assert_eq!(connections.opening, opening.len());
                assert_eq!(connections.open, used.len() + connections.idle);
                assert!(connections.open + connections.opening <= 2);
                let paused = connections.is_paused(now);
                assert!(!paused || connections.capacity(now).mails == 0);
                // No mail waits for ever: a session is in use, is being opened or is available, or the pause has an end.
                let waits = connections.clone().next(now, BOTH).is_none();
                assert!(
                    !waits || !opening.is_empty() || !used.is_empty() || paused,
                    "{connections:?}"
                );
            }
        }
    }

    #[test]
    fn three_domains_with_the_same_reply_pause_and_one_acceptance_ends_it() {
        let mut now = Instant::now();
        let mut watch = PolicyWatch::default();
        fn refused(watch: &mut PolicyWatch, reply: &str, domain: &str, now: Instant) -> bool {
            watch.refused(reply, domain, now, MIDDLE).is_some()
        }
        assert!(!refused(&mut watch, "554 relay", "a.example", now));
        assert!(!refused(&mut watch, "554 relay", "b.example", now));
        assert!(!refused(&mut watch, "554 relay", "a.example", now));
        assert!(!watch.is_tripped());
        assert!(refused(&mut watch, "554 relay", "c.example", now));
        assert!(watch.is_tripped() && watch.paused_until(now).is_some());
        // Attempts that began before the pause do not prolong it.
        assert!(!refused(&mut watch, "554 relay", "d.example", now));
        let mut delays = Vec::new();
        for number in 0..12 {
            let until = watch.paused_until(now).unwrap();
            delays.push((until - now).as_secs_f64().round() as u64);
            now = until;
            assert_eq!(watch.paused_until(now), None, "one probe may go");
            assert!(watch.is_tripped(), "and the others wait");
            let domain = format!("{number}.example");
            assert!(refused(&mut watch, "554 relay", &domain, now));
            assert_eq!(watch.rank(&domain), number + DOMAINS + 2);
            assert_eq!(watch.rank("new.example"), 0);
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        watch.accepted();
        assert!(!watch.is_tripped() && watch.paused_until(now).is_none());
        assert!(!refused(&mut watch, "554 relay", "a.example", now));
    }

    #[test]
    fn one_recipient_or_one_domain_never_pauses_the_server() {
        let now = Instant::now();
        let mut watch = PolicyWatch::default();
        for _ in 0..100 {
            assert_eq!(watch.refused("554 no", "a.example", now, MIDDLE), None);
            assert_eq!(watch.refused("554 no", "b.example", now, MIDDLE), None);
        }
        // Different replies, and refusals with acceptances between them, do not pause the server either.
        for number in 0..100 {
            let (reply, domain) = (format!("554 {}", number % 2), format!("{number}.example"));
            assert_eq!(watch.refused(&reply, &domain, now, MIDDLE), None);
        }
        for number in 0..100 {
            let domain = format!("{number}.example");
            assert_eq!(watch.refused("554 no", &domain, now, MIDDLE), None);
            if number % 2 == 1 {
                watch.accepted();
            }
        }
    }
}
