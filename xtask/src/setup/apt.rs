//! Debian's packages, without the services that they would start.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{self, Command, Stdio};

use anyhow::{Context, Result, bail};

/// Packages ask this program before they start a service.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// The line by which our policy is known.
const MARK: &str = "# forebay: cargo xtask setup";

/// Whether packages can be installed: by root, on Debian and its relatives.
pub(super) fn is_there() -> bool {
    nix::unistd::geteuid().is_root() && Path::new("/usr/bin/apt-get").exists()
}

/// Installs a package. The service that it brings is not started: the tests start servers of
/// their own, and a usual port is not theirs to take.
pub(super) fn install(package: &str) -> Result<()> {
    let _services = ServicesHeld::new(Path::new(POLICY))?;
    apt_get(&["update", "--quiet"])?;
    apt_get(&[
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
        package,
    ])
}

/// While it lives, packages start no services. A policy of the machine's owner stays as it is.
struct ServicesHeld<'a> {
    policy: Option<&'a Path>,
}

impl<'a> ServicesHeld<'a> {
    fn new(path: &'a Path) -> Result<Self> {
        if path.exists() && !is_ours(path) {
            return Ok(Self { policy: None });
        }
        // 101 is "not allowed". It holds only as long as this process is there, so it does no
        // harm if it should be left behind.
        let pid = process::id();
        let text = format!("#!/bin/sh\n{MARK}\nkill -0 {pid} 2>/dev/null && exit 101\nexit 0\n");
        fs::write(path, text).context("the policy for services cannot be written")?;
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
        Ok(Self { policy: Some(path) })
    }
}

impl Drop for ServicesHeld<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.policy
            && let Err(error) = fs::remove_file(path)
        {
            eprintln!("{} was left behind: {error}", path.display());
        }
    }
}

fn is_ours(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.contains(MARK))
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context("apt-get cannot be run")?;
    if !status.success() {
        bail!("`apt-get {}` failed: {status}", arguments.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(policy: &Path) -> Option<i32> {
        let status = Command::new("sh").arg(policy).status().unwrap();
        status.code()
    }

    #[test]
    fn services_are_held_only_while_this_process_asks_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy");
        let held = ServicesHeld::new(&path).unwrap();
        assert_eq!(answer(&path), Some(101));
        // As if it had been left behind by a process that is gone.
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let stale = text.replace(&process::id().to_string(), &gone.id().to_string());
        fs::write(&path, stale).unwrap();
        assert_eq!(answer(&path), Some(0));
        drop(ServicesHeld::new(&path).unwrap());
        assert!(!path.exists());
        std::mem::forget(held);
    }

    #[test]
    fn the_owners_policy_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy");
        fs::write(&path, "exit 101\n").unwrap();
        drop(ServicesHeld::new(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "exit 101\n");
    }
}
