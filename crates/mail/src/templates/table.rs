//! Types of the table of built-in templates: name, purpose, variables and text of each.
//!
//! The table itself belongs to the program, which embeds the texts. The validation at startup, the commands for templates
//! and the documentation are made from it.

use movie_bag_core::domain::spelling;

/// Built-in templates and their variables.
#[derive(Debug)]
pub struct TemplateTable {
    /// Templates, in the order in which they are listed.
    pub templates: &'static [BuiltIn],
    /// Variables. Each has the same meaning in every template.
    pub variables: &'static [Variable],
    /// Values of variables in previews that differ from [`Variable::sample`].
    pub samples: &'static [Sample],
}

/// Built-in template.
#[derive(Debug)]
pub struct BuiltIn {
    /// Name, which is the path below the folder of templates. Values are escaped in templates that end in `.html`.
    pub name: &'static str,
    /// Purpose, in a few words.
    pub purpose: &'static str,
    /// Names of its variables. The template is given no other values.
    pub variables: &'static [&'static str],
    /// Built-in text.
    pub source: &'static str,
}

impl BuiltIn {
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

/// Variable of templates.
#[derive(Debug)]
pub struct Variable {
    /// Name in a template.
    pub name: &'static str,
    /// Meaning, in one line.
    pub meaning: &'static str,
    /// Value in a preview.
    pub sample: &'static str,
    /// Value that tries to break the template, for the validation.
    pub(super) hostile: &'static str,
}

impl Variable {
    /// Returns a variable whose values the service itself creates.
    pub const fn internal(name: &'static str, meaning: &'static str, sample: &'static str) -> Self {
        Self {
            name,
            meaning,
            sample,
            hostile: sample,
        }
    }

    /// Returns a variable whose values contain user input.
    pub const fn user_input(
        name: &'static str,
        meaning: &'static str,
        sample: &'static str,
    ) -> Self {
        Self {
            name,
            meaning,
            sample,
            hostile: HOSTILE,
        }
    }
}

/// Markup that must never be in a page or a mail unescaped.
pub(super) const MARKUP: &str = "<script>movie-bag</script>";
/// Hostile input: markup, quotes, and an expression that a template would evaluate.
const HOSTILE: &str = "<script>movie-bag</script>'\"&{{ 7 * 7 }}";

/// Value of a variable in the previews of some templates.
#[derive(Debug)]
pub struct Sample {
    /// Beginning of the names of the templates.
    pub template_prefix: &'static str,
    /// Name of the variable.
    pub variable: &'static str,
    /// Value in a preview.
    pub value: &'static str,
}

impl TemplateTable {
    /// Returns the template of this name.
    pub fn find(&self, name: &str) -> Option<&'static BuiltIn> {
        self.templates.iter().find(|template| template.name == name)
    }

    /// Returns the variable of this name.
    pub fn variable(&self, name: &str) -> Option<&'static Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }

    /// Returns the name of the template that was probably meant, by the whole name or by the file name alone.
    pub fn nearest(&self, name: &str) -> Option<&'static str> {
        let names = || self.templates.iter().map(|template| template.name);
        let file_name = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
        let written = name.rsplit('/').next().unwrap_or(name);
        spelling::nearest(name, names()).or_else(|| {
            let meant = spelling::nearest(written, names().map(file_name))?;
            names().find(|name| file_name(name) == meant)
        })
    }

    /// Returns one value for each variable of a template.
    pub fn values(
        &self,
        template: &BuiltIn,
        value_of: impl Fn(&'static Variable) -> &'static str,
    ) -> impl Iterator<Item = (&'static str, &'static str)> {
        template
            .variables
            .iter()
            .filter_map(|name| self.variable(name))
            .map(move |variable| (variable.name, value_of(variable)))
    }

    /// Returns the value of a variable in the preview of a template.
    pub fn sample(&self, template: &BuiltIn, variable: &Variable) -> &'static str {
        self.samples
            .iter()
            .find(|sample| {
                template.name.starts_with(sample.template_prefix)
                    && sample.variable == variable.name
            })
            .map_or(variable.sample, |sample| sample.value)
    }
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
