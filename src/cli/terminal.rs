//! The terminal as it was before a prompt, to be put back when Ctrl-C ends the program in the middle of one: whoever
//! reads a password switches its echo off, and is not there any more to switch it on. And what else differs between the
//! terminals of Unix and the consoles of Windows.

use dialoguer::console::Term;

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
    let terminal = Term::stderr();
    if terminal.is_term() {
        let _ = terminal.show_cursor();
    }
}

/// Whether colours can be shown there.
pub(super) fn shows_colors(terminal: &Term) -> bool {
    // A console of Windows prints the codes of colours until it is told to obey them, which this question does.
    terminal.is_term() && (cfg!(not(windows)) || terminal.features().colors_supported())
}

/// Reads a password that is not shown.
#[cfg(not(windows))]
pub(super) fn read_hidden(prompt: &str) -> dialoguer::Result<String> {
    dialoguer::Password::new()
        .with_prompt(prompt)
        .allow_empty_password(true)
        .interact()
}

/// The same by its keys, since the reader of whole passwords does not hear Backspace on Windows.
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
