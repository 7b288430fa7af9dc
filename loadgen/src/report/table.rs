//! Several systems, several rounds: figures with their spread, and ratios to the first system.
//!
//! Rounds are interleaved, so the n-th rounds of two systems met the same machine: ratios are taken round by round, and
//! say more than the figures themselves.

use super::grid::Grid;
use super::paint::Paint;
use super::units::Unit;

/// Figures of several systems; what a benchmark publishes.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// What was measured, in a line.
    pub title: String,
    /// Names of the systems. The others are related to the first one.
    pub columns: Vec<String>,
    /// Figures, in the order of the table.
    pub rows: Vec<Row>,
}

/// One figure of all systems.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is: `CPU per stanza`.
    pub name: String,
    /// Of its values.
    pub unit: Unit,
    /// By system, then by round. A round that gave no figure is [`NONE`], so that later rounds stay abreast.
    pub cells: Vec<Vec<f64>>,
    /// By system: what its figures say of the true ones; [`Bound::Exact`] where there is none.
    pub bounds: Vec<Bound>,
}

/// What a figure says of the true one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    /// It is the figure.
    #[default]
    Exact,
    /// The true one is no greater.
    AtMost,
    /// The true one is no less.
    AtLeast,
    /// The true one may be either: a ratio of two upper bounds.
    Either,
}

impl Bound {
    /// Of a figure divided by one of the bound `divisor`.
    fn over(self, divisor: Self) -> Self {
        let inverse = match divisor {
            Self::AtMost => Self::AtLeast,
            Self::AtLeast => Self::AtMost,
            same => same,
        };
        match (self, inverse) {
            (Self::Exact, only) | (only, Self::Exact) => only,
            (one, other) if one == other => one,
            _ => Self::Either,
        }
    }

    /// In front of a figure.
    fn mark(self) -> &'static str {
        match self {
            Self::Exact => "",
            Self::AtMost => "≤ ",
            Self::AtLeast => "≥ ",
            Self::Either => "~ ",
        }
    }
}

/// In place of a figure that a round did not give.
pub const NONE: f64 = f64::NAN;

/// Of several values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// The least.
    pub least: f64,
    /// The median; of an even number, the greater of the two in the middle: a figure that was measured, not an average.
    pub median: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Spread {
    /// Of the finite ones among `values`; `None` if there is none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (least, greatest) = (*values.first()?, *values.last()?);
        Some(Self { count: values.len(), least, median: values[values.len() / 2], greatest })
    }

    /// The median, and the ends if there was more than one value: `8.00 µs (7.00 to 9.00 µs)`.
    pub fn show(&self, unit: Unit) -> String {
        let [least, median, greatest] = [self.least, self.median, self.greatest].map(|value| unit.show(value));
        if self.count == 1 {
            return median;
        }
        let unit_of = |text: &str| text.split_once(' ').map(|(_, unit)| unit.to_owned());
        let least = match least.split_once(' ') {
            Some((number, unit)) if unit_of(&greatest).is_some_and(|other| other == unit) => number.to_owned(),
            _ => least,
        };
        format!("{median} ({least} to {greatest})")
    }
}

impl Row {
    /// The figure of one system over its rounds.
    pub fn spread(&self, system: usize) -> Option<Spread> {
        Spread::of(self.cells.get(system)?.iter().copied())
    }

    /// The figure of one system divided by that of the first, round by round.
    pub fn ratio(&self, system: usize) -> Option<Spread> {
        let (first, other) = (self.cells.first()?, self.cells.get(system)?);
        Spread::of(other.iter().zip(first).map(|(other, first)| other / first))
    }

    /// What the figures of a system say of the true ones.
    fn bound(&self, system: usize) -> Bound {
        self.bounds.get(system).copied().unwrap_or_default()
    }

    /// What the ratios of a system to the first one say of the true ones.
    fn ratio_bound(&self, system: usize) -> Bound {
        self.bound(system).over(self.bound(0))
    }

    /// The largest number of rounds of a system.
    fn rounds(&self) -> usize {
        self.cells.iter().map(Vec::len).max().unwrap_or(0)
    }
}

impl Table {
    /// As text for a terminal.
    pub fn text(&self, paint: Paint) -> String {
        let mut text = format!("{}\n{}", paint.bold(self.caption()), self.figures().text(paint));
        if let Some(ratios) = self.ratios() {
            text += &format!("\n{}\n{}", paint.bold(self.ratio_caption()), ratios.text(paint));
        }
        self.notes().iter().for_each(|note| text += &format!("  {note}\n"));
        text
    }

    /// The same in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("**{}**\n\n{}", self.caption(), self.figures().markdown());
        if let Some(ratios) = self.ratios() {
            text += &format!("\n**{}**\n\n{}", self.ratio_caption(), ratios.markdown());
        }
        if !self.notes().is_empty() {
            text.push('\n');
        }
        self.notes().iter().for_each(|note| text += &format!("- {note}\n"));
        text
    }

    fn caption(&self) -> String {
        match self.rows.iter().map(Row::rounds).max().unwrap_or(0) {
            1 => format!("{}; one round", self.title),
            rounds => format!("{}; {rounds} rounds: median (least to greatest)", self.title),
        }
    }

    fn ratio_caption(&self) -> String {
        format!("ratio to {}, round by round", self.columns.first().map_or("nothing", String::as_str))
    }

    fn figures(&self) -> Grid {
        let head = ["".to_owned()].into_iter().chain(self.columns.iter().cloned()).collect();
        let systems: Vec<usize> = (0..self.columns.len()).collect();
        let show = |row: &Row, system| Some(row.bound(system).mark().to_owned() + &row.spread(system)?.show(row.unit));
        Grid { head, rows: self.cells(&systems, show) }
    }

    /// `None` if there is nothing to relate to.
    fn ratios(&self) -> Option<Grid> {
        let systems: Vec<usize> = (1..self.columns.len()).collect();
        let head = ["".to_owned()].into_iter().chain(self.columns.iter().skip(1).cloned()).collect();
        let show =
            |row: &Row, system| Some(row.ratio_bound(system).mark().to_owned() + &row.ratio(system)?.show(Unit::Ratio));
        let rows = self.cells(&systems, show);
        (!rows.is_empty()).then_some(Grid { head, rows })
    }

    /// The rows of which at least one of `systems` has something to show.
    fn cells(&self, systems: &[usize], show: impl Fn(&Row, usize) -> Option<String>) -> Vec<Vec<String>> {
        let line = |row: &Row| {
            let cells: Vec<Option<String>> = systems.iter().map(|system| show(row, *system)).collect();
            let shown = cells.iter().any(Option::is_some);
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "n/a".to_owned()));
            shown.then(|| [row.name.clone()].into_iter().chain(cells).collect())
        };
        self.rows.iter().filter_map(line).collect()
    }

    /// What to know before using it, one line each.
    fn notes(&self) -> Vec<String> {
        self.lacking().into_iter().chain(self.undirected()).collect()
    }

    /// Ratios of which it is not known which way they err.
    fn undirected(&self) -> Vec<String> {
        let first = self.columns.first().map_or("nothing", String::as_str);
        let of = |row: &Row| {
            let is_shown = |system: usize| row.ratio_bound(system) == Bound::Either && row.ratio(system).is_some();
            let names = self.columns.iter().enumerate().skip(1).filter(|(system, _)| is_shown(*system));
            let note =
                |name| format!("{name}, {}: both it and {first} are bounds; the ratio may be more or less", row.name);
            names.map(|(_, name)| note(name)).collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(of).collect()
    }

    /// Which figures lack rounds that others have.
    fn lacking(&self) -> Vec<String> {
        let lacking = |row: &Row| {
            let rounds = row.rounds();
            let of = |(system, name): (usize, &String)| {
                let count = row.spread(system)?.count;
                (count < rounds).then(|| format!("{name}, {}: only {count} of {rounds} rounds", row.name))
            };
            self.columns.iter().enumerate().filter_map(of).collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(lacking).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(cells: Vec<Vec<f64>>) -> Table {
        let row = Row { name: "CPU per stanza".to_owned(), unit: Unit::Seconds, cells, bounds: Vec::new() };
        Table { title: "fanout".to_owned(), columns: vec!["ours".to_owned(), "theirs".to_owned()], rows: vec![row] }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine becomes four times slower meanwhile: the ratio does not notice.
        let row = &table(vec![vec![1e-6, 2e-6, 4e-6], vec![2e-6, 4e-6, 8e-6]]).rows[0];
        assert_eq!(row.ratio(1), Some(Spread { count: 3, least: 2.0, median: 2.0, greatest: 2.0 }));
        assert_eq!(row.spread(1).map(|spread| spread.median), Some(4e-6));
        assert_eq!(row.spread(2), None);
    }

    #[test]
    fn round_without_figure_keeps_later_rounds_abreast_and_is_said() {
        let table = table(vec![vec![1.0, NONE, 4.0], vec![2.0, 9.0, 8.0]]);
        let ratio = table.rows[0].ratio(1).unwrap();
        assert_eq!((ratio.count, ratio.least, ratio.greatest), (2, 2.0, 2.0));
        let note = "ours, CPU per stanza: only 2 of 3 rounds\n";
        assert!(table.text(Paint(false)).ends_with(&format!("  {note}")), "{}", table.text(Paint(false)));
        assert!(table.markdown().ends_with(&format!("\n- {note}")), "{}", table.markdown());
    }

    #[test]
    fn division_by_nothing_is_no_ratio() {
        assert_eq!(table(vec![vec![0.0, 0.0], vec![1.0, 0.0]]).rows[0].ratio(1), None);
    }

    #[test]
    fn table_shows_figures_and_ratios_in_text_and_markdown() {
        let mut table = table(vec![vec![8e-6, 0.9e-6, 9e-6], vec![12e-6, 14e-6, 13e-6]]);
        let row = |name: &str, cells| Row { name: name.to_owned(), unit: Unit::Seconds, cells, bounds: Vec::new() };
        table.rows.push(row("p99.9", vec![vec![NONE], vec![1e-3]]));
        table.rows.push(row("nobody's", Vec::new()));
        let expected = "\
fanout; 3 rounds: median (least to greatest)
                                         ours                     theirs
  CPU per stanza  8.00 µs (900 ns to 9.00 µs)  13.0 µs (12.0 to 14.0 µs)
  p99.9                                   n/a                    1.00 ms

ratio to ours, round by round
                               theirs
  CPU per stanza  1.50 (1.44 to 15.6)
";
        assert_eq!(table.text(Paint(false)), expected);
        let markdown = table.markdown();
        assert!(
            markdown.contains("|  | ours | theirs |\n|---|---:|---:|\n| CPU per stanza | 8.00 µs (900 ns"),
            "{markdown}"
        );
        assert!(
            markdown.contains("|  | theirs |\n|---|---:|\n| CPU per stanza | 1.50 (1.44 to 15.6) |\n"),
            "{markdown}"
        );
    }

    #[test]
    fn one_round_has_no_spread() {
        let text = table(vec![vec![8e-6], vec![12e-6]]).text(Paint(false));
        assert!(text.starts_with("fanout; one round\n") && !text.contains("to 1"), "{text}");
    }

    #[test]
    fn median_of_an_even_number_is_one_that_was_measured() {
        let median = |values: &[f64]| Spread::of(values.iter().copied()).map(|spread| spread.median);
        assert_eq!([median(&[4.0, 1.0]), median(&[9.0, 1.0, 4.0, 2.0])], [Some(4.0); 2]);
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn bounds_are_marked_in_figures_and_in_ratios() {
        use Bound::{AtLeast, AtMost, Exact};
        let shown = |bounds: [Bound; 2]| {
            let mut table = table(vec![vec![2e-6], vec![3e-6]]);
            table.rows[0].bounds = bounds.to_vec();
            let text = table.text(Paint(false));
            let cells = |line: &str| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|cell| !cell.is_empty())
                    .skip(1)
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            let rows: Vec<Vec<String>> = text.lines().filter(|line| line.starts_with("  CPU")).map(cells).collect();
            (rows.concat().join(", "), text.contains("theirs, CPU per stanza: both it and ours are bounds"))
        };
        let of = |text: &str, noted| (text.to_owned(), noted);
        assert_eq!(shown([Exact, Exact]), of("2.00 µs, 3.00 µs, 1.50", false));
        assert_eq!(shown([Exact, AtMost]), of("2.00 µs, ≤ 3.00 µs, ≤ 1.50", false));
        assert_eq!(shown([AtMost, Exact]), of("≤ 2.00 µs, 3.00 µs, ≥ 1.50", false));
        assert_eq!(shown([AtLeast, AtMost]), of("≥ 2.00 µs, ≤ 3.00 µs, ≤ 1.50", false));
        assert_eq!(shown([AtMost, AtMost]), of("≤ 2.00 µs, ≤ 3.00 µs, ~ 1.50", true));
    }
}
