//! Checks of the house itself: who imports whom, sizes, names, papers, links.
//!
//! A rule is a function over text or over cargo's metadata that returns findings. Each has
//! one test that holds it against the whole tree, and one that shows that it bites.

mod addresses;
mod code;
mod environment;
mod imports;
mod layout;
mod manifests;
mod papers;
mod sleeps;
mod source;
mod text;
mod tree;

/// Fails with every finding on a line of its own.
#[track_caller]
fn assert_none(findings: &[String]) {
    assert!(
        findings.is_empty(),
        "{} found:\n{}",
        findings.len(),
        findings.join("\n")
    );
}
