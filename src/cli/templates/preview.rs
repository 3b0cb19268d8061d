//! `templates preview`: renders a template with sample values.

use movie_bag_core::domain::mail::MailKind;
use movie_bag_core::domain::spelling;
use movie_bag_mail::templates::{Part, Templates};

use crate::built_in_templates::BUILT_IN_TEMPLATES;
use crate::cli::document::documents;
use crate::cli::suggested_values::SuggestedValues;
use crate::cli::ui::Ui;
use crate::failure::Failure;

/// Render a template with sample values
///
/// The name of a mail, such as reset_password, shows its subject and its text part.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag templates preview reset_password
  movie-bag templates preview email/reset_password.html > mail.html
  movie-bag templates preview invitation --json | jq -r .html")]
pub(in crate::cli) struct Args {
    /// Template from "templates list", or mail
    #[arg(value_name = "NAME", value_parser = SuggestedValues(names), hide_possible_values = true)]
    name: String,
}

/// Returns the names of all mail kinds and templates.
fn names() -> Vec<&'static str> {
    let mails = MailKind::ALL.iter().map(|kind| kind.name());
    mails
        .chain(
            BUILT_IN_TEMPLATES
                .templates
                .iter()
                .map(|one| one.name.as_str()),
        )
        .collect()
}

documents! {
    pub(in crate::cli) struct PreviewedMail<'a> {
        /// Subject.
        subject: &'a str,
        /// Plain text part.
        text: &'a str,
        /// HTML part.
        html: &'a str,
    }

    pub(in crate::cli) struct PreviewedTemplate<'a> {
        /// Name of the template.
        name: &'a str,
        /// Rendered text.
        content: &'a str,
    }
}

pub(super) fn run(args: &Args, ui: &Ui, templates: &Templates) -> anyhow::Result<()> {
    if let Some(template) = BUILT_IN_TEMPLATES.find(&args.name) {
        let content = templates.preview(template)?;
        if ui.is_json() {
            ui.answer_json(&PreviewedTemplate {
                name: &template.name,
                content: &content,
            })?;
        } else {
            ui.answer_raw(&content)?;
        }
        return Ok(());
    }
    let kind: MailKind = args.name.parse().map_err(|_| unknown(&args.name))?;
    let subject = part(templates, kind, Part::Subject)?;
    let (subject, text) = (subject.trim(), part(templates, kind, Part::Text)?);
    if ui.is_json() {
        let html = part(templates, kind, Part::Html)?;
        ui.answer_json(&PreviewedMail {
            subject,
            text: &text,
            html: &html,
        })?;
    } else {
        ui.answer_raw(&format!("Subject: {subject}\n\n{text}"))?;
    }
    Ok(())
}

fn part(templates: &Templates, kind: MailKind, part: Part) -> anyhow::Result<String> {
    let name = part.template_name(kind);
    let template = BUILT_IN_TEMPLATES
        .find(&name)
        .ok_or_else(|| unknown(&name))?;
    Ok(templates.preview(template)?)
}

fn unknown(name: &str) -> Failure {
    let mails = MailKind::ALL.iter().map(|kind| kind.name());
    // A name with an extension means a file.
    let meant = if name.contains(['/', '.']) {
        BUILT_IN_TEMPLATES.nearest(name)
    } else {
        spelling::nearest(name, mails).or_else(|| BUILT_IN_TEMPLATES.nearest(name))
    };
    let message = match meant {
        Some(meant) => format!("no template {name}; did you mean {meant}?"),
        None => format!("no template {name}"),
    };
    Failure::usage(
        message,
        "run \"movie-bag templates list\" to see all templates",
    )
}
