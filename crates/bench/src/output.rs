use std::fmt::Write as _;

use anyhow::Result;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};
use serde::Serialize;

use crate::percentiles::Percentiles;
use crate::round::Round;
use crate::statistics::median;
use crate::summary::Summary;

/// A round or a summary as one line.
///
/// # Errors
/// Never for what this crate makes.
pub fn json_line(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(value)?)
}

/// The rounds and their summary as a table for people.
pub fn table(rounds: &[Round], summary: &Summary) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let has_latency = rounds.iter().any(|round| round.latency.is_some());
    let mut head = vec![
        "subject",
        "median/s",
        "min/s",
        "max/s",
        "cpu µs each",
        "lost",
        "duplicates",
    ];
    if summary.ratio.is_some() {
        head.push("ratio");
    }
    if has_latency {
        head.extend(["p50 µs", "p90 µs", "p99 µs", "p99.9 µs", "max µs"]);
    }
    table.set_header(head);
    table.add_row(row(summary.summary, rounds, summary.ratio));
    if let Some(baseline) = summary.baseline {
        table.add_row(row(baseline, rounds, Some(1.0)));
    }
    let Summary {
        mode,
        backend,
        rounds: count,
        messages,
        cores,
        ..
    } = summary;
    let mut text = format!(
        "{mode} on {backend}: {messages} messages, medians of {count} rounds, {cores} cores for everything\n{table}\n"
    );
    let ratios = [
        ("processor time", summary.cpu_ratio),
        ("p50 latencies", summary.p50_ratio),
        ("p99 latencies", summary.p99_ratio),
    ];
    for (name, ratio) in ratios {
        if let Some(ratio) = ratio {
            // Writing to memory does not fail.
            let _ = writeln!(text, "ratio of {name}: {ratio:.3} (less is better)");
        }
    }
    text
}

fn row(subject: &str, rounds: &[Round], ratio: Option<f64>) -> Vec<Cell> {
    let of_subject = || rounds.iter().filter(|round| round.subject == subject);
    let counted = || of_subject().filter(|round| round.round > 0);
    let rates = || counted().map(|round| round.per_sec);
    let lost: u64 = of_subject().map(|round| u64::from(round.lost)).sum();
    let duplicates: u64 = of_subject().map(|round| round.duplicates).sum();
    let mut cells = vec![
        Cell::new(subject),
        number(median(rates())),
        number(rates().reduce(f64::min)),
        number(rates().reduce(f64::max)),
        decimal(median(counted().filter_map(|round| round.cpu_us))),
        count(lost),
        count(duplicates),
    ];
    if let Some(ratio) = ratio {
        cells.push(decimal(Some(ratio)));
    }
    let latencies: Vec<_> = counted().filter_map(|round| round.latency).collect();
    if !latencies.is_empty() {
        let columns: [fn(&Percentiles) -> f64; 5] = [
            |l| l.p50_us,
            |l| l.p90_us,
            |l| l.p99_us,
            |l| l.p999_us,
            |l| l.max_us,
        ];
        cells.extend(columns.map(|column| number(median(latencies.iter().map(column)))));
    }
    cells
}

fn number(value: Option<f64>) -> Cell {
    let text = value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"));
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn decimal(value: Option<f64>) -> Cell {
    let text = value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn count(value: u64) -> Cell {
    Cell::new(value).set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::Mode;
    use crate::round::tests::round;

    #[test]
    fn people_see_median_least_most_and_ratio() {
        let mut rounds = vec![round("forebay", 0, 9_999.0)];
        for (number, rate) in [(1, 1_000.0), (2, 3_000.0), (3, 2_000.0)] {
            rounds.push(round("forebay", number, rate));
            rounds.push(round("bare-store", number, 2.0 * rate));
        }
        rounds[1].duplicates = 7;
        let text = table(&rounds, &Summary::of(&rounds).unwrap());
        let cells = |subject: &str| -> Vec<String> {
            let line = text.lines().find(|line| line.contains(subject)).unwrap();
            let cells = line.split(['│', '┆']).map(str::trim);
            cells
                .filter(|cell| !cell.is_empty())
                .map(Into::into)
                .collect()
        };
        assert_eq!(
            cells("forebay"),
            [
                "forebay", "2000", "1000", "3000", "500.000", "0", "7", "0.500"
            ]
        );
        assert_eq!(
            cells("bare-store"),
            [
                "bare-store",
                "4000",
                "2000",
                "6000",
                "250.000",
                "0",
                "0",
                "1.000"
            ]
        );
        assert!(text.contains("ratio of processor time: 2.000"), "{text}");
        assert!(!text.contains("latencies"), "{text}");
    }

    #[test]
    fn people_see_latencies_in_the_steady_mode() {
        let mut ours = round("forebay", 1, 1_000.0);
        ours.mode = Mode::Steady;
        let mut theirs = Round {
            subject: "bare-store",
            ..ours.clone()
        };
        ours.latency = Some(Percentiles {
            p50_us: 30.0,
            p99_us: 80.0,
            ..Percentiles::default()
        });
        theirs.latency = Some(Percentiles {
            p50_us: 20.0,
            p99_us: 20.0,
            ..Percentiles::default()
        });
        let rounds = [ours, theirs];
        let text = table(&rounds, &Summary::of(&rounds).unwrap());
        assert!(text.contains("p99.9 µs"), "{text}");
        assert!(text.contains("ratio of p50 latencies: 1.500"), "{text}");
        assert!(text.contains("ratio of p99 latencies: 4.000"), "{text}");
    }
}
