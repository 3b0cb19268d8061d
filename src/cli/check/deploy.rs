//! What a real system needs beyond what works.

use super::{Check, Verdict};
use crate::cli::wiring;
use crate::config::deploy::{self, Finding, Gravity};
use crate::config::{DatabaseSettings, Settings};

/// Looks at the settings, and at all accounts: this takes as long as there are many.
pub(super) async fn look(settings: &Settings) -> Vec<Check> {
    const NAME: &str = "deploy";
    let mut findings = deploy::findings(settings);
    let is_there = match &settings.database {
        DatabaseSettings::Sqlite(path) => path.exists(),
        DatabaseSettings::Mongodb(_) => true,
    };
    // What is wrong with the database has been told above.
    if is_there && let Ok(dear) = dear_hashes(settings).await {
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
async fn dear_hashes(settings: &Settings) -> anyhow::Result<Option<Finding>> {
    const PAGE: usize = 1_000;
    let usual = settings.passwords.bcrypt_cost;
    let store = wiring::store(settings).await?;
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
