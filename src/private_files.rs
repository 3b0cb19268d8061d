//! Files and folders that only their owner can access, for secrets, hashes and mails.
//!
//! On Unix they are created with mode 0600 and 0700. Windows has no modes: a new file or folder inherits the access control
//! list of its parent folder. In a user's profile, where the data folder is, it admits the user, the administrators and the
//! system. With another data folder, the administrator decides who can read it.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};

/// Creates a folder and its missing parents. An existing folder is not changed.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder)
}

/// Returns options for writing a file. The caller adds whether it is created and whether it may exist.
pub(crate) fn write_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    options.mode(0o600);
    options
}

/// Removes the access of other users to a file whose mode was widened, for example by copying it.
#[cfg(unix)]
pub(crate) fn remove_access_of_others(file: &Path) -> io::Result<()> {
    let mut permissions = std::fs::metadata(file)?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(0o600);
    std::fs::set_permissions(file, permissions)
}

/// Does nothing: on Windows, the folder determines who can read the file.
#[cfg(not(unix))]
pub(crate) fn remove_access_of_others(_: &Path) -> io::Result<()> {
    Ok(())
}
