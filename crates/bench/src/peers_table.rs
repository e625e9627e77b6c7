use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// What `cargo xtask bench peers` has written, as the tables of `docs/performance.md`: the ratios first, then the medians of everybody.
///
/// # Errors
/// When a line is not one that it writes.
pub fn peers_table(lines: &str) -> Result<String> {
    let mut setting = None;
    let (mut ratios, mut figures) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(lines.lines()) {
        let line = serde_json::from_str(line).with_context(|| format!("line {number}"))?;
        match line {
            Line::Setting(found) => setting = Some(found),
            Line::Ratio(ratio) => ratios.push(ratio),
            Line::Figures(found) => figures.push(found),
            Line::Round {} => {}
        }
    }
    let setting = setting.context("the first line says how it was measured")?;
    // Writing to memory does not fail.
    let mut text = String::new();
    let _ = writeln!(text, "{}\n", setting.sentence());
    text.push_str(
        "| | forebay / bare client | forebay / best peer | forebay | bare client | best peer |\n",
    );
    text.push_str("|---|---|---|---|---|---|\n");
    for ratio in ratios {
        let _ = writeln!(text, "{}", ratio.row());
    }
    text.push_str(
        "\n| | version | publish | drain | both at once | p50 | p99 | rounds not done |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    let mut names: Vec<&str> = Vec::new();
    for found in &figures {
        if !names.contains(&found.subject.as_str()) {
            names.push(&found.subject);
        }
    }
    for name in names {
        let _ = writeln!(text, "{}", row(name, &figures));
    }
    text.push_str("\n![Rates and latencies of all of them](performance/peers.svg)\n");
    Ok(text)
}

/// A line of the file. In this order: a round has no field that only it has.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Setting(Setting),
    Ratio(Ratio),
    Figures(Figures),
    Round {},
}

#[derive(Debug, Deserialize)]
struct Setting {
    redis: String,
    cores: usize,
    rounds: u32,
    payload: usize,
    concurrency: usize,
    prefetch: u32,
    rate: u32,
}

#[derive(Debug, Deserialize)]
struct Ratio {
    mode: String,
    figure: Figure,
    forebay: Option<f64>,
    best_peer: Option<String>,
    peer: Option<f64>,
    bare: Option<f64>,
    #[serde(rename = "ratio_to_peer")]
    over_peer: Option<f64>,
    #[serde(rename = "ratio_to_bare")]
    over_bare: Option<f64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Figure {
    #[serde(rename = "per_sec")]
    Rate,
    #[serde(rename = "cpu_us")]
    Processor,
    #[serde(rename = "p50_us")]
    P50,
    #[serde(rename = "p99_us")]
    P99,
}

#[derive(Debug, Deserialize)]
struct Figures {
    // Only such lines have it.
    #[serde(rename = "faults")]
    not_done: u64,
    subject: String,
    version: String,
    mode: String,
    per_sec: Option<f64>,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
}

impl Setting {
    fn sentence(&self) -> String {
        let Self {
            redis,
            cores,
            rounds,
            payload,
            concurrency,
            prefetch,
            rate,
        } = self;
        format!(
            "Redis {redis} without persistence on loopback, {cores} cores for client and server, payloads of {payload} bytes, {concurrency} callers and \
             handlers, {prefetch} messages fetched ahead, latency at {rate} messages per second, medians of {rounds} interleaved rounds."
        )
    }
}

impl Ratio {
    fn row(&self) -> String {
        let what = match self.figure {
            Figure::Rate => "messages per second",
            Figure::Processor => "processor time of client and server",
            Figure::P50 => "p50",
            Figure::P99 => "p99",
        };
        let shown = |value| self.figure.shown(value);
        let peer = match &self.best_peer {
            Some(name) => format!("{} ({name})", shown(self.peer)),
            None => dash(),
        };
        format!(
            "| {}, {what} | {} | {} | {} | {} | {peer} |",
            self.mode,
            times(self.over_bare),
            times(self.over_peer),
            shown(self.forebay),
            shown(self.bare),
        )
    }
}

impl Figure {
    fn shown(self, value: Option<f64>) -> String {
        let Some(value) = value else {
            return dash();
        };
        match self {
            Self::Rate => format!("{:.1} k/s", value / 1e3),
            Self::Processor => format!("{value:.1} µs"),
            Self::P50 | Self::P99 => format!("{:.2} ms", value / 1e3),
        }
    }
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(dash, |ratio| format!("**× {ratio:.2}**"))
}

fn dash() -> String {
    "—".to_owned()
}

/// Everything of one of them.
fn row(name: &str, figures: &[Figures]) -> String {
    let own = || figures.iter().filter(|found| found.subject == name);
    let of = |mode: &str, figure: Figure, value: fn(&Figures) -> Option<f64>| {
        figure.shown(own().find(|found| found.mode == mode).and_then(value))
    };
    let version = own().next().map_or("", |found| &found.version);
    let rate = |mode| of(mode, Figure::Rate, |found| found.per_sec);
    format!(
        "| {name} | {version} | {} | {} | {} | {} | {} | {} |",
        rate("publish"),
        rate("drain"),
        rate("combined"),
        of("latency", Figure::P50, |found| found.p50_us),
        of("latency", Figure::P99, |found| found.p99_us),
        own().map(|found| found.not_done).sum::<u64>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"run":"peers","redis":"7.0.15","cores":2,"rounds":5,"payload":256,"concurrency":64,"prefetch":192,"rate":500}
{"subject":"forebay","version":"0.1.0","mode":"drain","round":1,"messages":9,"payload":256,"concurrency":64,"ending":"done","seconds":1.0,"per_sec":9.0,"lost":0,"duplicates":0}
{"summary":"forebay","mode":"drain","figure":"per_sec","forebay":80000.0,"best_peer":"omniqueue","peer":20000.0,"bare":100000.0,"ratio_to_peer":4.0,"ratio_to_bare":0.8}
{"summary":"forebay","mode":"latency","figure":"p99_us","forebay":700.0,"best_peer":null,"peer":null,"bare":350.0,"ratio_to_peer":null,"ratio_to_bare":2.0}
{"summary":"subject","subject":"forebay","version":"0.1.0","mode":"drain","per_sec":80000.0,"p50_us":null,"p99_us":null,"cpu_us":11.0,"lost":0,"duplicates":0,"faults":1}
{"summary":"subject","subject":"forebay","version":"0.1.0","mode":"latency","per_sec":500.0,"p50_us":250.0,"p99_us":700.0,"cpu_us":11.0,"lost":0,"duplicates":0,"faults":2}
"#;

    #[test]
    fn ratios_come_first_and_medians_follow() {
        let text = peers_table(LINES).unwrap();
        for line in [
            "| drain, messages per second | **× 0.80** | **× 4.00** | 80.0 k/s | 100.0 k/s | 20.0 k/s (omniqueue) |",
            "| latency, p99 | **× 2.00** | — | 0.70 ms | 0.35 ms | — |",
            "| forebay | 0.1.0 | — | 80.0 k/s | — | 0.25 ms | 0.70 ms | 3 |",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(
            text.starts_with("Redis 7.0.15 without persistence"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_line_of_it_is_an_error() {
        assert!(peers_table("").is_err());
        assert!(peers_table("no JSON").is_err());
    }
}
