//! Delivery worker: leases due mails, as many as there are sessions for, and delivers them concurrently.

use std::future::Future;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::application::App;
use super::compose_mail::recipient;
use super::deliver_outbox::domain;
use crate::domain::clock::draw;
use crate::domain::mail_server::Capacity;
use crate::domain::outbox::{Entry, Round};

/// Interval in which the worker queries the outbox for mails that other processes have queued.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Time for running attempts when the worker stops. Attempts that are cut off are made again by another worker.
const GRACE: Duration = Duration::from_secs(10);

/// Number of entries among which the next probe of a server with a policy pause is chosen.
const CANDIDATES: usize = 32;

/// Limits for the mails that the worker has in hand: leased, waiting for a session, being sent, or being settled. They are
/// derived from the number of available sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WorkLimits {
    /// Mails in hand: more than sessions, so that no session waits for the database.
    in_hand: usize,
    /// Of those, mails that failed before. The rest is reserved for new ones.
    later: usize,
    /// Smallest number of mails to lease at once: a step for one mail costs as much as a step for many.
    fewest: usize,
}

impl WorkLimits {
    fn for_capacity(capacity: Capacity) -> Self {
        match capacity.mails {
            0 => Self {
                in_hand: 0,
                later: 0,
                fewest: 1,
            },
            // The server is not known yet, or there is one session: a mail must not wait until others can be leased with it.
            1 => Self {
                in_hand: 1,
                later: 1,
                fewest: 1,
            },
            sessions => Self {
                in_hand: 3 * sessions,
                later: 3 * sessions / 2,
                fewest: sessions / 2,
            },
        }
    }
}

/// The mails in hand, by round.
struct Attempts {
    first: JoinSet<()>,
    later: JoinSet<()>,
    limits: WorkLimits,
    stopping: watch::Sender<bool>,
    /// Time until which the later round is not queried: the last query found no mail, and mails of this round become due
    /// only by time.
    none_later_until: Option<Instant>,
    /// End of the delay before a further connection is tried, while others work.
    limited_until: Option<Instant>,
    /// Round of the last lease, so that the rounds alternate if there is one session.
    last_alone: Round,
}

impl Attempts {
    fn new() -> Self {
        Self {
            first: JoinSet::new(),
            later: JoinSet::new(),
            limits: WorkLimits::for_capacity(Capacity {
                mails: 1,
                until: None,
            }),
            stopping: watch::Sender::new(false),
            none_later_until: None,
            limited_until: None,
            last_alone: Round::Later,
        }
    }

    /// Logs each time that the server has refused a further connection.
    fn note_limit(&mut self, capacity: Capacity) {
        let until = capacity.until.map(Instant::from_std);
        if capacity.mails > 0 && until.is_some() && until != self.limited_until {
            tracing::warn!(
                "the mail server accepts no further connection, number of connections in use: {}",
                capacity.mails
            );
        }
        self.limited_until = until;
    }

    fn len(&self) -> usize {
        self.first.len() + self.later.len()
    }

    fn has_capacity(&self) -> bool {
        self.len() + self.limits.fewest <= self.limits.in_hand
    }

    fn has_capacity_for_later(&self) -> bool {
        self.later.len() + self.limits.fewest <= self.limits.later
    }

    fn is_later_round_empty(&self) -> bool {
        self.none_later_until
            .is_some_and(|until| Instant::now() < until)
    }

    /// Returns how many mails of a round may be leased at once: half of the free capacity, so that the other round gets the
    /// rest, or all of it if that round has none.
    fn capacity(&self, round: Round) -> usize {
        let free = self.limits.in_hand.saturating_sub(self.len());
        let left = self.limits.later.saturating_sub(self.later.len());
        match round {
            Round::First if self.is_later_round_empty() => free,
            Round::First => free.div_ceil(2),
            Round::Later => free.div_ceil(2).min(left),
        }
    }

    /// Returns the rounds of the next attempts, in the order in which they are leased. The order alternates, so that no
    /// round starves.
    fn round_order(&self) -> &'static [Round] {
        const FIRST: &[Round] = &[Round::First, Round::Later];
        const LATER: &[Round] = &[Round::Later, Round::First];
        if !self.has_capacity() {
            &[]
        } else if self.is_later_round_empty() || !self.has_capacity_for_later() {
            &[Round::First]
        } else if self.limits.in_hand == 1 {
            match self.last_alone {
                Round::First => LATER,
                Round::Later => FIRST,
            }
        } else if self.later.len() < self.first.len() {
            LATER
        } else {
            FIRST
        }
    }

    /// Begins an attempt, which waits for a session.
    fn begin(&mut self, app: &App, round: Round, entry: Entry, is_probe: bool) {
        let (app, stopping) = (app.clone(), self.stopping.subscribe());
        let attempts = match round {
            Round::First => &mut self.first,
            Round::Later => &mut self.later,
        };
        attempts.spawn(async move {
            app.deliver_for_worker(entry, round, is_probe, stopping)
                .await
        });
    }

    /// Waits until an attempt ends, and removes all that have ended. Never resolves without attempts.
    async fn wait_for_end(&mut self) {
        tokio::select! {
            Some(_) = self.first.join_next() => {}
            Some(_) = self.later.join_next() => {}
            else => std::future::pending().await,
        }
        for attempts in [&mut self.first, &mut self.later] {
            while attempts.try_join_next().is_some() {}
        }
    }

    /// Completes the attempts that are being sent, and releases the other mails.
    async fn drain(&mut self) {
        self.stopping.send_replace(true);
        let drained = async {
            while self.len() > 0 {
                self.wait_for_end().await;
            }
        };
        if timeout(GRACE, drained).await.is_err() {
            tracing::warn!(
                "stopped while mails were being sent: they are retried after their leases expire"
            );
        }
    }
}

impl Drop for Attempts {
    /// Lets attempts continue after a panic of the worker. An attempt that is cut off after the server accepted its mail
    /// would send the mail again. Running attempts keep their leases. Attempts that wait for a session release their
    /// mails, since `stopping` is closed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.first.detach_all();
            self.later.detach_all();
        }
    }
}

impl App {
    /// Delivers due mails until `stop` resolves, then completes the running attempts.
    pub async fn run_delivery(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut attempts = Attempts::new();
        // Kept across iterations: a query that is dropped halfway costs a store its connection.
        let look = self.wait_for_work();
        tokio::pin!(look);
        loop {
            let is_stopping = {
                let beginning = self.begin_attempts(&mut attempts);
                tokio::pin!(beginning);
                tokio::select! {
                    () = &mut beginning => false,
                    // A database that does not answer must not delay the stop.
                    () = &mut stop => {
                        let _ = timeout(LONGEST_SLEEP, beginning).await;
                        true
                    }
                }
            };
            if is_stopping {
                break;
            }
            let has_capacity = attempts.has_capacity();
            let pause = self.policy().paused_until(Instant::now().into_std());
            tokio::select! {
                () = &mut stop => break,
                () = attempts.wait_for_end(), if attempts.len() > 0 => {}
                () = self.mailer.capacity_changed() => {}
                () = sleep_until(pause.map_or_else(Instant::now, Instant::from_std)), if pause.is_some() => {}
                () = self.queued.notified(), if has_capacity => {}
                () = &mut look, if has_capacity => {
                    attempts.none_later_until = None;
                    look.set(self.wait_for_work());
                }
            }
        }
        attempts.drain().await;
        self.mailer.close().await;
    }

    /// Returns the number of mails that can be sent: none during a policy pause, and one for a probe.
    fn capacity(&self) -> Capacity {
        let capacity = self.mailer.capacity();
        let policy = self.policy();
        if !policy.is_tripped() {
            return capacity;
        }
        let until = policy.paused_until(Instant::now().into_std());
        let mails = if until.is_some() {
            0
        } else {
            capacity.mails.min(1)
        };
        Capacity { mails, until }
    }

    /// Sleeps until the next entry is due, at most [`LONGEST_SLEEP`], since other processes queue mails too.
    async fn wait_for_work(&self) {
        let due = self.store.next_due().await.ok().flatten();
        let now = self.clock.now();
        let until_due =
            due.map(|due| Duration::try_from(due.duration_since(now)).unwrap_or_default());
        sleep(match until_due {
            None => LONGEST_SLEEP,
            // The due mails could not be leased just before: there is no free delivery slot, or another process holds them.
            Some(Duration::ZERO) => LONGEST_SLEEP / 2,
            Some(until_due) => until_due.clamp(Duration::from_millis(10), LONGEST_SLEEP),
        })
        .await;
    }

    /// Begins attempts as long as there are due entries and free capacity.
    async fn begin_attempts(&self, attempts: &mut Attempts) {
        loop {
            let capacity = self.capacity();
            attempts.note_limit(capacity);
            attempts.limits = WorkLimits::for_capacity(capacity);
            let is_probing = self.policy().is_tripped();
            let Some((round, entries)) = self.lease_round(attempts, is_probing).await else {
                return;
            };
            attempts.last_alone = round;
            for entry in entries {
                attempts.begin(self, round, entry, is_probing);
            }
        }
    }

    async fn lease_round(
        &self,
        attempts: &mut Attempts,
        is_probing: bool,
    ) -> Option<(Round, Vec<Entry>)> {
        for round in attempts.round_order() {
            let (now, lease) = (self.clock.now(), self.lease());
            let capacity = match is_probing {
                true => CANDIDATES,
                false => attempts.capacity(*round),
            };
            match self.store.lease_due(*round, now, lease, capacity).await {
                Ok(entries) if !entries.is_empty() && is_probing => {
                    return Some((*round, vec![self.choose_probe(entries).await?]));
                }
                Ok(entries) if !entries.is_empty() => return Some((*round, entries)),
                Ok(_) if *round == Round::Later => {
                    attempts.none_later_until = Some(Instant::now() + LONGEST_SLEEP);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot read the outbox");
                    return None;
                }
            }
        }
        None
    }

    /// Chooses the mail that probes a server with a policy pause, and releases the others: a random one for a domain without a
    /// refusal, otherwise one for the domain whose refusal is the oldest. The choice is random, since the oldest mails may all
    /// be refused because of their recipients.
    async fn choose_probe(&self, entries: Vec<Entry>) -> Option<Entry> {
        let mut ranked = Vec::new();
        for (number, entry) in entries.iter().enumerate() {
            // After a failure of the database the others are not queried.
            let Ok(account) = self.store.account(entry.account).await else {
                break;
            };
            if let Some(recipient) = recipient(entry, account.as_ref()) {
                let rank = self.policy().rank(domain(&recipient));
                ranked.push((rank, number));
            }
        }
        let best = ranked.iter().map(|(rank, _)| *rank).min();
        let best: Vec<usize> = ranked
            .iter()
            .filter(|(rank, _)| Some(*rank) == best)
            .map(|(_, number)| *number)
            .collect();
        let chance = u32::from_be_bytes(draw(&*self.rng)) as usize;
        let chosen = chance.checked_rem(best.len()).map_or(0, |at| best[at]);
        let mut others = entries;
        let probe = others.swap_remove(chosen);
        join_all(others.iter().map(|entry| self.release_entry(entry, None))).await;
        Some(probe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mail_server::later_share;

    #[test]
    fn each_round_has_enough_leased_mails_for_its_share_of_the_sessions() {
        for mails in 2..=500 {
            let numbers = WorkLimits::for_capacity(Capacity { mails, until: None });
            let (old, new) = (later_share(mails), mails - later_share(mails));
            // Mails of one round in hand never prevent leasing as many of the other as its sessions can send.
            assert!(
                numbers.later + new + numbers.fewest <= numbers.in_hand,
                "{numbers:?}"
            );
            assert!(old + numbers.fewest <= numbers.later, "{numbers:?}");
            assert!(new > 0 && numbers.fewest > 0);
        }
        let one = WorkLimits::for_capacity(Capacity {
            mails: 1,
            until: None,
        });
        assert_eq!((one.in_hand, one.later, one.fewest), (1, 1, 1));
    }
}
