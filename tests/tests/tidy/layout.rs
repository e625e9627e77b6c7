//! Sizes and names of files.

use std::sync::LazyLock;

use regex::Regex;

use crate::source::Source;
use crate::{assert_none, tree};

/// Lines that are neither blank nor only comment.
const LARGEST_FILE: usize = 500;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "helper", "misc"];

fn too_large(source: &Source) -> Option<String> {
    let lines = source.lines_of_code();
    (lines > LARGEST_FILE).then(|| {
        format!(
            "{}: {lines} lines of code, {LARGEST_FILE} are allowed",
            source.path
        )
    })
}

fn empty_path_name(path: &str) -> Option<String> {
    let says_nothing = path.split('/').any(|part| {
        let stem = part.split('.').next().unwrap_or(part);
        EMPTY_NAMES.contains(&stem)
    });
    says_nothing.then(|| format!("{path}: the name says nothing"))
}

fn empty_module_names(source: &Source) -> Vec<String> {
    static MODULE: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = format!(r"\bmod\s+({})\b", EMPTY_NAMES.join("|"));
        Regex::new(&pattern).expect("the pattern is right")
    });
    source.findings(&MODULE, "the module's name says nothing", |_| true)
}

#[test]
fn no_file_is_too_large() {
    let findings: Vec<_> = tree::sources().iter().filter_map(too_large).collect();
    assert_none(&findings);
}

#[test]
fn no_file_is_too_large_bites() {
    let lines = |count| Source::new("a.rs", &"// why\n\nconst A: u8 = 1;\n".repeat(count));
    assert!(too_large(&lines(LARGEST_FILE)).is_none());
    assert!(too_large(&lines(LARGEST_FILE + 1)).is_some());
}

#[test]
fn every_file_and_module_has_a_name() {
    let files = tree::files();
    let paths = files.iter().filter_map(|file| empty_path_name(&file.path));
    let sources = tree::sources();
    let findings: Vec<_> = paths
        .chain(sources.iter().flat_map(empty_module_names))
        .collect();
    assert_none(&findings);
}

#[test]
fn every_file_and_module_has_a_name_bites() {
    assert!(empty_path_name("crates/a/src/utils.rs").is_some());
    assert!(empty_path_name("crates/a/tests/common/mod.rs").is_some());
    assert!(empty_path_name("crates/a/src/commonplace.rs").is_none());
    let of = |text| empty_module_names(&Source::new("a.rs", text)).len();
    assert_eq!(of("mod helpers { fn a() {} }"), 1);
    assert_eq!(of("mod utilities;"), 0);
}
