//! Password for a new or changed account: prompted for, read from stdin, or generated.

use movie_bag_core::app::App;
use movie_bag_core::app::system::SystemRng;
use movie_bag_core::domain::clock::draw;
use movie_bag_core::domain::password::PasswordInput;
use zeroize::Zeroizing;

use crate::cli::stdin;
use crate::cli::ui::Ui;

/// Sources of a new password other than the prompt.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(super) struct NewPassword {
    /// Read the password from one line of stdin
    #[arg(long)]
    password_stdin: bool,
    /// Generate a strong password and print it
    #[arg(long)]
    generate: bool,
}

impl NewPassword {
    /// Checks that there is a password, or a terminal on which one can be typed.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if !self.generate && !self.password_stdin {
            Ui::require_terminal_for_password()?;
        }
        Ok(())
    }

    /// Returns the password. A generated one is returned a second time, to be printed.
    pub(super) async fn get(
        &self,
        ui: &Ui,
        app: &App,
        email: &str,
    ) -> anyhow::Result<(PasswordInput, Option<Zeroizing<String>>)> {
        if self.generate {
            let password = generate();
            return Ok((PasswordInput::new(password.as_str()), Some(password)));
        }
        if self.password_stdin {
            let [password] = stdin::lines(["password"]).await?;
            return Ok((PasswordInput::new(password.as_str()), None));
        }
        let typed = ui.ask_new_password(email, app.password_policy()).await?;
        Ok((typed, None))
    }
}

/// Generates 20 characters from an alphabet of 32 without look-alikes: five bits each, 100 bits in all.
fn generate() -> Zeroizing<String> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let characters =
        draw::<20>(&SystemRng).map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    Zeroizing::new(characters.iter().collect())
}

#[cfg(test)]
mod tests {
    use movie_bag_core::domain::password::PasswordPolicy;
    use movie_bag_core::domain::product_name::ProductName;

    use super::*;

    #[test]
    fn generated_passwords_pass_the_strictest_policy_and_differ() {
        let (first, second) = (generate(), generate());
        assert_ne!(first, second);
        let policy = PasswordPolicy {
            min_length: 20,
            product: ProductName::DEFAULT,
        };
        let first = PasswordInput::new(first.as_str());
        assert!(policy.check(&first, "ann@example.com").is_ok());
        assert_eq!(policy.strength(&first, "").0, 4);
    }
}
