//! Runs against runs: the same load on two systems, or on two states of one.
//!
//! ```text
//!   result.json … ──▶ Side A ─┐
//!   result.json … ──▶ Side B ─┼──▶ Comparison ──▶ text, page, Judgement
//!                             │      remarks: what is not the same, which runs do not count
//!                             │      contrasts: B / A with intervals
//! ```
//!
//! A side is one run or several repeats of it. The first side is what the others are measured against. A ratio has an
//! interval only where both sides have [`ratio::RUNS_AT_LEAST`] valid runs: one run each shows what happened once.

mod contrast;
mod page;
mod ratio;
mod remark;
mod side;
mod text;

use crate::report::curve::Curve;
use contrast::Contrast;
use remark::Remark;
pub use side::Side;

/// Sides that one comparison can hold.
pub const SIDES_AT_MOST: usize = 8;

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The runs did not have the same load: nothing follows from their figures.
    DifferentLoads,
    /// A side has no valid run.
    Invalid,
    /// A side is worse than the first one: the whole 95 % interval of a figure says so, or runs of it failed (lost stanzas, missed
    /// the objective) and none of the first did.
    Worse,
    /// No side is.
    NotWorse,
}

/// Several sides, side by side.
#[derive(Debug)]
pub struct Comparison {
    sides: Vec<Side>,
    remarks: Vec<Remark>,
    /// Each of the other sides against the first one.
    contrasts: Vec<Contrast>,
}

impl Comparison {
    /// Of the first side with each of the others.
    pub fn of(sides: Vec<Side>) -> Self {
        let remarks = remark::all(&sides);
        let contrasts = sides.iter().skip(1).map(|other| Contrast::of(&sides[0], other)).collect();
        Self { sides, remarks, contrasts }
    }

    /// What it comes to; the gravest, if there is more than one answer.
    pub fn judgement(&self) -> Judgement {
        if self.remarks.iter().any(|remark| matches!(remark, Remark::Load(_))) {
            Judgement::DifferentLoads
        } else if self.sides.iter().any(|side| !side.is_valid()) {
            Judgement::Invalid
        } else if self.contrasts.iter().any(Contrast::is_worse) {
            Judgement::Worse
        } else {
            Judgement::NotWorse
        }
    }

    /// What it comes to in words, a line for each of the other sides, or one for all.
    fn conclusions(&self) -> Vec<String> {
        match self.judgement() {
            Judgement::DifferentLoads => vec!["No verdict: the runs did not have the same load.".to_owned()],
            Judgement::Invalid => {
                let invalid = self.sides.iter().filter(|side| !side.is_valid());
                let names: Vec<String> = invalid.map(|side| side.letter.to_string()).collect();
                vec![format!("No verdict: no valid run of {}.", names.join(", "))]
            }
            _ => self.contrasts.iter().map(|contrast| contrast.conclusion(&self.sides[0])).collect(),
        }
    }

    /// The percentile curve of each side, its runs taken together.
    fn curves(&self) -> Vec<Curve> {
        let curve = |side: &Side| Some(Curve::of(side.short_name(), &side.main_histogram()?));
        self.sides.iter().filter_map(curve).collect()
    }
}

#[cfg(test)]
mod tests;
