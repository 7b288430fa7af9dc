//! Contenders in turns, their figures side by side: several systems, or one under several command lines.
//!
//! A round runs every contender once, each time started anew; every other round goes backwards, so that none always follows the
//! same one. Ratios are taken round by round, percentiles of all rounds from their merged histograms.

mod contender;
mod figures;
mod suite;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

pub use contender::{Contender, Entrant};
pub use figures::{maximum, table};
pub use suite::{Case, Rate, suite};

use crate::outcome::Verdict;
use crate::report::{self, Progress, Quantity, Run};

/// One contender's run in one round.
#[derive(Debug)]
pub struct Turn {
    /// Whose.
    pub contender: Contender,
    /// From 0.
    pub round: usize,
    /// What came of it.
    pub run: Run,
}

impl Turn {
    /// What is wrong with it, in a line; `None` if its figures may be used.
    pub fn objection(&self) -> Option<String> {
        let Verdict { invalid, failed, .. } = &self.run.outcome.verdict;
        let reason = invalid.iter().chain(failed).next()?;
        Some(format!("{}, round {}: {reason}", self.contender, self.round + 1))
    }

    /// Whether this figure of it may be used, if only as a bound.
    pub fn vouches_for(&self, quantity: Quantity) -> bool {
        self.objection().is_none() || (self.is_bound() && quantity.is_cost())
    }

    /// The generator was the limit and nothing else is wrong: its costs are the most, its rate is the least that the system can do.
    pub fn is_bound(&self) -> bool {
        let Verdict { is_generators_limit, failed, .. } = &self.run.outcome.verdict;
        *is_generators_limit && failed.is_empty()
    }
}

/// Rounds of one comparison.
#[derive(Clone, Copy)]
pub struct Rounds<'a> {
    /// Who takes turns.
    pub entrants: &'a [Entrant],
    /// So many times.
    pub count: usize,
    /// The files of each run go below it.
    pub directory: &'a Path,
}

impl Rounds<'_> {
    /// Runs them, and writes the files of each run. Ends early, without the run under way, when `stop` becomes true.
    ///
    /// # Errors
    /// A system could not be run at all; the files of earlier runs are written.
    pub fn run(&self, stop: &AtomicBool) -> anyhow::Result<Vec<Turn>> {
        let mut turns = Vec::new();
        for round in 0..self.count {
            for entrant in self.order(round) {
                let turn = self.turn(entrant, round, stop)?;
                if stop.load(Ordering::Relaxed) {
                    return Ok(turns);
                }
                turns.push(turn);
            }
        }
        Ok(turns)
    }

    /// There, and back.
    fn order(&self, round: usize) -> Vec<&Entrant> {
        let mut order: Vec<&Entrant> = self.entrants.iter().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        order
    }

    fn turn(&self, entrant: &Entrant, round: usize, stop: &AtomicBool) -> anyhow::Result<Turn> {
        let Entrant { contender, plan, rig, command } = entrant;
        let name = format!("{} on {contender}, round {} of {}", plan.scenario, round + 1, self.count);
        eprintln!("{name}");
        let mut progress = Progress::new();
        let record = rig.play(plan, contender.system, command.clone(), &mut progress, stop);
        progress.finish();
        let record = record.context(name)?;
        report::write_files(&record, &self.directory.join(format!("{contender}-{}", round + 1)))?;
        Ok(Turn { contender: *contender, round, run: Run::of(&record) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Scenario;
    use crate::rig::{Cores, Rig};
    use crate::systems::{Programs, System};

    #[test]
    fn every_other_round_goes_backwards() {
        let entrant = |system| Entrant {
            contender: Contender::plain(system),
            plan: Scenario::Idle(crate::plan::defaults()).plan().expect("a plan"),
            rig: Rig {
                cores: Cores { system: Vec::new(), engine: Vec::new() },
                programs: Programs::default(),
                keep: false,
                attach: None,
            },
            command: Vec::new(),
        };
        let entrants = [System::Ringgate, System::Haproxy, System::Direct].map(entrant);
        let rounds = Rounds { entrants: &entrants, count: 3, directory: Path::new("") };
        let order = |round| rounds.order(round).iter().map(|entrant| entrant.contender.system).collect::<Vec<_>>();
        assert_eq!(order(0), [System::Ringgate, System::Haproxy, System::Direct]);
        assert_eq!(order(1), [System::Direct, System::Haproxy, System::Ringgate]);
        assert_eq!(order(2), order(0));
    }
}
