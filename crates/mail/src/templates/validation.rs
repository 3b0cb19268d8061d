//! Validation of all templates at startup, so that an error in one is found before a mail is due.
//!
//! Each template is searched for names that are not its variables, also inside conditions, and rendered with sample values
//! and with hostile ones.

use movie_bag_core::domain::mail::Content;
use movie_bag_core::domain::spelling;

use super::Templates;
use super::error::{Place, TemplateError};
use super::table::{self, BuiltIn, MARKUP};

/// Validates all templates, and returns warnings about probable mistakes.
pub(super) fn validate(templates: &Templates) -> Result<Vec<String>, TemplateError> {
    let mut warnings = Vec::new();
    for template in templates
        .table()
        .templates
        .iter()
        .filter(|one| !one.is_raw())
    {
        refuse_unknown_variables(templates, template)?;
        templates.preview(template)?;
        let rendered = templates.render(&template.name, &table::hostile_values(template))?;
        if template.is_html() && rendered.contains(MARKUP) {
            return Err(unescaped_input(templates, template));
        }
        warnings.extend(missing_link(templates, template, &rendered));
    }
    Ok(warnings)
}

/// Refuses a name that is not a variable of the template. Rendering finds it only outside of conditions.
fn refuse_unknown_variables(
    templates: &Templates,
    template: &BuiltIn,
) -> Result<(), TemplateError> {
    let names = || template.variables.iter().map(|variable| variable.name);
    let mut unknown: Vec<&str> = templates
        .used_names(template)
        .into_iter()
        .filter(|name| {
            !names().any(|known| known == *name) && !templates.is_set_by_a_template(name)
        })
        .collect();
    unknown.sort_unstable();
    let Some(name) = unknown.first() else {
        return Ok(());
    };
    let meant = spelling::nearest(name, names())
        .map(|meant| format!("; did you mean {meant}?"))
        .unwrap_or_default();
    let known = match names().collect::<Vec<_>>().as_slice() {
        [] => "it has no variables".to_owned(),
        names => format!("its variables are {}", names.join(", ")),
    };
    let problem = format!("{} has no variable {name}{meant} ({known})", template.name);
    Err(templates.error_at_word(template, name, problem))
}

fn unescaped_input(templates: &Templates, template: &BuiltIn) -> TemplateError {
    let problem =
        "the filter safe would insert user input as HTML: remove it, so that the value is escaped";
    templates.error_at_word(template, "safe", problem.to_owned())
}

/// Returns a warning if the part does not show the link. That is not an error, because the other part may show it.
fn missing_link(templates: &Templates, template: &BuiltIn, rendered: &str) -> Option<String> {
    let mut variables = template.variables.iter();
    let link = variables.find(|variable| variable.content == Content::TokenLink)?;
    let is_shown = rendered.lines().any(|line| line.contains(&link.sample));
    (!is_shown).then(|| {
        format!(
            "{} does not show {{{{ {} }}}}: readers of this part of the mail cannot choose a password",
            templates.location(template),
            link.name
        )
    })
}

/// Returns the first place of a word inside braces.
pub(super) fn find_word(word: &str, source: &str) -> Option<Place> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    source
        .match_indices(word)
        .find(|(at, _)| {
            let before = &source[..*at];
            let after = &source[at + word.len()..];
            let opened = before.rfind("{{").max(before.rfind("{%"));
            let closed = before.rfind("}}").max(before.rfind("%}"));
            opened > closed && !before.ends_with(is_word) && !after.starts_with(is_word)
        })
        .map(|(at, _)| Place::at_end_of(&source[..at]))
}
