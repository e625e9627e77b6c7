//! `cargo xtask docs`: parts of the documents that are generated, so that they cannot drift.
//!
//! A part stands between two comments, each on a line of its own:
//!
//! ```text
//! <!-- generated:NAME -->
//! <!-- /generated:NAME -->
//! ```
//!
//! `NAME` is one of [`GENERATORS`]. Markers inside a fenced block are text.

mod reliability;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use crate::workspace::Workspace;

/// What writes one part. One that needs the project's code asks
/// [`Workspace::output_of_example`] for the output of an example.
pub struct Generator {
    /// The name in the markers.
    pub name: &'static str,
    /// Produces the Markdown between them.
    pub produce: fn(&Workspace) -> Result<String>,
}

/// Every part there is; one line adds one.
#[rustfmt::skip] // Reason: a table reads best with a row on a line.
pub const GENERATORS: &[Generator] = &[
    Generator { name: "readme-program", produce: readme_program },
    Generator { name: "metrics", produce: |w| w.output_of_example("forebay-telemetry", "metrics_table", &[]) },
    Generator { name: "backends", produce: |w| w.output_of_example("forebay", "tables", &["backends"]) },
    Generator { name: "capabilities", produce: |w| w.output_of_example("forebay", "tables", &["capabilities"]) },
    Generator { name: "limits", produce: |w| w.output_of_example("forebay", "tables", &["limits"]) },
    Generator { name: "variables", produce: |w| w.output_of_example("forebay", "tables", &["variables"]) },
    Generator { name: "reliability", produce: reliability::table },
    Generator { name: "redis-acl", produce: |_| Ok(redis_acl()) },
    Generator { name: "peers", produce: |w| w.output_of_example("forebay-bench", "peers_table", &[]) },
    Generator { name: "embedded-peers", produce: |w| w.output_of_example("forebay-bench", "peers_table", &["embedded"]) },
    Generator { name: "server-variables", produce: |w| w.output_of_example("forebay-example-server", "variables_table", &[]) },
];

/// The rules of the queue's own user, which the backend's tests run under.
fn redis_acl() -> String {
    format!("```text\n{}```\n", crate::redis::RULES)
}

/// Writes every document whose generated parts are out of date, and says which.
///
/// # Errors
///
/// When a marker is unknown or unclosed, a generator fails, or a file cannot be written.
pub fn write(workspace: &Workspace) -> Result<()> {
    for (path, text) in outdated(workspace)? {
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        println!("written: {}", path.display());
    }
    Ok(())
}

/// Changes nothing and fails if [`write()`] would.
///
/// # Errors
///
/// When a document is out of date, and as [`write()`].
pub fn check(workspace: &Workspace) -> Result<()> {
    let stale = outdated(workspace)?;
    if stale.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = stale
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    bail!("out of date, run `cargo xtask docs`: {}", names.join(", "))
}

/// The documents to write, with their new text.
fn outdated(workspace: &Workspace) -> Result<Vec<(PathBuf, String)>> {
    let mut produced = HashMap::new();
    let mut stale = Vec::new();
    for path in documents(workspace.root())? {
        let old = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let new = regenerate(&old, |name| produce(workspace, &mut produced, name))
            .with_context(|| path.display().to_string())?;
        if new != old {
            stale.push((path, new));
        }
    }
    Ok(stale)
}

fn produce(
    workspace: &Workspace,
    produced: &mut HashMap<&'static str, String>,
    name: &str,
) -> Result<String> {
    let generator = GENERATORS
        .iter()
        .find(|generator| generator.name == name)
        .with_context(|| format!("nothing generates {name:?}"))?;
    if !produced.contains_key(generator.name) {
        let text = (generator.produce)(workspace).with_context(|| format!("generated:{name}"))?;
        produced.insert(generator.name, text);
    }
    Ok(produced[generator.name].clone())
}

/// Replaces what stands between the markers.
fn regenerate(text: &str, mut produce: impl FnMut(&str) -> Result<String>) -> Result<String> {
    let mut new = String::with_capacity(text.len());
    let mut fenced = false;
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        new.push_str(line);
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let Some(name) = opened(line).filter(|_| !fenced) else {
            continue;
        };
        let close = format!("<!-- /generated:{name} -->");
        let closing = lines
            .find(|line| line.trim_end() == close)
            .with_context(|| format!("generated:{name} is not closed"))?;
        new.push_str(produce(name)?.trim_end());
        new.push('\n');
        new.push_str(closing);
    }
    Ok(new)
}

fn opened(line: &str) -> Option<&str> {
    line.trim_end()
        .strip_prefix("<!-- generated:")?
        .strip_suffix(" -->")
}

fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let tree = WalkDir::new(root).sort_by_file_name().into_iter();
    for entry in tree.filter_entry(|entry| entry.depth() == 0 || !is_skipped(entry.path())) {
        let path = entry?.into_path();
        if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn is_skipped(path: &Path) -> bool {
    path.is_dir()
        && path
            .file_name()
            .is_some_and(|name| name == "target" || name == ".git")
}

/// The program that the facade's example `readme` runs.
fn readme_program(workspace: &Workspace) -> Result<String> {
    let path = workspace
        .root()
        .join("crates/forebay/examples/readme/program.rs");
    let source = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(format!("```rust\n{}\n```", source.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shout(name: &str) -> Result<String> {
        if name == "unknown" {
            bail!("unknown");
        }
        Ok(name.to_uppercase())
    }

    #[test]
    fn what_stands_between_the_markers_is_replaced() {
        let old = "a\n<!-- generated:x -->\nold\n<!-- /generated:x -->\nb";
        let new = "a\n<!-- generated:x -->\nX\n<!-- /generated:x -->\nb";
        assert_eq!(regenerate(old, shout).unwrap(), new);
        assert_eq!(regenerate(new, shout).unwrap(), new);
    }

    #[test]
    fn a_marker_in_a_fenced_block_is_text() {
        let text = "```\n<!-- generated:x -->\n```\n";
        assert_eq!(regenerate(text, shout).unwrap(), text);
    }

    #[test]
    fn an_unknown_part_is_an_error() {
        let text = "<!-- generated:unknown -->\n<!-- /generated:unknown -->\n";
        assert!(regenerate(text, shout).is_err());
    }

    #[test]
    fn an_unclosed_part_is_an_error() {
        assert!(regenerate("<!-- generated:x -->\nold\n", shout).is_err());
    }
}
