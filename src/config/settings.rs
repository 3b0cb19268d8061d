//! Resolved settings: all values that the program uses, grouped by their consumer.

use std::path::PathBuf;
use std::time::Duration;

use movie_bag_core::domain::link_template::LinkTemplate;
use movie_bag_core::domain::product_name::ProductName;

use super::accounts::{AccountSettings, PasswordSettings};
use super::database::DatabaseSettings;
use super::http::HttpSettings;
use super::log::LogSettings;
use super::mail::MailSettings;
use super::setting::{Definition, Reader, Secrecy, Setting, Subject};
use super::sources::Source;
use super::tokens::TokenSettings;
use super::values::{self, BaseUrl, InboxUrl, PageUrl, one_of};

pub(crate) static PROFILE: Setting<Profile> = Setting::new(
    "MOVIE_BAG_PROFILE",
    Subject::General,
    &[Reader::Every],
    |text| {
        one_of(
            &[
                ("development", Profile::Development),
                ("production", Profile::Production),
            ],
            text,
        )
    },
)
.default("development")
.form("`development` or `production`")
.means("Profile; production has stricter defaults and checks")
.details("See [Profiles](#profiles).");

pub(crate) static NAME: Setting<ProductName> = Setting::new(
    "MOVIE_BAG_NAME",
    Subject::General,
    &[
        Reader::Mail,
        Reader::Passwords,
        Reader::Server,
        Reader::Templates,
    ],
    |text| ProductName::parse(text).map_err(|error| error.to_string()),
)
.default("Movie-bag")
.form("a name of at most 60 characters")
.means("Name of the product in mails and pages")
.details(
    "It is also the title of the OpenAPI document, and not permitted as a password. The name beside the sender's address is part \
     of `MAIL_DEFAULT_SENDER`.",
);

pub(crate) static DATA_DIR: Setting<PathBuf> = Setting::new(
    "MOVIE_BAG_DATA_DIR",
    Subject::General,
    &[Reader::Database],
    values::path,
)
.default_in_words("the platform's data folder")
.form("path of a folder")
.means("Folder of the SQLite database and the generated secret")
.details(
    "Default: `~/.local/share/movie-bag` on Linux, `~/Library/Application Support/movie-bag` on macOS, \
     `%LOCALAPPDATA%\\movie-bag` on Windows. It is created with mode 0700, files in it with mode 0600.",
);

pub(crate) static TEMPLATES: Setting<PathBuf> = Setting::new(
    "MOVIE_BAG_TEMPLATES",
    Subject::Other,
    &[Reader::Mail, Reader::Templates],
    values::path,
)
.default_in_words("built in")
.form("path of a folder")
.means("Folder of templates that replace built-in ones of the same name")
.details("See [Mails and pages](templates.md).");

pub(crate) static INBOX_URL: Setting<InboxUrl> = Setting::new(
    "MOVIE_BAG_INBOX_URL",
    Subject::Other,
    &[Reader::Inbox],
    InboxUrl::parse,
)
.default("http://127.0.0.1:8025")
.option("inbox --url")
.form("an `http` or `https` URL, with `name:password@` if a login is required")
.means("Inbox that the inbox commands read")
.details("Name and password stand before the host: `http://ann:secret@127.0.0.1:8025`.")
.secrecy(Secrecy::Secret);

/// Definitions of these settings, in the order of the documentation.
pub(super) static DEFINITIONS: &[&Definition] = &[
    &PROFILE.definition,
    &NAME.definition,
    &DATA_DIR.definition,
    &TEMPLATES.definition,
    &INBOX_URL.definition,
];

/// Strictness of the checks and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// For a developer's machine.
    Development,
    /// For a system with real users.
    Production,
}

/// All settings with their sources.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) profile: Profile,
    /// Name of the product in mails and pages.
    pub(crate) name: ProductName,
    /// Folder of the embedded database and the generated secret.
    pub(crate) data_dir: PathBuf,
    pub(crate) database: DatabaseSettings,
    /// Maximum time of an operation on MongoDB. On SQLite, an operation waits 5 seconds for another process that writes.
    pub(crate) database_timeout: Duration,
    pub(crate) http: HttpSettings,
    /// Base URL of all links. `None` means `http://localhost:PORT`, with the port of the server.
    pub(crate) public_url: Option<BaseUrl>,
    /// Form of the links in reset mails and invitations.
    pub(crate) reset_link: LinkTemplate,
    /// Page where people log in.
    pub(crate) login_url: Option<PageUrl>,
    pub(crate) mail: MailSettings,
    pub(crate) tokens: TokenSettings,
    pub(crate) passwords: PasswordSettings,
    pub(crate) accounts: AccountSettings,
    /// Folder of templates that replace the built-in ones.
    pub(crate) templates: Option<PathBuf>,
    /// Inbox that the inbox commands read.
    pub(crate) inbox_url: InboxUrl,
    pub(crate) log: LogSettings,
    /// Each setting with its source, for `check`.
    pub(crate) report: Vec<ReportedSetting>,
    /// Warnings about settings that are valid but probably a mistake.
    pub(crate) warnings: Vec<String>,
    pub(crate) env_file: Option<EnvFile>,
    /// Folder that tests use to inject faults (see [`movie_bag_core::supervisor::fault_points`]); debug builds only.
    pub(crate) faults: Option<PathBuf>,
}

/// Env file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvFile {
    pub(crate) path: PathBuf,
    /// Names of the secrets that it contains.
    pub(crate) secrets: Vec<&'static str>,
}

/// Setting as `check` shows it.
#[derive(Debug, Clone)]
pub(crate) struct ReportedSetting {
    pub(crate) key: &'static str,
    /// Effective value; of a secret only its length.
    pub(crate) value: String,
    pub(crate) source: Source,
}

impl Settings {
    /// Returns the base URL of all links for a server on this port.
    pub(crate) fn public_url(&self, port: u16) -> BaseUrl {
        self.public_url
            .clone()
            .unwrap_or_else(|| BaseUrl::localhost(port))
    }

    /// Replaces the reported value of a setting that has its default, for `check`.
    pub(crate) fn report_default(&mut self, key: &'static str, value: String) {
        if let Some(reported) = self
            .report
            .iter_mut()
            .find(|reported| reported.key == key && reported.source == Source::Default)
        {
            reported.value = value;
        }
    }
}
