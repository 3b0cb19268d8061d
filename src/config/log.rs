//! Settings of the log.

use super::lookup::Lookup;
use super::setting::{Definition, Reader, Setting, Subject};
use super::values::{self, one_of};

pub(crate) static FILTER: Setting<String> = Setting::new(
    "MOVIE_BAG_LOG",
    Subject::Logs,
    &[Reader::Every],
    values::text,
)
.default_in_words("info for serve, warn for smtp-debug, else off")
.option("--verbose")
.form("`error`, `warn`, `info`, `debug`, `trace`, or `warn,movie_bag_store=debug`")
.means("Log level, or a filter by module")
.details("A filter gives modules their own levels. `--verbose` means `info`, given twice `debug`. Logs go to stderr.");

pub(crate) static FORMAT: Setting<bool> = Setting::new(
    "MOVIE_BAG_LOG_FORMAT",
    Subject::Logs,
    &[Reader::Every],
    |text| one_of(&[("text", false), ("json", true)], text),
)
.default("text")
.form("`text` or `json`")
.means("Log format");

/// Definitions of these settings, in the order of the documentation.
pub(super) static DEFINITIONS: &[&Definition] = &[&FILTER.definition, &FORMAT.definition];

/// Level and format of the log.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    /// Filter of `tracing-subscriber`; `None` for the default of the command.
    pub(crate) filter: Option<String>,
    /// Whether each entry is a JSON document.
    pub(crate) json: bool,
}

impl LogSettings {
    pub(super) fn resolve(lookup: &mut Lookup<'_>) -> Self {
        Self {
            filter: lookup.optional(&FILTER),
            json: lookup.get(&FORMAT),
        }
    }
}
