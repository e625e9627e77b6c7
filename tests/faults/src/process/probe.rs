use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};

/// A history beside a disk whose power may be cut while the process goes on.
///
/// A machine without power says nothing any more, but this process does: a flush that was under way in that moment may
/// even be answered as done, although nothing has reached the disk. So each line is written only if the disk can still
/// be read; what comes later is not there, as if the process had ended with the power.
pub(super) struct Probed {
    to: File,
    probe: File,
    is_over: bool,
}

impl Probed {
    /// Writes to one file for as long as the other one can be read. That has to hold at least a byte.
    pub(super) fn new(to: File, probe: &Path) -> Result<Self> {
        let probe = File::open(probe).context("the probe cannot be opened")?;
        Ok(Self {
            to,
            probe,
            is_over: false,
        })
    }
}

impl Write for Probed {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.is_over = self.is_over || self.probe.read_exact_at(&mut [0], 0).is_err();
        if self.is_over {
            return Ok(line.len());
        }
        self.to.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
