//! The children of a process, as the system lists them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use nix::unistd::Pid;

/// The direct children of `parent` at this moment.
///
/// # Errors
///
/// When neither `/proc` nor `ps` tells.
pub fn of(parent: Pid) -> Result<Vec<Pid>> {
    let pairs = if Path::new("/proc/self/stat").exists() {
        from_proc()?
    } else {
        from_ps()?
    };
    Ok(pairs
        .into_iter()
        .filter(|(_, its_parent)| *its_parent == parent.as_raw())
        .map(|(pid, _)| Pid::from_raw(pid))
        .collect())
}

fn from_proc() -> Result<Vec<(i32, i32)>> {
    let mut pairs = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc cannot be listed")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end between the listing and the reading.
        if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat"))
            && let Some(parent) = parent_in_stat(&stat)
        {
            pairs.push((pid, parent));
        }
    }
    Ok(pairs)
}

/// The fourth field. The second one, the command's name, may hold spaces and parentheses.
fn parent_in_stat(stat: &str) -> Option<i32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

fn from_ps() -> Result<Vec<(i32, i32)>> {
    let output = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid="])
        .stdin(Stdio::null())
        .output()
        .context("ps cannot be run")?;
    let listing = String::from_utf8_lossy(&output.stdout);
    Ok(listing
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_a_parenthesis_in_its_name_is_read() {
        assert_eq!(parent_in_stat("7 (a) b) S 41 7 7"), Some(41));
        assert_eq!(parent_in_stat("7 nothing"), None);
    }

    #[test]
    fn a_child_is_found() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let found = of(Pid::this()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&pid));
    }
}
