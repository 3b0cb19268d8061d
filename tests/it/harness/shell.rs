//! Shell scripts as people paste them, at a terminal of a home's own.
//!
//! They run as they are written. What is different is in three lists, and in nothing else: [`FOUND`] are the programs of
//! this machine that they find, [`STAND_INS`] those that are played, and `shell.bash` has what `serve` and `smtp-debug` do
//! where nobody ends them. A script that names any other program fails, since nothing knows how to run it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::command::Home;
use super::person::Person;
use super::{PASSWORD, virtual_env};

/// The programs of this machine that a script finds.
const FOUND: &[&str] = &[
    "bash", "cat", "curl", "grep", "jq", "mkdir", "mktemp", "sh", "sleep",
];

/// The programs that are played, by what is played, and why.
const STAND_INS: &[(&str, &str)] = &[
    // The binary is built and on the PATH already. What it runs is the real one.
    (
        "cargo",
        r#"case "$*" in
"install --path . --locked" | test) ;;
"run --release -- "*) shift 3 && movie-bag "$@" ;;
*) echo "nothing knows how to run: cargo $*" >&2 && exit 1 ;;
esac"#,
    ),
    // Nobody sits at a browser; what was to be opened is looked at afterwards.
    ("xdg-open", r#"echo "$1" >> opened"#),
    ("true-editor", ":"),
    // Somebody's password manager, encryption and other system.
    ("pass", "echo 'correct horse battery'"),
    ("age", "cat"),
    (
        "pg_dump_accounts",
        "echo email,password && echo cleo@example.com,correct horse battery",
    ),
    // They want a folder of root's and a network of their own: what is copied goes to the server of the tests.
    ("mongod", ":"),
    ("mongosh", ":"),
];

/// A shell in a home.
pub struct Shell<'a> {
    home: &'a Home,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl<'a> Shell<'a> {
    /// `None` where this machine lacks a program that is not played; that has been told by then.
    pub fn in_home(home: &'a Home) -> Option<Self> {
        let folder = home.path().join("bin");
        std::fs::create_dir_all(&folder).unwrap();
        for name in FOUND {
            let Some(program) = found(name) else {
                virtual_env::left_out(
                    "running the examples",
                    &format!("There is no {name} on the PATH."),
                    "Install it.",
                );
                return None;
            };
            std::os::unix::fs::symlink(program, folder.join(name)).unwrap();
        }
        let binary = env!("CARGO_BIN_EXE_movie-bag");
        std::os::unix::fs::symlink(binary, folder.join("movie-bag")).unwrap();
        for (name, script) in STAND_INS {
            let path = folder.join(name);
            std::fs::write(&path, format!("#!{}/bash\n{script}\n", folder.display())).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        // What the server refuses is a failure; without this, curl shows it and is content.
        home.write(".curlrc", "fail-with-body\nsilent\nshow-error\n");
        Some(Self {
            home,
            folder,
            environment: vec![("EDITOR", "true-editor".to_owned())],
        })
    }

    /// With a variable that the reader has set.
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((key, value.into()));
        self
    }

    /// Runs a script to its first failure or its end, answers what it asks, and ends with its exit code. What was on the
    /// screen is answered.
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
        let answers = [
            ("New password: ", format!("{PASSWORD}\r")),
            ("Confirm new password: ", format!("{PASSWORD}\r")),
            ("[y/N]", "y\r".to_owned()),
        ];
        Person::at(&command).answers(&answers, code)
    }
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
