//! A person who reads and types at a pseudo-terminal.

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::sync::{Arc, Mutex};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::command::Home;
use crate::wait_for;

pub struct Person {
    screen: Arc<Mutex<String>>,
    /// Ends once all that the command wrote is on the screen.
    reading: std::thread::JoinHandle<()>,
    keys: Box<dyn std::io::Write + Send>,
    /// Terminal, whose modes can be read after the command has ended.
    pub master: Arc<Mutex<Box<dyn MasterPty + Send>>>,
    child: Arc<Mutex<Box<dyn portable_pty::Child + Send + Sync>>>,
    /// Length of the screen text that was already matched.
    seen: usize,
}

impl Person {
    pub fn runs(home: &Home, arguments: &[&str]) -> Self {
        Self::runs_command(&home.command(arguments))
    }

    /// Runs a prepared command, in its environment and folder.
    pub fn runs_command(prepared: &Command) -> Self {
        Self::runs_at_width(prepared, 100)
    }

    /// Runs a prepared command at a terminal of this width.
    pub fn runs_at_width(prepared: &Command, columns: u16) -> Self {
        let pty = native_pty_system()
            .openpty(PtySize {
                rows: 24,
                cols: columns,
                pixel_width: 0,
                pixel_height: 0,
            })
            .unwrap();
        let mut command = CommandBuilder::new(prepared.get_program());
        command.args(prepared.get_args());
        command.env_clear();
        for (key, value) in prepared.get_envs() {
            command.env(key, value.unwrap());
        }
        command.env("TERM", "xterm");
        command.cwd(prepared.get_current_dir().unwrap());
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&screen);
        let mut reader = pty.master.try_clone_reader().unwrap();
        let keys = pty.master.take_writer().unwrap();
        let reading = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                shown
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Self {
            screen,
            reading,
            keys,
            master: Arc::new(Mutex::new(pty.master)),
            child: Arc::new(Mutex::new(child)),
            seen: 0,
        }
    }

    /// Waits until the screen shows `text` after the part that was already matched.
    #[track_caller]
    pub fn sees(&mut self, text: &str) {
        let screen = Arc::clone(&self.screen);
        let seen = self.seen;
        let mut found = None;
        self.waits_for(text, || {
            found = screen.lock().unwrap()[seen..].find(text);
            found.is_some()
        });
        self.seen += found.unwrap() + text.len();
    }

    /// Returns the rest of the line after the matched text, once the line is complete.
    #[track_caller]
    pub fn rest_of_line(&mut self) -> String {
        let start = self.seen;
        self.sees("\r\n");
        let screen = self.screen.lock().unwrap();
        screen[start..self.seen].trim_end().to_owned()
    }

    /// Waits until the terminal has stopped echoing input, and types.
    #[track_caller]
    pub fn types_hidden(&mut self, keys: &str) {
        const ECHO: u32 = 0o10;
        let master = Arc::clone(&self.master);
        self.waits_for("a hidden prompt", || {
            let modes = master.lock().unwrap().get_termios().unwrap();
            modes.local_flags.bits() & ECHO == 0
        });
        self.types(keys);
    }

    /// Answers each of these prompts whenever it appears, until the command exits with this code. Returns the screen.
    #[track_caller]
    pub fn answers(mut self, answers: &[(&str, String)], code: u32) -> String {
        loop {
            let (screen, seen, child) =
                (Arc::clone(&self.screen), self.seen, Arc::clone(&self.child));
            let mut found = None;
            self.waits_for("prompt or exit", || {
                let screen = screen.lock().unwrap();
                let prompts = answers.iter().filter_map(|(prompt, answer)| {
                    let at = screen[seen..].find(prompt)?;
                    Some((at + prompt.len(), prompt.ends_with(": "), answer))
                });
                found = prompts.min_by_key(|(end, _, _)| *end);
                found.is_some() || child.lock().unwrap().try_wait().unwrap().is_some()
            });
            match found {
                None => return self.ends(code),
                Some((end, is_hidden, answer)) => {
                    self.seen += end;
                    if is_hidden {
                        self.types_hidden(answer);
                        // The prompt is redrawn with the hidden answer.
                        self.sees("[hidden]");
                    } else {
                        self.types(answer);
                    }
                }
            }
        }
    }

    #[track_caller]
    fn waits_for(&self, what: &str, mut is_there: impl FnMut() -> bool) {
        wait_for(what, || {
            if is_there() {
                Ok(())
            } else {
                Err(self.screen.lock().unwrap().clone())
            }
        });
    }

    pub fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    #[track_caller]
    pub fn ends(self, code: u32) -> String {
        let mut ended = None;
        let child = Arc::clone(&self.child);
        self.waits_for("exit", || {
            ended = child.lock().unwrap().try_wait().unwrap();
            // The last output may arrive after the exit.
            ended.is_some() && self.reading.is_finished()
        });
        let status = ended.unwrap();
        let screen = self.screen.lock().unwrap().clone();
        assert_eq!(status.exit_code(), code, "{screen}");
        screen
    }
}
