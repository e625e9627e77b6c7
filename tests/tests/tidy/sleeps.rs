//! No test sleeps and hopes.

use std::sync::LazyLock;

use regex::Regex;

use crate::source::Source;
use crate::{assert_none, tree};

/// The excuse, on the line or in the comment right above it.
const EXCUSE: &str = "// tidy: sleep — ";

/// Where every asynchronous test pauses tokio's clock, sleeping on that clock takes no time and hopes for nothing: in
/// a file whose tests all do, and in one without tests when its whole suite does. A thread's sleep always needs its excuse.
fn sleeps(source: &Source, is_paused: bool) -> Vec<String> {
    static SLEEP: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(^|[^.\w])sleep(_until)?\s*\(").expect("the pattern is right")
    });
    static THREAD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bthread::sleep\b").expect("the pattern is right"));
    let what = "a test sleeps without `// tidy: sleep — why`";
    source.findings(&SLEEP, what, |line| {
        let code = &source.code[line];
        let takes_no_time = is_paused && !THREAD.is_match(code);
        let is_fine = takes_no_time || code.contains("fn sleep") || is_excused(source, line);
        source.is_test(line) && !is_fine
    })
}

/// The files that are one test program: a folder in `tests/`, or the file alone.
fn suite(path: &str) -> &str {
    let inside = path.rfind("/tests/").map(|start| start + "/tests/".len());
    inside
        .and_then(|start| path[start..].find('/').map(|end| &path[..=start + end]))
        .unwrap_or(path)
}

fn is_excused(source: &Source, line: usize) -> bool {
    source.lines[line].contains(EXCUSE)
        || source.lines[..line]
            .iter()
            .rev()
            .map(|above| above.trim_start())
            .take_while(|above| above.starts_with("//"))
            .any(|above| above.starts_with(EXCUSE))
}

/// How many asynchronous tests there are, and how many of them pause the clock.
fn tests(source: &Source) -> (usize, usize) {
    let code = source.code.join("\n");
    let paused = code.matches("start_paused = true").count();
    (code.matches("#[tokio::test").count(), paused)
}

fn clock_is_paused<'a>(source: &Source, suite: impl IntoIterator<Item = &'a Source>) -> bool {
    let (mut all, mut paused) = tests(source);
    if all == 0 {
        (all, paused) = suite
            .into_iter()
            .map(tests)
            .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    }
    all > 0 && all == paused
}

#[test]
fn no_test_sleeps_and_hopes() {
    let sources = tree::sources();
    let mut findings = Vec::new();
    for source in sources {
        let suite = suite(&source.path);
        let files = sources.iter().filter(|file| file.path.starts_with(suite));
        findings.extend(sleeps(source, clock_is_paused(source, files)));
    }
    assert_none(&findings);
}

#[test]
fn no_test_sleeps_and_hopes_bites() {
    let of = |text: &str| {
        let source = Source::new("crates/a/tests/a.rs", text);
        sleeps(&source, clock_is_paused(&source, [&source])).len()
    };
    assert_eq!(of("fn a() { std::thread::sleep(b); }"), 1);
    assert_eq!(of("async fn a() { tokio::time::sleep(b).await; }"), 1);
    assert_eq!(of("async fn a() {\n    sleep_until(b).await;\n}"), 1);
    assert_eq!(
        of("// tidy: sleep — the kernel has no event for it\nfn a() { sleep(b) }"),
        0
    );
    assert_eq!(of("fn a() { mailer.sleep(b) }"), 0);
    let paused = "#[tokio::test(start_paused = true)]\nasync fn a() {}\n";
    let hopes = "#[tokio::test]\nasync fn b() { sleep(c).await }";
    assert_eq!(of(&format!("{paused}async fn b() {{ sleep(c).await }}")), 0);
    assert_eq!(of(&format!("{paused}fn b() {{ thread::sleep(c) }}")), 1);
    assert_eq!(of(&format!("{paused}{hopes}")), 1);
}

#[test]
fn a_folder_of_tests_is_one_suite() {
    assert_eq!(suite("crates/a/tests/it/b/c.rs"), "crates/a/tests/it/");
    assert_eq!(suite("crates/a/tests/it.rs"), "crates/a/tests/it.rs");
    assert_eq!(suite("crates/a/src/it.rs"), "crates/a/src/it.rs");
}
