//! `templates list`: lists the templates with their sources.

use movie_bag_mail::templates::Templates;
use serde_json::{Map, Value};

use crate::built_in_templates::BUILT_IN_TEMPLATES;
use crate::cli::document::documents;
use crate::cli::table;
use crate::cli::ui::Ui;

/// List the templates with their purpose, variables and source
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag templates list
  movie-bag templates list --json | jq -r 'select(.path).name'   # your own")]
pub(in crate::cli) struct Args {}

documents! {
    pub(in crate::cli) struct ListedTemplate<'a> {
        /// Name of the template.
        name: &'a str,
        /// Purpose of the template.
        purpose: &'a str,
        /// Variables of the template, each with its meaning.
        variables: Map<String, Value>,
        /// File that overrides the template; null if the built-in one is used.
        path: Option<String>,
    }
}

pub(super) fn run(_: &Args, ui: &Ui, templates: &Templates) -> anyhow::Result<()> {
    let mut table = table::table(["TEMPLATE", "PURPOSE", "VARIABLES", "SOURCE"], &[1, 2, 3]);
    for template in &BUILT_IN_TEMPLATES.templates {
        let path = templates
            .path(template)
            .map(|path| path.display().to_string());
        if ui.is_json() {
            let variables = template.variables.iter();
            ui.answer_json(&ListedTemplate {
                name: &template.name,
                purpose: &template.purpose,
                variables: variables
                    .map(|one| (one.name.to_owned(), one.meaning.as_str().into()))
                    .collect(),
                path,
            })?;
        } else {
            let names: Vec<&str> = template.variables.iter().map(|one| one.name).collect();
            table.add_row([
                template.name.clone(),
                template.purpose.clone(),
                names.join(", "),
                path.unwrap_or_else(|| "built in".to_owned()),
            ]);
        }
    }
    if !ui.is_json() {
        ui.answer_table(table)?;
    }
    Ok(())
}
