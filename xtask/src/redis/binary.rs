//! The program that serves.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// The oldest version that the backend supports, major and minor.
pub(crate) const FLOOR: (u32, u32) = (7, 0);
/// Where a server may be though it is not on the `PATH`.
const USUAL_FOLDERS: [&str; 4] = [
    "/usr/bin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/usr/sbin",
];

/// A Redis or Valkey server that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    path: PathBuf,
    version: (u32, u32),
}

impl Binary {
    /// Redis 7.0 or newer, on the `PATH` or where it usually is.
    pub fn redis() -> Option<Self> {
        find("redis-server")
    }

    /// Valkey, on the `PATH`, where it usually is, or where `cargo xtask setup` has put it.
    pub fn valkey() -> Option<Self> {
        find("valkey-server").or_else(|| {
            let unpacked = crate::setup::unpacked_valkey()?;
            Self::at(&unpacked).ok()
        })
    }

    /// Asks a program for its version.
    ///
    /// # Errors
    ///
    /// When it cannot be run, is no Redis, or is older than 7.0.
    pub fn at(path: &Path) -> Result<Self> {
        let output = Command::new(path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} cannot be run", path.display()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let Some(version) = version(&said) else {
            bail!("{} does not tell its version", path.display());
        };
        ensure!(
            version >= FLOOR,
            "{} is version {}.{}, at least {}.{} is needed",
            path.display(),
            version.0,
            version.1,
            FLOOR.0,
            FLOOR.1
        );
        let path = path.to_owned();
        Ok(Self { path, version })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version, major and minor.
    pub fn version(&self) -> (u32, u32) {
        self.version
    }
}

fn find(name: &str) -> Option<Binary> {
    let on_path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&on_path)
        .chain(USUAL_FOLDERS.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .filter(|path| path.is_file())
        .find_map(|path| Binary::at(&path).ok())
}

/// Reads `Redis server v=7.0.15 sha=…`.
fn version(said: &str) -> Option<(u32, u32)> {
    let (_, number) = said.split_once(" v=")?;
    let mut parts = number.split(['.', ' ']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read() {
        let redis = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64";
        assert_eq!(version(redis), Some((7, 0)));
        let valkey = "Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64";
        assert_eq!(version(valkey), Some((9, 1)));
        assert_eq!(version("something else"), None);
    }

    #[test]
    fn a_program_that_is_no_server_is_refused() {
        let error = Binary::at(Path::new("/bin/echo")).unwrap_err();
        assert!(error.to_string().contains("version"), "{error}");
    }
}
