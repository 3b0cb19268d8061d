//! Check of the permissions of the env file, which may contain secrets.

use std::path::Path;

use super::verdict::{Check, Verdict};
use crate::config::{EnvFile, Profile, Settings};

const NAME: &str = "env file";

/// Checks which users other than the owner can read and change the env file; `None` if there is none. A file that everyone can
/// read is an error in production and a warning otherwise. A file that the group can read is always only a warning: Kubernetes
/// and systemd mount secrets with a group that only the service has.
pub(super) fn check(settings: &Settings, is_deployed: bool) -> Option<Check> {
    let EnvFile { path, secrets } = settings.env_file.as_ref()?;
    let Some(mode) = mode(path) else {
        return Some(Check::ok(NAME, path.display().to_string()));
    };
    let is_strict = is_deployed || settings.profile == Profile::Production;
    Some(verdict(path, mode, secrets, is_strict))
}

fn verdict(path: &Path, mode: u32, secrets: &[&str], is_strict: bool) -> Check {
    const EVERYONE_READS: u32 = 0o004;
    const EVERYONE_WRITES: u32 = 0o002;
    const GROUP: u32 = 0o060;

    let shown = format!("{} (mode {mode:04o})", path.display());
    let held = secrets.join(", ");
    let has = |bits: u32| mode & bits != 0;
    let (verdict, message) = if has(EVERYONE_WRITES) {
        let severity = if is_strict {
            Verdict::Error
        } else {
            Verdict::Warning
        };
        (
            severity,
            format!("everyone on this machine can change {shown}"),
        )
    } else if has(EVERYONE_READS) && !secrets.is_empty() {
        let severity = if is_strict {
            Verdict::Error
        } else {
            Verdict::Warning
        };
        (
            severity,
            format!("everyone on this machine can read {shown}, which contains {held}"),
        )
    } else if has(GROUP) && !secrets.is_empty() {
        (
            Verdict::Warning,
            format!("the group of {shown} can read the file, which contains {held}"),
        )
    } else {
        return Check::ok(NAME, shown);
    };
    Check {
        name: NAME,
        verdict,
        message,
        hint: Some(format!("run \"chmod 600 {}\"", path.display())),
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some(metadata.permissions().mode() & 0o777)
}

/// Returns `None`: Windows has access control lists instead of modes, and a new file inherits that of its folder.
#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_may_read_a_file_with_secrets() {
        let secrets: &[&str] = &["JWT_SECRET_KEY", "MAIL_PASSWORD"];
        for (mode, secrets, is_strict, expected) in [
            (0o600, secrets, true, Verdict::Ok),
            (0o400, secrets, true, Verdict::Ok),
            (0o644, secrets, true, Verdict::Error),
            (0o644, secrets, false, Verdict::Warning),
            (0o640, secrets, true, Verdict::Warning),
            (0o640, secrets, false, Verdict::Warning),
            (0o664, &[], true, Verdict::Ok),
            (0o666, &[], true, Verdict::Error),
            (0o666, &[], false, Verdict::Warning),
        ] {
            let check = verdict(Path::new("/etc/movie-bag/env"), mode, secrets, is_strict);
            assert_eq!(check.verdict, expected, "{mode:o} {}", check.message);
            assert_eq!(check.hint.is_some(), expected != Verdict::Ok);
        }
        let check = verdict(Path::new("env"), 0o644, secrets, true);
        assert_eq!(
            check.message,
            "everyone on this machine can read env (mode 0644), which contains JWT_SECRET_KEY, MAIL_PASSWORD"
        );
    }
}
