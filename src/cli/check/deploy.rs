//! Additional requirements of a production system.

use movie_bag_core::ports::store::CopyableStore;
use tokio::time::{Instant, timeout_at};

use super::verdict::{Check, Verdict};
use crate::config::Settings;
use crate::config::deploy::{self, Severity};

/// Checks the settings, and the password hashes of all accounts until the given time.
pub(super) async fn check(
    settings: &Settings,
    store: Option<&dyn CopyableStore>,
    until: Instant,
) -> Vec<Check> {
    const NAME: &str = "deploy";
    let mut findings = deploy::findings(settings);
    let mut unfinished = None;
    if let Some(store) = store {
        match timeout_at(until, store.hash_costs()).await {
            Ok(Ok(costs)) => {
                let set = settings.passwords.bcrypt_cost;
                findings.extend(deploy::hash_cost_findings(&costs, set));
            }
            // Errors of the database have been reported by its own check.
            Ok(Err(_)) => {}
            Err(_) => {
                unfinished = Some(Check::warning(
                    NAME,
                    "cannot check the cost of all password hashes in time: there are too many accounts",
                    "run \"movie-bag check --deploy\" while the database is less busy".to_owned(),
                ));
            }
        }
    }
    if findings.is_empty() && unfinished.is_none() {
        return vec![Check::ok(NAME, "ready for production")];
    }
    let checks = findings.into_iter().map(|finding| Check {
        name: NAME,
        verdict: match finding.severity {
            Severity::Error => Verdict::Error,
            Severity::Warning => Verdict::Warning,
        },
        message: format!("{}: {}", finding.defect, finding.effect),
        hint: Some(finding.fix),
    });
    checks.chain(unfinished).collect()
}
