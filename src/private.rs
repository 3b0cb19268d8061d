//! Files and folders that are their owner's alone, for what holds secrets, hashes and mails.
//!
//! On Unix their mode says so from the first moment: 0600 and 0700. Windows has no modes: what is made there takes over the
//! access list of the folder that it is made in. That of a user's profile, where the data folder is, lets in the user, the
//! administrators and the system; who names another folder decides by that who may read.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};

/// Makes a folder, and those above it that are missing. One that is there stays as it is.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder)
}

/// For writing a file; whether it is to be made, and whether it may be there, is for the caller to add.
pub fn writing() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    options.mode(0o600);
    options
}

/// Shuts others out of a file that somebody has opened to them, such as by copying it.
#[cfg(unix)]
pub fn shut(file: &Path) -> io::Result<()> {
    let mut permissions = std::fs::metadata(file)?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(0o600);
    std::fs::set_permissions(file, permissions)
}

/// Does nothing: here it is the folder that says who may read.
#[cfg(not(unix))]
pub fn shut(_: &Path) -> io::Result<()> {
    Ok(())
}
