//! Bounds the connections of a listener, and chooses the one to close where a new client finds no slot free.
//!
//! Every connection that is held has an [`Activity`]: the phase it is in, and since when. Where the server waits for the
//! client (for a request, the rest of a body, or for an answer to be read), the connection may be closed in favour of a new
//! client, the one with the earliest phase first and within a phase the one that has waited for longest. Otherwise clients
//! that connect and send nothing would keep the others out until their time is over. A connection whose request is being
//! answered is closed for this reason only where the caller allows it, and after all others.
//!
//! Connections report their phase by one atomic store; only where no slot is free are they looked through.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::network::{self, Network};

/// Time after which connections are looked through again while none may be closed.
const RETRY: Duration = Duration::from_millis(20);

/// Time that a new connection has for its first request, also where no slot is free. Without it, a flood of connections
/// would close each before its client could send anything.
const FIRST_HEAD: Duration = Duration::from_millis(100);

/// Part of the connections closed at once where no slot is free, so that a flood of new ones does not search all of
/// them for each.
const BATCH: usize = 32;

/// Phase of a connection. The earlier ones are closed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// A request was answered, and the next one is not complete.
    Idle,
    /// The first request is not complete.
    Head,
    /// The rest of what the client has begun to send is missing: a request body, or a session under way.
    Body,
    /// The client does not read its answer.
    Answer,
    /// An upgraded connection, which may stay open for as long as both sides like.
    Stream,
    /// The server makes an answer.
    Working,
    /// The answer is complete, and not all of it is written. The connection is not closed for others.
    Answered,
    /// The slot is needed for another connection.
    Evicted,
}

const PHASES: [Phase; 8] = [
    Phase::Idle,
    Phase::Head,
    Phase::Body,
    Phase::Answer,
    Phase::Stream,
    Phase::Working,
    Phase::Answered,
    Phase::Evicted,
];

/// Age from which a first request counts against the cap of its client: connections of a burst are accepted faster than their
/// requests, which are there already, are read.
const CAPPED_HEAD: Duration = Duration::from_secs(1);

/// Time for an evicted connection to close. One that does not notice its eviction does not delay that of others.
const GIVING_WAY: Duration = Duration::from_millis(500);

/// Bits of the time in [`Activity::state`]; the phase is above them, so that states are in the order of closing.
const TIME_BITS: u32 = 56;

/// Phase of a connection and when it began.
#[derive(Debug)]
pub struct Activity {
    /// The phase, and below it the milliseconds from `epoch` to its beginning.
    state: AtomicU64,
    epoch: Instant,
    /// Woken where the connection is to be closed.
    waker: AtomicWaker,
}

impl Activity {
    fn new(epoch: Instant, phase: Phase) -> Self {
        let activity = Self {
            state: AtomicU64::new(0),
            epoch,
            waker: AtomicWaker::new(),
        };
        activity.enter(phase);
        activity
    }

    /// Enters a phase that begins now.
    pub fn enter(&self, phase: Phase) {
        self.enter_since(phase, Instant::now());
    }

    fn enter_since(&self, phase: Phase, since: Instant) {
        let millis = since.saturating_duration_since(self.epoch).as_millis() as u64;
        self.state
            .store((phase as u64) << TIME_BITS | millis, Ordering::Release);
    }

    /// The present phase.
    pub fn phase(&self) -> Phase {
        phase_of(self.state.load(Ordering::Acquire))
    }

    /// Enters a phase where the connection is in one of others.
    pub fn enter_from(&self, from: &[Phase], phase: Phase) {
        // The evicting side may change the state in between: then the eviction is lost, and the next one is made.
        if from.contains(&self.phase()) {
            self.enter(phase);
        }
    }

    /// Resolves once the slot is needed for another connection.
    pub fn poll_evicted(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        match self.phase() {
            Phase::Evicted => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// The same, to be awaited. Only one task may wait for it at a time.
    pub async fn evicted(&self) {
        poll_fn(|context| self.poll_evicted(context)).await;
    }

    /// Runs a future that waits for the client, in a phase that began at `since`. Returns `None` where the slot is needed for
    /// another connection first.
    pub async fn waiting<T>(
        &self,
        phase: Phase,
        since: Instant,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        self.enter_since(phase, since);
        let output = tokio::select! {
            biased;
            output = future => output,
            () = self.evicted() => return None,
        };
        self.enter(Phase::Working);
        Some(output)
    }

    /// Asks the connection to close, unless its state has changed since it was read.
    fn evict(&self, seen: u64) -> bool {
        let now = self.epoch.elapsed().as_millis() as u64;
        let evicted = (Phase::Evicted as u64) << TIME_BITS | now;
        let outcome =
            self.state
                .compare_exchange(seen, evicted, Ordering::AcqRel, Ordering::Acquire);
        if outcome.is_ok() {
            self.waker.wake();
        }
        outcome.is_ok()
    }

    fn age(&self, state: u64) -> Duration {
        let began = Duration::from_millis(state & ((1 << TIME_BITS) - 1));
        self.epoch.elapsed().saturating_sub(began)
    }
}

fn phase_of(state: u64) -> Phase {
    PHASES[(state >> TIME_BITS) as usize % PHASES.len()]
}

/// A slot that is taken until this is dropped.
#[derive(Debug)]
pub struct Slot {
    activity: Arc<Activity>,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// Activity of the connection that has the slot.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

/// Connections by client; under `None` those of clients without a cap.
#[derive(Debug, Default)]
struct Held {
    by_client: HashMap<Option<IpAddr>, Vec<Weak<Activity>>>,
    /// Entries in all lists, dead ones among them.
    entries: usize,
}

/// The slots of one or several listeners.
#[derive(Debug)]
pub struct Slots {
    free: Arc<Semaphore>,
    capacity: usize,
    heads_per_client: usize,
    capped_head: Duration,
    uncapped: Vec<Network>,
    epoch: Instant,
    held: Mutex<Held>,
}

impl Slots {
    /// Slots for so many connections, without a cap for each client.
    pub fn new(capacity: usize) -> Self {
        // What a semaphore can give out at once.
        let capacity = capacity.clamp(1, u32::MAX as usize / 8);
        Self {
            free: Arc::new(Semaphore::new(capacity)),
            capacity,
            heads_per_client: usize::MAX,
            capped_head: CAPPED_HEAD,
            uncapped: Vec::new(),
            epoch: Instant::now(),
            held: Mutex::default(),
        }
    }

    /// Caps the first requests that are incomplete at once from one client. A client beyond it loses its own oldest one.
    /// Clients of this machine and of the networks named have no cap, since many may be behind one address there.
    pub fn with_heads_per_client(self, most: usize, uncapped: Vec<(IpAddr, u8)>) -> Self {
        Self {
            heads_per_client: most.max(1),
            uncapped,
            ..self
        }
    }

    /// Returns whether less than a quarter of the slots is free.
    pub fn is_scarce(&self) -> bool {
        self.free.available_permits() < self.capacity.div_ceil(4)
    }

    /// Takes a slot if one is free, for a connection that begins in this phase.
    pub fn try_take(&self, peer: IpAddr, phase: Phase) -> Option<Slot> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let activity = Arc::new(Activity::new(self.epoch, phase));
        self.register(peer, &activity);
        Some(Slot {
            activity,
            _permit: permit,
        })
    }

    /// Takes a slot, in place of a connection that waits for its client where none is free, or of one whose answer takes
    /// longer than `longest_answer`. Waits while there is neither.
    pub async fn take(&self, peer: IpAddr, phase: Phase, longest_answer: Option<Duration>) -> Slot {
        loop {
            if let Some(slot) = self.try_take(peer, phase) {
                return slot;
            }
            self.evict(|phase, age| match phase {
                Phase::Head => age >= FIRST_HEAD,
                Phase::Working => longest_answer.is_some_and(|longest| age >= longest),
                _ => true,
            });
            tokio::select! {
                slot = self.take_free(peer, phase) => return slot,
                () = sleep(RETRY) => {}
            }
        }
    }

    /// Waits for a slot to become free, and takes it.
    pub async fn take_free(&self, peer: IpAddr, phase: Phase) -> Slot {
        loop {
            // Given back at once, and taken below where no other task was faster.
            let _ = self.free.acquire().await;
            if let Some(slot) = self.try_take(peer, phase) {
                return slot;
            }
        }
    }

    /// Resolves once no slot is taken.
    pub async fn all_free(&self) {
        let _ = self.free.acquire_many(self.capacity as u32).await;
    }

    /// Asks the next connections in the order of closing to close, of those that `may_close` allows by phase and age. Returns how
    /// many are about to close; while earlier ones are, none is added.
    pub fn evict(&self, may_close: impl Fn(Phase, Duration) -> bool) -> usize {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let all = held.by_client.values().flatten().filter_map(Weak::upgrade);
        let mut candidates = Vec::new();
        let mut closing = 0;
        for activity in all {
            let state = activity.state.load(Ordering::Acquire);
            match phase_of(state) {
                Phase::Evicted if activity.age(state) < GIVING_WAY => closing += 1,
                Phase::Evicted => {}
                phase if phase <= Phase::Working && may_close(phase, activity.age(state)) => {
                    candidates.push((state, activity));
                }
                _ => {}
            }
        }
        if closing > 0 || candidates.is_empty() {
            return closing;
        }
        let batch = (self.capacity / BATCH).clamp(1, candidates.len());
        candidates.select_nth_unstable_by_key(batch - 1, |(state, _)| *state);
        let batch = &candidates[..batch];
        batch
            .iter()
            .filter(|(state, activity)| activity.evict(*state))
            .count()
    }

    fn register(&self, peer: IpAddr, activity: &Arc<Activity>) {
        let client = self.capped(peer);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.entries += 1;
        // Closed connections are forgotten once they are as many as there can be open ones.
        if held.entries > 2 * self.capacity + 64 {
            held.by_client.retain(|_, list| {
                list.retain(|activity| activity.strong_count() > 0);
                !list.is_empty()
            });
            held.entries = held.by_client.values().map(Vec::len).sum::<usize>() + 1;
        }
        let list = held.by_client.entry(client).or_default();
        list.push(Arc::downgrade(activity));
        if client.is_some() && list.len() > self.heads_per_client {
            let mut heads: Vec<_> = list
                .iter()
                .filter_map(Weak::upgrade)
                .map(|activity| (activity.state.load(Ordering::Acquire), activity))
                .filter(|(state, activity)| {
                    phase_of(*state) == Phase::Head && activity.age(*state) >= self.capped_head
                })
                .collect();
            if heads.len() > self.heads_per_client {
                // Stable: of those that began within one millisecond, the list has the oldest first.
                heads.sort_by_key(|(state, _)| *state);
                let surplus = heads.len() - self.heads_per_client;
                for (state, activity) in &heads[..surplus] {
                    activity.evict(*state);
                }
            }
        }
    }

    /// The client whose incomplete requests are counted; `None` where they are not.
    fn capped(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let is_uncapped = peer.is_loopback()
            || self
                .uncapped
                .iter()
                .any(|network| network::contains(*network, peer));
        (!is_uncapped).then(|| network::client(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A moment after the start of the slots.
    fn second(slots: &Slots, number: usize) -> Instant {
        slots.epoch + Duration::from_secs(number as u64)
    }

    fn is_waiting(phase: Phase, _: Duration) -> bool {
        phase < Phase::Working
    }

    fn take(slots: &Slots, peer: &str) -> Slot {
        slots.try_take(peer.parse().unwrap(), Phase::Head).unwrap()
    }

    fn phases<'a>(slots: impl IntoIterator<Item = &'a Slot>) -> Vec<Phase> {
        slots
            .into_iter()
            .map(|slot| slot.activity.phase())
            .collect()
    }

    #[tokio::test]
    async fn the_earliest_phase_goes_first_and_then_the_oldest() {
        let slots = Slots::new(5);
        let mut held = Vec::new();
        for phase in [
            Phase::Working,
            Phase::Body,
            Phase::Head,
            Phase::Head,
            Phase::Idle,
        ] {
            let slot = slots.try_take(HERE, phase).unwrap();
            slot.activity.enter_since(phase, second(&slots, held.len()));
            held.push(slot);
        }
        assert!(slots.try_take(HERE, Phase::Head).is_none());
        for expected in [4, 2, 2, 1] {
            assert_eq!(slots.evict(is_waiting), 1);
            let closed = held.remove(expected);
            assert_eq!(closed.activity.phase(), Phase::Evicted);
            // No other connection is asked to close until this one is closed.
            assert_eq!(slots.evict(is_waiting), 1);
            assert!(!phases(&held).contains(&Phase::Evicted));
        }
        assert_eq!(slots.evict(is_waiting), 0);
        assert_eq!(phases(&held), [Phase::Working]);
    }

    #[tokio::test]
    async fn a_new_connection_gets_the_slot_of_one_that_waits() {
        let slots = Slots::new(1);
        let first = slots.try_take(HERE, Phase::Head).unwrap();
        let activity = Arc::clone(first.activity());
        let held = tokio::spawn(async move {
            let since = Instant::now();
            let outcome = activity
                .waiting(Phase::Head, since, std::future::pending::<()>())
                .await;
            drop(first);
            outcome
        });
        slots.take(HERE, Phase::Head, None).await;
        assert_eq!(held.await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_connection_that_is_being_answered_keeps_its_slot() {
        let slots = Slots::new(1);
        let first = slots.try_take(HERE, Phase::Head).unwrap();
        first.activity.enter(Phase::Working);
        let early = tokio::time::timeout(
            Duration::from_millis(300),
            slots.take(HERE, Phase::Head, None),
        )
        .await;
        assert!(early.is_err());
        // Once it waits for its client, it is closed.
        first.activity.enter(Phase::Idle);
        gives_way(&slots, first, None).await;
    }

    /// Asserts that a connection is asked to close for a second one, which gets the slot once the first is closed.
    async fn gives_way(slots: &Slots, first: Slot, longest_answer: Option<Duration>) {
        let second = slots.take(HERE, Phase::Head, longest_answer);
        tokio::pin!(second);
        let early = tokio::time::timeout(Duration::from_millis(300), &mut second).await;
        assert!(early.is_err(), "the slot is not free yet");
        assert_eq!(first.activity.phase(), Phase::Evicted);
        drop(first);
        second.await;
    }

    #[tokio::test]
    async fn an_answer_that_takes_too_long_gives_way_where_the_caller_says_so() {
        let slots = Slots::new(1);
        let first = slots.try_take(HERE, Phase::Working).unwrap();
        let longest = Some(Duration::from_millis(1));
        gives_way(&slots, first, longest).await;
    }

    #[tokio::test]
    async fn a_client_beyond_its_cap_loses_its_own_oldest_head() {
        let networks = vec![("198.51.100.0".parse().unwrap(), 24)];
        let slots = Slots {
            capped_head: Duration::ZERO,
            ..Slots::new(100).with_heads_per_client(2, networks)
        };
        let mut held = Vec::new();
        for peer in ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"] {
            held.push(take(&slots, peer));
        }
        let (evicted, head) = (Phase::Evicted, Phase::Head);
        assert_eq!(phases(&held), [evicted, head, head, head]);
        // A request that is complete no longer counts.
        held[2].activity.enter(Phase::Working);
        held.push(take(&slots, "2001:db8::4"));
        assert_eq!(phases(&held[2..]), [Phase::Working, head, head]);
        for peer in ["127.0.0.1", "::1", "198.51.100.7", "::ffff:127.0.0.1"] {
            let many: Vec<_> = (0..10).map(|_| take(&slots, peer)).collect();
            assert!(phases(&many).iter().all(|phase| *phase == head), "{peer}");
        }
    }

    #[tokio::test]
    async fn a_burst_of_one_client_is_within_its_cap() {
        let slots = Slots::new(100).with_heads_per_client(2, Vec::new());
        let burst: Vec<_> = (0..50).map(|_| take(&slots, "192.0.2.1")).collect();
        assert!(phases(&burst).iter().all(|phase| *phase == Phase::Head));
    }

    #[test]
    fn closed_connections_are_forgotten() {
        let slots = Slots::new(2);
        for number in 0..1_000_u32 {
            drop(
                slots
                    .try_take(IpAddr::V4(number.into()), Phase::Head)
                    .unwrap(),
            );
        }
        let held = slots.held.lock().unwrap();
        assert!(held.by_client.len() <= 70, "{}", held.by_client.len());
    }
}
