//! Limits the connections of a listener, and chooses the connection to close if no slot is free for a new client.
//!
//! Every open connection has an [`Activity`]: its phase, and the time at which the phase began. While the server waits for the
//! client (for a request, for the rest of a body, or for the client to read a response), the connection may be closed for a new
//! client. The connections with the earliest phase are closed first, and within a phase those that have waited for longest.
//! Otherwise clients that connect and send nothing would block all others until their timeouts. A connection whose response is
//! being computed is closed only if the caller allows it, and after all others.
//!
//! A connection reports its phase by one atomic store. The connections are searched only if no slot is free.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::network;

/// Time after which the connections are searched again if none may be closed.
const RETRY: Duration = Duration::from_millis(20);

/// Minimum time that a new connection has for its first request, even if no slot is free. Without it, a flood of connections
/// would close each connection before its client could send anything.
const FIRST_HEAD: Duration = Duration::from_millis(100);

/// Divisor of the capacity: the number of connections that are closed at once if no slot is free. A flood of new connections then
/// does not search all connections for each new one.
const BATCH: usize = 32;

/// Phase of a connection. Connections in earlier phases are closed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// A request was answered, and the next one is not complete.
    Idle,
    /// The first request is not complete.
    Head,
    /// The client has begun to send a request body or an SMTP session, and the rest is missing.
    Body,
    /// The client does not read the response.
    Answer,
    /// The connection was upgraded, and may stay open without a limit.
    Stream,
    /// The server computes a response.
    Working,
    /// The response is complete, and not all of it is written. The connection is not closed for others.
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

/// Age from which an incomplete first request counts against the limit of its client. In a burst, connections are accepted faster
/// than their requests are read, although the requests have already arrived.
const CAPPED_HEAD: Duration = Duration::from_secs(1);

/// Time for an evicted connection to close. A connection that takes longer does not delay the eviction of others.
const GIVING_WAY: Duration = Duration::from_millis(500);

/// Bits of the time in [`Activity::state`]; the phase is above them, so that states are in the order of closing.
const TIME_BITS: u32 = 56;

/// Phase of a connection, and the time at which it began.
#[derive(Debug)]
pub struct Activity {
    /// Phase in the upper bits; below them the milliseconds from `epoch` to its beginning.
    state: AtomicU64,
    epoch: Instant,
    /// Woken when the connection must be closed.
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

    /// Returns the current phase.
    pub fn phase(&self) -> Phase {
        parse_phase(self.state.load(Ordering::Acquire))
    }

    /// Enters `phase` if the current phase is one of `from`.
    pub fn enter_from(&self, from: &[Phase], phase: Phase) {
        // An eviction between these two operations is lost. The evicting task then evicts again.
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

    /// Resolves once the slot is needed for another connection. Only one task may wait at a time.
    pub async fn evicted(&self) {
        poll_fn(|context| self.poll_evicted(context)).await;
    }

    /// Runs a future that waits for the client, in a phase that began at `since`. Returns `None` if the slot is
    /// needed for another connection first.
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

    /// Requests the connection to close, unless its state differs from `seen`. Returns whether the
    /// connection was evicted.
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

fn parse_phase(state: u64) -> Phase {
    PHASES[(state >> TIME_BITS) as usize % PHASES.len()]
}

/// Slot of a connection, which is taken until this value is dropped.
#[derive(Debug)]
pub struct Slot {
    activity: Arc<Activity>,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// Returns the activity of the connection that has the slot.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

/// Connections by client. The key `None` has those of all clients without a limit.
#[derive(Debug, Default)]
struct Held {
    by_client: HashMap<Option<IpAddr>, Vec<Weak<Activity>>>,
    /// Number of entries in all lists, including closed connections.
    entries: usize,
}

/// Slots of one or several listeners.
#[derive(Debug)]
pub struct Slots {
    free: Arc<Semaphore>,
    capacity: usize,
    heads_per_client: usize,
    capped_head: Duration,
    uncapped: Vec<IpNet>,
    epoch: Instant,
    held: Mutex<Held>,
}

impl Slots {
    /// Returns slots for `capacity` connections, without a limit for each client.
    pub fn new(capacity: usize) -> Self {
        // `acquire_many` takes a 32-bit number of permits.
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

    /// Limits the connections of one client whose first request is incomplete. Beyond the limit, the oldest of them is closed.
    /// Clients of this machine and of the networks `uncapped` have no limit, since many clients may share one address there.
    pub fn with_heads_per_client(self, most: usize, uncapped: Vec<IpNet>) -> Self {
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

    /// Takes a slot. If none is free, closes a connection whose client keeps the server waiting, or one whose response has taken
    /// longer than `longest_answer`. Waits if there is no such connection.
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
            // The permit is returned at once, and taken again by `try_take` unless another task was faster.
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

    /// Requests the next batch of connections to close, of those that `may_close` permits by phase and age, in the order of closing.
    /// Returns the number of connections that are closing. While evicted connections are still open, no others are evicted.
    pub fn evict(&self, may_close: impl Fn(Phase, Duration) -> bool) -> usize {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let all = held.by_client.values().flatten().filter_map(Weak::upgrade);
        let mut candidates = Vec::new();
        let mut closing = 0;
        for activity in all {
            let state = activity.state.load(Ordering::Acquire);
            match parse_phase(state) {
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
        let client = self.limited_client(peer);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.entries += 1;
        // Entries of closed connections are removed once there are as many as open connections are possible.
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
                    parse_phase(*state) == Phase::Head && activity.age(*state) >= self.capped_head
                })
                .collect();
            if heads.len() > self.heads_per_client {
                // The sort is stable: of requests that began within one millisecond, the list has the oldest first.
                heads.sort_by_key(|(state, _)| *state);
                let surplus = heads.len() - self.heads_per_client;
                for (state, activity) in &heads[..surplus] {
                    activity.evict(*state);
                }
            }
        }
    }

    /// Returns the client whose incomplete requests are counted; `None` if the peer has no limit.
    fn limited_client(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let is_uncapped =
            peer.is_loopback() || self.uncapped.iter().any(|network| network.contains(&peer));
        (!is_uncapped).then(|| network::client(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Returns the time this number of seconds after the start of the slots.
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
    async fn the_earliest_phase_is_closed_first_and_then_the_oldest() {
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
    async fn a_connection_whose_response_is_computed_keeps_its_slot() {
        let slots = Slots::new(1);
        let first = slots.try_take(HERE, Phase::Head).unwrap();
        first.activity.enter(Phase::Working);
        let early = tokio::time::timeout(
            Duration::from_millis(300),
            slots.take(HERE, Phase::Head, None),
        )
        .await;
        assert!(early.is_err());
        // A connection that waits for its client is closed.
        first.activity.enter(Phase::Idle);
        assert_gives_way(&slots, first, None).await;
    }

    /// Asserts that the first connection is requested to close for a second one, which gets the slot once the first is closed.
    async fn assert_gives_way(slots: &Slots, first: Slot, longest_answer: Option<Duration>) {
        let second = slots.take(HERE, Phase::Head, longest_answer);
        tokio::pin!(second);
        let early = tokio::time::timeout(Duration::from_millis(300), &mut second).await;
        assert!(early.is_err(), "the slot is not free yet");
        assert_eq!(first.activity.phase(), Phase::Evicted);
        drop(first);
        second.await;
    }

    #[tokio::test]
    async fn a_slow_response_gives_way_if_the_caller_allows_it() {
        let slots = Slots::new(1);
        let first = slots.try_take(HERE, Phase::Working).unwrap();
        let longest = Some(Duration::from_millis(1));
        assert_gives_way(&slots, first, longest).await;
    }

    #[tokio::test]
    async fn a_client_beyond_its_limit_loses_its_own_oldest_connection() {
        let networks = vec!["198.51.100.0/24".parse().unwrap()];
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
        // A complete request no longer counts.
        held[2].activity.enter(Phase::Working);
        held.push(take(&slots, "2001:db8::4"));
        assert_eq!(phases(&held[2..]), [Phase::Working, head, head]);
        for peer in ["127.0.0.1", "::1", "198.51.100.7", "::ffff:127.0.0.1"] {
            let many: Vec<_> = (0..10).map(|_| take(&slots, peer)).collect();
            assert!(phases(&many).iter().all(|phase| *phase == head), "{peer}");
        }
    }

    #[tokio::test]
    async fn a_burst_of_one_client_does_not_exceed_its_limit() {
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
