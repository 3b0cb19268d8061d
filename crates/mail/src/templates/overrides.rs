//! The folder of overrides: reads the files that override a template, and finds those that override none.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::error::{Place, TemplateError};
use super::table::{BuiltIn, TemplateTable};

/// Maximum size of a template, in bytes: many times that of any mail that is still delivered.
const MAX_BYTES: u64 = 1024 * 1024;
/// Depth of the search for files that override no template: one folder more than templates have.
const MAX_DEPTH: usize = 3;
/// Maximum number of entries in that search: the setting may name a folder that holds the whole disk.
const MAX_ENTRIES: usize = 1_000;
/// Maximum number of such files that are named.
const MAX_NAMED: usize = 10;

/// File that overrides a built-in template.
#[derive(Debug)]
pub(super) struct Override {
    pub(super) path: PathBuf,
    pub(super) source: String,
}

/// Returns the path of a template's file. Names have slashes on every system.
pub fn override_path(folder: &Path, name: &str) -> PathBuf {
    let mut path = folder.to_owned();
    path.extend(name.split('/'));
    path
}

/// Checks that the folder exists.
pub(super) fn check_folder(folder: &Path) -> Result<(), TemplateError> {
    let failed =
        |problem: String| TemplateError::whole(format!("folder {}", folder.display()), problem);
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(failed("it is not a folder".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(failed("it does not exist".to_owned()))
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Reads the file of this template, if there is one.
pub(super) fn read(folder: &Path, template: &BuiltIn) -> Result<Option<Override>, TemplateError> {
    let path = override_path(folder, &template.name);
    // A dangling link is a mistake, and not the same as no file.
    match fs::symlink_metadata(&path) {
        Ok(_) => {}
        // `NotADirectory`: `email` is a file.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(&path, &error)),
    }
    let bytes = read_bytes(&path)?;
    let source = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let place = Place::at_end_of(&String::from_utf8_lossy(good));
        TemplateError::at(path.display(), place, "it is not UTF-8: save it as UTF-8")
    })?;
    // The byte order mark and line ends of Windows editors would become part of the mail.
    let source = source
        .strip_prefix('\u{feff}')
        .unwrap_or(&source)
        .replace("\r\n", "\n");
    Ok(Some(Override { path, source }))
}

/// Reads a file. Links are followed: many containers mount configuration behind links.
fn read_bytes(path: &Path) -> Result<Vec<u8>, TemplateError> {
    let whole = |problem: String| TemplateError::whole(path.display(), problem);
    let found = fs::metadata(path).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            whole("it is a link to a file that does not exist".to_owned())
        } else {
            unreadable(path, &error)
        }
    })?;
    // Checked before opening the file: opening a pipe blocks.
    if !found.is_file() {
        return Err(whole("it is not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(whole(format!("larger than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> TemplateError {
    TemplateError::whole(path.display(), format!("cannot read it: {error}"))
}

/// Returns a warning for each file in the folder that overrides no template, with the name that was probably meant.
pub(super) fn warn_of_unknown_files(table: &TemplateTable, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = MAX_ENTRIES;
    collect(folder, "", 1, &mut left, &mut found);
    found.retain(|name| table.find(name).is_none());
    found.sort();
    let more = found.len().saturating_sub(MAX_NAMED);
    let mut warnings: Vec<String> = found
        .iter()
        .take(MAX_NAMED)
        .map(|name| {
            let path = override_path(folder, name);
            let meant = table
                .nearest(name)
                .map(|meant| format!("; did you mean {meant}?"))
                .unwrap_or_default();
            format!("unknown template {} is ignored{meant}", path.display())
        })
        .collect();
    if more > 0 {
        warnings.push(format!(
            "{more} more unknown files in {} are ignored",
            folder.display()
        ));
    }
    warnings
}

/// Collects the paths of files below the folder. Unreadable folders are skipped: the templates were read before.
fn collect(folder: &Path, below: &str, depth: usize, left: &mut usize, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Files of version control, of the system and of mounted configuration.
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{below}{name}");
        match fs::metadata(entry.path()) {
            Ok(entry_is) if entry_is.is_dir() && depth < MAX_DEPTH => {
                collect(&entry.path(), &format!("{path}/"), depth + 1, left, found);
            }
            Ok(entry_is) if entry_is.is_dir() => {}
            _ => found.push(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::TABLE;
    use super::*;

    #[test]
    fn unknown_files_cause_warnings_and_the_search_is_limited() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        for name in ["email/invitation.txt", ".git/config", "a/b/c/too/deep.txt"] {
            write(name);
        }
        assert_eq!(warn_of_unknown_files(&TABLE, folder.path()), [""; 0]);
        write("own/email/invitation.txt");
        let warnings = warn_of_unknown_files(&TABLE, folder.path());
        assert_eq!(warnings.len(), 1);
        assert!(
            Path::new(warnings[0].split(' ').nth(2).unwrap()).ends_with("own/email/invitation.txt")
                && warnings[0].ends_with("did you mean email/invitation.txt?"),
            "{warnings:?}"
        );
        (0..2 * MAX_ENTRIES).for_each(|number| write(&number.to_string()));
        let warnings = warn_of_unknown_files(&TABLE, folder.path());
        assert_eq!(warnings.len(), MAX_NAMED + 1);
        assert!(
            warnings[MAX_NAMED].contains("more unknown files"),
            "{warnings:?}"
        );
    }
}
