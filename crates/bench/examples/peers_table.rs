//! Prints what `docs/performance.md` says about forebay and its peers, from what `cargo xtask bench peers` has written. Nothing if it has
//! not yet.

use std::fs;
use std::io::ErrorKind;

use anyhow::{Context as _, Result};
use forebay_bench::peers_table;

const LINES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/performance/peers.jsonl"
);

fn main() -> Result<()> {
    match fs::read_to_string(LINES) {
        Ok(lines) => print!("{}", peers_table(&lines)?),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).context("docs/performance/peers.jsonl"),
    }
    Ok(())
}
