use std::fmt::Write as _;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use crate::contender::Contender;
use crate::mode::Mode;
use crate::outcome::Ending;
use crate::summary::{Figures, Ratios};

/// A run for people.
pub(crate) fn table(figures: &[Figures], ratios: &[Ratios]) -> String {
    let mut modes: Vec<Mode> = figures.iter().map(|figures| figures.mode).collect();
    modes.sort_unstable();
    modes.dedup();
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let mut head = vec!["subject".to_owned(), "version".to_owned()];
    for mode in &modes {
        match mode {
            Mode::Latency => head.extend(["p50 µs".to_owned(), "p99 µs".to_owned()]),
            mode => head.extend([format!("{mode}/s"), "cpu µs".to_owned()]),
        }
    }
    head.extend(["lost", "duplicates", "faults"].map(str::to_owned));
    table.set_header(head);
    let mut contenders: Vec<Contender> = Vec::new();
    for figures in figures {
        if !contenders.contains(&figures.contender) {
            contenders.push(figures.contender);
        }
    }
    for contender in contenders {
        table.add_row(row(contender, &modes, figures));
    }
    // The ratios first: they mean the same on any machine. Writing to memory does not fail.
    let mut text = String::new();
    for ratio in ratios {
        let _ = writeln!(text, "{}", comparison(ratio));
    }
    let _ = writeln!(text, "{table}");
    for fault in figures.iter().filter_map(fault) {
        let _ = writeln!(text, "{fault}");
    }
    text
}

fn row(contender: Contender, modes: &[Mode], figures: &[Figures]) -> Vec<Cell> {
    let own = || {
        figures
            .iter()
            .filter(|figures| figures.contender == contender)
    };
    let mut cells = vec![Cell::new(contender.name()), Cell::new(contender.version())];
    for mode in modes {
        let figures = own().find(|figures| figures.mode == *mode);
        if *mode == Mode::Latency {
            cells.push(number(figures.and_then(|figures| figures.p50_us)));
            cells.push(number(figures.and_then(|figures| figures.p99_us)));
        } else {
            cells.push(number(figures.and_then(|figures| figures.per_sec)));
            cells.push(decimal(figures.and_then(|figures| figures.cpu_us)));
        }
    }
    let counts = [
        own().map(|figures| figures.lost).sum(),
        own().map(|figures| figures.duplicates).sum(),
        own().map(|figures| figures.faults as u64).sum::<u64>(),
    ];
    cells.extend(counts.map(|count| Cell::new(count).set_alignment(CellAlignment::Right)));
    cells
}

fn number(value: Option<f64>) -> Cell {
    let text = value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"));
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn decimal(value: Option<f64>) -> Cell {
    let text = value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn comparison(ratios: &Ratios) -> String {
    let ratio =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let better = if ratios.figure.is_better_small() {
        "less"
    } else {
        "more"
    };
    format!(
        "{} {}: forebay / best peer ({}) = {}, forebay / bare client = {} ({better} is better)",
        ratios.mode,
        ratios.figure,
        ratios.best_peer.unwrap_or("none"),
        ratio(ratios.ratio_to_peer),
        ratio(ratios.ratio_to_bare),
    )
}

fn fault(figures: &Figures) -> Option<String> {
    let (ending, error) = figures.fault.as_ref()?;
    let ending = match ending {
        Ending::Done => return None,
        Ending::Lost => "lost messages",
        Ending::Doubled => "delivered messages twice",
        Ending::TimedOut => "was not done in time",
        Ending::Failed => "failed",
        Ending::Skipped => "was skipped",
    };
    let (name, mode, faults) = (figures.contender.name(), figures.mode, figures.faults);
    let error = error.as_deref().map(|error| format!(": {error}"));
    let error = error.unwrap_or_default();
    Some(format!(
        "{name} in {mode}, {faults} rounds not done: first it {ending}{error}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;
    use crate::summary::tests::line;
    use crate::summary::{figures, ratios};

    #[test]
    fn people_see_rates_latencies_ratios_and_faults() {
        let mut lines = vec![
            line(Contender::Forebay, Mode::Drain, 1, 50.0),
            line(Contender::Bare, Mode::Drain, 1, 100.0),
            line(Contender::Apalis, Mode::Drain, 1, 0.0),
            line(Contender::Forebay, Mode::Latency, 1, 3.0),
        ];
        let error = Some("no worker".to_owned());
        lines[2].outcome = Outcome::without_figures(Ending::Failed, 9, error);
        let figures = figures(&lines);
        let text = table(&figures, &ratios(&figures));
        let row = |name: &str| {
            text.lines()
                .find(|line| line.contains(name))
                .unwrap()
                .to_owned()
        };
        assert!(
            row("subject").contains("drain/s") && row("subject").contains("p99 µs"),
            "{text}"
        );
        assert!(
            row("│ forebay").contains("50") && row("│ forebay").contains("60"),
            "{text}"
        );
        assert!(
            row("│ apalis").contains('-') && row("│ apalis").contains('9'),
            "{text}"
        );
        assert!(
            text.contains("forebay / bare client = 0.5 (more is better)"),
            "{text}"
        );
        assert!(
            text.contains("apalis-redis in drain, 1 rounds not done: first it failed: no worker"),
            "{text}"
        );
    }
}
