//! Files of Debian packages, unpacked without being installed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns the folder into which a package is unpacked, under `target/debian`, once for all runs. Returns `None` if the
/// package is unavailable; that has been reported then.
pub fn unpack_package(name: &str, what: &str) -> Option<PathBuf> {
    match unpack(name) {
        Ok(folder) => Some(folder),
        Err(why) => {
            let advice =
                "It is fetched by apt-get download, which needs Debian and apt-get update.";
            crate::report_skipped(what, &format!("{name}: {why}"), advice);
            None
        }
    }
}

fn unpack(name: &str) -> Result<PathBuf, String> {
    let target = crate::target_folder().join("debian");
    fs::create_dir_all(&target).map_err(|error| error.to_string())?;
    // Parallel test runs share the folder.
    let lock =
        File::create(target.join(format!("{name}.lock"))).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let folder = target.join(name);
    let mark = folder.join("unpacked");
    if mark.exists() {
        return Ok(folder);
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    run(Command::new("apt-get")
        .args(["download", "--quiet", name])
        .current_dir(&folder))?;
    let entries = fs::read_dir(&folder).map_err(|error| error.to_string())?;
    let archive = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|ending| ending == "deb"))
        .ok_or("apt-get download wrote no package")?;
    run(Command::new("dpkg-deb")
        .arg("-x")
        .arg(archive)
        .arg(folder.join("files")))?;
    fs::write(&mark, "").map_err(|error| error.to_string())?;
    Ok(folder)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {stderr}"));
    }
    Ok(())
}

/// Returns the files in a folder whose names satisfy `is_wanted`, sorted.
pub fn list_files(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(&is_wanted)
        })
        .collect();
    paths.sort();
    paths
}
