//! What a real system needs beyond what works.

use super::{Check, Verdict};
use crate::config::Settings;
use crate::config::deploy::{self, Finding, Gravity};
use crate::store::CopyableStore;

/// Looks at the settings, and at all accounts where there is a database to be worked on: this takes as long as there are
/// many.
pub(super) async fn look(settings: &Settings, store: Option<&dyn CopyableStore>) -> Vec<Check> {
    const NAME: &str = "deploy";
    let mut findings = deploy::findings(settings);
    // What is wrong with the database has been told above.
    if let Some(store) = store
        && let Ok(dear) = dear_hashes(settings, store).await
    {
        findings.extend(dear);
    }
    if findings.is_empty() {
        return vec![Check::ok(NAME, "nothing is missing")];
    }
    let checks = findings.into_iter().map(|finding| Check {
        name: NAME,
        verdict: match finding.gravity {
            Gravity::Wrong => Verdict::Error,
            Gravity::ToBeKnown => Verdict::Warning,
        },
        message: format!("{}: {}", finding.what, finding.why),
        hint: Some(finding.mend),
    });
    checks.collect()
}

/// Whether accounts have hashes of a higher cost than is set.
async fn dear_hashes(
    settings: &Settings,
    store: &dyn CopyableStore,
) -> anyhow::Result<Option<Finding>> {
    const PAGE: usize = 1_000;
    let usual = settings.passwords.bcrypt_cost;
    let (mut after, mut accounts, mut highest) = (None, 0, usual);
    loop {
        let page = store.accounts(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok((accounts > 0).then(|| deploy::of_dear_hashes(accounts, highest, usual)));
        };
        after = Some(last.id);
        let costs = page
            .iter()
            .filter_map(|account| account.password_hash.cost());
        for cost in costs.filter(|cost| *cost > usual) {
            accounts += 1;
            highest = highest.max(cost);
        }
    }
}
