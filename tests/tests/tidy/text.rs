//! What no text file contains.

use std::sync::LazyLock;

use regex::Regex;

use crate::tree::File;
use crate::{assert_none, tree};

fn untidy_space(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.split('\n')) {
        let path = &file.path;
        if line.ends_with([' ', '\t', '\r']) {
            findings.push(format!("{path}:{number}: space at the end"));
        }
        if line.contains('\t') {
            findings.push(format!("{path}:{number}: a tab"));
        }
    }
    if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
        findings.push(format!("{}: has to end with one newline", file.path));
    }
    findings
}

/// A path of somebody's machine.
fn workplace(file: &File) -> Vec<String> {
    static PATH: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(^|[\s"'`(=:,\[])/(home|root|work|Users)/"#).expect("the pattern is right")
    });
    (1..)
        .zip(file.text.lines())
        .filter(|(_, line)| PATH.is_match(line))
        .map(|(number, _)| format!("{}:{number}: a path of one machine", file.path))
        .collect()
}

#[test]
fn no_untidy_space_in_rust_and_markdown() {
    let mut files = tree::with_extension("rs");
    files.extend(tree::with_extension("md"));
    let findings: Vec<_> = files.iter().flat_map(untidy_space).collect();
    assert_none(&findings);
}

#[test]
fn no_untidy_space_in_rust_and_markdown_bites() {
    let of = |text: &str| untidy_space(&file(text)).len();
    assert_eq!(of("a \n"), 1);
    assert_eq!(of("a\tb\n"), 1);
    assert_eq!(of("a\r\n"), 1);
    assert_eq!(of("a"), 1);
    assert_eq!(of("a\n\n"), 1);
    assert_eq!(of("a\n\nb\n"), 0);
}

#[test]
fn no_path_of_one_machine() {
    let findings: Vec<_> = tree::files().iter().flat_map(workplace).collect();
    assert_none(&findings);
}

#[test]
fn no_path_of_one_machine_bites() {
    let of = |text: &str| workplace(&file(text)).len();
    // Put together here, so that this file keeps the rule.
    for folder in ["home", "root", "work", "Users"] {
        assert_eq!(of(&format!("see {}{folder}/ann/x", "/")), 1);
        assert_eq!(of(&format!("\"{}{folder}/x\"", "/")), 1);
    }
    assert_eq!(of("see docs/work/x and ~/work/x"), 0);
}

fn file(text: &str) -> File {
    File {
        path: "a.md".to_owned(),
        text: text.to_owned(),
    }
}
