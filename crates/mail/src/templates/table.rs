//! Types of the table of built-in templates: name, purpose, variables and text of each.
//!
//! The table itself belongs to the program, which embeds the texts. The validation at startup, the commands for templates
//! and the documentation are made from it.

use std::collections::BTreeMap;

use movie_bag_core::domain::mail::{Content, MailKind, Variable};
use movie_bag_core::domain::spelling;

use super::branding::Branding;

/// Built-in templates.
#[derive(Debug)]
pub struct TemplateTable {
    /// Templates, in the order in which they are listed.
    pub templates: Vec<BuiltIn>,
}

impl TemplateTable {
    /// Returns the table of these templates. The variables of [`Branding`] are added to each.
    pub fn new(mut templates: Vec<BuiltIn>) -> Self {
        for template in templates.iter_mut().filter(|template| !template.is_raw()) {
            template.variables.extend(Branding::variables());
        }
        Self { templates }
    }
}

/// Built-in template.
#[derive(Debug)]
pub struct BuiltIn {
    /// Name, which is the path below the folder of templates. Values are escaped in templates that end in `.html`.
    pub name: String,
    /// Purpose, in a few words.
    pub purpose: String,
    /// Its variables. The template is given no other values. Those of [`Branding`] are added by [`TemplateTable::new`].
    pub variables: Vec<Variable>,
    /// Built-in text.
    pub source: &'static str,
}

/// Part of a mail, with a template of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Subject,
    Text,
    Html,
}

impl Part {
    /// All parts, in the order in which their templates are listed.
    pub const ALL: [Self; 3] = [Self::Html, Self::Text, Self::Subject];

    /// Returns the name of the template of a mail kind.
    pub fn template_name(self, kind: MailKind) -> String {
        format!("email/{kind}{}", self.ending())
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::Subject => ".subject.txt",
            Self::Text => ".txt",
            Self::Html => ".html",
        }
    }
}

impl BuiltIn {
    /// Returns the template of one part of the mails of a kind.
    pub fn of_mail(kind: MailKind, part: Part, source: &'static str) -> Self {
        let (purpose, mut variables) = (kind.purpose(), kind.variables());
        if part == Part::Subject {
            variables.retain(|variable| variable.content != Content::TokenLink);
        }
        Self {
            name: part.template_name(kind),
            purpose: match part {
                Part::Subject => "its subject".to_owned(),
                Part::Text => "its plain text".to_owned(),
                Part::Html => purpose,
            },
            variables,
            source,
        }
    }

    /// Returns whether the template is a subject, which is one line.
    pub fn is_subject(&self) -> bool {
        self.name.ends_with(Part::Subject.ending())
    }

    /// Returns whether the template is part of a mail, whose lines have a maximum length.
    pub fn is_mail(&self) -> bool {
        self.name.starts_with("email/")
    }

    /// Returns whether values in the template are escaped for HTML.
    pub fn is_html(&self) -> bool {
        self.name.ends_with(".html")
    }

    /// Returns whether the file is sent unchanged: such a file is not a Tera template.
    pub fn is_raw(&self) -> bool {
        [".css", ".js", ".svg"]
            .iter()
            .any(|ending| self.name.ends_with(ending))
    }
}

/// Markup that must never be in a page or a mail unescaped.
pub(super) const MARKUP: &str = "<script>movie-bag</script>";
/// Hostile input: markup, quotes, and an expression that a template would evaluate.
const HOSTILE: &str = "<script>movie-bag</script>'\"&{{ 7 * 7 }}";

impl TemplateTable {
    /// Returns the template of this name.
    pub fn find(&self, name: &str) -> Option<&BuiltIn> {
        self.templates.iter().find(|template| template.name == name)
    }

    /// Returns the variables of all templates. One that has several meanings is listed with each.
    pub fn variables(&self) -> Vec<&Variable> {
        let mut variables: Vec<&Variable> = Vec::new();
        for variable in self.templates.iter().flat_map(|one| &one.variables) {
            let is_same = |known: &&Variable| {
                known.name == variable.name && known.meaning == variable.meaning
            };
            if !variables.iter().any(is_same) {
                variables.push(variable);
            }
        }
        variables
    }

    /// Returns the name of the template that was probably meant, by the whole name or by the file name alone.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let names = || self.templates.iter().map(|template| template.name.as_str());
        spelling::nearest(name, names()).or_else(|| {
            let meant = spelling::nearest(file_name(name), names().map(file_name))?;
            names().find(|name| file_name(name) == meant)
        })
    }
}

fn file_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Returns sample values for a template.
pub(super) fn samples(template: &BuiltIn) -> BTreeMap<&str, &str> {
    let variables = template.variables.iter();
    variables
        .map(|variable| (variable.name, variable.sample.as_str()))
        .collect()
}

/// Returns values for a template that try to break it.
pub(super) fn hostile_values(template: &BuiltIn) -> BTreeMap<&str, &str> {
    let mut values = samples(template);
    for variable in &template.variables {
        if variable.content == Content::UserInput {
            values.insert(variable.name, HOSTILE);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::super::tests::TABLE;

    #[test]
    fn a_typo_or_a_wrong_folder_finds_the_right_name() {
        for (written, meant) in [
            (
                "email/reset-password.html",
                Some("email/reset_password.html"),
            ),
            ("reset_password.html", Some("email/reset_password.html")),
            ("reset-pasword.txt", Some("email/reset_password.txt")),
            ("mail/invitation.txt", Some("email/invitation.txt")),
            ("own/templates/style.css", Some("web/style.css")),
            ("Email/Invitation.html", Some("email/invitation.html")),
            ("notes.md", None),
        ] {
            assert_eq!(TABLE.nearest(written), meant, "{written}");
        }
    }
}
