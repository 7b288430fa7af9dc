//! Several systems side by side: one scenario, or the whole suite.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Args;

use super::{Usage, repeat, run};
use crate::bench::{Case, Rate, Rounds, Turn, maximum, suite, table};
use crate::plan::{Plan, Scenario};
use crate::report::{Paint, Quantity, Terminal, shell_line};
use crate::rig::Rig;
use crate::systems::{System, priority};

/// What to compare.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// Times that each system is run
    #[arg(long, global = true, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Of the suite, only these comparisons
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Prints the comparisons of the suite as command lines
    #[arg(long)]
    list: bool,
    /// A single scenario instead of the suite
    #[command(subcommand)]
    scenario: Option<Scenario>,
}

/// Runs the comparisons, prints a table for each, and writes them all to `tables.md`.
pub(super) fn run(options: &Options, place: &run::Options) -> anyhow::Result<ExitCode> {
    let cases = options.cases()?;
    if options.list {
        cases.iter().for_each(|case| println!("{:<22}{}", case.name, case.line));
        return Ok(ExitCode::SUCCESS);
    }
    let stop = super::stop_flag()?;
    let _precedence = priority::favour_self();
    let directory = place.directory("bench");
    let mut bench = Bench { rounds: options.rounds.into(), directory: &directory, stop: &stop, tables: String::new() };
    let all_valid = match &options.scenario {
        Some(scenario) => bench.scenario(scenario, place)?,
        None => bench.suite(&cases, place)?,
    };
    if !bench.tables.is_empty() {
        println!("  tables  {}", directory.join("tables.md").display());
    }
    if stop.load(Ordering::Relaxed) {
        println!("  Interrupted: only what was done until then is there.");
        return Ok(ExitCode::from(super::INTERRUPTED));
    }
    Ok(if all_valid { ExitCode::SUCCESS } else { ExitCode::from(super::INVALID) })
}

impl Options {
    fn cases(&self) -> Result<Vec<&'static Case>, Usage> {
        let names = || suite().iter().map(|case| case.name).collect::<Vec<_>>().join(", ");
        let unknown = self.only.iter().find(|name| suite().iter().all(|case| case.name != *name));
        match unknown {
            Some(name) => Err(Usage::NoCase(name.clone(), names())),
            None => Ok(suite().iter().filter(|case| self.only.is_empty() || self.is_wanted(case)).collect()),
        }
    }

    /// Asked for, or needed for the rate of one that is.
    fn is_wanted(&self, case: &Case) -> bool {
        let is_asked = |case: &Case| self.only.iter().any(|name| name == case.name);
        let needs = |other: &Case| matches!(other.rate, Rate::HalfOf { case: needed, .. } if needed == case.name);
        is_asked(case) || suite().iter().any(|other| is_asked(other) && needs(other))
    }
}

/// Comparisons under way.
struct Bench<'a> {
    rounds: usize,
    directory: &'a Path,
    stop: &'a AtomicBool,
    tables: String,
}

impl Bench<'_> {
    /// One scenario; whether all of its runs are valid.
    fn scenario(&mut self, scenario: &Scenario, place: &run::Options) -> anyhow::Result<bool> {
        let plan = scenario.plan()?;
        let systems = match place.system.as_slice() {
            [] => vec![System::Ringgate, System::Haproxy, System::Direct],
            asked => asked.to_vec(),
        };
        let rig = place.rig(&systems)?;
        let arguments: Vec<String> = std::env::args().collect();
        let turns = self.compare(&rig, &plan, &systems, "", &repeat::one_of(&arguments, "", &[]))?;
        self.show(plan.scenario, &shell_line(&arguments), &systems, &turns)
    }

    /// The cases in order; whether all runs are valid.
    fn suite(&mut self, cases: &[&Case], place: &run::Options) -> anyhow::Result<bool> {
        let chosen: Vec<(&Case, Vec<System>)> =
            cases.iter().map(|case| Ok((*case, systems_of(case, &place.system)?))).collect::<Result<_, Usage>>()?;
        let mut all: Vec<System> = Vec::new();
        chosen.iter().flat_map(|(_, systems)| systems).for_each(|system| {
            if !all.contains(system) {
                all.push(*system);
            }
        });
        let rig = place.rig(&all)?;
        let (mut maxima, mut all_valid) = (BTreeMap::new(), true);
        for (case, systems) in chosen {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let rate = match rate_of(case, &maxima) {
                Ok(rate) => rate,
                Err(reason) => {
                    self.skip(&reason)?;
                    all_valid = false;
                    continue;
                }
            };
            let scenario = case.scenario(rate)?;
            let instead = if rate.is_some() { scenario.rate_options() } else { Vec::new() };
            let command = repeat::one_of(&std::env::args().collect::<Vec<_>>(), case.line, &instead);
            let turns = self.compare(&rig, &scenario.plan()?, &systems, case.name, &command)?;
            maxima.insert(case.name, maximum(&systems, &turns));
            let rate = rate.map_or(String::new(), |rate| format!(" --rate {rate}"));
            all_valid &= self.show(case.title, &format!("loadgen {}{rate}", case.line), &systems, &turns)?;
        }
        Ok(all_valid)
    }

    fn compare(
        &self,
        rig: &Rig,
        plan: &Plan,
        systems: &[System],
        name: &str,
        command: &[String],
    ) -> anyhow::Result<Vec<Turn>> {
        let directory = self.directory.join(name);
        Rounds { plan, systems, count: self.rounds, command, directory: &directory }.run(rig, self.stop)
    }

    /// Says why a comparison is left out, and adds that to the file.
    fn skip(&mut self, reason: &str) -> anyhow::Result<()> {
        println!("  Left out: {reason}\n");
        self.tables += &format!("Left out: {reason}\n\n");
        self.write()
    }

    /// The file of all tables so far.
    fn write(&self) -> anyhow::Result<()> {
        let file = self.directory.join("tables.md");
        fs::create_dir_all(self.directory).with_context(|| format!("cannot make {}", self.directory.display()))?;
        fs::write(&file, &self.tables).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Prints a table, adds it to the file; whether all runs are valid. Where no run was done there is nothing to show.
    fn show(&mut self, title: &str, line: &str, systems: &[System], turns: &[Turn]) -> anyhow::Result<bool> {
        if turns.is_empty() {
            return Ok(false);
        }
        let table = table(title, systems, turns);
        let terminal = Terminal::stdout();
        println!("{}  {line}\n", table.text(Paint(terminal.colour)));
        let objections: Vec<String> = turns.iter().filter_map(objection).collect();
        objections.iter().for_each(|objection| println!("  {objection}\n"));
        self.tables += &format!("{}\n`{line}`\n\n", table.markdown());
        objections.iter().for_each(|objection| self.tables += &format!("{objection}\n\n"));
        self.write()?;
        Ok(turns.iter().all(|turn| turn.vouches_for(Quantity::CpuPerStanza)))
    }
}

/// What to know about a turn's figures.
fn objection(turn: &Turn) -> Option<String> {
    let objection = turn.objection()?;
    let usable = if turn.vouches_for(Quantity::CpuPerStanza) {
        "Only its costs are used, as bounds (≤, ≥)"
    } else {
        "Not used"
    };
    Some(format!("{usable}: {objection}"))
}

/// Those asked for that can do it; all that can, where none is asked for.
fn systems_of(case: &Case, asked: &[System]) -> Result<Vec<System>, Usage> {
    let able = case.systems.iter().copied().filter(|system| asked.is_empty() || asked.contains(system));
    let able: Vec<System> = able.collect();
    if able.is_empty() {
        let names = case.systems.iter().map(|system| system.name()).collect::<Vec<_>>().join(", ");
        return Err(Usage::NobodyCan(case.name.to_owned(), names));
    }
    Ok(able)
}

/// The rate of a case that follows from an earlier one.
///
/// # Errors
/// Why there is none, in a line.
fn rate_of(case: &Case, maxima: &BTreeMap<&str, Option<f64>>) -> Result<Option<f64>, String> {
    let Rate::HalfOf { case: earlier, stanzas } = case.rate else { return Ok(None) };
    match maxima.get(earlier).copied().flatten() {
        Some(maximum) => Ok(Some((maximum / 2.0 / stanzas).round().max(1.0))),
        None => Err(format!("{} has no rate: not every system has a usable run of {earlier}", case.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_half_of_the_earlier_maximum_and_without_it_the_case_is_left_out() {
        let case = suite().iter().find(|case| case.name == "fanout").expect("it is there");
        let rate = |maximum| rate_of(case, &BTreeMap::from([("flood", maximum)]));
        assert_eq!(rate(Some(24_600.0)), Ok(Some(123.0)));
        let reason = "fanout has no rate: not every system has a usable run of flood";
        assert_eq!([rate(None), rate_of(case, &BTreeMap::new())], [Err(reason.to_owned()), Err(reason.to_owned())]);
        assert_eq!(rate_of(&suite()[0], &BTreeMap::new()), Ok(None));
    }
}
