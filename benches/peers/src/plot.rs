use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::contender::Contender;
use crate::mode::Mode;
use crate::summary::Figures;

/// Draws a panel of bars for each mode that was run.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn plot(figures: &[Figures], caption: &str, path: &Path) -> Result<()> {
    let panels: Vec<Panel<'_>> = Mode::ALL
        .into_iter()
        .map(|mode| Panel::new(mode, figures))
        .filter(|panel| !panel.rows.is_empty())
        .collect();
    let mut text = String::new();
    let heights = panels.iter().map(Panel::height);
    let height = CAPTION + heights.sum::<i32>();
    {
        let size = (u32::try_from(WIDTH)?, u32::try_from(height)?);
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&area, &panels, caption).map_err(|error| anyhow!("{error}"))?;
    }
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<std::io::Error>>;

fn draw(area: &Area<'_>, panels: &[Panel<'_>], caption: &str) -> Drawn {
    area.fill(&WHITE)?;
    area.draw(&Text::new(
        caption.to_owned(),
        (MARGIN, 16),
        font(16, QUIET),
    ))?;
    let mut top = CAPTION;
    for panel in panels {
        panel.draw(area, top)?;
        top += panel.height();
    }
    area.present()
}

/// Draws a bar of this length, and answers where it ends.
fn bar(area: &Area<'_>, y: i32, length: i32, colour: &RGBAColor) -> Drawn<i32> {
    let corners = [(NAMES, y), (NAMES + length, y + BAR)];
    area.draw(&Rectangle::new(corners, colour.filled()))?;
    Ok(NAMES + length)
}

/// The bars of one mode.
struct Panel<'a> {
    mode: Mode,
    rows: Vec<&'a Figures>,
}

impl<'a> Panel<'a> {
    fn new(mode: Mode, figures: &'a [Figures]) -> Self {
        let rows = figures.iter().filter(|figures| figures.mode == mode);
        Self {
            mode,
            rows: rows.collect(),
        }
    }

    fn height(&self) -> i32 {
        let rows = i32::try_from(self.rows.len()).unwrap_or(i32::MAX);
        TITLE + rows.saturating_mul(ROW) + MARGIN
    }

    fn title(&self) -> &'static str {
        match self.mode {
            Mode::Publish => "Publish, 64 callers: messages per second",
            Mode::Drain => "Drain, 64 handlers: messages per second",
            Mode::Combined => "Both at once: messages per second",
            Mode::Latency => {
                "From publish to handler start: median, and 99 in 100 (pale), logarithmic"
            }
        }
    }

    fn draw(&self, area: &Area<'_>, top: i32) -> Drawn {
        area.draw(&Text::new(self.title(), (MARGIN, top + 8), font(19, BLACK)))?;
        let most = self.rows.iter().filter_map(|row| self.last(row));
        let most = most.fold(0.0, f64::max);
        for (row, y) in self.rows.iter().zip((top + TITLE..).step_by(ROW as usize)) {
            let name = font(16, BLACK).pos(Pos::new(HPos::Right, VPos::Center));
            let middle = y + BAR / 2;
            area.draw(&Text::new(row.contender.name(), (NAMES - 8, middle), name))?;
            let colour = colour(row.contender);
            let mut end = NAMES;
            if self.mode == Mode::Latency
                && let Some(p99) = row.p99_us
            {
                end = end.max(bar(area, y, self.length(p99, most), &colour.mix(0.35))?);
            }
            if let Some(figure) = self.first(row) {
                end = end.max(bar(area, y, self.length(figure, most), &colour.mix(1.0))?);
            }
            let label = font(15, BLACK).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(self.label(row), (end + 6, middle), label))?;
        }
        Ok(())
    }

    /// What the bar shows.
    fn first(&self, row: &Figures) -> Option<f64> {
        if self.mode == Mode::Latency {
            row.p50_us
        } else {
            row.per_sec
        }
    }

    /// How far the longest bar of the row reaches.
    fn last(&self, row: &Figures) -> Option<f64> {
        if self.mode == Mode::Latency {
            row.p99_us
        } else {
            row.per_sec
        }
    }

    /// From zero; latencies, which differ by powers of ten, from ten microseconds and by their logarithms.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a share of the bars' width"
    )]
    fn length(&self, figure: f64, most: f64) -> i32 {
        let share = if self.mode == Mode::Latency {
            (figure / FASTEST_US).max(1.0).log10() / (most / FASTEST_US).max(10.0).log10()
        } else {
            figure / most.max(1.0)
        };
        (f64::from(BARS) * share.clamp(0.0, 1.0)).round() as i32
    }

    fn label(&self, row: &Figures) -> String {
        let fault = if row.faults > 0 {
            format!(" ({} rounds not done)", row.faults)
        } else {
            String::new()
        };
        match (self.first(row), self.last(row)) {
            (Some(p50), Some(p99)) if self.mode == Mode::Latency => {
                format!("{}, {}{fault}", time(p50), time(p99))
            }
            (Some(per_sec), _) => format!("{}{fault}", rate(per_sec)),
            (None, _) => format!("no figure{fault}"),
        }
    }
}

fn rate(per_sec: f64) -> String {
    if per_sec >= 10_000.0 {
        format!("{:.0} k", per_sec / 1e3)
    } else {
        format!("{:.1} k", per_sec / 1e3)
    }
}

fn time(microseconds: f64) -> String {
    if microseconds >= 10_000.0 {
        format!("{:.0} ms", microseconds / 1e3)
    } else {
        format!("{:.2} ms", microseconds / 1e3)
    }
}

fn colour(contender: Contender) -> RGBColor {
    match contender {
        Contender::Forebay => RGBColor(196, 78, 38),
        Contender::Bare => QUIET,
        _ => RGBColor(70, 110, 160),
    }
}

fn font(size: i32, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour)
}

const QUIET: RGBColor = RGBColor(140, 140, 140);
/// All in pixels.
const WIDTH: i32 = 900;
const MARGIN: i32 = 16;
const CAPTION: i32 = 44;
const TITLE: i32 = 30;
const ROW: i32 = 22;
const BAR: i32 = 16;
/// Where names end and bars begin.
const NAMES: i32 = 165;
/// The longest bar.
const BARS: i32 = 520;
/// Where the bars of latencies begin.
const FASTEST_US: f64 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::figures;
    use crate::summary::tests::line;

    #[test]
    fn the_plot_has_a_panel_for_each_mode_that_was_run() {
        let lines = [
            line(Contender::Forebay, Mode::Drain, 1, 50_000.0),
            line(Contender::Bare, Mode::Drain, 1, 100_000.0),
            line(Contender::Bare, Mode::Latency, 1, 30.0),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers.svg");
        plot(&figures(&lines), "a caption", &path).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            text.starts_with("<svg") && text.contains("a caption"),
            "{text}"
        );
        for shown in [
            "Drain",
            "50 k",
            "100 k",
            "0.30 ms, 0.60 ms",
            "forebay",
            "bare-redis",
        ] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        assert!(!text.contains("Publish"), "{text}");
        // forebay's bar is half as long as the bare client's.
        assert!(
            text.contains(r#"width="260""#) && text.contains(r#"width="520""#),
            "{text}"
        );
    }
}
