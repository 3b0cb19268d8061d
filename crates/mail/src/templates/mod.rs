//! Templates of mails and pages: the built-in ones, and overrides from a folder of the administrator.
//!
//! All are compiled and validated when they are loaded, so that a broken template prevents the start and not the sending of a
//! mail. The program passes its built-in templates as a [`TemplateTable`].

mod branding;
mod error;
mod overrides;
mod table;
#[cfg(test)]
mod tests;
mod validation;
mod wrap;

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use serde::Serialize;
use tera::{Context, ErrorKind, Tera};

pub use branding::Branding;
pub use error::{Place, TemplateError};
use overrides::Override;
pub use overrides::override_path;
pub use table::{BuiltIn, Part, TemplateTable};

/// Maximum length of a line in a mail, in bytes, without its line end (RFC 5322 2.1.1).
const MAX_LINE_BYTES: usize = 998;

/// Compiled templates.
pub struct Templates {
    table: &'static TemplateTable,
    tera: Tera,
    /// Override of each template, in the order of the table.
    overrides: Vec<Option<Override>>,
    branding: Branding,
    warnings: Vec<String>,
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates")
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}

impl Templates {
    /// Reads, compiles and validates all templates. A file in the folder `overrides` replaces the built-in template of its
    /// name.
    ///
    /// # Errors
    /// The first template that cannot be read, compiled or rendered, with its file and line.
    pub fn load(
        table: &'static TemplateTable,
        overrides: Option<&Path>,
        branding: Branding,
    ) -> Result<Self, TemplateError> {
        let mut tera = Tera::default();
        tera.register_filter("wrap", wrap::filter);
        let mut templates = Self {
            table,
            tera,
            overrides: read_overrides(table, overrides)?,
            branding,
            warnings: Vec::new(),
        };
        let sources = table
            .templates
            .iter()
            .filter(|template| !template.is_raw())
            .map(|template| {
                (
                    template.name.as_str(),
                    templates.source(template).to_owned(),
                )
            })
            .collect::<Vec<_>>();
        // All templates are added in one call, since they extend each other.
        if let Err(error) = templates.tera.add_raw_templates(sources) {
            return Err(templates.error("of your own", &error));
        }
        if let Some(folder) = overrides {
            templates.warnings = overrides::warn_of_unknown_files(table, folder);
        }
        // A test of the program validates its built-in templates.
        if templates.overrides.iter().any(Option::is_some) {
            let warnings = templates.validate()?;
            templates.warnings.extend(warnings);
        }
        Ok(templates)
    }

    /// Validates all templates, and returns warnings about probable mistakes.
    ///
    /// # Errors
    /// The first template that uses an unknown variable, cannot be rendered, or inserts user input as HTML.
    pub fn validate(&self) -> Result<Vec<String>, TemplateError> {
        validation::validate(self)
    }

    /// Returns the table of built-in templates.
    pub fn table(&self) -> &'static TemplateTable {
        self.table
    }

    /// Returns warnings about files that override no template, and mails without their link.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Renders a template. Fields of the values that are not its variables are ignored. A variable of [`Branding`] has the
    /// value that was given to [`Templates::load`], unless the values have another.
    ///
    /// # Errors
    /// A variable without a value, or a mail with a line that cannot be sent.
    pub fn render(&self, name: &str, values: &impl Serialize) -> Result<String, TemplateError> {
        let Some(template) = self.table.find(name) else {
            return Err(TemplateError::whole(name, "it does not exist"));
        };
        if template.is_raw() {
            return Ok(self.source(template).to_owned());
        }
        let given = Context::from_serialize(values).map_err(|error| self.error(name, &error))?;
        let mut context = Context::new();
        for name in template.variables.iter().map(|variable| variable.name) {
            if let Some(value) = given.get(name) {
                context.insert_value(name, value.clone());
            } else if let Some(value) = self.branding.value(name) {
                context.insert(name, value);
            }
        }
        let text = self
            .tera
            .render(name, &context)
            .map_err(|error| self.error(name, &error))?;
        let problem = if template.is_subject() {
            unusable_subject(&text)
        } else if template.is_mail() {
            unsendable_line(&text)
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(TemplateError::whole(self.location(template), problem));
        }
        Ok(text)
    }

    /// Renders a template with sample values, and the name and addresses of this application.
    ///
    /// # Errors
    /// Those of [`Templates::render`].
    pub fn preview(&self, template: &BuiltIn) -> Result<String, TemplateError> {
        let mut values = table::samples(template);
        values.retain(|name, _| self.branding.value(name).is_none());
        self.render(&template.name, &values)
    }

    /// Returns the text of a template, from the override if there is one.
    pub fn source(&self, template: &BuiltIn) -> &str {
        self.find_override(template)
            .map_or(template.source, |file| file.source.as_str())
    }

    /// Returns the file that overrides this template.
    pub fn path(&self, template: &BuiltIn) -> Option<&Path> {
        self.find_override(template).map(|file| file.path.as_path())
    }

    fn find_override(&self, template: &BuiltIn) -> Option<&Override> {
        let index = self
            .table
            .templates
            .iter()
            .position(|other| other.name == template.name)?;
        self.overrides.get(index)?.as_ref()
    }

    /// Returns the file of an override, or the name of a built-in template.
    fn location(&self, template: &BuiltIn) -> String {
        self.path(template)
            .map_or_else(|| template.name.clone(), |path| path.display().to_string())
    }

    /// Returns the names that a template and those that it extends or includes expect as variables.
    fn used_names(&self, template: &BuiltIn) -> HashSet<&str> {
        self.tera
            .get_template_variables(&template.name)
            .unwrap_or_default()
    }

    /// Returns whether a template sets this name. It may be set in a template that another one extends.
    fn is_set_by_a_template(&self, name: &str) -> bool {
        self.table.templates.iter().any(|template| {
            let source = self.source(template);
            source.match_indices(name).any(|(at, _)| {
                let before = source[..at].trim_end();
                before.len() < at && (before.ends_with("set") || before.ends_with("set_global"))
            })
        })
    }

    /// Returns an error at the first place of a word, in this template or in those that it extends or includes.
    fn error_at_word(&self, template: &BuiltIn, word: &str, problem: String) -> TemplateError {
        std::iter::once(template)
            .chain(self.parents(template))
            .find_map(|template| {
                let place = validation::find_word(word, self.source(template))?;
                Some(TemplateError::at(self.location(template), place, &problem))
            })
            .unwrap_or_else(|| TemplateError::whole(self.location(template), &problem))
    }

    /// Returns the templates that another one extends or includes.
    fn parents<'a>(&'a self, template: &'a BuiltIn) -> impl Iterator<Item = &'a BuiltIn> {
        let source = self.source(template);
        self.table
            .templates
            .iter()
            .filter(move |other| source.contains(&other.name))
    }

    /// Returns a note about the override that a built-in template extends or includes: an error in a built-in template is
    /// caused by that file.
    fn parent_note(&self, name: &str) -> String {
        self.table
            .find(name)
            .filter(|template| self.path(template).is_none())
            .and_then(|template| self.parents(template).find_map(|other| self.path(other)))
            .map(|path| format!("; its parent template is {}", path.display()))
            .unwrap_or_default()
    }

    /// Returns an error of the engine in one line, with its file.
    fn error(&self, name: &str, error: &tera::Error) -> TemplateError {
        let location = |name: &str| {
            self.table
                .find(name)
                .map_or_else(|| name.to_owned(), |template| self.location(template))
        };
        match error.kind() {
            ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
                let place = Place {
                    line: report.span().start_line,
                    column: report.span().start_col + 1,
                };
                TemplateError::at(location(report.filename()), place, report.message())
            }
            ErrorKind::MissingParent { current, parent } => TemplateError::whole(
                location(current),
                format!("it extends {parent}, which does not exist"),
            ),
            _ => {
                let text = error.to_string();
                match first_report(&text) {
                    Some((name, place, problem)) => {
                        let problem = format!("{problem}{}", self.parent_note(name));
                        TemplateError::at(location(name), place, problem)
                    }
                    None => TemplateError::whole(location(name), text.replace('\n', " ")),
                }
            }
        }
    }
}

fn read_overrides(
    table: &TemplateTable,
    folder: Option<&Path>,
) -> Result<Vec<Option<Override>>, TemplateError> {
    let Some(folder) = folder else {
        return Ok(table.templates.iter().map(|_| None).collect());
    };
    overrides::check_folder(folder)?;
    table
        .templates
        .iter()
        .map(|template| overrides::read(folder, template))
        .collect()
}

/// Parses the first report in an error text of the engine, for errors without structured fields.
fn first_report(text: &str) -> Option<(&str, Place, &str)> {
    let (problem, rest) = text.strip_prefix("error: ")?.split_once('\n')?;
    let mut place = rest
        .lines()
        .next()?
        .trim_start()
        .strip_prefix("--> ")?
        .rsplitn(3, ':');
    let column = place.next()?.parse().ok()?;
    let line = place.next()?.parse().ok()?;
    Some((place.next()?, Place { line, column }, problem))
}

/// Returns the reason why a text, without the white space around it, cannot be a subject. Values have no line breaks, so the
/// reason is in the template.
fn unusable_subject(text: &str) -> Option<String> {
    let subject = text.trim();
    if subject.is_empty() {
        Some("its output is empty, and a mail needs a subject".to_owned())
    } else if subject.contains(char::is_control) {
        Some("its output has several lines or control characters: a subject is one line".to_owned())
    } else {
        unsendable_line(subject)
    }
}

/// Returns the reason why a text cannot be sent as a mail.
fn unsendable_line(text: &str) -> Option<String> {
    text.split('\n').enumerate().find_map(|(number, line)| {
        let number = number + 1;
        if line.len() > MAX_LINE_BYTES {
            Some(format!(
                "line {number} of its output is longer than {MAX_LINE_BYTES} bytes, which mails cannot have: break it, for example inside a tag"
            ))
        } else if line.contains(['\r', '\0']) {
            Some(format!(
                "line {number} of its output contains a lone carriage return or a NUL, which mails cannot have"
            ))
        } else {
            None
        }
    })
}
