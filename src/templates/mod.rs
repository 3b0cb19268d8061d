//! Templates of mails and pages: the built-in ones, and overrides from a folder of the administrator.
//!
//! All are compiled and validated when they are loaded, so that a broken one stops the start and not a mail. No other
//! module uses the template engine. Start with [`TEMPLATES`], the table of all templates. The pages of the debugging
//! server's inbox are in `sink::web`: they cannot be overridden.

mod built_in;
mod overrides;
#[cfg(test)]
mod tests;
mod trial;
mod wrap;

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use tera::{Context, ErrorKind, Tera};

pub use built_in::{BuiltIn, TEMPLATES, VARIABLES, Variable, find, variable};
use overrides::Override;
pub use overrides::{file_in, meant_by};

/// The longest line that a message may have on its way, without its line end (RFC 5322 2.1.1).
const LONGEST_LINE: usize = 998;

/// Place in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl Place {
    /// Returns the place after this text.
    fn at_end_of(text: &str) -> Self {
        let line = text.rsplit('\n').next().unwrap_or_default();
        Self {
            line: text.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }
}

/// Error in a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template {template}{}: {problem}", colons(*.place))]
pub struct TemplateError {
    /// File of the override, or name of a built-in template.
    pub template: String,
    /// Place of the error, if known.
    pub place: Option<Place>,
    /// Cause.
    pub problem: String,
}

fn colons(place: Option<Place>) -> String {
    place
        .map(|Place { line, column }| format!(":{line}:{column}"))
        .unwrap_or_default()
}

impl TemplateError {
    fn whole(template: impl fmt::Display, problem: impl Into<String>) -> Self {
        Self {
            template: template.to_string(),
            place: None,
            problem: problem.into(),
        }
    }

    fn at(template: impl fmt::Display, place: Place, problem: impl Into<String>) -> Self {
        Self {
            place: Some(place),
            ..Self::whole(template, problem)
        }
    }
}

/// The templates, compiled.
pub struct Templates {
    tera: Tera,
    /// In the order of [`TEMPLATES`].
    overrides: Vec<Option<Override>>,
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
    /// Reads, compiles and validates all templates. A file in the folder `own` overrides the built-in template of its name.
    ///
    /// # Errors
    /// The first template that can't be read, compiled or rendered, with its file and line.
    pub fn load(own: Option<&Path>) -> Result<Self, TemplateError> {
        let mut tera = Tera::default();
        tera.register_filter("wrap", wrap::filter);
        let mut templates = Self {
            tera,
            overrides: read_all(own)?,
            warnings: Vec::new(),
        };
        let compiled = TEMPLATES
            .iter()
            .filter(|template| !template.is_raw())
            .map(|template| (template.name, templates.source(template).to_owned()))
            .collect::<Vec<_>>();
        // At once, since they extend each other.
        if let Err(error) = templates.tera.add_raw_templates(compiled) {
            return Err(templates.error("of your own", &error));
        }
        if let Some(own) = own {
            templates.warnings = overrides::strangers(own);
        }
        // The built-in templates are validated by a test.
        if templates.overrides.iter().any(Option::is_some) {
            let more = trial::run(&templates)?;
            templates.warnings.extend(more);
        }
        Ok(templates)
    }

    /// Returns warnings about files that override no template, and mails without their link.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Renders a template. Values that are not its variables are ignored.
    ///
    /// # Errors
    /// A variable without a value, or a mail with a line that cannot be sent.
    pub fn render<'a, V: AsRef<str>>(
        &self,
        name: &str,
        values: impl IntoIterator<Item = (&'a str, V)>,
    ) -> Result<String, TemplateError> {
        let Some(template) = find(name) else {
            return Err(TemplateError::whole(name, "it does not exist"));
        };
        if template.is_raw() {
            return Ok(self.source(template).to_owned());
        }
        let mut context = Context::new();
        for (name, value) in values {
            if template.variables.contains(&name) {
                context.insert(name.to_owned(), value.as_ref());
            }
        }
        let text = self
            .tera
            .render(name, &context)
            .map_err(|error| self.error(name, &error))?;
        if template.is_mail()
            && let Some(problem) = hindrance(&text)
        {
            return Err(TemplateError::whole(self.whereabouts(template), problem));
        }
        Ok(text)
    }

    /// Renders a template with sample values.
    ///
    /// # Errors
    /// Those of [`Templates::render`].
    pub fn preview(&self, template: &BuiltIn) -> Result<String, TemplateError> {
        let values = trial::values(template, |variable| template.sample(variable));
        self.render(template.name, values)
    }

    /// Returns the text of a template, from the override if there is one.
    pub fn source(&self, template: &BuiltIn) -> &str {
        self.own(template)
            .map_or(template.source, |own| own.source.as_str())
    }

    /// Returns the file that overrides this template.
    pub fn path(&self, template: &BuiltIn) -> Option<&Path> {
        self.own(template).map(|own| own.path.as_path())
    }

    fn own(&self, template: &BuiltIn) -> Option<&Override> {
        let at = TEMPLATES
            .iter()
            .position(|other| other.name == template.name)?;
        self.overrides.get(at)?.as_ref()
    }

    /// Returns the file of an override, or the name of a built-in template.
    fn whereabouts(&self, template: &BuiltIn) -> String {
        self.path(template).map_or_else(
            || template.name.to_owned(),
            |path| path.display().to_string(),
        )
    }

    /// Returns the names that a template and those that it extends or includes expect as variables.
    fn names_used_by(&self, template: &BuiltIn) -> HashSet<&str> {
        self.tera
            .get_template_variables(template.name)
            .unwrap_or_default()
    }

    /// Returns whether a template sets this name. It may be set in a template that another one extends.
    fn is_set_by_one(&self, name: &str) -> bool {
        TEMPLATES.iter().any(|template| {
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
            .chain(self.round(template))
            .find_map(|template| {
                let place = trial::place_of(word, self.source(template))?;
                Some(TemplateError::at(
                    self.whereabouts(template),
                    place,
                    &problem,
                ))
            })
            .unwrap_or_else(|| TemplateError::whole(self.whereabouts(template), &problem))
    }

    /// Returns the templates that another one extends or includes.
    fn round<'a>(&'a self, template: &'a BuiltIn) -> impl Iterator<Item = &'a BuiltIn> {
        let source = self.source(template);
        TEMPLATES
            .iter()
            .filter(move |other| source.contains(other.name))
    }

    /// Names the override that a built-in template extends or includes: an error in a built-in template comes from there.
    fn blamed(&self, name: &str) -> String {
        find(name)
            .filter(|template| self.path(template).is_none())
            .and_then(|template| self.round(template).find_map(|other| self.path(other)))
            .map(|path| format!("; its parent template is {}", path.display()))
            .unwrap_or_default()
    }

    /// Returns an error of the engine in one line, with its file.
    fn error(&self, name: &str, error: &tera::Error) -> TemplateError {
        let whereabouts = |name: &str| {
            find(name).map_or_else(|| name.to_owned(), |template| self.whereabouts(template))
        };
        match error.kind() {
            ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
                let place = Place {
                    line: report.span().start_line,
                    column: report.span().start_col + 1,
                };
                TemplateError::at(whereabouts(report.filename()), place, report.message())
            }
            ErrorKind::MissingParent { current, parent } => TemplateError::whole(
                whereabouts(current),
                format!("it extends {parent}, which does not exist"),
            ),
            _ => {
                let text = error.to_string();
                match first_report(&text) {
                    Some((name, place, problem)) => {
                        let problem = format!("{problem}{}", self.blamed(name));
                        TemplateError::at(whereabouts(name), place, problem)
                    }
                    None => TemplateError::whole(whereabouts(name), text.replace('\n', " ")),
                }
            }
        }
    }
}

fn read_all(own: Option<&Path>) -> Result<Vec<Option<Override>>, TemplateError> {
    let Some(own) = own else {
        return Ok(TEMPLATES.iter().map(|_| None).collect());
    };
    overrides::check_folder(own)?;
    TEMPLATES
        .iter()
        .map(|template| overrides::read(own, template))
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

/// Returns the reason why a text cannot be sent as a mail.
fn hindrance(text: &str) -> Option<String> {
    text.split('\n').enumerate().find_map(|(number, line)| {
        let number = number + 1;
        if line.len() > LONGEST_LINE {
            Some(format!(
                "line {number} of its output is longer than {LONGEST_LINE} bytes, which mails cannot have: break it, for example inside a tag"
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
