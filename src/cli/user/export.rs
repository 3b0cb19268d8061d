//! `user export`: writes all accounts in a format that `user import` reads.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use movie_bag_core::app::App;
use movie_bag_core::app::system::SystemRng;
use movie_bag_core::domain::account::Account;
use movie_bag_core::domain::clock::draw;
use movie_bag_core::domain::password::PasswordHash;

use super::format::{Format, is_dash};
use crate::cli::document::documents;
use crate::cli::text_format::pluralize;
use crate::cli::ui::{Ui, to_json};
use crate::error_code::ErrorCode;
use crate::failure::Failure;
use crate::private_files;

/// Number of accounts per query.
const PAGE_SIZE: usize = 500;

/// Export accounts with password hashes
///
/// The format is that of "user import": email and password_hash, sorted by id. It is CSV or JSON Lines, by the extension of
/// FILE (.csv, .jsonl, .ndjson); without FILE, or with -, CSV on stdout. The file has mode 0600 and is complete or absent;
/// an existing file is not overwritten. It has no movies, history or ids, and does not tell which accounts are disabled: use
/// "copy" for a whole database.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag user export accounts.csv
  movie-bag user export | age -r RECIPIENT > accounts.csv.age")]
pub(in crate::cli) struct Args {
    /// Write to this file; - is stdout
    #[arg(value_name = "FILE", default_value = "-", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

impl Args {
    /// Checks the arguments without a database.
    ///
    /// # Errors
    /// The extension is unknown, or the file exists.
    pub(super) fn check(&self) -> Result<(), Failure> {
        Format::from_extension(&self.file)?;
        if !is_dash(&self.file) && fs::symlink_metadata(&self.file).is_ok() {
            return Err(file_exists(&self.file));
        }
        Ok(())
    }
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let exported = if is_dash(&args.file) {
        let format = if ui.is_json() {
            Format::JsonLines
        } else {
            Format::Csv
        };
        if io::stdout().is_terminal() {
            ui.warn(
                "this shows all password hashes on the screen: name a file to keep them private",
            );
        }
        to_stdout(format, ui, app).await?
    } else {
        to_file(&args.file, ui, app).await?
    };
    if exported.unsupported > 0 {
        ui.warn(&format!(
            "exported {} other than bcrypt of cost 4 to 16, which an import refuses",
            pluralize(exported.unsupported, "hash", "hashes")
        ));
    }
    if exported.disabled > 0 {
        ui.warn(&format!(
            "exported {}, which an import would create enabled",
            pluralize(exported.disabled, "disabled account", "disabled accounts")
        ));
    }
    let accounts = exported.accounts;
    if is_dash(&args.file) {
        return Ok(());
    }
    let shown = args.file.display();
    ui.answer_either(
        &format!(
            "Exported {} to {shown}.",
            pluralize(accounts, "account", "accounts")
        ),
        &ExportedFile {
            file: shown.to_string(),
            accounts,
        },
    )?;
    Ok(())
}

documents! {
    pub(in crate::cli) struct ExportedFile {
        /// Path of the file.
        file: String,
        /// Number of accounts in it.
        accounts: u64,
    }

    pub(in crate::cli) struct ExportedAccount<'a> {
        /// Email address of an account.
        email: &'a str,
        /// Bcrypt hash of its password.
        password_hash: &'a str,
    }
}

async fn to_stdout(format: Format, ui: &Ui, app: &App) -> anyhow::Result<Exported> {
    write_all(format, app, |page| ui.answer_raw(page).map_err(Into::into)).await
}

async fn to_file(path: &Path, ui: &Ui, app: &App) -> anyhow::Result<Exported> {
    let spinner = ui.spinner("exporting the accounts");
    let failed = || format!("cannot write {}", path.display());
    let mut file = PartialFile::create(path).with_context(failed)?;
    let written = write_all(Format::from_extension(path)?, app, |page| {
        file.writer.write_all(page.as_bytes()).with_context(failed)
    });
    let written = written.await?;
    file.finish(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => file_exists(path).into(),
        _ => anyhow::Error::from(error).context(failed()),
    })?;
    drop(spinner);
    Ok(written)
}

/// Numbers of exported accounts.
#[derive(Default)]
struct Exported {
    accounts: u64,
    /// Those whose hash an import refuses.
    unsupported: u64,
    disabled: u64,
}

/// Writes all accounts page by page.
async fn write_all(
    format: Format,
    app: &App,
    mut write: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<Exported> {
    let (mut after, mut exported) = (None, Exported::default());
    if format == Format::Csv {
        write("email,password_hash\n")?;
    }
    loop {
        let page = app.accounts(after, PAGE_SIZE).await?;
        let Some(last) = page.last() else {
            return Ok(exported);
        };
        after = Some(last.id);
        exported.accounts += page.len() as u64;
        let is_unsupported = |account: &&Account| {
            PasswordHash::parse_foreign(account.password_hash.as_str()).is_err()
        };
        exported.unsupported += page.iter().filter(is_unsupported).count() as u64;
        let is_disabled = |account: &&Account| account.is_disabled();
        exported.disabled += page.iter().filter(is_disabled).count() as u64;
        write(
            &page
                .iter()
                .map(|account| line(format, account))
                .collect::<String>(),
        )?;
    }
}

fn line(format: Format, account: &Account) -> String {
    let (email, hash) = (&*account.address, account.password_hash.as_str());
    match format {
        Format::Csv => format!("{},{}\n", quote_if_needed(email), quote_if_needed(hash)),
        Format::JsonLines => {
            let account = ExportedAccount {
                email,
                password_hash: hash,
            };
            format!("{}\n", to_json(&account))
        }
    }
}

/// Quotes a CSV value if necessary (RFC 4180).
fn quote_if_needed(value: &str) -> String {
    if value.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

fn file_exists(path: &Path) -> Failure {
    Failure::new(
        ErrorCode::FileExists,
        format!("cannot write {}: the file exists", path.display()),
        "name another file, or move that one",
    )
}

/// File under a temporary name until it is complete. It is deleted when it is dropped unfinished.
struct PartialFile {
    path: PathBuf,
    writer: BufWriter<File>,
}

impl PartialFile {
    fn create(path: &Path) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        let random = u64::from_ne_bytes(draw(&SystemRng));
        name.push(format!(".{random:016x}.part"));
        let path = path.with_file_name(name);
        let file = private_files::write_options()
            .create_new(true)
            .open(&path)?;
        Ok(Self {
            path,
            writer: BufWriter::new(file),
        })
    }

    /// Moves the file to its final name, unless another file has that name by now.
    fn finish(mut self, path: &Path) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        match fs::hard_link(&self.path, path) {
            // The file system has no hard links: a check before the rename is the best alternative.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                if fs::symlink_metadata(path).is_ok() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                fs::rename(&self.path, path)
            }
            linked => linked,
        }
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_if_needed() {
        for (value, written) in [
            ("ann@example.com", "ann@example.com"),
            ("\"a,b\"@example.com", "\"\"\"a,b\"\"@example.com\""),
            ("a\nb", "\"a\nb\""),
        ] {
            assert_eq!(quote_if_needed(value), written);
        }
    }

    #[test]
    fn an_unfinished_file_is_deleted_and_a_finished_one_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.csv");
        drop(PartialFile::create(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        PartialFile::create(&path).unwrap().finish(&path).unwrap();
        let again = PartialFile::create(&path).unwrap().finish(&path);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
