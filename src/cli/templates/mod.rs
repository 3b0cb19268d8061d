//! `templates …`: shows and customizes the templates of mails and pages.

pub(super) mod eject;
pub(super) mod list;
pub(super) mod preview;

use movie_bag_mail::templates::Templates;

use super::startup;
use super::ui::Ui;
use crate::config::Flags;

/// Manage mail and page templates
///
/// Templates in the folder MOVIE_BAG_TEMPLATES replace the built-in ones of the same name.
#[derive(Debug, clap::Subcommand)]
#[command(before_help = "To customize a mail or a page:
  movie-bag templates eject my-templates             # copy all templates
  $EDITOR my-templates/email/reset_password.html     # edit; delete the others
  export MOVIE_BAG_TEMPLATES=\"$PWD/my-templates\"     # or a line in .env
  movie-bag templates preview reset_password         # show the result
  movie-bag check                                    # find mistakes")]
pub(super) enum Command {
    List(list::Args),
    Eject(eject::Args),
    Preview(preview::Args),
}

impl Command {
    pub(super) fn run(self, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
        match self {
            Self::List(args) => list::run(&args, ui, &load(ui, flags)?),
            // Loads no templates, so that it also works if the customized ones are broken.
            Self::Eject(args) => eject::run(&args, ui),
            Self::Preview(args) => preview::run(&args, ui, &load(ui, flags)?),
        }
    }
}

fn load(ui: &Ui, flags: Flags) -> anyhow::Result<Templates> {
    let settings = startup::settings(ui, flags, "off")?;
    Ok(startup::templates(ui, &settings)?)
}
