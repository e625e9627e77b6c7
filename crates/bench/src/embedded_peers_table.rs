use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// What `cargo xtask bench embedded-peers` has written, as the table of `docs/performance.md`.
///
/// # Errors
/// When a line is not one that it writes.
pub fn embedded_peers_table(lines: &str) -> Result<String> {
    let mut setting = None;
    let mut summaries: Vec<Summary> = Vec::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let line = serde_json::from_str(line).with_context(|| format!("line {number}"))?;
        match line {
            Line::Setting(found) => setting = Some(found),
            Line::Summary(found) => summaries.push(found),
            Line::Round {} => {}
        }
    }
    let Setting {
        cores,
        rounds,
        payload,
        concurrency,
    } = setting.context("the first line says how it was measured")?;
    let mut text = format!(
        "{cores} cores, payloads of {payload} bytes, {concurrency} callers and handlers, medians of {rounds} interleaved rounds.\n\n\
         | | | messages per second | of the best peer's | rounds not done |\n|---|---|---|---|---|\n"
    );
    for Summary {
        subject,
        mode,
        per_sec,
        ratio,
        faults,
    } in &summaries
    {
        let rate = per_sec.map_or_else(dash, |rate| format!("{rate:.0}"));
        let ratio = ratio.map_or_else(dash, |ratio| format!("**× {ratio:.2}**"));
        // Writing to memory does not fail.
        let _ = writeln!(text, "| {mode} | {subject} | {rate} | {ratio} | {faults} |");
    }
    Ok(text)
}

/// A line of the file. In this order: a round has no field that only it has.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Setting(Setting),
    Summary(Summary),
    Round {},
}

#[derive(Debug, Deserialize)]
struct Setting {
    cores: usize,
    rounds: u32,
    payload: usize,
    concurrency: usize,
}

#[derive(Debug, Deserialize)]
struct Summary {
    #[serde(rename = "summary")]
    subject: String,
    mode: String,
    per_sec: Option<f64>,
    #[serde(rename = "ratio_to_peer")]
    ratio: Option<f64>,
    faults: u64,
}

fn dash() -> String {
    "—".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"run":"embedded-peers","cores":2,"rounds":5,"payload":256,"concurrency":64}
{"subject":"rustqueue","mode":"drain","round":1,"messages":9,"per_sec":9.0,"cpu_us":1.0,"lost":0,"duplicates":0}
{"summary":"forebay, sqlite","mode":"drain","per_sec":40000.0,"ratio_to_peer":80.0,"faults":0}
{"summary":"rustqueue","mode":"drain","per_sec":null,"ratio_to_peer":null,"faults":5}
"#;

    #[test]
    fn each_has_a_row_in_each_mode() {
        let text = embedded_peers_table(LINES).unwrap();
        for row in [
            "| drain | forebay, sqlite | 40000 | **× 80.00** | 0 |",
            "| drain | rustqueue | — | — | 5 |",
        ] {
            assert!(text.contains(row), "{text}");
        }
        assert!(text.starts_with("2 cores, payloads of 256 bytes"), "{text}");
    }

    #[test]
    fn what_is_no_line_of_it_is_an_error() {
        assert!(embedded_peers_table("").is_err());
        assert!(embedded_peers_table("no JSON").is_err());
    }
}
