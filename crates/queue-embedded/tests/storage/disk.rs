use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::geteuid;
use tempfile::TempDir;

/// A disk in memory of 32 MB, mounted until this is dropped.
pub(crate) struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Only root may mount one: elsewhere there is none, which is said aloud.
    pub(crate) fn new() -> Option<Self> {
        if !geteuid().is_root() {
            println!("skipped: only root may mount a disk of its own");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs"])
            .arg(folder.path()));
        Some(Self { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn read_only(&self) {
        run(Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(self.path()));
    }

    /// Takes what is left of it, as somebody else would.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        let mut piece = vec![7; 64 * 1024];
        while !piece.is_empty() {
            match file.write(&piece) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => {
                    piece.truncate(piece.len() / 2);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Gives back what [`fill`](Self::fill) took.
    pub(crate) fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a test that failed may still have its store open.
        let ended = Command::new("umount")
            .arg("--lazy")
            .arg(self.folder.path())
            .status();
        if !ended.is_ok_and(|status| status.success()) {
            eprintln!("a disk is still mounted");
        }
    }
}

fn run(program: &mut Command) {
    let ended = program.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{program:?}: {said}");
}
