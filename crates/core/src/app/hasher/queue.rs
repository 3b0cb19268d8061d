//! Queue of password hashes, and the threads that compute them in order: as many as there are cores, each with as many
//! interleaved hashes as [`bcrypt_lanes`] has lanes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bcrypt_lanes::{Digest, LANES, Lanes, Salt};
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::domain::password::LONGEST_BYTES;
use crate::supervisor::fault_points;

/// Number of jobs that may wait before further ones are refused.
pub(super) const LONGEST_QUEUE: usize = 256;
/// Number of rounds after which a thread checks for further jobs: about a millisecond.
const ROUNDS_AT_ONCE: u64 = 8;

/// Load of the threads that hash passwords.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HashLoad {
    /// Number of hashes that are being computed.
    pub running: u64,
    /// Number of hashes that wait for a core.
    pub waiting: u64,
    /// Number of hashes that were refused since the start because too many were waiting.
    pub refused: u64,
}

/// One bcrypt hash.
pub(super) struct Step {
    pub(super) password: Zeroizing<String>,
    pub(super) salt: Salt,
    pub(super) cost: u32,
    /// Digest to compare the result with.
    pub(super) expected: Option<Digest>,
}

/// Result of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Digest of the last step.
    pub(super) digest: Digest,
    /// Whether a digest was the expected one.
    pub(super) fits: bool,
}

/// Steps one after another, with the receiver of their result. All of them are done, also after one that was as expected:
/// the time of a job does not depend on what was expected.
struct Job {
    steps: VecDeque<Step>,
    fits: bool,
    answer: oneshot::Sender<Outcome>,
}

/// State of a job after one of its steps.
enum Progress {
    More(Job),
    Ended(oneshot::Sender<Outcome>, Outcome),
}

impl Job {
    /// Completes the first step with its digest.
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

#[derive(Debug)]
pub(super) struct Full;

#[derive(Clone)]
pub(super) struct Queue {
    cores: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Number of jobs that are being computed.
    running: usize,
    workers: usize,
    /// Number of threads that have not looked for a job yet.
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

    /// Appends a job of at least one step. The receiver fails if a thread panicked on it.
    pub(super) fn push(&self, steps: Vec<Step>) -> Result<oneshot::Receiver<Outcome>, Full> {
        let (answer, outcome) = oneshot::channel();
        let mut state = self.lock();
        if state.waiting.len() >= LONGEST_QUEUE {
            // A job whose caller no longer waits must not cause a refusal.
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

    /// Starts a thread if a core is free: a core of its own is faster than a lane beside other hashes.
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
            phase: Phase::Starting,
        };
        drop(state);
        tokio::task::spawn_blocking(move || worker.run());
    }

    pub(super) fn load(&self) -> HashLoad {
        let state = self.lock();
        HashLoad {
            running: state.running as u64,
            waiting: state.waiting.len() as u64,
            refused: state.refused,
        }
    }
}

/// One thread.
struct Worker {
    queue: Queue,
    lanes: Lanes,
    /// Jobs on the lanes, in the same positions.
    jobs: Vec<Job>,
    phase: Phase,
}

/// State of a thread in the counts of the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Working,
    /// The thread is not counted any more.
    Ended,
}

impl Worker {
    /// Runs until no job is waiting.
    fn run(mut self) {
        while self.take_one() {
            fault_points::hit("hasher");
            self.lanes.advance(ROUNDS_AT_ONCE);
            self.drop_abandoned();
            while let Some(place) = self.lanes.finished() {
                let digest = self.lanes.remove(place);
                let job = self.jobs.swap_remove(place);
                self.settle(job, digest);
            }
        }
    }

    /// Moves the oldest job to a free lane: one at a time, so that all threads get equally many. Returns `false` if there is
    /// nothing to do; the thread is not counted any more then.
    fn take_one(&mut self) -> bool {
        let queue = self.queue.clone();
        let mut state = queue.lock();
        if self.phase == Phase::Starting {
            self.phase = Phase::Working;
            state.starting -= 1;
        }
        // Each starting thread will take one.
        while self.jobs.len() < LANES && state.waiting.len() > state.starting {
            let Some(job) = state.waiting.pop_front() else {
                break;
            };
            // The caller no longer waits.
            if job.answer.is_closed() {
                continue;
            }
            state.running += 1;
            drop(state);
            self.begin(job);
            return true;
        }
        if self.jobs.is_empty() {
            self.phase = Phase::Ended;
            state.workers -= 1;
            return false;
        }
        true
    }

    /// Clears the lanes of jobs whose callers no longer wait.
    fn drop_abandoned(&mut self) {
        // Backwards, so that removing a job moves none that is still to be checked.
        for place in (0..self.jobs.len()).rev() {
            if self.jobs[place].answer.is_closed() {
                self.lanes.remove(place);
                self.jobs.swap_remove(place);
                self.queue.lock().running -= 1;
            }
        }
    }

    /// Begins the first step of a job.
    fn begin(&mut self, job: Job) {
        let Some(step) = job.steps.front() else {
            return;
        };
        if are_lanes_sound() {
            self.lanes
                .start(step.password.as_bytes(), &step.salt, step.cost);
            self.jobs.push(job);
        } else {
            let digest = reference_digest(step.password.as_bytes(), step.salt, step.cost);
            self.settle(job, digest);
        }
    }

    fn settle(&mut self, job: Job, digest: Digest) {
        match job.after(digest) {
            Progress::More(job) => self.begin(job),
            Progress::Ended(answer, outcome) => {
                self.queue.lock().running -= 1;
                // The caller may no longer wait.
                let _ = answer.send(outcome);
            }
        }
    }
}

impl Drop for Worker {
    /// Corrects the counts, also after a panic and if the runtime ended before the thread began. A panic fails the jobs on the
    /// lanes; the waiting ones get another thread.
    fn drop(&mut self) {
        if self.phase == Phase::Ended {
            return;
        }
        let mut state = self.queue.lock();
        state.workers -= 1;
        state.running -= self.jobs.len();
        let has_run = self.phase == Phase::Working;
        if !has_run {
            state.starting -= 1;
        }
        // A runtime that ends would drop every further thread in the same way.
        if has_run && std::thread::panicking() && !state.waiting.is_empty() {
            self.queue.start_worker(state);
        }
    }
}

/// Returns whether the lanes compute the same digests as the `bcrypt` crate, for each number of hashes. Tests cover this too.
/// Each process checks the lanes once nevertheless: on a machine or with a compiler that breaks them no login would succeed,
/// and the check takes only some milliseconds.
fn are_lanes_sound() -> bool {
    static SOUND: OnceLock<bool> = OnceLock::new();
    *SOUND.get_or_init(|| {
        const CHEAPEST: u32 = 4;
        const PASSWORD: &[u8] = b"correct horse";
        // Two salts, so that swapped lanes are detected.
        let cases = [[1; 16], [2; 16]].map(|salt| (salt, reference_digest(PASSWORD, salt, CHEAPEST)));
        let is_sound = (1..=LANES).all(|taken| {
            let mut lanes = Lanes::new();
            for (salt, _) in cases.iter().cycle().take(taken) {
                lanes.start(PASSWORD, salt, CHEAPEST);
            }
            lanes.advance(1 << CHEAPEST);
            // Backwards, so that none moves.
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

/// Returns the digest of a password without a NUL by the `bcrypt` crate.
fn reference_digest(password: &[u8], salt: Salt, cost: u32) -> Digest {
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
        reference_digest(password.as_bytes(), [7; 16], cost)
    }

    #[test]
    fn the_lanes_agree_with_the_bcrypt_crate() {
        assert!(are_lanes_sound());
    }

    #[tokio::test]
    async fn every_job_gets_its_own_result() {
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
    async fn all_steps_are_computed_even_after_one_fits() {
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
    async fn an_abandoned_job_is_not_computed() {
        let queue = Queue::new(1);
        // These would take very long; none of them may run before the last job.
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
    async fn a_full_queue_refuses_further_jobs() {
        // A queue without cores computes no job.
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
