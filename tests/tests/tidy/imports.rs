//! Who may import whom.

use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use regex::Regex;

use crate::source::Source;
use crate::{assert_none, tree};

/// What a package may import of the house.
enum Rule {
    /// These and nothing else.
    Only(&'static [&'static str]),
    /// The contract, the engine where it runs in this process, and nothing else of the house.
    Backend,
    /// All that is below it: contract, engine, backends, telemetry, worker and test kit.
    Facade,
    /// It is at the top: anything.
    Anything,
}

const CORE: &str = "forebay-queue-core";
const ENGINE: &str = "forebay-queue-engine";
const FACADE: &str = "forebay";

/// One line for each package that is not a backend; every other `forebay-queue-…` is one.
#[rustfmt::skip] // Reason: a table reads best with a row on a line.
const IMPORTS: &[(&str, Rule)] = &[
    (CORE, Rule::Only(&[])),
    (ENGINE, Rule::Only(&[CORE])),
    ("forebay-queue-conformance", Rule::Only(&[CORE, ENGINE])),
    ("forebay-telemetry", Rule::Only(&[CORE])),
    ("forebay-worker", Rule::Only(&[CORE])),
    ("forebay-test-kit", Rule::Only(&[CORE, "forebay-queue-memory", "forebay-worker"])),
    (FACADE, Rule::Facade),
    ("forebay-example-server", Rule::Only(&[FACADE])),
    ("forebay-bench", Rule::Only(&[FACADE, "forebay-queue-embedded"])),
    ("forebay-tests", Rule::Anything),
    ("forebay-fault-proxy", Rule::Only(&[])),
    ("forebay-faults", Rule::Anything),
    ("forebay-simulation", Rule::Anything),
    ("forebay-xtask", Rule::Only(&[])),
];

/// Tests of a package may also import these: the parts that suites are made of.
const FOR_TESTS: [&str; 6] = [
    CORE,
    ENGINE,
    "forebay-queue-memory",
    "forebay-queue-conformance",
    "forebay-tests",
    "forebay-xtask",
];

/// Foreign crates that have one home: a name or the beginning of one (`…*`), the packages
/// that may depend on it, and those whose tests may.
#[rustfmt::skip] // Reason: a table reads best with a row on a line.
const HOMES: &[(&str, &[&str], &[&str])] = &[
    ("redis", &["forebay-queue-redis"], &["forebay-tests"]),
    ("rocksdb", &["forebay-queue-embedded"], &[]),
    ("rusqlite", &["forebay-queue-embedded"], &["forebay-tests"]),
    ("sqlx", &["forebay-example-server"], &["forebay-tests"]),
    ("axum", &["forebay-example-server"], &["forebay-tests"]),
    ("axum-*", &["forebay-example-server"], &["forebay-tests"]),
    ("utoipa*", &["forebay-example-server"], &[]),
    ("prometheus", &["forebay-telemetry", FACADE], &["forebay-example-server", "forebay-tests"]),
    ("opentelemetry", &["forebay-telemetry", FACADE], &["forebay-example-server", "forebay-tests"]),
    ("opentelemetry_sdk", &["forebay-telemetry", FACADE], &["forebay-example-server", "forebay-tests"]),
    ("opentelemetry-*", &["forebay-telemetry", FACADE], &["forebay-example-server", "forebay-tests"]),
    ("tracing-opentelemetry", &["forebay-telemetry", FACADE], &["forebay-example-server", "forebay-tests"]),
];

/// An edge of the graph.
struct Import<'a> {
    from: &'a str,
    to: &'a str,
    for_tests: bool,
    optional: bool,
}

/// What cargo says about the workspace, without resolving dependencies.
pub(crate) fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(tree::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes the workspace")
}

fn is_backend(package: &str) -> bool {
    package.starts_with("forebay-queue-") && IMPORTS.iter().all(|(name, _)| *name != package)
}

fn is_house(package: &str) -> bool {
    package == FACADE || package.starts_with("forebay-")
}

fn forbidden_import(import: &Import<'_>) -> Option<String> {
    let Import { from, to, .. } = *import;
    if !is_house(to) {
        return None;
    }
    let Some(rule) = rule_of(from) else {
        return Some(format!("{from}: no line in the table of imports"));
    };
    let is_allowed = match rule {
        Rule::Only(allowed) => allowed.contains(&to),
        Rule::Backend => to == CORE || to == ENGINE,
        Rule::Facade => {
            let below = [
                CORE,
                ENGINE,
                "forebay-telemetry",
                "forebay-test-kit",
                "forebay-worker",
            ];
            is_backend(to) || below.contains(&to)
        }
        Rule::Anything => true,
    };
    // Above the facade, tests may look at anything; below it, only at what suites are made
    // of, and a backend's tests not even at another backend.
    let tests_may = import.for_tests
        && match rule {
            Rule::Backend => FOR_TESTS.contains(&to) && !is_backend(to),
            Rule::Only(allowed) => FOR_TESTS.contains(&to) || allowed.contains(&FACADE),
            Rule::Facade | Rule::Anything => true,
        };
    if !is_allowed && !tests_may {
        return Some(format!("{from} must not import {to}"));
    }
    let is_a_choice = is_backend(to) && to != "forebay-queue-memory" || to == "forebay-test-kit";
    if from == FACADE && is_a_choice && !import.optional && !import.for_tests {
        return Some(format!("{from}: {to} has to be behind a feature"));
    }
    None
}

fn rule_of(package: &str) -> Option<&'static Rule> {
    if is_backend(package) {
        return Some(&Rule::Backend);
    }
    let (_, rule) = IMPORTS.iter().find(|(name, _)| *name == package)?;
    Some(rule)
}

fn away_from_home(import: &Import<'_>) -> Option<String> {
    let Import { from, to, .. } = *import;
    let (_, owners, tests) = HOMES.iter().find(|(name, ..)| {
        name.strip_suffix('*')
            .map_or(*name == to, |start| to.starts_with(start))
    })?;
    // The package of the tests is all test.
    let for_tests = import.for_tests || from == "forebay-tests";
    if for_tests && (owners.contains(&from) || tests.contains(&from)) {
        return None;
    }
    if !owners.contains(&from) {
        return Some(format!(
            "{from} must not depend on {to}: its home is {owners:?}"
        ));
    }
    // Observers are a choice of whoever depends on the facade.
    let is_observer = owners.contains(&"forebay-telemetry");
    (is_observer && !import.optional).then(|| format!("{from}: {to} has to be behind a feature"))
}

fn imports(metadata: &Metadata, rule: impl Fn(&Import<'_>) -> Option<String>) -> Vec<String> {
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            findings.extend(rule(&Import {
                from: &package.name,
                to: &dependency.name,
                for_tests: dependency.kind == DependencyKind::Development,
                optional: dependency.optional,
            }));
        }
    }
    findings
}

/// The manifest cannot tell, because the worker's examples run on the memory queue.
fn worker_names_a_backend(source: &Source) -> Vec<String> {
    static BACKEND: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bforebay_queue_(\w+)").expect("the pattern is right"));
    if !source.path.starts_with("crates/worker/src/") {
        return Vec::new();
    }
    let lines = source.code.iter().enumerate();
    lines
        .filter(|(line, _)| !source.is_test(*line))
        .flat_map(|(line, code)| {
            BACKEND
                .captures_iter(code)
                .filter(|found| is_backend(&format!("forebay-queue-{}", &found[1])))
                .map(move |_| source.finding(line, "the worker names a backend"))
        })
        .collect()
}

#[test]
fn nobody_imports_upwards_or_sideways() {
    assert_none(&imports(&metadata(), forbidden_import));
}

#[test]
fn nobody_imports_upwards_or_sideways_bites() {
    let of = |from, to, for_tests, optional| {
        let import = Import {
            from,
            to,
            for_tests,
            optional,
        };
        forbidden_import(&import).is_some()
    };
    assert!(of("forebay-worker", "forebay-queue-memory", false, false));
    assert!(!of("forebay-worker", "forebay-queue-memory", true, false));
    assert!(of(
        "forebay-queue-redis",
        "forebay-queue-memory",
        false,
        false
    ));
    assert!(of(
        "forebay-queue-redis",
        "forebay-queue-embedded",
        true,
        false
    ));
    assert!(of(
        "forebay-queue-redis",
        "forebay-queue-memory",
        true,
        false
    ));
    assert!(of("forebay-queue-redis", "forebay-worker", true, false));
    assert!(of("forebay-queue-redis", FACADE, true, false));
    assert!(!of(
        "forebay-queue-redis",
        "forebay-queue-conformance",
        true,
        false
    ));
    assert!(of(CORE, ENGINE, false, false));
    assert!(of(
        "forebay-example-server",
        "forebay-queue-redis",
        false,
        true
    ));
    assert!(!of(
        "forebay-example-server",
        "forebay-queue-redis",
        true,
        false
    ));
    assert!(of(FACADE, "forebay-queue-redis", false, false));
    assert!(!of(FACADE, "forebay-queue-redis", false, true));
    assert!(of(FACADE, "forebay-test-kit", false, false));
    assert!(!of(FACADE, "forebay-test-kit", false, true));
    assert!(of("forebay-test-kit", FACADE, false, false));
    assert!(of("forebay-newcomer", CORE, false, false));
    assert!(!of("forebay-tests", "forebay-example-server", false, false));
}

#[test]
fn foreign_crates_stay_at_home() {
    assert_none(&imports(&metadata(), away_from_home));
}

#[test]
fn foreign_crates_stay_at_home_bites() {
    let of = |from, to, for_tests, optional| {
        let import = Import {
            from,
            to,
            for_tests,
            optional,
        };
        away_from_home(&import).is_some()
    };
    assert!(of("forebay-worker", "redis", false, true));
    assert!(of("forebay-worker", "redis", true, false));
    assert!(!of("forebay-queue-redis", "redis", false, false));
    assert!(of("forebay-worker", "axum-extra", false, false));
    assert!(of("forebay-telemetry", "prometheus", false, false));
    assert!(!of("forebay-telemetry", "prometheus", false, true));
    assert!(!of("forebay-telemetry", "opentelemetry_sdk", true, false));
    assert!(of(CORE, "opentelemetry_sdk", false, true));
    assert!(!of("forebay-tests", "sqlx", false, false));
}

/// `cargo deny` also sees what a dependency brings along, so it has the same table.
fn untrue_ban(deny: &str, name: &str, homes: &[&str], tests: &[&str]) -> Option<String> {
    let deny: toml::Table = deny.parse().expect("deny.toml is TOML");
    let bans = deny["bans"]["deny"].as_array().expect("a list of bans");
    let Some(ban) = bans.iter().find(|ban| ban["crate"].as_str() == Some(name)) else {
        return Some(format!("deny.toml does not ban {name}"));
    };
    let wrappers = ban.get("wrappers").and_then(toml::Value::as_array);
    let wrappers: Vec<_> = wrappers
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_str)
        .collect();
    let is_missing = homes
        .iter()
        .chain(tests)
        .any(|home| !wrappers.contains(home));
    let is_more = wrappers
        .iter()
        .any(|wrapper| is_house(wrapper) && !homes.contains(wrapper) && !tests.contains(wrapper));
    (is_missing || is_more).then(|| format!("deny.toml: other wrappers of {name} than here"))
}

#[test]
fn the_bans_hold_the_same_table() {
    let deny = tree::file("deny.toml").text;
    let findings: Vec<_> = HOMES
        .iter()
        .filter(|(name, ..)| !name.ends_with('*'))
        .filter_map(|(name, homes, tests)| untrue_ban(&deny, name, homes, tests))
        .collect();
    assert_none(&findings);
}

#[test]
fn the_bans_hold_the_same_table_bites() {
    let of = |wrappers: &str| {
        let deny = format!("[bans]\ndeny = [{{ crate = \"redis\", wrappers = [{wrappers}] }}]\n");
        let homes = ["forebay-queue-redis"];
        untrue_ban(&deny, "redis", &homes, &[]).is_some()
    };
    assert!(!of("\"forebay-queue-redis\", \"some-foreign-pool\""));
    assert!(of(""));
    assert!(of("\"forebay-queue-redis\", \"forebay-worker\""));
    assert!(untrue_ban("[bans]\ndeny = []\n", "redis", &[], &[]).is_some());
}

#[test]
fn the_worker_names_no_backend() {
    let sources = tree::sources();
    let findings: Vec<_> = sources.iter().flat_map(worker_names_a_backend).collect();
    assert_none(&findings);
}

#[test]
fn the_worker_names_no_backend_bites() {
    let of = |text| worker_names_a_backend(&Source::new("crates/worker/src/a.rs", text)).len();
    assert_eq!(of("use forebay_queue_memory::MemoryBackend;"), 1);
    assert_eq!(of("use forebay_queue_core::Queue;"), 0);
    assert_eq!(
        of("#[cfg(test)]\nmod tests {\n    use forebay_queue_memory::A;\n}"),
        0
    );
    assert_eq!(of("/// `forebay_queue_memory`\nfn a() {}"), 0);
}
