//! Prints what `docs/performance.md` says about forebay and its peers, from what `cargo xtask bench peers` has written, or with `embedded`
//! what `cargo xtask bench embedded-peers` has. Nothing if it has not yet.

use std::io::ErrorKind;
use std::path::Path;
use std::{env, fs};

use anyhow::{Context as _, Result};
use forebay_bench::{embedded_peers_table, peers_table};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance");

fn main() -> Result<()> {
    let (file, table): (_, fn(&str) -> Result<String>) = match env::args().nth(1).as_deref() {
        Some("embedded") => ("embedded-peers.jsonl", embedded_peers_table),
        _ => ("peers.jsonl", peers_table),
    };
    match fs::read_to_string(Path::new(FOLDER).join(file)) {
        Ok(lines) => print!("{}", table(&lines)?),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).context(file),
    }
    Ok(())
}
