//! Environment variables are read in binaries and in the facade, nowhere else.

use std::sync::LazyLock;

use regex::Regex;

use crate::source::Source;
use crate::{assert_none, tree};

/// The facade has `connect_from_env`; the chores are one big binary.
const READERS: [&str; 2] = ["crates/forebay/", "xtask/"];
/// Programs and tests, wherever they are.
const PROGRAMS: [&str; 5] = [
    "/src/bin/",
    "/src/main.rs",
    "/examples/",
    "/benches/",
    "/build.rs",
];

fn reads_environment(source: &Source) -> Vec<String> {
    static READ: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\benv::(\{[^}]*)?\bvars?(_os)?\b").expect("the pattern is right")
    });
    let path = &source.path;
    if READERS.iter().any(|folder| path.starts_with(folder))
        || PROGRAMS.iter().any(|program| path.contains(program))
        || path.starts_with("tests/")
    {
        return Vec::new();
    }
    let what = "an environment variable is read outside binaries and the facade";
    source.findings(&READ, what, |line| !source.is_test(line))
}

#[test]
fn the_environment_is_read_at_the_edge() {
    let sources = tree::sources();
    let findings: Vec<_> = sources.iter().flat_map(reads_environment).collect();
    assert_none(&findings);
}

#[test]
fn the_environment_is_read_at_the_edge_bites() {
    let of = |path, text| reads_environment(&Source::new(path, text)).len();
    let code = "fn a() { std::env::var(\"A\"); }";
    assert_eq!(of("crates/worker/src/lib.rs", code), 1);
    assert_eq!(of("crates/worker/src/lib.rs", "use std::env::vars_os;"), 1);
    assert_eq!(
        of("crates/worker/src/lib.rs", "use std::env::{self, var};"),
        1
    );
    assert_eq!(
        of("crates/worker/src/lib.rs", "// std::env::var(\nfn a() {}"),
        0
    );
    assert_eq!(of("crates/example-server/src/bin/worker.rs", code), 0);
    assert_eq!(of("crates/forebay/src/connect.rs", code), 0);
}
