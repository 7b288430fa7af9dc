//! Colours of the terminal, where there is one and nobody minds.

use std::env;
use std::fmt::Display;

use console::Term;

use crate::measure::Series;

/// Widest text that is still read with ease.
const COLUMNS_AT_MOST: usize = 120;
/// Columns where the width is not known, and the fewest that tables need.
const COLUMNS: usize = 100;
const COLUMNS_AT_LEAST: usize = 80;

/// What standard output can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Columns, 80 to 120.
    pub width: usize,
    /// Whether colours are shown and wanted.
    pub colour: bool,
}

impl Terminal {
    /// Of standard output. Colours only on a terminal, and never with `NO_COLOR` or `TERM=dumb`.
    pub fn stdout() -> Self {
        let term = Term::stdout();
        let width = term.size_checked().map_or(COLUMNS, |(_, columns)| usize::from(columns));
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { width: width.clamp(COLUMNS_AT_LEAST, COLUMNS_AT_MOST), colour: term.is_term() && !unwanted && !dumb }
    }
}

/// Adds colours to text, or leaves it as it is.
#[derive(Clone, Copy, Debug)]
pub struct Paint(pub bool);

impl Paint {
    /// What matters.
    pub fn bold(self, text: impl Display) -> String {
        self.with("1", text)
    }

    /// What may be skipped.
    pub fn faint(self, text: impl Display) -> String {
        self.with("2", text)
    }

    /// What went well.
    pub fn good(self, text: impl Display) -> String {
        self.with("32", text)
    }

    /// What went wrong.
    pub fn bad(self, text: impl Display) -> String {
        self.with("1;31", text)
    }

    /// What needs attention.
    pub fn doubtful(self, text: impl Display) -> String {
        self.with("33", text)
    }

    /// The curve with this number.
    pub(crate) fn curve(self, number: usize, text: impl Display) -> String {
        const COLOURS: [&str; 4] = ["36", "34", "35", "33"];
        self.with(COLOURS[number % COLOURS.len()], text)
    }

    fn with(self, code: &str, text: impl Display) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// What a series is called in tables.
pub(crate) fn title(series: Series) -> String {
    series.name().replace('-', " ")
}
