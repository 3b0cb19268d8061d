//! Hashing and verification of passwords, on as many blocking threads as there are cores, in the order of the calls. The
//! queue has a limit and refuses calls beyond it (CVE-2013-1443, CVE-2021-45115).

mod queue;

use std::iter;
use std::time::Duration;

pub use self::queue::HashLoad;
use self::queue::{Full, Outcome, Queue, Step};
use super::error::AppError;
use crate::domain::clock::{Rng, draw};
use crate::domain::password::{COSTS, HashParts, LONGEST_BYTES, PasswordHash, PasswordInput};
use crate::ports::error_detail::ErrorDetail;

/// Delay after which a refused caller may retry.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Hashes and verifies with bcrypt.
#[derive(Clone)]
pub struct Hasher {
    cost: u32,
    queue: Queue,
}

impl Hasher {
    /// Creates a hasher for new hashes of `cost` (the base-2 logarithm of the rounds), with at most `cores` threads.
    pub fn new(cost: u32, cores: usize) -> Self {
        Self {
            cost,
            queue: Queue::new(cores),
        }
    }

    /// Hashes a password that the policy has passed, with a salt from `rng`.
    ///
    /// # Errors
    /// [`AppError::Busy`] if too many are waiting.
    pub async fn hash(
        &self,
        password: &PasswordInput,
        rng: &dyn Rng,
    ) -> Result<PasswordHash, AppError> {
        let (password, cost) = (password.normalized(), self.cost);
        if password.len() > LONGEST_BYTES || password.contains('\0') {
            return Err(AppError::Internal(
                "a password that bcrypt would truncate passed the policy".into(),
            ));
        }
        let salt = draw(rng);
        let step = Step {
            password,
            salt,
            cost,
            expected: None,
        };
        let Outcome { digest, .. } = self.run(vec![step]).await?;
        Ok(PasswordHash::from_parts(&HashParts { cost, salt, digest }))
    }

    /// Returns whether the password fits the hash, after the work of one hash of the cost `work`, or of the configured cost if
    /// that is higher. The work is the same without a hash, for a hash that is not bcrypt or outside of [`COSTS`], for a
    /// password that no hash can have been made from, and for one that fits: the time does not distinguish these cases
    /// (CVE-2016-2513). Only a hash with a cost above `work` takes longer.
    ///
    /// # Errors
    /// [`AppError::Busy`] if too many are waiting.
    pub async fn verify(
        &self,
        password: &PasswordInput,
        hash: Option<&PasswordHash>,
        work: u32,
    ) -> Result<bool, AppError> {
        let work = work.max(self.cost);
        let parts = hash
            .and_then(PasswordHash::parts)
            .filter(|parts| COSTS.contains(&parts.cost));
        let steps = password.candidates().into_iter().flat_map(|form| {
            // bcrypt would truncate such a form, and then it could fit.
            if form.len() > LONGEST_BYTES || form.contains('\0') {
                return steps("", None, work);
            }
            steps(&form, parts.as_ref(), work)
        });
        Ok(self.run(steps.collect()).await?.fits)
    }

    pub fn load(&self) -> HashLoad {
        self.queue.load()
    }

    /// Returns the cost of new hashes.
    pub(super) fn cost(&self) -> u32 {
        self.cost
    }

    /// Returns a hash of the configured cost that no known password fits.
    pub(super) fn decoy(&self) -> PasswordHash {
        PasswordHash::from_stored(format!("$2b${:02}${}", self.cost, ".".repeat(53)))
    }

    async fn run(&self, steps: Vec<Step>) -> Result<Outcome, AppError> {
        let outcome = self.queue.push(steps).map_err(|Full| AppError::Busy {
            retry_after: RETRY_AFTER,
        })?;
        outcome.await.map_err(|error| {
            let message = format!("cannot hash a password: {error}");
            AppError::Internal(ErrorDetail::new(message).with_source(error))
        })
    }
}

/// Returns the hashes that show whether a password fits one, and that together take as long as one of the cost `work`.
fn steps(password: &str, hash: Option<&HashParts>, work: u32) -> Vec<Step> {
    let step = |cost: u32, salt, expected| Step {
        password: password.to_owned().into(),
        salt,
        cost,
        expected,
    };
    let Some(HashParts { cost, salt, digest }) = hash else {
        return vec![step(work, [0; 16], None)];
    };
    let more = remaining_costs(*cost, work).map(|cost| step(cost, *salt, None));
    iter::once(step(*cost, *salt, Some(*digest)))
        .chain(more)
        .collect()
}

/// Returns the costs of the hashes that take as long as one of the cost `work` together with one of the cost `done`. Each
/// step of the cost doubles the work, so these are all costs in between.
fn remaining_costs(done: u32, work: u32) -> impl Iterator<Item = u32> {
    done..work
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sevens;

    impl Rng for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn hasher() -> Hasher {
        Hasher::new(4, 2)
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_in_either_normal_form() {
        let hash = hasher()
            .hash(&PasswordInput::new("gr\u{fc}n und blau"), &Sevens)
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
                    .verify(&PasswordInput::new(typed), Some(&hash), 4)
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
                    .verify(&PasswordInput::new("correct horse"), Some(&hash), 4)
                    .await
                    .unwrap()
            );
        }
    }

    #[tokio::test]
    async fn all_72_bytes_count_and_73_bytes_are_refused() {
        let longest = "x".repeat(72);
        let hash = hasher()
            .hash(&PasswordInput::new(&longest), &Sevens)
            .await
            .unwrap();
        for (typed, fits) in [
            (longest.clone(), true),
            (format!("{}y", &longest[1..]), false),
        ] {
            let typed = PasswordInput::new(typed);
            let verified = hasher().verify(&typed, Some(&hash), 4).await;
            assert_eq!(verified.unwrap(), fits);
        }
        for uncuttable in ["x".repeat(73), "x\0y".to_owned()] {
            let refused = hasher()
                .hash(&PasswordInput::new(uncuttable), &Sevens)
                .await;
            assert!(matches!(refused, Err(AppError::Internal(_))));
        }
    }

    #[tokio::test]
    async fn a_password_that_bcrypt_cannot_hash_fits_no_hash() {
        let hash = PasswordHash::from_stored(bcrypt::hash("x".repeat(72), 4).unwrap());
        for typed in [
            "x".repeat(73),
            format!("{}\0", "x".repeat(71)),
            "x".repeat(100_000),
        ] {
            assert!(
                !hasher()
                    .verify(&PasswordInput::new(typed), Some(&hash), 4)
                    .await
                    .unwrap()
            );
        }
        for stored in ["", "plain", "$2b$99$x", "$argon2id$v=19$m=65536"] {
            assert!(
                !hasher()
                    .verify(
                        &PasswordInput::new("plain"),
                        Some(&PasswordHash::from_stored(stored)),
                        4
                    )
                    .await
                    .unwrap()
            );
        }
        assert!(
            !hasher()
                .verify(&PasswordInput::new("plain"), None, 4)
                .await
                .unwrap()
        );
    }

    #[test]
    fn verification_takes_the_same_work_with_any_hash_and_without_one() {
        let parts = |cost| HashParts {
            cost,
            salt: [1; 16],
            digest: [2; 23],
        };
        let rounds = |hash: Option<HashParts>| -> u64 {
            let steps = steps("password", hash.as_ref(), 12);
            steps.iter().map(|step| 1_u64 << step.cost).sum()
        };
        for cost in 4..=12 {
            assert_eq!(rounds(Some(parts(cost))), rounds(None), "{cost}");
        }
    }

    #[test]
    fn a_cheaper_hash_takes_the_work_of_the_configured_cost() {
        let work = |cost: u32| 1_u64 << cost;
        for done in 4..=12 {
            let more: u64 = remaining_costs(done, 12).map(work).sum();
            assert_eq!(work(done) + more, work(12), "{done}");
        }
        assert_eq!(remaining_costs(14, 12).count(), 0);
    }
}
