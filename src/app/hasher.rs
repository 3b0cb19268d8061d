//! Where passwords are hashed and verified: off the async threads, as many at once as there are cores, in the order
//! of asking, and with a queue that refuses rather than grows (CVE-2013-1443, CVE-2021-45115).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, TryAcquireError};
use zeroize::Zeroizing;

use super::AppError;
use crate::domain::password::{LONGEST_BYTES, PasswordHash, PasswordInput};
use crate::metrics::HashLoad;

/// How many may wait for a core before more are refused.
const LONGEST_QUEUE: usize = 256;
/// What a refused caller is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Hashes and verifies with bcrypt.
#[derive(Clone)]
pub struct Hasher {
    cost: u32,
    cores: usize,
    /// One permit a core; tokio's semaphore serves in the order of asking.
    running: Arc<Semaphore>,
    /// One permit for each that runs or waits.
    admitted: Arc<Semaphore>,
    refused: Arc<AtomicU64>,
}

impl Hasher {
    /// Hashes with `cost` (the base-2 logarithm of the rounds), on `cores` threads at the most.
    pub fn new(cost: u32, cores: usize) -> Self {
        Self {
            cost,
            cores,
            running: Arc::new(Semaphore::new(cores)),
            admitted: Arc::new(Semaphore::new(cores + LONGEST_QUEUE)),
            refused: Arc::default(),
        }
    }

    /// Hashes a password that the policy has passed.
    ///
    /// # Errors
    /// [`AppError::Busy`] where too many wait.
    pub async fn hash(&self, password: &PasswordInput) -> Result<PasswordHash, AppError> {
        let (password, cost) = (password.normalized(), self.cost);
        // The crate's own `non_truncating_hash` counts the NUL behind the password, and refuses 72 bytes already.
        if password.len() > LONGEST_BYTES || password.contains('\0') {
            return Err(AppError::Internal(
                "a password that bcrypt would cut came past the policy".to_owned(),
            ));
        }
        self.run(move || bcrypt::hash(password.as_bytes(), cost))
            .await?
            .map(PasswordHash::from_stored)
            .map_err(|error| {
                AppError::Internal(format!(
                    "bcrypt refused a password that the policy had passed: {error}"
                ))
            })
    }

    /// Whether the password fits the hash. Without a hash, or with one that is no bcrypt hash, the same work is done
    /// for nothing, so that the time does not tell an unknown address from a wrong password (CVE-2016-2513).
    ///
    /// # Errors
    /// [`AppError::Busy`] where too many wait.
    pub async fn verify(
        &self,
        password: &PasswordInput,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, AppError> {
        let candidates: Vec<_> = password
            .candidates()
            .into_iter()
            .filter(|form| form.len() <= LONGEST_BYTES && !form.contains('\0'))
            .collect();
        if candidates.is_empty() {
            // No hash can have been made from it, whoever asks: this is the same for every address.
            return Ok(false);
        }
        let decoy = self.decoy();
        let hash = hash.unwrap_or(&decoy).clone();
        self.run(move || {
            candidates
                .iter()
                .any(|password| fits(password, &hash, &decoy))
        })
        .await
    }

    /// How many run, wait and were refused.
    pub fn load(&self) -> HashLoad {
        let admitted = self.cores + LONGEST_QUEUE - self.admitted.available_permits();
        // One that is admitted between the two looks counts as waiting, and never as less than none.
        let running = (self.cores - self.running.available_permits()).min(admitted);
        HashLoad {
            running: running as u64,
            waiting: (admitted - running) as u64,
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// A hash of the usual cost that no password is known to fit.
    pub(super) fn decoy(&self) -> PasswordHash {
        PasswordHash::from_stored(format!("$2b${:02}${}", self.cost, ".".repeat(53)))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AppError> {
        let admitted = match Arc::clone(&self.admitted).try_acquire_owned() {
            Ok(permit) => permit,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(AppError::Busy {
                    retry_after: RETRY_AFTER,
                });
            }
        };
        let running = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|error| AppError::Internal(error.to_string()))?;
        // The permits go with the work: a caller that hangs up must not let one more in beside a hash that still runs.
        let done = tokio::task::spawn_blocking(move || {
            let _permits = (admitted, running);
            work()
        });
        done.await
            .map_err(|error| AppError::Internal(format!("hashing a password failed: {error}")))
    }
}

/// The costs of the hashes that are missing after one of the cost `done`, until all of them together are as much work as
/// one of the cost `usual`: each step of the cost doubles the work, so it is every cost between.
fn topping_up(done: u32, usual: u32) -> Vec<u32> {
    (done..usual).collect()
}

/// Whether a password fits a hash, by as much work as for `decoy` whatever the hash is; for a dearer one it is more.
fn fits(password: &Zeroizing<String>, hash: &PasswordHash, decoy: &PasswordHash) -> bool {
    let fits = bcrypt::verify(password.as_bytes(), hash.as_str());
    let still_to_do = match (&fits, hash.cost(), decoy.cost()) {
        (Ok(_), Some(done), Some(usual)) => topping_up(done, usual),
        // No bcrypt hash: the answer is no.
        (_, _, usual) => usual.into_iter().collect(),
    };
    for cost in still_to_do {
        let _ = bcrypt::hash(password.as_bytes(), cost);
    }
    fits.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher() -> Hasher {
        Hasher::new(4, 2)
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_in_either_normal_form() {
        let hash = hasher()
            .hash(&PasswordInput::new("gr\u{fc}n und blau"))
            .await
            .unwrap();
        assert!(hash.as_str().starts_with("$2b$04$"));
        for (typed, fits) in [
            ("gr\u{fc}n und blau", true),
            ("gru\u{308}n und blau", true),
            ("grun und blau", false),
            ("", false),
        ] {
            assert_eq!(
                hasher()
                    .verify(&PasswordInput::new(typed), Some(&hash))
                    .await
                    .unwrap(),
                fits,
                "{typed}"
            );
        }
    }

    #[tokio::test]
    async fn hashes_of_other_programs_are_verified() {
        let made = bcrypt::hash_with_result("correct horse", 4).unwrap();
        for version in [
            bcrypt::Version::TwoA,
            bcrypt::Version::TwoB,
            bcrypt::Version::TwoY,
        ] {
            let hash = PasswordHash::from_stored(made.format_for_version(version));
            assert!(
                hasher()
                    .verify(&PasswordInput::new("correct horse"), Some(&hash))
                    .await
                    .unwrap()
            );
        }
    }

    #[tokio::test]
    async fn all_of_72_bytes_count_and_a_73rd_is_no_hash() {
        let longest = "x".repeat(72);
        let hash = hasher().hash(&PasswordInput::new(&longest)).await.unwrap();
        for (typed, fits) in [
            (longest.clone(), true),
            (format!("{}y", &longest[1..]), false),
        ] {
            let typed = PasswordInput::new(typed);
            assert_eq!(hasher().verify(&typed, Some(&hash)).await.unwrap(), fits);
        }
        for uncuttable in ["x".repeat(73), "x\0y".to_owned()] {
            let refused = hasher().hash(&PasswordInput::new(uncuttable)).await;
            assert!(matches!(refused, Err(AppError::Internal(_))));
        }
    }

    #[tokio::test]
    async fn what_no_hash_can_be_made_from_fits_none() {
        let hash = PasswordHash::from_stored(bcrypt::hash("x".repeat(72), 4).unwrap());
        for typed in [
            "x".repeat(73),
            format!("{}\0", "x".repeat(71)),
            "x".repeat(100_000),
        ] {
            assert!(
                !hasher()
                    .verify(&PasswordInput::new(typed), Some(&hash))
                    .await
                    .unwrap()
            );
        }
        for stored in ["", "plain", "$2b$99$x", "$argon2id$v=19$m=65536"] {
            assert!(
                !hasher()
                    .verify(
                        &PasswordInput::new("plain"),
                        Some(&PasswordHash::from_stored(stored))
                    )
                    .await
                    .unwrap()
            );
        }
        assert!(
            !hasher()
                .verify(&PasswordInput::new("plain"), None)
                .await
                .unwrap()
        );
    }

    #[test]
    fn a_cheaper_hash_is_topped_up_to_the_work_of_the_usual_one() {
        let work = |cost: u32| 1_u64 << cost;
        for done in 4..=12 {
            let more: u64 = topping_up(done, 12).into_iter().map(work).sum();
            assert_eq!(work(done) + more, work(12), "{done}");
        }
        assert!(topping_up(14, 12).is_empty());
    }

    #[tokio::test]
    async fn the_queue_refuses_rather_than_grows() {
        let hasher = Hasher::new(4, 1);
        let all = Arc::clone(&hasher.admitted)
            .acquire_many_owned(1 + LONGEST_QUEUE as u32)
            .await
            .unwrap();
        let refused = hasher.verify(&PasswordInput::new("one more"), None).await;
        assert!(matches!(refused, Err(AppError::Busy { .. })), "{refused:?}");
        let load = |running, waiting| HashLoad {
            running,
            waiting,
            refused: 1,
        };
        assert_eq!(hasher.load(), load(0, 1 + LONGEST_QUEUE as u64));
        let one = Arc::clone(&hasher.running).acquire_owned().await;
        assert_eq!(hasher.load(), load(1, LONGEST_QUEUE as u64));
        drop((all, one));
        assert_eq!(hasher.load(), load(0, 0));
    }
}
