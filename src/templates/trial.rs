//! The trial at the start: what can be wrong with a template is found here, and not when a mail is due.
//!
//! Every template is looked through for names that nobody gives it, also where a condition hides them, and rendered with
//! the nastiest values there may be.

use super::built_in::{self, BuiltIn, MARKUP, TEMPLATES, Variable};
use super::{Place, TemplateError, Templates};
use crate::domain::spelling;

/// Tries all templates, and answers what is probably not meant so.
pub(super) fn run(templates: &Templates) -> Result<Vec<String>, TemplateError> {
    let mut warnings = Vec::new();
    for template in TEMPLATES.iter().filter(|template| !template.is_raw()) {
        look_through(templates, template)?;
        templates.render(template.name, values(template, |variable| variable.sample))?;
        let rendered =
            templates.render(template.name, values(template, |variable| variable.nasty))?;
        if template.is_html() && rendered.contains(MARKUP) {
            return Err(unescaped(templates, template));
        }
        warnings.extend(without_link(templates, template, &rendered));
    }
    Ok(warnings)
}

/// One value for each variable of a template.
pub(super) fn values(
    template: &BuiltIn,
    pick: impl Fn(&'static Variable) -> &'static str,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    template
        .variables
        .iter()
        .filter_map(|name| built_in::variable(name))
        .map(move |variable| (variable.name, pick(variable)))
}

/// Refuses a name that the template is not given. Rendering alone would find it only outside of conditions.
fn look_through(templates: &Templates, template: &BuiltIn) -> Result<(), TemplateError> {
    let mut unknown: Vec<&str> = templates
        .names_used_by(template)
        .into_iter()
        .filter(|name| !template.variables.contains(name) && !templates.is_set_by_one(name))
        .collect();
    unknown.sort_unstable();
    let Some(name) = unknown.first() else {
        return Ok(());
    };
    let meant = spelling::nearest(name, template.variables.iter().copied())
        .map(|meant| format!("; did you mean {meant}?"))
        .unwrap_or_default();
    let known = match template.variables {
        [] => "it has no variables".to_owned(),
        names => format!("its variables are {}", names.join(", ")),
    };
    let problem = format!("{} has no variable {name}{meant} ({known})", template.name);
    Err(templates.error_at_word(template, name, problem))
}

fn unescaped(templates: &Templates, template: &BuiltIn) -> TemplateError {
    let problem =
        "the filter safe would insert user input as HTML: remove it, so that the value is escaped";
    templates.error_at_word(template, "safe", problem.to_owned())
}

/// Whoever reads this part could not go on. It may be meant so, where the other part has the link.
fn without_link(templates: &Templates, template: &BuiltIn, rendered: &str) -> Option<String> {
    let link = built_in::variable("url").filter(|link| template.variables.contains(&link.name))?;
    let is_there = rendered.lines().any(|line| line.contains(link.nasty));
    (!is_there).then(|| {
        format!(
            "{} does not show {{{{ url }}}}: readers of this part of the mail cannot choose a password",
            templates.whereabouts(template)
        )
    })
}

/// Where a word first stands inside of braces.
pub(super) fn place_of(word: &str, source: &str) -> Option<Place> {
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
