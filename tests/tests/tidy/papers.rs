//! The house's papers: change log, architecture, decisions, links, generated parts.

use std::sync::LazyLock;

use forebay_xtask::docs;
use forebay_xtask::workspace::Workspace;
use regex::Regex;

use crate::tree::File;
use crate::{assert_none, tree};

const LONGEST_ARCHITECTURE: usize = 250;
const LONGEST_DECISION: usize = 80;

/// <https://keepachangelog.com/en/1.1.0/>
fn change_log_findings(text: &str) -> Vec<String> {
    static RELEASE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^## \[(Unreleased\]$|\d+\.\d+\.\d+[^\]]*\] - \d{4}-\d{2}-\d{2}$)")
            .expect("the pattern is right")
    });
    const KINDS: [&str; 6] = [
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    ];
    let mut findings = Vec::new();
    if !text.starts_with("# Changelog\n") {
        findings.push("it does not begin with `# Changelog`".to_owned());
    }
    if !text.lines().any(|line| line == "## [Unreleased]") {
        findings.push("there is no `## [Unreleased]`".to_owned());
    }
    for line in text.lines() {
        let is_right = match line.strip_prefix("### ") {
            Some(kind) => KINDS.contains(&kind),
            None => !line.starts_with("## ") || RELEASE.is_match(line),
        };
        if !is_right {
            findings.push(format!("not a heading of Keep a Changelog: {line}"));
        }
    }
    findings
}

fn decision_findings(path: &str, text: &str, index: &str) -> Vec<String> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^\d{4}-[a-z0-9]+(-[a-z0-9]+)*\.md$").expect("the pattern is right")
    });
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut findings = Vec::new();
    if !NAME.is_match(name) {
        findings.push(format!("{path}: not named NNNN-title.md"));
    }
    let lines = text.lines().count();
    if lines > LONGEST_DECISION {
        findings.push(format!(
            "{path}: {lines} lines, {LONGEST_DECISION} are allowed"
        ));
    }
    if !index.contains(&format!("({name})")) {
        findings.push(format!("{path}: not listed in docs/adr/README.md"));
    }
    findings
}

/// The targets of relative links, without fragments, with the line number of each.
fn relative_links(text: &str) -> Vec<(usize, String)> {
    static LINK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^\[[^\]]+\]:\s+(\S+)"#)
            .expect("the pattern is right")
    });
    static QUOTED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("`[^`]*`").expect("the pattern is right"));
    let mut links = Vec::new();
    let mut fenced = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // A link's text may be quoted, its target is not.
        let line = QUOTED.replace_all(line, "``");
        for found in LINK.captures_iter(&line) {
            let target = found
                .get(1)
                .or(found.get(2))
                .map_or("", |part| part.as_str());
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                links.push((number, file.to_owned()));
            }
        }
    }
    links
}

fn broken_links(file: &File, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    relative_links(&file.text)
        .into_iter()
        .filter(|(_, target)| !exists(&format!("{folder}/{target}")))
        .map(|(line, target)| format!("{}:{line}: leads nowhere: {target}", file.path))
        .collect()
}

fn unmentioned(folders: &[String], architecture: &str) -> Vec<String> {
    folders
        .iter()
        .filter(|folder| {
            let name = format!(r"(^|[^\w-]){}($|[^\w-])", regex::escape(folder));
            !Regex::new(&name).is_ok_and(|name| name.is_match(architecture))
        })
        .map(|folder| format!("ARCHITECTURE.md does not mention {folder}"))
        .collect()
}

#[test]
fn the_change_log_is_kept() {
    assert_none(&change_log_findings(&tree::file("CHANGELOG.md").text));
}

#[test]
fn the_change_log_is_kept_bites() {
    let good = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n## [0.1.0] - 2026-01-31\n";
    assert_eq!(change_log_findings(good), [""; 0]);
    assert_eq!(
        change_log_findings(&good.replace("Unreleased", "Next")).len(),
        2
    );
    assert_eq!(change_log_findings(&good.replace("Added", "New")).len(), 1);
    assert_eq!(
        change_log_findings(&good.replace(" - 2026-01-31", "")).len(),
        1
    );
}

#[test]
fn the_architecture_is_short_and_names_every_crate() {
    let architecture = tree::file("ARCHITECTURE.md").text;
    let mut findings = unmentioned(&member_folders(), &architecture);
    let lines = architecture.lines().count();
    if lines > LONGEST_ARCHITECTURE {
        findings.push(format!("{lines} lines, {LONGEST_ARCHITECTURE} are allowed"));
    }
    assert_none(&findings);
}

#[test]
fn the_architecture_is_short_and_names_every_crate_bites() {
    let folders = ["worker".to_owned()];
    assert!(unmentioned(&folders, "`crates/worker/` runs").is_empty());
    assert_eq!(unmentioned(&folders, "the co-worker, the workers").len(), 1);
}

fn member_folders() -> Vec<String> {
    let metadata = crate::imports::metadata();
    let folders = metadata.workspace_packages().into_iter().map(|package| {
        let folder = package
            .manifest_path
            .parent()
            .and_then(|path| path.file_name());
        folder.expect("a manifest lies in a folder").to_owned()
    });
    folders.collect()
}

#[test]
fn every_decision_is_short_named_and_listed() {
    let index = tree::file("docs/adr/README.md").text;
    let findings: Vec<_> = tree::with_extension("md")
        .iter()
        .filter(|file| file.path.starts_with("docs/adr/") && !file.path.ends_with("/README.md"))
        .flat_map(|file| decision_findings(&file.path, &file.text, &index))
        .collect();
    assert_none(&findings);
}

#[test]
fn every_decision_is_short_named_and_listed_bites() {
    let index = "[1](0001-an-engine.md)";
    let of = |path: &str, text: &str| decision_findings(path, text, index).len();
    assert_eq!(of("docs/adr/0001-an-engine.md", "# 1\n"), 0);
    assert_eq!(of("docs/adr/0001-an-engine.md", &"a\n".repeat(81)), 1);
    assert_eq!(of("docs/adr/0002-other.md", ""), 1);
    assert_eq!(of("docs/adr/engine.md", ""), 2);
}

#[test]
fn every_relative_link_leads_somewhere() {
    let root = tree::root();
    let exists = |path: &str| root.join(path.trim_start_matches('/')).exists();
    let findings: Vec<_> = tree::with_extension("md")
        .iter()
        // A crate's prose is shown by rustdoc, which checks its links itself.
        .filter(|file| !file.path.contains("/src/"))
        .flat_map(|file| broken_links(file, exists))
        .collect();
    assert_none(&findings);
}

#[test]
fn every_relative_link_leads_somewhere_bites() {
    let of = |text: &str| {
        let file = File {
            path: "docs/a.md".to_owned(),
            text: text.to_owned(),
        };
        broken_links(&file, |path| path == "docs/../b.md").len()
    };
    assert_eq!(
        of("[b](../b.md#part) [`b`](../b.md) [c](https://example.com) [d](#here)"),
        0
    );
    assert_eq!(of("[c](c.md)\n\n[d]: d.md\n"), 2);
    assert_eq!(of("```\n[c](c.md)\n```\n`[c](c.md)`"), 0);
}

#[test]
fn the_generated_parts_are_up_to_date() {
    let workspace = Workspace::find().expect("the tests run in the workspace");
    if let Err(error) = docs::check(&workspace) {
        panic!("{error:#}");
    }
}
