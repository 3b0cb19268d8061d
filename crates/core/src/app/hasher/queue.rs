//! Who waits for a core, and the threads that work through them: as many as there are cores, each with as many hashes
//! side by side as [`bcrypt_lanes`] has lanes, in the order of asking.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bcrypt_lanes::{Digest, LANES, Lanes, Salt};
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::HashLoad;
use crate::domain::password::LONGEST_BYTES;
use crate::supervisor::fault_points;

/// How many may wait for a core before more are refused.
pub(super) const LONGEST_QUEUE: usize = 256;
/// After how many rounds a thread looks who else waits: about a millisecond.
const ROUNDS_AT_ONCE: u64 = 8;

/// One bcrypt hash to be done.
pub(super) struct Step {
    pub(super) password: Zeroizing<String>,
    pub(super) salt: Salt,
    pub(super) cost: u32,
    /// Digest that it is compared with.
    pub(super) expected: Option<Digest>,
}

/// Result of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Digest of the last step.
    pub(super) digest: Digest,
    /// Whether a digest was as expected.
    pub(super) fits: bool,
}

/// Steps one after another, with the receiver of their result. All of them are done, also after one that was as expected:
/// the time of a job does not depend on what was expected.
struct Job {
    steps: VecDeque<Step>,
    fits: bool,
    answer: oneshot::Sender<Outcome>,
}

/// How far a job is.
enum Progress {
    More(Job),
    Ended(oneshot::Sender<Outcome>, Outcome),
}

impl Job {
    /// Takes the digest of its first step.
    fn after(mut self, digest: Digest) -> Progress {
        let expected = self.steps.pop_front().and_then(|step| step.expected);
        self.fits |= expected.is_some_and(|expected| bool::from(expected.ct_eq(&digest)));
        if self.steps.is_empty() {
            let fits = self.fits;
            return Progress::Ended(self.answer, Outcome { digest, fits });
        }
        Progress::More(self)
    }
}

/// The queue is full.
#[derive(Debug)]
pub(super) struct Full;

/// The queue, and its threads.
#[derive(Clone)]
pub(super) struct Queue {
    cores: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Hashes on their way.
    running: usize,
    /// Threads that work.
    workers: usize,
    /// Those of them that have not looked for work yet.
    starting: usize,
    refused: u64,
}

impl Queue {
    pub(super) fn new(cores: usize) -> Self {
        Self {
            cores,
            state: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts steps, one at least, at the end of the queue. The receiver fails where a thread has died of them.
    pub(super) fn push(&self, steps: Vec<Step>) -> Result<oneshot::Receiver<Outcome>, Full> {
        let (answer, outcome) = oneshot::channel();
        let mut state = self.lock();
        if state.waiting.len() >= LONGEST_QUEUE {
            // Who has hung up keeps nobody out.
            state.waiting.retain(|job| !job.answer.is_closed());
        }
        if state.waiting.len() >= LONGEST_QUEUE {
            state.refused += 1;
            return Err(Full);
        }
        state.waiting.push_back(Job {
            steps: steps.into(),
            fits: false,
            answer,
        });
        self.start_worker(state);
        Ok(outcome)
    }

    /// Starts a thread if there is a core for it: a core of its own is better than a lane beside others.
    fn start_worker(&self, mut state: MutexGuard<'_, State>) {
        if state.workers >= self.cores {
            return;
        }
        state.workers += 1;
        state.starting += 1;
        let worker = Worker {
            queue: self.clone(),
            lanes: Lanes::new(),
            jobs: Vec::with_capacity(LANES),
            standing: Standing::Starting,
        };
        drop(state);
        tokio::task::spawn_blocking(move || worker.run());
    }

    /// How many run, wait and were refused.
    pub(super) fn load(&self) -> HashLoad {
        let state = self.lock();
        HashLoad {
            running: state.running as u64,
            waiting: state.waiting.len() as u64,
            refused: state.refused,
        }
    }
}

/// One thread's work.
struct Worker {
    queue: Queue,
    lanes: Lanes,
    /// Whose hashes are on the lanes, in the same places.
    jobs: Vec<Job>,
    standing: Standing,
}

/// What the queue knows of a thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Starting,
    Working,
    /// It is counted no more.
    Left,
}

impl Worker {
    /// Works until nobody waits any more.
    fn run(mut self) {
        while self.take_one() {
            fault_points::hit("hasher");
            self.lanes.advance(ROUNDS_AT_ONCE);
            self.leave_who_hung_up();
            while let Some(place) = self.lanes.finished() {
                let digest = self.lanes.remove(place);
                let job = self.jobs.swap_remove(place);
                self.settle(job, digest);
            }
        }
    }

    /// Takes who has waited the longest onto a free lane: one at a time, so that all threads get as many. `false` where
    /// there is nothing to do, and the thread is counted no more.
    fn take_one(&mut self) -> bool {
        let queue = self.queue.clone();
        let mut state = queue.lock();
        if self.standing == Standing::Starting {
            self.standing = Standing::Working;
            state.starting -= 1;
        }
        // Threads that start take one each.
        while self.jobs.len() < LANES && state.waiting.len() > state.starting {
            let Some(job) = state.waiting.pop_front() else {
                break;
            };
            // Who has hung up needs no answer.
            if job.answer.is_closed() {
                continue;
            }
            state.running += 1;
            drop(state);
            self.begin(job);
            return true;
        }
        if self.jobs.is_empty() {
            self.standing = Standing::Left;
            state.workers -= 1;
            return false;
        }
        true
    }

    /// Clears the lanes of those who wait no more.
    fn leave_who_hung_up(&mut self) {
        // From the last one on, so that none that is still to be looked at moves.
        for place in (0..self.jobs.len()).rev() {
            if self.jobs[place].answer.is_closed() {
                self.lanes.remove(place);
                self.jobs.swap_remove(place);
                self.queue.lock().running -= 1;
            }
        }
    }

    /// Begins with the first step of a job.
    fn begin(&mut self, job: Job) {
        let Some(step) = job.steps.front() else {
            return;
        };
        if are_lanes_sound() {
            self.lanes
                .start(step.password.as_bytes(), &step.salt, step.cost);
            self.jobs.push(job);
        } else {
            let digest = by_the_crate(step.password.as_bytes(), step.salt, step.cost);
            self.settle(job, digest);
        }
    }

    fn settle(&mut self, job: Job, digest: Digest) {
        match job.after(digest) {
            Progress::More(job) => self.begin(job),
            Progress::Ended(answer, outcome) => {
                self.queue.lock().running -= 1;
                // Nobody may be waiting any more.
                let _ = answer.send(outcome);
            }
        }
    }
}

impl Drop for Worker {
    /// Also called where it panicked, or the runtime ended before it began. A panic fails the jobs on its lanes; those that
    /// wait get another thread.
    fn drop(&mut self) {
        if self.standing == Standing::Left {
            return;
        }
        let mut state = self.queue.lock();
        state.workers -= 1;
        state.running -= self.jobs.len();
        let has_run = self.standing == Standing::Working;
        if !has_run {
            state.starting -= 1;
        }
        // A runtime that ends would drop the next thread in the same way, without end.
        if has_run && std::thread::panicking() && !state.waiting.is_empty() {
            self.queue.start_worker(state);
        }
    }
}

/// Whether the lanes say what the crate says, on each number of them. They are tested; this is asked once for each process
/// all the same, since a compiler or a machine that gets them wrong would lock everybody out, and it takes some
/// milliseconds.
fn are_lanes_sound() -> bool {
    static SOUND: OnceLock<bool> = OnceLock::new();
    *SOUND.get_or_init(|| {
        const CHEAPEST: u32 = 4;
        const PASSWORD: &[u8] = b"correct horse";
        // Two of them, so that lanes which are mixed up are seen.
        let cases = [[1; 16], [2; 16]].map(|salt| (salt, by_the_crate(PASSWORD, salt, CHEAPEST)));
        let is_sound = (1..=LANES).all(|taken| {
            let mut lanes = Lanes::new();
            for (salt, _) in cases.iter().cycle().take(taken) {
                lanes.start(PASSWORD, salt, CHEAPEST);
            }
            lanes.advance(1 << CHEAPEST);
            // From the last one on, so that none moves.
            (0..taken)
                .rev()
                .all(|place| lanes.remove(place) == cases[place % 2].1)
        });
        if !is_sound {
            tracing::error!(
                "interleaved hashing gives wrong hashes on this machine: hashing one password at a time"
            );
        }
        is_sound
    })
}

/// What the `bcrypt` crate makes of a password without a NUL.
fn by_the_crate(password: &[u8], salt: Salt, cost: u32) -> Digest {
    let ended = Zeroizing::new([password, &[0]].concat());
    let digest = bcrypt::bcrypt(cost, salt, &ended[..ended.len().min(LONGEST_BYTES)]);
    std::array::from_fn(|byte| digest[byte])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(password: &str, cost: u32) -> Step {
        Step {
            password: Zeroizing::new(password.to_owned()),
            salt: [7; 16],
            cost,
            expected: None,
        }
    }

    fn digest(password: &str, cost: u32) -> Digest {
        by_the_crate(password.as_bytes(), [7; 16], cost)
    }

    #[test]
    fn the_lanes_are_sound() {
        assert!(are_lanes_sound());
    }

    #[tokio::test]
    async fn all_are_answered_whoever_waits_beside_them() {
        for cores in [1, 2] {
            let queue = Queue::new(cores);
            let asked: Vec<_> = (0..40)
                .map(|number| {
                    let (password, cost) = (format!("password {number}"), 4 + number % 3);
                    let steps = vec![step(&password, 4), step(&password, cost)];
                    (queue.push(steps).unwrap(), digest(&password, cost))
                })
                .collect();
            for (outcome, expected) in asked {
                assert_eq!(outcome.await.unwrap().digest, expected);
            }
            assert_eq!(queue.load(), HashLoad::default());
        }
    }

    #[tokio::test]
    async fn all_steps_are_done_whichever_fits() {
        let fitting = || Step {
            expected: Some(digest("right", 4)),
            ..step("right", 4)
        };
        for (steps, last, fits) in [
            (vec![fitting(), step("next", 4)], "next", true),
            (vec![step("wrong", 4), fitting()], "right", true),
            (vec![step("wrong", 4), step("next", 4)], "next", false),
        ] {
            let outcome = Queue::new(1).push(steps).unwrap().await.unwrap();
            let digest = digest(last, 4);
            assert_eq!(outcome, Outcome { digest, fits });
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn who_hangs_up_is_not_worked_for() {
        let queue = Queue::new(1);
        // More than anybody waits for; none of it may run before the last one.
        let long: Vec<_> = (0..LANES)
            .map(|_| queue.push(vec![step("long", 6)]).unwrap())
            .collect();
        for _ in 0..100 {
            drop(queue.push(vec![step("hung up", 16)]).unwrap());
        }
        let last = queue.push(vec![step("last", 4)]).unwrap();
        assert_eq!(last.await.unwrap().digest, digest("last", 4));
        for outcome in long {
            outcome.await.unwrap();
        }
        assert_eq!(queue.load(), HashLoad::default());
    }

    #[tokio::test]
    async fn the_queue_refuses_rather_than_grows() {
        // Without a core nobody is worked for.
        let queue = Queue::new(0);
        let waiting: Vec<_> = (0..LONGEST_QUEUE)
            .map(|_| queue.push(vec![step("waits", 4)]).unwrap())
            .collect();
        assert!(queue.push(vec![step("one more", 4)]).is_err());
        let load = HashLoad {
            running: 0,
            waiting: waiting.len() as u64,
            refused: 1,
        };
        assert_eq!(queue.load(), load);
    }
}
