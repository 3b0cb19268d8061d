//! Limit of open files of the process, from which the limits on connections are derived.
//!
//! Every connection is an open file; the database, mails and commands need files too. If connections take all of them, nothing
//! else works. So the limit is raised as far as the system allows, and connections get the rest after a reserve.

use super::ui::Ui;

/// Number of files besides connections: listeners, the database with its connections, standard streams, pipes of commands.
const RESERVE: usize = 96;

/// Limit of this process, at the start and at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileLimit {
    /// `None` if there is no limit.
    soft: Option<u64>,
    highest: Option<u64>,
}

impl FileLimit {
    /// Reads the limit, and changes nothing.
    pub(super) fn read() -> Self {
        let (soft, hard) = system::limits();
        Self {
            soft,
            highest: [hard, system::HIGHEST].into_iter().flatten().min(),
        }
    }

    /// Raises the limit of this process to the highest that the system allows. Programs started from now on inherit it,
    /// and some of them close every file up to the limit, or take only descriptors below 1,024: see [`FileLimit::in_shell`].
    pub(super) fn raise(self) {
        if self.is_raised()
            && let Err(error) = system::raise(self.highest)
        {
            tracing::warn!(%error, "cannot raise the limit of open files");
        }
    }

    fn is_raised(self) -> bool {
        match (self.soft, self.highest) {
            (Some(soft), Some(highest)) => soft < highest,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// Returns a command for the shell that runs with the limit of the start.
    pub(super) fn in_shell(self, command: &str) -> String {
        match self.soft {
            Some(soft) if self.is_raised() => {
                format!("ulimit -S -n {soft} 2>/dev/null; {command}")
            }
            _ => command.to_owned(),
        }
    }

    /// Lowers the maximum numbers of connections, each by the same factor, to the files that the limit leaves besides the reserve
    /// and `other_files`. Returns the limit if they were lowered.
    pub(super) fn fit(self, connections: &mut [&mut usize], other_files: usize) -> Option<u64> {
        let highest = self.highest?;
        let limit = usize::try_from(highest).unwrap_or(usize::MAX);
        let reserve = RESERVE.saturating_add(other_files).min(limit / 2);
        let available = limit - reserve;
        let wanted = connections
            .iter()
            .fold(0_usize, |all, one| all.saturating_add(**one));
        if wanted <= available {
            return None;
        }
        for number in connections {
            let share = **number as u128 * available as u128 / wanted as u128;
            **number = usize::try_from(share).unwrap_or(usize::MAX).max(1);
        }
        Some(highest)
    }
}

/// Warns that the limit of open files has lowered the limits on connections.
pub(super) fn warn(ui: &Ui, limit: u64) {
    ui.warn(&format!(
        "the limit of {limit} open files allows fewer connections than the settings: raise it with \"ulimit -n\" or LimitNOFILE"
    ));
}

#[cfg(unix)]
mod system {
    use std::io;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// macOS refuses more than this for any hard limit (`OPEN_MAX`).
    pub(super) const HIGHEST: Option<u64> = if cfg!(target_vendor = "apple") {
        Some(10_240)
    } else {
        None
    };

    /// The soft and the hard limit.
    pub(super) fn limits() -> (Option<u64>, Option<u64>) {
        let limit = getrlimit(Resource::Nofile);
        (limit.current, limit.maximum)
    }

    pub(super) fn raise(soft: Option<u64>) -> io::Result<()> {
        let limit = Rlimit {
            current: soft,
            ..getrlimit(Resource::Nofile)
        };
        Ok(setrlimit(Resource::Nofile, limit)?)
    }
}

/// Windows has no such limit.
#[cfg(not(unix))]
mod system {
    use std::io;

    pub(super) const HIGHEST: Option<u64> = None;

    pub(super) fn limits() -> (Option<u64>, Option<u64>) {
        (None, None)
    }

    pub(super) fn raise(_: Option<u64>) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit_numbers(highest: Option<u64>, more: usize, mut numbers: [usize; 3]) -> [usize; 3] {
        let limit = FileLimit {
            soft: Some(64),
            highest,
        };
        let before = numbers;
        let [one, two, three] = &mut numbers;
        let lowered = limit.fit(&mut [one, two, three], more);
        assert_eq!(lowered, highest.filter(|_| numbers != before));
        numbers
    }

    #[test]
    fn connections_leave_a_reserve() {
        let wanted = [768, 16, 2_000];
        assert_eq!(fit_numbers(None, 0, wanted), wanted);
        assert_eq!(fit_numbers(Some(4_096), 100, wanted), wanted);
        let [api, metrics, sessions] = fit_numbers(Some(1_024), 16, wanted);
        assert!(api + metrics + sessions <= 1_024 - 96 - 16);
        assert!(api > 200 && metrics > 3 && sessions > 600);
        // At least half of a small limit is for connections, and each port gets one.
        let [api, metrics, sessions] = fit_numbers(Some(64), 500, wanted);
        assert!(api + metrics + sessions <= 33 && metrics == 1);
    }

    #[test]
    fn commands_run_with_the_limit_of_the_start() {
        let limit = |soft, highest| FileLimit { soft, highest };
        assert_eq!(
            limit(Some(256), Some(1_024)).in_shell("cat"),
            "ulimit -S -n 256 2>/dev/null; cat"
        );
        assert_eq!(limit(Some(256), Some(256)).in_shell("cat"), "cat");
        assert_eq!(limit(None, None).in_shell("cat"), "cat");
    }
}
