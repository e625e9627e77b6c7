//! What Rust code does not contain.

use std::sync::LazyLock;

use regex::Regex;

use crate::source::Source;
use crate::{assert_none, tree};

fn unfinished(source: &Source) -> Vec<String> {
    static UNFINISHED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b(todo|unimplemented|dbg)!").expect("the pattern is right"));
    source.findings(&UNFINISHED, "unfinished code", |_| true)
}

/// An attribute may span lines, so this looks at the whole file.
fn unexplained_allowance(source: &Source) -> Vec<String> {
    static ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"#!?\[\s*(?:cfg_attr\([^\]]*?)?\b(?:allow|expect)\s*\(([^\]]*)\]")
            .expect("the pattern is right")
    });
    let text = source.code.join("\n");
    ATTRIBUTE
        .captures_iter(&text)
        .filter(|found| !found[1].contains("reason"))
        .map(|found| {
            let start = found.get(0).map_or(0, |whole| whole.start());
            let line = text[..start].matches('\n').count();
            source.finding(line, "a lint is allowed without `reason = \"…\"`")
        })
        .collect()
}

#[test]
fn no_code_is_unfinished() {
    let findings: Vec<_> = tree::sources().iter().flat_map(unfinished).collect();
    assert_none(&findings);
}

#[test]
fn no_code_is_unfinished_bites() {
    let of = |text| unfinished(&Source::new("a.rs", text)).len();
    assert_eq!(
        of("fn a() { todo!() }\nfn b() { dbg!(1); unimplemented!() }"),
        2
    );
    assert_eq!(of("// todo! later\nfn a() { b(\"todo!\") }"), 0);
}

#[test]
fn every_allowed_lint_has_a_reason() {
    let sources = tree::sources();
    let findings: Vec<_> = sources.iter().flat_map(unexplained_allowance).collect();
    assert_none(&findings);
}

#[test]
fn every_allowed_lint_has_a_reason_bites() {
    let of = |text| unexplained_allowance(&Source::new("a.rs", text)).len();
    assert_eq!(of("#[allow(dead_code)]\nfn a() {}"), 1);
    assert_eq!(of("#![expect(\n    clippy::x,\n)]"), 1);
    assert_eq!(of("#[cfg_attr(test, allow(dead_code))]\nfn a() {}"), 1);
    assert_eq!(
        of("#[allow(\n    dead_code,\n    reason = \"kept\"\n)]\nfn a() {}"),
        0
    );
    assert_eq!(of("fn a() { b[0].expect(\"c\") }"), 0);
}
