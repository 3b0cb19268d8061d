//! Creation of a database file that only its owner can read: mode 0600, in a folder with mode 0700. Windows has no modes;
//! there the file inherits the access list of its folder.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

/// Creates the file and its folders if they do not exist; existing ones keep their modes. SQLite would create the file with
/// other modes. Its log files get the mode of the database file.
pub(super) fn create(path: &Path) -> io::Result<()> {
    let mut folders = DirBuilder::new();
    folders.recursive(true);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        folders.mode(0o700);
        options.mode(0o600);
    }
    if let Some(folder) = path.parent() {
        folders.create(folder)?;
    }
    options.open(path).map(|_| ())
}
