//! The table of what was proven, from what `cargo xtask faults` has written down.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::workspace::Workspace;

/// What a full run has left.
#[derive(Deserialize)]
struct Kept {
    commit: String,
    verdicts: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    number: String,
    about: String,
    pass: bool,
    skipped: Option<String>,
    figures: Vec<Figure>,
    seed: u64,
    duration: f64,
    server: String,
}

#[derive(Deserialize)]
struct Figure {
    name: String,
    value: f64,
    unit: String,
    bound: Option<Bound>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
}

/// One line for each scenario.
///
/// # Errors
///
/// When the file is not there or cannot be read.
pub(super) fn table(workspace: &Workspace) -> Result<String> {
    let path = workspace.root().join("docs/reliability.json");
    let text = fs::read_to_string(&path)
        .context("docs/reliability.json; `cargo xtask faults` writes it")?;
    let kept: Kept = serde_json::from_str(&text).context("docs/reliability.json")?;
    render(&kept)
}

fn render(kept: &Kept) -> Result<String> {
    let mut table = String::from(
        "| | what is done | held | what was counted, and what it had to be |\n|---|---|---|---|\n",
    );
    for verdict in &kept.verdicts {
        let held = match (&verdict.skipped, verdict.pass) {
            (Some(why), _) => format!("not run: {why}"),
            (None, true) => "yes".to_owned(),
            (None, false) => "**no**".to_owned(),
        };
        let figures: Vec<String> = verdict.figures.iter().filter_map(figure).collect();
        let Verdict { number, about, .. } = verdict;
        writeln!(
            table,
            "| {number} | {about} | {held} | {} |",
            figures.join("; ")
        )?;
    }
    let commit = kept.commit.get(..12).unwrap_or(&kept.commit);
    let more = if kept.commit.ends_with('+') {
        " and changes on top of it"
    } else {
        ""
    };
    let seconds: f64 = kept.verdicts.iter().map(|verdict| verdict.duration).sum();
    let server = kept.verdicts.iter().map(|verdict| verdict.server.as_str());
    let server = server
        .filter(|name| !name.is_empty())
        .max()
        .unwrap_or("none");
    let seed = kept.verdicts.first().map_or(0, |verdict| verdict.seed);
    writeln!(table)?;
    writeln!(
        table,
        "Measured at commit `{commit}`{more} on {server}, seed {seed}, in {:.0} minutes.",
        seconds / 60.0
    )?;
    Ok(table)
}

/// A figure that had to be something; the others are in the file.
fn figure(figure: &Figure) -> Option<String> {
    let Figure { name, unit, .. } = figure;
    let value = number(figure.value);
    let bound = match figure.bound.as_ref()? {
        Bound::AtMost(most) => format!("≤ {}", number(*most)),
        Bound::AtLeast(least) => format!("≥ {}", number(*least)),
        Bound::Exactly(exact) => format!("= {}", number(*exact)),
    };
    Some(format!("{name} **{value}{unit}** ({bound}{unit})"))
}

/// Whole numbers whole, others to the hundredth.
fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_and_what_was_not_run_is_said() {
        let text = r#"{"commit": "0123456789abcdef+", "verdicts": [
            {"number": "R4", "about": "kills", "pass": true, "figures": [
                {"name": "lost", "value": 0.0, "unit": "", "bound": {"exactly": 0.0}, "pass": true},
                {"name": "back", "value": 1.257, "unit": "s", "bound": {"at_most": 5.0}, "pass": true},
                {"name": "acked", "value": 7.0, "unit": "", "bound": null, "pass": true}
            ], "short": false, "seed": 3, "duration": 90.0, "server": "Redis 7.0.15"},
            {"number": "R7", "about": "cuts", "pass": false, "figures": [], "short": false, "seed": 3, "duration": 30.0, "server": "Redis 7.0.15"},
            {"number": "R16", "about": "full", "pass": true, "skipped": "not root", "figures": [], "short": false, "seed": 3, "duration": 0.0, "server": ""}
        ]}"#;
        let table = render(&serde_json::from_str(text).unwrap()).unwrap();
        let expected = [
            "| R4 | kills | yes | lost **0** (= 0); back **1.26s** (≤ 5s) |",
            "| R7 | cuts | **no** |  |",
            "| R16 | full | not run: not root |  |",
            "Measured at commit `0123456789ab` and changes on top of it on Redis 7.0.15, seed 3, in 2 minutes.",
        ];
        for line in expected {
            assert!(table.lines().any(|found| found == line), "{line}\n{table}");
        }
    }
}
