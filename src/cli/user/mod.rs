//! `user …`: what the administrator does with accounts.

mod create;
mod delete;
mod export;
mod format;
mod import;
mod list;
mod revoke;
mod set_email;
mod set_password;
mod show;

use zeroize::Zeroizing;

use super::database::{self, Absence, Access};
use super::ui::Ui;
use super::{stdin, wiring};
use crate::app::parse_address;
use crate::app::system::SystemRng;
use crate::config::Flags;
use crate::domain::clock::draw;
use crate::domain::password::PasswordInput;

/// Manage accounts
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    Create(create::Args),
    List(list::Args),
    Show(show::Args),
    SetPassword(set_password::Args),
    SetEmail(set_email::Args),
    Revoke(revoke::Args),
    Delete(delete::Args),
    Import(import::Args),
    Export(export::Args),
}

impl Command {
    pub(super) async fn run(self, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
        // Before a database is opened, or created.
        match &self {
            Self::Import(args) => args.check()?,
            Self::Export(args) => args.check()?,
            _ => {}
        }
        let settings = wiring::settings(ui, flags, "off")?;
        let app = wiring::terminal_app(ui, &settings, self.access()?).await?;
        let outcome = match self {
            Self::Create(args) => create::run(args, ui, &app).await,
            Self::List(args) => list::run(&args, ui, &app, &database::described(&settings)).await,
            Self::Show(args) => show::run(&args, ui, &app).await,
            Self::SetPassword(args) => set_password::run(args, ui, &app).await,
            Self::SetEmail(args) => set_email::run(&args, ui, &app).await,
            Self::Revoke(args) => revoke::run(&args, ui, &app).await,
            Self::Delete(args) => delete::run(&args, ui, &app).await,
            Self::Import(args) => import::run(&args, ui, &app).await,
            Self::Export(args) => export::run(&args, ui, &app).await,
        };
        app.close().await;
        outcome.map_err(|error| database::name_in_hint(error, &settings))
    }

    fn access(&self) -> anyhow::Result<Access> {
        let email = match self {
            Self::Create(args) => {
                // What is certain to fail creates no database.
                args.check()?;
                return Ok(Access::Create);
            }
            Self::Import(args) if args.dry_run => return Ok(Access::Read),
            Self::Import(_) => return Ok(Access::Create),
            Self::List(_) | Self::Show(_) | Self::Export(_) => return Ok(Access::Read),
            Self::SetPassword(args) => &args.email,
            Self::SetEmail(args) => &args.email,
            Self::Revoke(args) => &args.email,
            Self::Delete(args) => &args.email,
        };
        // An address that cannot be read is a mistake in any database.
        parse_address(email)?;
        Ok(Access::Change(Absence::of_account(email)))
    }
}

/// Sources of a new password other than the prompt.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct NewPassword {
    /// Read the password from one line of stdin
    #[arg(long)]
    password_stdin: bool,
    /// Generate a strong password and print it
    #[arg(long)]
    generate: bool,
}

impl NewPassword {
    /// Checks that there is a password, or a terminal on which one can be typed.
    fn check(&self) -> anyhow::Result<()> {
        if !self.generate && !self.password_stdin {
            Ui::must_be_able_to_ask_password()?;
        }
        Ok(())
    }

    /// The password, and whether it was generated and so must be told.
    async fn get(
        &self,
        ui: &Ui,
        app: &crate::app::App,
        email: &str,
    ) -> anyhow::Result<(PasswordInput, Option<Zeroizing<String>>)> {
        if self.generate {
            let password = generated();
            return Ok((PasswordInput::new(password.as_str()), Some(password)));
        }
        if self.password_stdin {
            let [password] = stdin::lines(["password"]).await?;
            return Ok((PasswordInput::new(password.as_str()), None));
        }
        let typed = ui
            .ask_new_password(email, |password| app.check_password(password, email))
            .await?;
        Ok((typed, None))
    }
}

/// Twenty characters, none of which is taken for another: 32 of them give five bits each, a hundred in all.
fn generated() -> Zeroizing<String> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let characters =
        draw::<20>(&SystemRng).map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    Zeroizing::new(characters.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::password::PasswordPolicy;

    #[test]
    fn a_generated_password_passes_the_strictest_policy_and_never_comes_twice() {
        let (first, second) = (generated(), generated());
        assert_ne!(first, second);
        let policy = PasswordPolicy { min_length: 20 };
        assert!(
            policy
                .check(&PasswordInput::new(first.as_str()), "ann@example.com")
                .is_ok()
        );
        assert_eq!(
            crate::domain::password::strength(&PasswordInput::new(first.as_str()), "").0,
            4
        );
    }
}
