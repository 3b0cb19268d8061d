//! Terminal modes, colours and hidden input, which differ between the terminals of Unix and the consoles of Windows.
//!
//! A password prompt turns the echo off. When Ctrl-C ends the program during a prompt, the modes must be restored, because
//! the prompt itself no longer can.

use dialoguer::console::Term;

/// Saved modes of the terminal on stdin, if there is one.
#[derive(Clone)]
pub(super) struct Terminal {
    #[cfg(unix)]
    modes: Option<rustix::termios::Termios>,
}

impl Terminal {
    #[cfg(unix)]
    pub(super) fn save() -> Self {
        Self {
            modes: rustix::termios::tcgetattr(std::io::stdin()).ok(),
        }
    }

    /// Restores the modes, and shows the cursor, which a prompt may have hidden.
    #[cfg(unix)]
    pub(super) fn restore(&self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(modes) = &self.modes {
            // Typed characters that were not read are the start of a password: they must not become input of the shell.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, modes);
        }
        show_cursor();
    }

    #[cfg(not(unix))]
    pub(super) fn save() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    pub(super) fn restore(&self) {
        show_cursor();
    }
}

fn show_cursor() {
    let terminal = Term::stderr();
    if terminal.is_term() {
        let _ = terminal.show_cursor();
    }
}

/// Returns whether the terminal supports colours.
pub(super) fn shows_colors(terminal: &Term) -> bool {
    // A Windows console prints colour codes as text until they are enabled. `colors_supported` enables them.
    terminal.is_term() && (cfg!(not(windows)) || terminal.features().colors_supported())
}

/// Prompts for a password without showing it.
#[cfg(not(windows))]
pub(super) fn read_hidden(prompt: &str) -> dialoguer::Result<String> {
    dialoguer::Password::new()
        .with_prompt(prompt)
        .allow_empty_password(true)
        .interact()
}

/// Prompts for a password without showing it. Reads single keys, because `dialoguer::Password` ignores Backspace on Windows.
#[cfg(windows)]
pub(super) fn read_hidden(prompt: &str) -> dialoguer::Result<String> {
    use dialoguer::console::Key;
    let terminal = Term::stderr();
    if !terminal.is_term() {
        return Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into());
    }
    terminal.write_str(&format!("{prompt}: "))?;
    let mut typed = String::new();
    loop {
        match terminal.read_key()? {
            Key::Enter => break,
            Key::Backspace => drop(typed.pop()),
            Key::Char(key) if !key.is_control() => typed.push(key),
            _ => {}
        }
    }
    terminal.write_line("")?;
    Ok(typed)
}
