//! `templates list`: lists the templates with their sources.

use movie_bag_mail::templates::{BuiltIn, Templates};
use serde_json::{Map, Value, json};

use crate::built_in_templates::BUILT_IN_TEMPLATES;
use crate::cli::table;
use crate::cli::ui::Ui;

/// List the templates with their purpose, variables and source
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag templates list
  movie-bag templates list --json | jq -r 'select(.path).name'   # your own")]
pub(in crate::cli) struct Args {}

pub(super) fn run(_: &Args, ui: &Ui, templates: &Templates) -> anyhow::Result<()> {
    let mut table = table::table(["TEMPLATE", "PURPOSE", "VARIABLES", "SOURCE"], &[1, 2, 3]);
    for template in &BUILT_IN_TEMPLATES.templates {
        let path = templates
            .path(template)
            .map(|path| path.display().to_string());
        if ui.is_json() {
            let json = json!({"name": template.name, "purpose": template.purpose, "variables": meanings(template), "path": path});
            ui.answer(&json.to_string())?;
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

fn meanings(template: &BuiltIn) -> Map<String, Value> {
    template
        .variables
        .iter()
        .map(|variable| (variable.name.to_owned(), variable.meaning.as_str().into()))
        .collect()
}
