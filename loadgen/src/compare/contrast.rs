//! One side against the first.

use super::ratio::{RUNS_AT_LEAST, Ratio};
use super::side::Side;
use crate::report::Quantity;

/// What the interval of a ratio says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The whole interval lies on the good side of 1.
    Better,
    /// It contains 1.
    NotShown,
    /// It lies on the bad side.
    Worse,
    /// There is none.
    NoInterval,
}

impl Finding {
    fn of(quantity: Quantity, ratio: &Ratio) -> Self {
        match ratio.interval {
            None => Self::NoInterval,
            Some((low, high)) if low <= 1.0 && high >= 1.0 => Self::NotShown,
            Some((low, _)) if (low > 1.0) == quantity.higher_is_better() => Self::Better,
            Some(_) => Self::Worse,
        }
    }

    /// In words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::NotShown => "no difference shown",
            Self::Worse => "worse",
            Self::NoInterval => "no interval",
        }
    }
}

/// One figure of two sides.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) quantity: Quantity,
    pub(super) ratio: Ratio,
    pub(super) finding: Finding,
    /// How many runs of the first side, and of this one.
    pub(super) runs: (usize, usize),
}

/// All figures of a side against those of the first.
#[derive(Debug)]
pub(super) struct Contrast {
    /// Letter of the side.
    pub(super) letter: char,
    /// Figures that both sides have.
    pub(super) lines: Vec<Line>,
    /// Runs of this side failed, and none of the first did: how many, and why.
    pub(super) failure: Option<String>,
}

impl Contrast {
    pub(super) fn of(first: &Side, other: &Side) -> Self {
        let line = |quantity: Quantity| {
            let (base, figures) = (first.figures(quantity), other.figures(quantity));
            let ratio = Ratio::of(&base, &figures)?;
            Some(Line { quantity, ratio, finding: Finding::of(quantity, &ratio), runs: (base.len(), figures.len()) })
        };
        // The inverse of the processor time per stanza would say the same again.
        let told = Quantity::ALL.into_iter().filter(|quantity| *quantity != Quantity::StanzasPerCoreSecond);
        let failure = if first.has_failed() { None } else { other.failure() };
        Self { letter: other.letter, lines: told.filter_map(line).collect(), failure }
    }

    /// Whether the side is worse in a figure, or failed where the first did not.
    pub(super) fn is_worse(&self) -> bool {
        self.failure.is_some() || self.found(Finding::Worse).next().is_some()
    }

    /// Names of the figures of which this was found.
    pub(super) fn found(&self, finding: Finding) -> impl Iterator<Item = &'static str> {
        self.lines.iter().filter(move |line| line.finding == finding).map(|line| line.quantity.name())
    }

    /// In a sentence or two.
    pub(super) fn conclusion(&self, first: &Side) -> String {
        let figures = self.of_figures(first);
        match &self.failure {
            None => figures,
            Some(failure) => format!("{} is worse than {}: {failure}. {figures}", self.letter, first.letter),
        }
    }

    /// What the figures say.
    fn of_figures(&self, first: &Side) -> String {
        let names = |finding| self.found(finding).collect::<Vec<_>>().join(", ");
        let (worse, better, unknown) = (names(Finding::Worse), names(Finding::Better), names(Finding::NoInterval));
        let mut parts = Vec::new();
        if !worse.is_empty() {
            parts.push(format!("worse in {worse}"));
        }
        if !better.is_empty() {
            parts.push(format!("better in {better}"));
        }
        let (letter, base) = (self.letter, first.letter);
        if self.lines.is_empty() {
            return format!("{letter} against {base}: they have no figure in common.");
        }
        if self.lines.iter().all(|line| line.finding == Finding::NoInterval) {
            return format!("{letter} against {base}: {}", self.no_interval());
        }
        if parts.is_empty() {
            parts.push("no difference shown".to_owned());
        }
        if !unknown.is_empty() {
            parts.push(format!("no interval for {unknown}"));
        }
        format!("{letter} against {base}: {}.", parts.join("; "))
    }

    /// Why there is no interval at all.
    fn no_interval(&self) -> String {
        let most = self.lines.iter().map(|line| line.runs).max_by_key(|(base, other)| base.min(other).to_owned());
        match most {
            None | Some((1, 1)) => {
                format!(
                    "one run each: no interval. These ratios show what happened once; repeat each side {RUNS_AT_LEAST} times."
                )
            }
            Some((base, other)) => {
                format!(
                    "{base} and {other} runs: no interval. It takes at least {RUNS_AT_LEAST} valid runs of each side."
                )
            }
        }
    }
}
