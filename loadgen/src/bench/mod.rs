//! Several systems in turns: the same plan for each, figures side by side.
//!
//! A round runs every system once, each time started anew; every other round goes backwards, so that none always follows the
//! same one. Ratios are taken round by round, percentiles of all rounds from their merged histograms.

mod figures;
mod suite;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

pub use figures::{maximum, table};
pub use suite::{Case, Rate, suite};

use crate::outcome::Verdict;
use crate::plan::Plan;
use crate::report::{self, Progress, Quantity, Run};
use crate::rig::Rig;
use crate::systems::System;

/// One system's run in one round.
#[derive(Debug)]
pub struct Turn {
    /// Which system.
    pub system: System,
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
        Some(format!("{}, round {}: {reason}", self.system, self.round + 1))
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

/// Rounds of one plan.
#[derive(Clone, Copy, Debug)]
pub struct Rounds<'a> {
    /// What to run.
    pub plan: &'a Plan,
    /// On each of these.
    pub systems: &'a [System],
    /// So many times.
    pub count: usize,
    /// Repeats one of the runs, once it has the system.
    pub command: &'a [String],
    /// The files of each run go below it.
    pub directory: &'a Path,
}

impl Rounds<'_> {
    /// Runs them, and writes the files of each run. Ends early, without the run under way, when `stop` becomes true.
    ///
    /// # Errors
    /// A system could not be run at all; the files of earlier runs are written.
    pub fn run(&self, rig: &Rig, stop: &AtomicBool) -> anyhow::Result<Vec<Turn>> {
        let mut turns = Vec::new();
        for round in 0..self.count {
            for system in self.order(round) {
                let turn = self.turn(rig, system, round, stop)?;
                if stop.load(Ordering::Relaxed) {
                    return Ok(turns);
                }
                turns.push(turn);
            }
        }
        Ok(turns)
    }

    /// There, and back.
    fn order(&self, round: usize) -> Vec<System> {
        let mut order = self.systems.to_vec();
        if round % 2 == 1 {
            order.reverse();
        }
        order
    }

    fn turn(&self, rig: &Rig, system: System, round: usize, stop: &AtomicBool) -> anyhow::Result<Turn> {
        let name = format!("{} on {system}, round {} of {}", self.plan.scenario, round + 1, self.count);
        eprintln!("{name}");
        let mut progress = Progress::new();
        let record = rig.play(self.plan, system, system.asked_for(self.command), &mut progress, stop);
        progress.finish();
        let record = record.context(name)?;
        report::write_files(&record, &self.directory.join(format!("{system}-{}", round + 1)))?;
        Ok(Turn { system, round, run: Run::of(&record) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Scenario;

    #[test]
    fn every_other_round_goes_backwards() {
        let plan = Scenario::Idle(crate::plan::defaults()).plan().expect("a plan");
        let systems = [System::Ringgate, System::Haproxy, System::Direct];
        let rounds = Rounds { plan: &plan, systems: &systems, count: 3, command: &[], directory: Path::new("") };
        assert_eq!(rounds.order(0), systems);
        assert_eq!(rounds.order(1), [System::Direct, System::Haproxy, System::Ringgate]);
        assert_eq!(rounds.order(2), systems);
    }
}
