//! Generated secret that signs tokens if none is set. It is stored in the data folder and readable by its owner only.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::values::Secret;
use crate::private_files;

/// Error when the secret cannot be read or stored.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} the secret in {}: {cause}; set JWT_SECRET_KEY, or set MOVIE_BAG_DATA_DIR to a writable folder", path.display())]
pub(crate) struct SecretFileError {
    path: PathBuf,
    doing: &'static str,
    cause: String,
}

/// Returns the path of the secret in a data folder.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("jwt-secret")
}

/// Reads the stored secret, or stores a new one made from `random`. Two processes that start at once get the same secret:
/// each writes a complete file under a name of its own, and only the first can link it to the final name.
///
/// # Errors
/// The folder or file cannot be created or read, or the file contains fewer than 32 bytes.
pub(crate) fn load_or_create(data_dir: &Path, random: [u8; 32]) -> Result<Secret, SecretFileError> {
    let path = path(data_dir);
    let failed = |doing: &'static str, cause: String| SecretFileError {
        path: path.clone(),
        doing,
        cause,
    };
    match read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        read => return read.map_err(|error| failed("read", error.to_string())),
    }
    create(data_dir, &path, random).map_err(|error| failed("write", error.to_string()))?;
    read(&path).map_err(|error| failed("read", error.to_string()))
}

/// Reads the stored secret; if there is none, returns one made from `random` without storing it. For commands that sign
/// nothing.
///
/// # Errors
/// The file cannot be read, or contains fewer than 32 bytes.
pub(crate) fn load_or_generate(
    data_dir: &Path,
    random: [u8; 32],
) -> Result<Secret, SecretFileError> {
    let path = path(data_dir);
    match read(&path) {
        Ok(secret) => Ok(secret),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok(Secret::new(URL_SAFE_NO_PAD.encode(random)))
        }
        Err(error) => Err(SecretFileError {
            path,
            doing: "read",
            cause: error.to_string(),
        }),
    }
}

/// Returns whether a data folder contains a valid secret. Read-only.
///
/// # Errors
/// The file cannot be read, or contains fewer than 32 bytes.
pub(crate) fn exists(data_dir: &Path) -> Result<bool, SecretFileError> {
    let path = path(data_dir);
    match read(&path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(SecretFileError {
            path,
            doing: "read",
            cause: error.to_string(),
        }),
    }
}

fn read(path: &Path) -> std::io::Result<Secret> {
    let text = fs::read_to_string(path)?;
    private_files::remove_access_of_others(path)?;
    let secret = text.trim();
    if secret.len() < 32 {
        return Err(std::io::Error::other(
            "it has fewer than 32 bytes (if you delete the file, a new secret is generated and all tokens become invalid)",
        ));
    }
    Ok(Secret::new(secret))
}

fn create(data_dir: &Path, path: &Path, random: [u8; 32]) -> std::io::Result<()> {
    private_files::create_folder(data_dir)?;
    let temporary = path.with_extension(format!("new-{}", URL_SAFE_NO_PAD.encode(&random[..6])));
    let mut file = private_files::write_options()
        .create(true)
        .truncate(true)
        .open(&temporary)?;
    file.write_all(format!("{}\n", URL_SAFE_NO_PAD.encode(random)).as_bytes())?;
    file.sync_all()?;
    drop(file);
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_created_once() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let secret = load_or_create(&data_dir, [7; 32]).unwrap();
        assert_eq!(secret.expose().len(), 43);
        assert_eq!(
            load_or_create(&data_dir, [8; 32]).unwrap().expose(),
            secret.expose()
        );
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_secret_even_after_its_mode_was_changed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        load_or_create(&data_dir, [7; 32]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&data_dir), mode(&path(&data_dir))), (0o700, 0o600));
        fs::set_permissions(path(&data_dir), fs::Permissions::from_mode(0o644)).unwrap();
        load_or_create(&data_dir, [8; 32]).unwrap();
        assert_eq!(mode(&path(&data_dir)), 0o600);
    }

    #[test]
    fn processes_that_start_at_once_get_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let secrets: Vec<String> = std::thread::scope(|scope| {
            let start = |number| {
                let dir = folder.path();
                scope.spawn(move || {
                    load_or_create(dir, [number; 32])
                        .unwrap()
                        .expose()
                        .to_owned()
                })
            };
            let starts: Vec<_> = (0..8).map(start).collect();
            starts
                .into_iter()
                .map(|start| start.join().unwrap())
                .collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[test]
    fn a_file_that_is_too_short_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(path(folder.path()), "short").unwrap();
        assert!(
            load_or_create(folder.path(), [7; 32])
                .err()
                .unwrap()
                .to_string()
                .contains("32 bytes")
        );
    }
}
