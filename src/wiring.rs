//! Creates the implementations from the settings. The only module that picks a database and a mail client.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context as _;
use movie_bag_core::app::system::{SystemClock, SystemRng};
use movie_bag_core::app::{App, Dependencies, Hasher, Rules, TokenKeys};
use movie_bag_core::domain::clock::{Clock as _, draw};
use movie_bag_core::domain::password::PasswordPolicy;
use movie_bag_core::ports::metrics::{Metrics, NoMetrics};
use movie_bag_core::ports::store::{CopyableStore, Inspection};
use movie_bag_http::{PageError, PageTemplates, Pages, PrometheusMetrics};
use movie_bag_mail::render::TeraRenderer;
use movie_bag_mail::smtp::{self, Certificates, Encryption, SmtpMailer, SmtpOptions};
use movie_bag_mail::templates::{Branding, TemplateError, Templates};
use movie_bag_store::{Database, MongoSettings, UnusableDatabase};

use crate::built_in_templates::BUILT_IN_TEMPLATES;
use crate::config::{
    self, DatabaseSettings, Flags, MailSettings, MailTls, Settings, Sources, secret_file,
    values::Secret,
};
use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Resolves the settings, and validates those that only a library can parse.
pub(crate) fn resolve(flags: Flags) -> anyhow::Result<Settings> {
    let settings = config::resolve(&Sources::read(flags)?)?;
    check_database("MOVIE_BAG_DATABASE", &settings.database)?;
    certificates(&settings.mail)?;
    Ok(settings)
}

/// Checks that this build can use a database; `key` is the setting or option that names it.
pub(crate) fn check_database(key: &str, database: &DatabaseSettings) -> Result<(), Failure> {
    // No operation runs, so the time limit does not matter.
    store_database(database, Duration::ZERO)
        .check()
        .map_err(|unusable| match unusable {
            UnusableDatabase::InvalidUri(why) => Failure::usage(
                format!("invalid {key} {database}: {why}"),
                "write mongodb://USER:PASSWORD@HOST:PORT/DATABASE?replicaSet=NAME",
            ),
            UnusableDatabase::NotSupported => Failure::usage(
                format!("{unusable}: cannot use {key} {database}"),
                "name an SQLite file as sqlite:PATH, or build movie-bag with the cargo feature \"mongodb\"",
            ),
        })
}

fn store_database(database: &DatabaseSettings, timeout: Duration) -> Database {
    match database {
        DatabaseSettings::Sqlite(path) => Database::Sqlite(path.clone()),
        DatabaseSettings::Mongodb(uri) => Database::Mongodb(MongoSettings {
            uri: uri.clone(),
            shown: database.to_string(),
            timeout,
        }),
    }
}

/// Opens the database that the settings name, or creates it. Also returns whether it is new.
pub(crate) async fn open_or_create(
    settings: &Settings,
) -> anyhow::Result<(Arc<dyn CopyableStore>, bool)> {
    let (store, is_new) = open_for_copy(&settings.database, settings.database_timeout).await?;
    refuse_half_copied(&*store, settings).await?;
    Ok((store, is_new))
}

/// Opens the database that the settings name; `None` if it does not exist.
pub(crate) async fn open_existing(
    settings: &Settings,
    is_reader: bool,
) -> anyhow::Result<Option<Arc<dyn CopyableStore>>> {
    let database = store_database(&settings.database, settings.database_timeout);
    let Some(store) = database.open_existing(is_reader).await? else {
        return Ok(None);
    };
    refuse_half_copied(&*store, settings).await?;
    Ok(Some(store))
}

/// Opens a database, even one with an unfinished copy, or creates it. Also returns whether it is new.
pub(crate) async fn open_for_copy(
    database: &DatabaseSettings,
    timeout: Duration,
) -> anyhow::Result<(Arc<dyn CopyableStore>, bool)> {
    Ok(store_database(database, timeout).open().await?)
}

async fn refuse_half_copied(store: &dyn CopyableStore, settings: &Settings) -> anyhow::Result<()> {
    if !store.is_copy_unfinished().await? {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::HalfCopied,
        format!(
            "cannot use {}: it holds an unfinished copy",
            settings.database
        ),
        "run \"movie-bag copy\" into it again, which starts over, or name another database",
    )
    .into())
}

/// Inspects the database that the settings name, if it exists, without changing it.
pub(crate) async fn inspect(settings: &Settings) -> anyhow::Result<Option<Inspection>> {
    let database = store_database(&settings.database, settings.database_timeout);
    Ok(database.inspect().await?)
}

/// Returns the certificates to trust for the mail server in addition to the public authorities.
fn certificates(mail: &MailSettings) -> Result<Certificates, Failure> {
    let Some(path) = &mail.ca_file else {
        return Ok(Certificates::default());
    };
    Certificates::read(path).map_err(|why| {
        Failure::usage(
            format!("invalid MAIL_CA_FILE {}: {why}", path.display()),
            "name a PEM file with the certificate of the authority that signed the mail server's certificate",
        )
    })
}

/// Returns the client of the mail server.
pub(crate) fn mailer(mail: &MailSettings) -> anyhow::Result<SmtpMailer> {
    smtp::check_sender(&mail.sender).map_err(|error| {
        Failure::usage(
            error,
            "write an address such as support@movie-bag.com or Movie-bag <support@movie-bag.com>",
        )
    })?;
    Ok(SmtpMailer::new(SmtpOptions {
        server: mail.server.clone(),
        port: mail.port,
        credentials: mail
            .credentials
            .as_ref()
            .map(|(user, password)| (user.clone(), password.expose().to_owned())),
        encryption: match mail.tls {
            MailTls::None => Encryption::None,
            MailTls::StartTls => Encryption::StartTls,
            MailTls::Implicit => Encryption::Implicit,
        },
        trusted: certificates(mail)?,
        sender: mail.sender.clone(),
        helo_name: mail.helo_name.clone(),
        connections: mail.connections,
        timeout: mail.timeout,
        hints_at_sink: mail.hints_at_sink,
        rng: Arc::new(SystemRng),
    })?)
}

/// Loads and validates all templates of mails and pages.
pub(crate) fn templates(settings: &Settings) -> Result<Templates, TemplateError> {
    let branding = Branding {
        product: settings.name.clone(),
        login_url: settings
            .login_url
            .as_ref()
            .map(|url| url.as_str().to_owned()),
    };
    Templates::load(&BUILT_IN_TEMPLATES, settings.templates.as_deref(), branding)
}

/// Templates of the web pages.
struct WebTemplates(Arc<Templates>);

impl PageTemplates for WebTemplates {
    fn render(&self, name: &str, values: &[(&str, &str)]) -> Result<String, PageError> {
        let values: BTreeMap<&str, &str> = values.iter().copied().collect();
        Ok(self.0.render(&format!("web/{name}"), &values)?)
    }
}

/// Returns the web pages of a server.
pub(crate) fn pages(
    templates: Arc<Templates>,
    min_password_length: usize,
    inbox: Option<SocketAddr>,
) -> Pages {
    let templates = Arc::new(WebTemplates(templates));
    Pages::new(templates, min_password_length, inbox)
}

/// Returns the application of a server with its counters. Creates the database if it does not exist. Links begin with the
/// public URL of the settings, or with localhost and this port.
pub(crate) async fn server_app(
    settings: &Settings,
    templates: Arc<Templates>,
    port: u16,
) -> anyhow::Result<(App, Arc<PrometheusMetrics>)> {
    let mailer = mailer(&settings.mail)?;
    let keys = keys(&stored_secret(settings)?, settings);
    let (store, _) = open_or_create(settings).await?;
    let metrics = Arc::new(PrometheusMetrics::new(
        &movie_bag_http::paths(),
        SystemClock.now(),
    ));
    let counters = Arc::clone(&metrics);
    let app = assemble(settings, templates, port, mailer, keys, store, counters);
    Ok((app, metrics))
}

/// Returns the application of a command, which may run at the same time as a server. Links begin as those of the server.
pub(crate) fn command_app(
    settings: &Settings,
    templates: Arc<Templates>,
    mailer: SmtpMailer,
    store: Arc<dyn CopyableStore>,
    is_reader: bool,
) -> anyhow::Result<App> {
    let secret = if is_reader {
        secret_of_reader(settings)?
    } else {
        stored_secret(settings)?
    };
    let (keys, port) = (keys(&secret, settings), settings.http.bind.port());
    let metrics = Arc::new(NoMetrics);
    Ok(assemble(
        settings, templates, port, mailer, keys, store, metrics,
    ))
}

fn assemble(
    settings: &Settings,
    templates: Arc<Templates>,
    port: u16,
    mailer: SmtpMailer,
    keys: TokenKeys,
    store: Arc<dyn CopyableStore>,
    metrics: Arc<dyn Metrics>,
) -> App {
    let cores = available_parallelism().map_or(1, usize::from);
    App::new(Dependencies {
        renderer: Arc::new(TeraRenderer::new(templates)),
        mailer: Arc::new(mailer),
        keys,
        store,
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        metrics,
        hasher: Hasher::new(settings.passwords.bcrypt_cost, cores),
        rules: Rules {
            reset_lifetime: settings.tokens.reset_lifetime,
            invitation_lifetime: settings.tokens.invitation_lifetime,
            access_lifetime: settings.tokens.access_lifetime,
            history_kept: Duration::from_secs(86_400 * settings.accounts.history_days),
            password_policy: PasswordPolicy {
                min_length: settings.passwords.min_length,
                product: settings.name.clone(),
            },
            limits: settings.accounts.rate_limits,
            conceal_accounts: settings.accounts.conceal,
            signup: settings.accounts.signup,
            max_pending_signups: settings.accounts.pending_signups,
            public_url: settings.public_url(port).as_str().to_owned(),
            reset_link: settings.reset_link.clone(),
            sender: settings.mail.sender.clone(),
        },
    })
}

/// Returns the secret that signs tokens. Generates and stores one if none is set or stored.
fn stored_secret(settings: &Settings) -> anyhow::Result<Secret> {
    match &settings.tokens.secret {
        Some(secret) => Ok(secret.clone()),
        None => secret_file::load_or_create(&settings.data_dir, draw(&SystemRng))
            .context("no secret to sign tokens with"),
    }
}

/// Returns the secret for a command that only reads. It signs nothing, so if none is set or stored, any secret is suitable.
fn secret_of_reader(settings: &Settings) -> anyhow::Result<Secret> {
    match &settings.tokens.secret {
        Some(secret) => Ok(secret.clone()),
        None => secret_file::load_or_generate(&settings.data_dir, draw(&SystemRng))
            .context("no secret to verify tokens with"),
    }
}

fn keys(secret: &Secret, settings: &Settings) -> TokenKeys {
    let previous = settings
        .tokens
        .previous
        .as_ref()
        .map(|secret| secret.expose().as_bytes());
    TokenKeys::new(secret.expose().as_bytes(), previous).with_form(settings.tokens.form)
}
