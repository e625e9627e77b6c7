use std::fmt;

use serde::Serialize;

use crate::bench::Line;
use crate::contender::Contender;
use crate::mode::Mode;
use crate::outcome::{Ending, Outcome};

/// All rounds of one subject in one mode: a line of the output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Always `subject`.
    pub(crate) summary: &'static str,
    /// Its name.
    pub(crate) subject: &'static str,
    /// The version that was built.
    pub(crate) version: &'static str,
    /// Who.
    #[serde(skip)]
    pub(crate) contender: Contender,
    /// What was measured.
    pub(crate) mode: Mode,
    /// The median of the rates; `None` where no round was done.
    pub(crate) per_sec: Option<f64>,
    /// The median of the median latencies.
    pub(crate) p50_us: Option<f64>,
    /// The median of the 99th percentiles.
    pub(crate) p99_us: Option<f64>,
    /// The median of what client and server are busy for with a message, together.
    pub(crate) cpu_us: Option<f64>,
    /// Messages that never came, in all rounds, the one that warms up too.
    pub(crate) lost: u64,
    /// Duplicates in all rounds, the one that warms up too.
    pub(crate) duplicates: u64,
    /// Rounds that were not done, the one that warms up too.
    pub(crate) faults: usize,
    /// How the first of those ended, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<(Ending, Option<String>)>,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Figure {
    /// Messages per second.
    #[serde(rename = "per_sec")]
    Rate,
    /// Processor time of client and server per message.
    #[serde(rename = "cpu_us")]
    Processor,
    /// Median latency.
    #[serde(rename = "p50_us")]
    P50,
    /// The latency that 99 in a hundred keep.
    #[serde(rename = "p99_us")]
    P99,
}

impl Figure {
    /// Whether less of it is better.
    pub(crate) fn is_better_small(self) -> bool {
        self != Self::Rate
    }

    /// A subject's.
    pub(crate) fn of(self, figures: &Figures) -> Option<f64> {
        match self {
            Self::Rate => figures.per_sec,
            Self::Processor => figures.cpu_us,
            Self::P50 => figures.p50_us,
            Self::P99 => figures.p99_us,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rate => "messages per second",
            Self::Processor => "processor time",
            Self::P50 => "p50",
            Self::P99 => "p99",
        })
    }
}

/// forebay beside the others in one mode: of rates, and of latencies where those are what counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Ratios {
    /// Always `forebay`.
    pub(crate) summary: &'static str,
    /// What was measured.
    pub(crate) mode: Mode,
    /// The figure that is compared.
    pub(crate) figure: Figure,
    /// forebay's.
    pub(crate) forebay: Option<f64>,
    /// The peer that is best at it.
    pub(crate) best_peer: Option<&'static str>,
    /// Its figure.
    pub(crate) peer: Option<f64>,
    /// The bare client's.
    pub(crate) bare: Option<f64>,
    /// forebay's over the best peer's.
    pub(crate) ratio_to_peer: Option<f64>,
    /// forebay's over the bare client's.
    pub(crate) ratio_to_bare: Option<f64>,
}

/// Takes the rounds together, in the order in which subjects and modes first came.
pub(crate) fn figures(lines: &[Line]) -> Vec<Figures> {
    let mut all: Vec<Figures> = Vec::new();
    for line in lines {
        let (contender, mode) = (line.contender, line.mode);
        let is_known = |known: &Figures| known.contender == contender && known.mode == mode;
        if all.iter().any(is_known) {
            continue;
        }
        let own = || {
            lines
                .iter()
                .filter(move |other| other.contender == contender && other.mode == mode)
        };
        let counted = |figure: fn(&Line) -> Option<f64>| {
            median(own().filter(|line| line.counts()).filter_map(figure))
        };
        let failed = || own().filter(|line| line.outcome.ending != Ending::Done);
        all.push(Figures {
            summary: "subject",
            subject: line.subject,
            version: line.version,
            contender,
            mode,
            per_sec: counted(|line| line.outcome.per_sec),
            p50_us: counted(|line| line.outcome.p50_us),
            p99_us: counted(|line| line.outcome.p99_us),
            cpu_us: counted(|line| {
                let Outcome {
                    client_cpu_us,
                    server_cpu_us,
                    ..
                } = line.outcome;
                Some(rounded(client_cpu_us? + server_cpu_us?))
            }),
            lost: own().map(|line| u64::from(line.outcome.lost)).sum(),
            duplicates: own().map(|line| line.outcome.duplicates).sum(),
            faults: failed().count(),
            fault: failed()
                .next()
                .map(|line| (line.outcome.ending, line.outcome.error.clone())),
        });
    }
    all
}

/// forebay beside the best peer and the bare client, mode by mode.
pub(crate) fn ratios(figures: &[Figures]) -> Vec<Ratios> {
    let mut all = Vec::new();
    for mode in Mode::ALL {
        if !figures.iter().any(|figures| figures.mode == mode) {
            continue;
        }
        if mode == Mode::Latency {
            all.push(ratio(figures, mode, Figure::P50));
            all.push(ratio(figures, mode, Figure::P99));
        } else {
            all.push(ratio(figures, mode, Figure::Rate));
            all.push(ratio(figures, mode, Figure::Processor));
        }
    }
    all
}

fn ratio(figures: &[Figures], mode: Mode, figure: Figure) -> Ratios {
    let of = |figures: &Figures| figure.of(figures);
    let in_mode = || figures.iter().filter(move |figures| figures.mode == mode);
    let one = |contender| of(in_mode().find(|figures| figures.contender == contender)?);
    let peers = in_mode().filter(|figures| figures.contender.is_peer());
    let known = peers.filter_map(|figures| Some((figures.contender.name(), of(figures)?)));
    let best = if figure.is_better_small() {
        known.min_by(|(_, one), (_, other)| one.total_cmp(other))
    } else {
        known.max_by(|(_, one), (_, other)| one.total_cmp(other))
    };
    let (forebay, bare) = (one(Contender::Forebay), one(Contender::Bare));
    let peer = best.map(|(_, figure)| figure);
    Ratios {
        summary: "forebay",
        mode,
        figure,
        forebay: forebay.map(rounded),
        best_peer: best.map(|(name, _)| name),
        peer: peer.map(rounded),
        bare: bare.map(rounded),
        ratio_to_peer: quotient(forebay, peer),
        ratio_to_bare: quotient(forebay, bare),
    }
}

fn quotient(ours: Option<f64>, theirs: Option<f64>) -> Option<f64> {
    let (ours, theirs) = (ours?, theirs.filter(|theirs| *theirs > 0.0)?);
    Some(rounded(ours / theirs))
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// The middle of some values; between the two middle ones where their number is even.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(values[values.len() / 2 - 1].midpoint(upper))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A round that was done, with this rate and this processor time, and ten and twenty times the figure as its latencies.
    pub(crate) fn line(contender: Contender, mode: Mode, round: u32, figure: f64) -> Line {
        let mut outcome = Outcome::without_figures(Ending::Done, 0, None);
        outcome.seconds = Some(1.0);
        outcome.per_sec = Some(figure);
        outcome.client_cpu_us = Some(figure / 4.0);
        outcome.server_cpu_us = Some(figure * 3.0 / 4.0);
        if mode == Mode::Latency {
            (outcome.p50_us, outcome.p99_us) = (Some(10.0 * figure), Some(20.0 * figure));
        }
        Line {
            subject: contender.name(),
            version: "1.0.0",
            mode,
            round,
            messages: 100,
            payload: 256,
            concurrency: 64,
            outcome,
            contender,
        }
    }

    #[test]
    fn only_rounds_that_are_done_count_and_faults_are_told() {
        let of = |round, figure| line(Contender::Apalis, Mode::Drain, round, figure);
        let mut lines = vec![of(0, 900.0), of(1, 10.0), of(2, 30.0), of(3, 20.0)];
        let mut hung = of(4, 0.0);
        hung.outcome = Outcome::without_figures(Ending::TimedOut, 7, None);
        lines.push(hung);
        lines[0].outcome.duplicates = 3;
        let all = figures(&lines);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].per_sec, Some(20.0));
        assert_eq!((all[0].lost, all[0].duplicates, all[0].faults), (7, 3, 1));
        assert_eq!(all[0].fault, Some((Ending::TimedOut, None)));
    }

    #[test]
    fn the_best_peer_is_the_fastest_and_of_latencies_the_lowest() {
        let mut lines = Vec::new();
        for mode in [Mode::Drain, Mode::Latency] {
            lines.push(line(Contender::Forebay, mode, 1, 60.0));
            lines.push(line(Contender::Bare, mode, 1, 100.0));
            lines.push(line(Contender::Apalis, mode, 1, 30.0));
            lines.push(line(Contender::Sidekiq, mode, 1, 20.0));
        }
        let all = ratios(&figures(&lines));
        let of = |ratios: &Ratios| {
            (
                ratios.figure,
                ratios.best_peer,
                ratios.ratio_to_peer,
                ratios.ratio_to_bare,
            )
        };
        let rate = (Figure::Rate, Some("apalis-redis"), Some(2.0), Some(0.6));
        assert_eq!(of(&all[0]), rate);
        let processor = (
            Figure::Processor,
            Some("rusty-sidekiq"),
            Some(3.0),
            Some(0.6),
        );
        assert_eq!(of(&all[1]), processor);
        let median = (Figure::P50, Some("rusty-sidekiq"), Some(3.0), Some(0.6));
        assert_eq!(of(&all[2]), median);
        assert_eq!((of(&all[3]).0, all.len()), (Figure::P99, 4));
    }

    #[test]
    fn without_forebay_there_is_no_ratio() {
        let all = ratios(&figures(&[line(Contender::Bare, Mode::Drain, 1, 1.0)]));
        assert_eq!((all[0].ratio_to_peer, all[0].ratio_to_bare), (None, None));
    }
}
