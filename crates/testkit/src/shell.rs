//! Shell scripts as people paste them, run at a terminal in a temporary home.
//!
//! Scripts run unchanged. The differences from a real shell are in three places: [`HOST_PROGRAMS`] are the programs of this
//! machine that a script may use, [`STAND_INS`] are the programs that are replaced, and `shell.bash` stops `serve` and
//! `smtp-debug`, which would run forever. A script that uses any other program fails.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::command::Home;
use crate::person::Person;
use crate::{PASSWORD, markdown, report_skipped};

/// Programs of this machine that every script may use.
const HOST_PROGRAMS: &[&str] = &[
    "bash", "cat", "chmod", "cp", "curl", "cut", "date", "find", "grep", "head", "jq", "ls",
    "mkdir", "mktemp", "mv", "rm", "sed", "sh", "sleep", "sort", "tail", "tar", "tee", "touch",
];

/// Replaced programs: name, script that replaces it, and the reason.
const STAND_INS: &[(&str, &str, &str)] = &[
    (
        "cargo",
        include_str!("cargo.bash"),
        "the binary is built and on the PATH; the stand-in checks that the named targets and tests exist",
    ),
    (
        "git",
        r#"case "$1" in clone) mkdir "$(basename "$2" .git)" ;; *) echo "no stand-in for: git $*" >&2 && exit 1 ;; esac"#,
        "the repository is here",
    ),
    (
        "xdg-open",
        r#"echo "$1" >> opened"#,
        "there is no desktop; the test reads the opened URLs",
    ),
    ("true-editor", ":", "no file is changed"),
    (
        "pass",
        "echo 'correct horse battery'",
        "the reader's password manager",
    ),
    ("age", "cat", "the reader's encryption"),
    (
        "pg_dump_accounts",
        "echo email,password && echo cleo@example.com,correct horse battery",
        "another system",
    ),
    (
        "pytest",
        r#"test -n "$MAIL_SERVER$MAIL_PORT$MOVIE_BAG_INBOX_URL""#,
        "the reader's tests; the stand-in checks that the promised variables are set",
    ),
    (
        "mongod",
        ":",
        "its folder and network need root; the tests use their own server",
    ),
    ("mongosh", ":", "mongosh is installed with mongod"),
];

pub struct Shell<'a> {
    home: &'a Home,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    /// Variables of the home that are not passed to the shell.
    without: &'static [&'static str],
}

impl<'a> Shell<'a> {
    /// Returns `None` if a program is missing on this machine; that has been reported then.
    pub fn in_home(home: &'a Home) -> Option<Self> {
        let folder = home.path().join("bin");
        std::fs::create_dir_all(&folder).unwrap();
        let shell = Self {
            home,
            folder,
            environment: vec![
                ("EDITOR", "true-editor".to_owned()),
                ("REPOSITORY", markdown::repository().display().to_string()),
                (
                    "TESTS",
                    std::env::current_exe().unwrap().display().to_string(),
                ),
            ],
            without: &[],
        };
        let binary = crate::binary();
        std::os::unix::fs::symlink(binary, shell.folder.join("movie-bag")).unwrap();
        // The reader is in a clone of the repository and has built it.
        let release = home.path().join("target/release");
        std::fs::create_dir_all(&release).unwrap();
        std::os::unix::fs::symlink(binary, release.join("movie-bag")).unwrap();
        // An answer of 400 or more is a failure.
        home.write(".curlrc", "fail-with-body\nsilent\nshow-error\n");
        let stand_ins = STAND_INS.iter().map(|(name, script, _)| (*name, *script));
        shell.replacing(stand_ins).finding(HOST_PROGRAMS)
    }

    /// Makes more programs of this machine available. Returns `None` if one is missing; that has been reported then.
    pub fn finding(self, programs: &[&str]) -> Option<Self> {
        for name in programs {
            let Some(program) = found(name) else {
                report_skipped(
                    "running the examples of the documentation",
                    &format!("There is no {name} on the PATH."),
                    "Install it.",
                );
                return None;
            };
            std::os::unix::fs::symlink(program, self.folder.join(name)).unwrap();
        }
        Some(self)
    }

    /// Replaces programs by scripts.
    pub fn replacing<'b>(self, programs: impl IntoIterator<Item = (&'b str, &'b str)>) -> Self {
        for (name, script) in programs {
            let path = self.folder.join(name);
            let script = format!("#!{}/bash\n{script}\n", self.folder.display());
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        self
    }

    /// Sets a variable that the reader is expected to have set.
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((key, value.into()));
        self
    }

    /// Leaves out variables that the home sets for the tests.
    pub fn without(mut self, keys: &'static [&'static str]) -> Self {
        self.without = keys;
        self
    }

    /// Runs a script to its first failure or its end, answers its prompts, and expects an exit code. Returns the screen.
    #[track_caller]
    pub fn exits(&self, script: &str, code: u32) -> String {
        let script = format!("{}\n{script}\n", include_str!("shell.bash"));
        let mut command = Command::new(self.folder.join("bash"));
        command
            .arg("-c")
            .arg(script)
            .env_clear()
            .envs(
                self.home
                    .command::<&str>(&[])
                    .get_envs()
                    .filter_map(|(key, value)| Some((key, value?))),
            )
            .env("PATH", &self.folder)
            .env("TMPDIR", self.home.path())
            .env("MOVIE_BAG_BIND", "127.0.0.1:0")
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .current_dir(self.home.path());
        for key in self.without {
            command.env_remove(key);
        }
        let answers = [
            ("New password: ", format!("{PASSWORD}\r")),
            ("Confirm new password: ", format!("{PASSWORD}\r")),
            ("[y/N]", "y\r".to_owned()),
        ];
        Person::runs_command(&command).answers(&answers, code)
    }
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
