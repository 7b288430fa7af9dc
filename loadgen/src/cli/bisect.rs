//! The highest rate that keeps an objective.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::{Usage, repeat, run};
use crate::outcome::Verdict;
use crate::plan::bisect::Found;
use crate::plan::{Bisect, Problem, Scenario};
use crate::report::{self, Progress, Quantity, Run, Unit};
use crate::rig::Rig;
use crate::systems::{System, priority};

/// What to search, and where.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// Rate to begin with
    #[arg(long, global = true, default_value_t = 10.0, value_name = "RATE")]
    least: f64,
    /// Rate that is not exceeded
    #[arg(long, global = true, default_value_t = 1_000_000.0, value_name = "RATE")]
    most: f64,
    /// The answer is this exact
    #[arg(long, global = true, default_value_t = 0.05, value_name = "SHARE")]
    resolution: f64,
    #[command(subcommand)]
    scenario: Scenario,
}

/// One run of the search.
#[derive(Clone, Debug, Serialize)]
struct Point {
    rate: f64,
    p50: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
    /// Why the objective was not kept.
    missed: Option<String>,
}

/// What `bisect.json` holds.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    scenario: &'a str,
    system: &'a str,
    unit: &'a str,
    kept: Option<f64>,
    missed: Option<f64>,
    is_confirmed: bool,
    runs: &'a [Point],
}

/// Searches, prints the latency by load, writes `bisect.json` and the files of each run.
pub(super) fn run(options: &Options, place: &run::Options) -> anyhow::Result<ExitCode> {
    let (bisect, scenario, unit) = options.check()?;
    let system = place.one_system()?;
    let (rig, stop) = (place.rig(&[system])?, super::stop_flag()?);
    let _precedence = priority::favour_self();
    let mut search = Search {
        options,
        rig: &rig,
        system,
        stop: &stop,
        directory: place.directory("bisect"),
        scenario,
        points: Vec::new(),
    };
    println!("{:>14}{:>12}{:>12}{:>12}", unit, "p50", "p99", "p99.9");
    let found = bisect.search(|rate| search.run(rate))?;
    search.write(&found, unit)?;
    println!("{}", sentence(&found, unit));
    println!("  data    {}", search.directory.join("bisect.json").display());
    Ok(if stop.load(Ordering::Relaxed) { ExitCode::from(super::INTERRUPTED) } else { code(&found) })
}

impl Options {
    /// What to search; the name of the scenario, and the unit of its rate.
    fn check(&self) -> anyhow::Result<(Bisect, &'static str, &'static str)> {
        let unit = self.scenario.rate_unit().ok_or(Usage::NoRate)?;
        if !(self.least > 0.0 && self.least <= self.most && self.most.is_finite()) {
            return Err(Usage::Bounds("--least must be more than 0, and --most no less than that").into());
        }
        if !(0.001..=1.0).contains(&self.resolution) {
            return Err(Usage::Bounds("--resolution must be 0.001 to 1").into());
        }
        let mut slowest = self.scenario.clone();
        slowest.set_rate(self.least);
        let plan = slowest.plan()?;
        if plan.slo.p99.is_none() && plan.slo.p999.is_none() {
            return Err(Usage::NoObjective.into());
        }
        Ok((Bisect { least: self.least, most: self.most, resolution: self.resolution }, plan.scenario, unit))
    }
}

/// The search under way.
struct Search<'a> {
    options: &'a Options,
    rig: &'a Rig,
    system: System,
    stop: &'a AtomicBool,
    directory: PathBuf,
    /// As on the command line.
    scenario: &'static str,
    points: Vec<Point>,
}

impl Search<'_> {
    fn run(&mut self, rate: f64) -> anyhow::Result<Verdict> {
        let mut scenario = self.options.scenario.clone();
        scenario.set_rate(rate);
        let plan = match scenario.plan() {
            // The search came to where no plan is possible: that is the end of the way up.
            Err(problem @ (Problem::OutOfRange { .. } | Problem::TooLarge { .. })) if !self.points.is_empty() => {
                return Ok(Verdict { invalid: vec![problem.to_string()], ..Verdict::default() });
            }
            plan => plan?,
        };
        let mut progress = Progress::new();
        let arguments: Vec<String> = std::env::args().collect();
        let command = repeat::one_of(&arguments, self.system, "", &scenario.rate_options());
        let record = self.rig.play(&plan, self.system, command, &mut progress, self.stop);
        progress.finish();
        let record = record?;
        report::write_files(&record, &self.directory.join(format!("run-{}", self.points.len() + 1)))?;
        let verdict = record.outcome.verdict.clone();
        self.points.push(point(rate, &Run::of(&record)));
        Ok(verdict)
    }

    fn write(&self, found: &Found, unit: &str) -> anyhow::Result<()> {
        let answer = Answer {
            scenario: self.scenario,
            system: self.system.name(),
            unit,
            kept: found.kept,
            missed: found.missed.as_ref().map(|step| step.rate),
            is_confirmed: found.is_confirmed,
            runs: &self.points,
        };
        let file = self.directory.join("bisect.json");
        fs::create_dir_all(&self.directory).with_context(|| format!("cannot make {}", self.directory.display()))?;
        fs::write(&file, serde_json::to_string_pretty(&answer)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

/// Prints a run as one line of the curve of latency by load, and keeps it.
fn point(rate: f64, run: &Run) -> Point {
    let Verdict { invalid, failed, interrupted, .. } = &run.outcome.verdict;
    let interrupted = interrupted.then(|| "it was interrupted".to_owned());
    let missed = interrupted.or_else(|| invalid.iter().chain(failed).next().cloned());
    let point =
        Point { rate, p50: Quantity::P50.of(run), p99: Quantity::P99.of(run), p999: Quantity::P999.of(run), missed };
    let show = |value: Option<f64>| value.map_or_else(|| "n/a".to_owned(), |value| Unit::Seconds.show(value));
    let [p50, p99, p999] = [point.p50, point.p99, point.p999].map(show);
    let reason = point.missed.as_deref().unwrap_or("kept");
    println!("{rate:>14.0}{p50:>12}{p99:>12}{p999:>12}   {reason}");
    point
}

fn sentence(found: &Found, unit: &str) -> String {
    let confirmed = if found.is_confirmed { "each confirmed by a second run" } else { "not confirmed" };
    match (found.kept, &found.missed) {
        (Some(kept), Some(missed)) => {
            let whose = if missed.is_invalid { "; the generator or the machine was the limit there" } else { "" };
            format!("kept at {kept:.0} {unit}, not at {:.0}; {confirmed}{whose}", missed.rate)
        }
        (Some(kept), None) => format!("kept at {kept:.0} {unit}, the most that was tried; {confirmed}"),
        (None, Some(missed)) => format!("not kept at {:.0} {unit}, the least that was tried; {confirmed}", missed.rate),
        (None, None) => "nothing was found: the search was ended before its first run was done".to_owned(),
    }
}

fn code(found: &Found) -> ExitCode {
    match (found.kept, &found.missed) {
        _ if !found.is_confirmed => ExitCode::from(super::INVALID),
        (Some(_), _) => ExitCode::SUCCESS,
        (None, Some(missed)) if !missed.is_invalid => ExitCode::from(super::FAILED),
        (None, _) => ExitCode::from(super::INVALID),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::bisect::Step;

    #[test]
    fn answer_that_is_not_confirmed_is_no_success() {
        let code = |kept, missed: Option<bool>, is_confirmed| {
            let missed = missed.map(|is_invalid| Step { rate: 200.0, missed: 2, is_invalid, ..Step::default() });
            format!("{:?}", code(&Found { kept, missed, steps: Vec::new(), is_confirmed }))
        };
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(Some(100.0), Some(false), true), expected(0));
        assert_eq!(code(Some(100.0), Some(false), false), expected(4));
        assert_eq!([code(None, Some(false), true), code(None, Some(true), true)], [expected(3), expected(4)]);
    }
}
