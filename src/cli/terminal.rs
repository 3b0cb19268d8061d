//! The terminal as it was before a prompt, to be put back when Ctrl-C ends the program in the middle of one: whoever
//! reads a password switches its echo off, and is not there any more to switch it on.

/// How the terminal behind stdin was set, if there is one.
#[derive(Clone)]
pub(super) struct Terminal {
    #[cfg(unix)]
    modes: Option<rustix::termios::Termios>,
}

impl Terminal {
    /// Remembers it as it is now.
    #[cfg(unix)]
    pub(super) fn remember() -> Self {
        Self {
            modes: rustix::termios::tcgetattr(std::io::stdin()).ok(),
        }
    }

    /// Puts it back, and shows the cursor that a prompt may have hidden.
    #[cfg(unix)]
    pub(super) fn restore(&self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(modes) = &self.modes {
            // What was typed and not read is the beginning of a password: it must not become the shell's next line.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, modes);
        }
        show_cursor();
    }

    #[cfg(not(unix))]
    pub(super) fn remember() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    pub(super) fn restore(&self) {
        show_cursor();
    }
}

fn show_cursor() {
    let terminal = dialoguer::console::Term::stderr();
    if terminal.is_term() {
        let _ = terminal.show_cursor();
    }
}
