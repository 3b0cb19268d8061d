//! `user create`: makes an account.

use serde_json::json;

use super::{NewPassword, Ui, wiring};
use crate::app::{App, NewAccount};

/// Make an account
///
/// Without an option for the password it is asked for, hidden, twice.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  movie-bag user create --email ann@example.com
  movie-bag user create --email ann@example.com --generate
  pass show ann | movie-bag user create --email ann@example.com --password-stdin

Settings: MOVIE_BAG_PASSWORD_MIN_LENGTH, MOVIE_BAG_BCRYPT_COST")]
pub(in crate::cli) struct Args {
    /// The address of the new account
    #[arg(long, value_name = "EMAIL")]
    email: String,
    #[command(flatten)]
    password: NewPassword,
}

pub(super) async fn run(args: Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    app.check_new_address(&args.email).await?;
    let (password, generated) = args.password.get(ui, app, &args.email).await?;
    let new = NewAccount {
        email: &args.email,
        password,
        origin: wiring::origin(),
    };
    let account = app.create_account(new).await?;
    let mut json = json!({"id": account.id.to_string(), "email": account.address});
    if let Some(password) = generated {
        json["password"] = password.as_str().into();
        ui.say(&format!(
            "Made the account {} ({}) with this password:",
            account.address, account.id
        ));
        ui.answer_either(&password, &json);
    } else {
        ui.answer_either(
            &format!("Made the account {} ({}).", account.address, account.id),
            &json,
        );
    }
    Ok(())
}
