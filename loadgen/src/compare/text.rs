//! A comparison in the terminal, and the tables that its page shows, too.

use super::remark::Remark;
use super::{Comparison, Contrast, Judgement};
use crate::report::grid::Grid;
use crate::report::plot::percentile_plot;
use crate::report::table::Spread;
use crate::report::{Paint, Quantity, Unit};

/// Rows of the plot.
const PLOT_ROWS: usize = 12;

impl Comparison {
    /// For a terminal of `width` columns.
    pub fn text(&self, width: usize, paint: Paint) -> String {
        let mut text = format!("{}\n", paint.bold(self.heading()));
        for (number, side) in self.sides.iter().enumerate() {
            text += &format!("  {}  {}\n", paint.curve(number, side.letter), side.description());
        }
        if !self.remarks.is_empty() {
            text.push('\n');
        }
        for remark in &self.remarks {
            let mark = match remark {
                Remark::Load(_) | Remark::Invalid(_) => paint.bad("✗"),
                Remark::Doubt(_) => paint.doubtful("!"),
            };
            text += &format!("  {mark} {}\n", remark.text());
        }
        let plot = percentile_plot(&self.curves(), width, PLOT_ROWS, paint);
        if !plot.is_empty() {
            text += &format!("\n{}\n{plot}", paint.faint(format!("  {}", self.plot_caption())));
        }
        text += &format!("\n{}", self.figures().text(paint));
        for contrast in &self.contrasts {
            text += &format!("\n{}", self.ratios(contrast).text(paint));
        }
        text.push('\n');
        for conclusion in self.conclusions() {
            let conclusion = match self.judgement() {
                Judgement::NotWorse => paint.bold(conclusion),
                _ => paint.bad(conclusion),
            };
            text += &format!("  {conclusion}\n");
        }
        text
    }

    /// What was compared.
    pub(super) fn heading(&self) -> String {
        let scenario = self.sides.first().and_then(|side| side.repeats.first());
        format!("compare {}", scenario.map_or("nothing", |repeat| &repeat.run.outcome.scenario))
    }

    pub(super) fn plot_caption(&self) -> String {
        let series = self.sides.iter().find_map(|side| side.counted().find_map(|run| run.main_series()));
        let name = series.map_or("latency", |series| series.name());
        format!("{name} by percentile, the runs of a side together; dotted: fewer than 100 samples lie beyond")
    }

    /// Each figure that a side has: median over its runs, and range.
    pub(super) fn figures(&self) -> Grid {
        let head = ["".to_owned()].into_iter().chain(self.sides.iter().map(|side| side.name())).collect();
        let row = |quantity: Quantity| {
            let spreads: Vec<_> = self.sides.iter().map(|side| Spread::of(side.figures(quantity))).collect();
            let cell = |spread: &Option<Spread>| spread.map_or("n/a".to_owned(), |spread| spread.show(quantity.unit()));
            let some = spreads.iter().any(Option::is_some);
            some.then(|| [quantity.name().to_owned()].into_iter().chain(spreads.iter().map(cell)).collect())
        };
        Grid { head, rows: Quantity::ALL.into_iter().filter_map(row).collect() }
    }

    /// A side against the first one.
    pub(super) fn ratios(&self, contrast: &Contrast) -> Grid {
        let against = format!("{} / {}", contrast.letter, self.sides[0].letter);
        let head = [against.as_str(), "ratio", "95 % interval", "found"].map(str::to_owned).to_vec();
        let findings_count = !matches!(self.judgement(), Judgement::DifferentLoads | Judgement::Invalid);
        let row = |line: &super::contrast::Line| {
            let show = |value| Unit::Ratio.show(value);
            let interval =
                line.ratio.interval.map_or("none".to_owned(), |(low, high)| format!("{} to {}", show(low), show(high)));
            let found = if findings_count { line.finding.name() } else { "no verdict" };
            vec![line.quantity.name().to_owned(), show(line.ratio.estimate), interval, found.to_owned()]
        };
        Grid { head, rows: contrast.lines.iter().map(row).collect() }
    }
}
