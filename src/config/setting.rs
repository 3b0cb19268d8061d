//! Definition of a setting: its name, parser, default, secrecy, readers and documentation.

/// Group of settings in the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    General,
    Server,
    Database,
    Mail,
    Tokens,
    Accounts,
    Limits,
    Other,
    Logs,
}

impl Subject {
    /// All subjects in the order of the documentation.
    pub(crate) const ALL: [Self; 9] = [
        Self::General,
        Self::Server,
        Self::Database,
        Self::Mail,
        Self::Tokens,
        Self::Accounts,
        Self::Limits,
        Self::Other,
        Self::Logs,
    ];

    /// Returns the heading of the subject.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::General => "General",
            Self::Server => "Server",
            Self::Database => "Database",
            Self::Mail => "Mail",
            Self::Tokens => "Tokens and secrets",
            Self::Accounts => "Accounts and passwords",
            Self::Limits => "Limits",
            Self::Other => "Templates and inbox",
            Self::Logs => "Logs and metrics",
        }
    }
}

/// Kind of commands that read a setting. The table of commands names the kinds of each command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Every command. The help of a command does not list these settings.
    Every,
    /// Commands that open the database.
    Database,
    /// Commands that send mails.
    Mail,
    /// Commands that make or verify tokens and links.
    Links,
    /// Commands that set passwords.
    Passwords,
    /// The server.
    Server,
    /// Commands that read the inbox of a sink.
    Inbox,
    /// Commands that read templates.
    Templates,
}

/// Treatment of a value in reports, errors and env files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrecy {
    Public,
    /// Never shown.
    Secret,
    /// URI that may contain a password, which is never shown.
    MayContainPassword,
}

/// Definition of a setting without the type of its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition {
    /// Name in the environment and the env file.
    pub(crate) name: &'static str,
    pub(crate) subject: Subject,
    pub(crate) readers: &'static [Reader],
    /// Command-line option that overrides it, with its command.
    pub(crate) option: Option<&'static str>,
    /// Default, as a value or in words.
    pub(crate) default: &'static str,
    /// Whether [`Definition::default`] is a value.
    pub(super) has_default: bool,
    /// Default in the profile `production`, if it differs.
    pub(crate) default_in_production: Option<&'static str>,
    /// Accepted values, in Markdown.
    pub(crate) form: &'static str,
    /// Meaning in one line, without a full stop.
    pub(crate) meaning: &'static str,
    /// Further explanation for docs/settings.md, in Markdown.
    pub(crate) details: &'static str,
    pub(crate) secrecy: Secrecy,
}

impl Definition {
    /// Returns the defaults of both profiles.
    pub(crate) fn defaults(&self) -> String {
        match self.default_in_production {
            Some(strict) => format!("{} ({strict} in production)", self.default),
            None => self.default.to_owned(),
        }
    }

    /// Returns the default of a profile, as a value or in words.
    pub(super) fn default_for(&self, is_production: bool) -> &'static str {
        let strict = self.default_in_production.filter(|_| is_production);
        strict.unwrap_or(self.default)
    }
}

/// Parser of a value. Its error names the form to write.
pub(crate) type Parser<T> = fn(&str) -> Result<T, String>;

/// Setting with values of the type `T`.
#[derive(Debug)]
pub(crate) struct Setting<T: 'static> {
    pub(crate) definition: Definition,
    parse: Parser<T>,
    parse_in_production: Parser<T>,
}

impl<T> Setting<T> {
    /// Defines a setting without a default.
    pub(super) const fn new(
        name: &'static str,
        subject: Subject,
        readers: &'static [Reader],
        parse: Parser<T>,
    ) -> Self {
        Self {
            definition: Definition {
                name,
                subject,
                readers,
                option: None,
                default: "none",
                has_default: false,
                default_in_production: None,
                form: "",
                meaning: "",
                details: "",
                secrecy: Secrecy::Public,
            },
            parse,
            parse_in_production: parse,
        }
    }

    pub(super) const fn option(mut self, option: &'static str) -> Self {
        self.definition.option = Some(option);
        self
    }

    /// Sets the default, which the parser accepts.
    pub(super) const fn default(mut self, value: &'static str) -> Self {
        self.definition.default = value;
        self.definition.has_default = true;
        self
    }

    pub(super) const fn default_in_production(mut self, value: &'static str) -> Self {
        self.definition.default_in_production = Some(value);
        self
    }

    /// Describes a default that is no value: the program decides it later, or the setting has none.
    pub(super) const fn default_in_words(mut self, words: &'static str) -> Self {
        self.definition.default = words;
        self
    }

    pub(super) const fn form(mut self, form: &'static str) -> Self {
        self.definition.form = form;
        self
    }

    pub(super) const fn means(mut self, meaning: &'static str) -> Self {
        self.definition.meaning = meaning;
        self
    }

    pub(super) const fn details(mut self, details: &'static str) -> Self {
        self.definition.details = details;
        self
    }

    pub(super) const fn secrecy(mut self, secrecy: Secrecy) -> Self {
        self.definition.secrecy = secrecy;
        self
    }

    /// Sets a stricter parser for the profile `production`.
    pub(super) const fn parsed_in_production(mut self, parse: Parser<T>) -> Self {
        self.parse_in_production = parse;
        self
    }

    /// Parses a value.
    ///
    /// # Errors
    /// The form to write instead.
    pub(super) fn parse(&self, value: &str, is_production: bool) -> Result<T, String> {
        if is_production {
            (self.parse_in_production)(value)
        } else {
            (self.parse)(value)
        }
    }

    /// Returns the default, if it is a value.
    pub(super) fn parsed_default(&self, is_production: bool) -> Option<Result<T, String>> {
        let default = self.definition.default_for(is_production);
        self.definition
            .has_default
            .then(|| self.parse(default, is_production))
    }
}
