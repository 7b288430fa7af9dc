//! Contenders side by side: one scenario, or the whole suite.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Args;

use super::{Usage, repeat, run};
use crate::bench::{Case, Contender, Entrant, Rate, Rounds, Turn, maximum, suite, table};
use crate::plan::Scenario;
use crate::report::{Paint, Quantity, Terminal, shell_line};
use crate::systems::{System, priority};

/// What to compare.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// Times that each contender is run
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
        let list: String = cases.iter().map(|case| listed(case)).collect();
        io::stdout().write_all(list.as_bytes()).context("standard output")?;
        return Ok(ExitCode::SUCCESS);
    }
    let stop = super::stop_flag()?;
    let _precedence = priority::favour_self();
    let directory = place.directory("bench");
    let mut bench = Bench {
        arguments: std::env::args().collect(),
        rounds: options.rounds.into(),
        directory: &directory,
        stop: &stop,
        tables: String::new(),
    };
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

/// A case on a line, and one more for each contender with options of its own.
fn listed(case: &Case) -> String {
    let mut text = format!("{:<22}{}\n", case.name, case.line);
    for Contender { name, system, options } in case.contenders.iter().filter(|one| !one.options.is_empty()) {
        text += &format!("  {name:<20}{options} --system {system}\n");
    }
    text
}

/// Comparisons under way.
struct Bench<'a> {
    /// Of this process.
    arguments: Vec<String>,
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
        place.rig(&systems)?;
        let contenders: Vec<Contender> = systems.into_iter().map(Contender::plain).collect();
        let ready = |contender: &Contender| entrant(&self.arguments, *contender, "", None);
        let entrants = contenders.iter().map(ready).collect::<Result<Vec<_>, _>>()?;
        let turns = self.compare(&entrants, "")?;
        self.show(plan.scenario, &[shell_line(&self.arguments)], &contenders, &turns)
    }

    /// The cases in order; whether all runs are valid.
    fn suite(&mut self, cases: &[&Case], place: &run::Options) -> anyhow::Result<bool> {
        let chosen = chosen(cases, place)?;
        let mut all: Vec<System> = Vec::new();
        chosen.iter().flat_map(|(_, contenders)| contenders).for_each(|contender| {
            if !all.contains(&contender.system) {
                all.push(contender.system);
            }
        });
        // What any of them lacks is said before the first one runs.
        place.rig(&all)?;
        let (mut maxima, mut all_valid) = (BTreeMap::new(), true);
        for (case, contenders) in chosen {
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
            let ready = |contender: &Contender| entrant(&self.arguments, *contender, &case.line_of(contender), rate);
            let entrants = contenders.iter().map(ready).collect::<Result<Vec<_>, _>>()?;
            let turns = self.compare(&entrants, case.name)?;
            maxima.insert(case.name, maximum(&contenders, &turns));
            all_valid &= self.show(case.title, &lines(case, &contenders, rate), &contenders, &turns)?;
        }
        Ok(all_valid)
    }

    fn compare(&self, entrants: &[Entrant], name: &str) -> anyhow::Result<Vec<Turn>> {
        let directory = self.directory.join(name);
        Rounds { entrants, count: self.rounds, directory: &directory }.run(self.stop)
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
    fn show(
        &mut self,
        title: &str,
        lines: &[String],
        contenders: &[Contender],
        turns: &[Turn],
    ) -> anyhow::Result<bool> {
        if turns.is_empty() {
            return Ok(false);
        }
        let table = table(title, contenders, turns);
        let terminal = Terminal::stdout();
        println!("{}  {}\n", table.text(Paint(terminal.colour)), lines.join("\n  "));
        let objections: Vec<String> = turns.iter().filter_map(objection).collect();
        objections.iter().for_each(|objection| println!("  {objection}\n"));
        self.tables += &format!("{}\n", table.markdown());
        lines.iter().for_each(|line| self.tables += &format!("`{line}`\n\n"));
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

/// Each case with those who take part.
fn chosen<'a>(cases: &[&'a Case], place: &run::Options) -> Result<Vec<(&'a Case, Vec<Contender>)>, Usage> {
    let with = |case: &&'a Case| Ok((*case, contenders_of(case, &place.system)?));
    let chosen = cases.iter().map(with).collect::<Result<Vec<_>, Usage>>()?;
    // What a bench is asked for comes last on the lines of its contenders: all would have the same number of shards.
    let tells = |contender: &Contender| contender.options.contains("--shards");
    match chosen.iter().find(|(_, contenders)| place.shards.is_some() && contenders.iter().any(tells)) {
        Some((case, _)) => Err(Usage::ShardsOfCase(case.name)),
        None => Ok(chosen),
    }
}

/// Those with a system asked for; all, where none is asked for.
fn contenders_of(case: &Case, asked: &[System]) -> Result<Vec<Contender>, Usage> {
    let able = case.contenders.iter().copied();
    let able: Vec<Contender> = able.filter(|contender| asked.is_empty() || asked.contains(&contender.system)).collect();
    if able.is_empty() {
        let names = case.contenders.iter().map(|contender| contender.system.name()).collect::<Vec<_>>().join(", ");
        return Err(Usage::NobodyCan(case.name.to_owned(), names));
    }
    Ok(able)
}

/// A contender, ready to run; see [`Command`].
///
/// # Errors
/// As there; or its plan is impossible, or what it needs is not there.
fn entrant(arguments: &[String], contender: Contender, line: &str, rate: Option<f64>) -> anyhow::Result<Entrant> {
    let Command { words, scenario, place } = Command::of(arguments, contender, line, rate)?;
    Ok(Entrant { contender, plan: scenario.plan()?, rig: place.rig(&[contender.system])?, command: words })
}

/// The command line that repeats a contender's run, and what it says: the bench runs what it publishes.
#[derive(Debug)]
struct Command {
    words: Vec<String>,
    scenario: Scenario,
    place: run::Options,
}

impl Command {
    /// Of these arguments of a bench, with the scenario and options in `line`, and at this rate if there is one.
    ///
    /// # Errors
    /// That is not the command line of a run.
    fn of(arguments: &[String], contender: Contender, line: &str, rate: Option<f64>) -> anyhow::Result<Self> {
        let words = |instead: &[_]| repeat::one_of(arguments, contender.system, line, instead);
        let given = words(&[]);
        let (mut scenario, place) = super::run_of(&given)?;
        let Some(rate) = rate else { return Ok(Self { words: given, scenario, place }) };
        scenario.set_rate(rate);
        Ok(Self { words: words(&scenario.rate_options()), scenario, place })
    }
}

/// What to run by hand: one line for all contenders, or one for each where they differ.
fn lines(case: &Case, contenders: &[Contender], rate: Option<f64>) -> Vec<String> {
    let rate = rate.map_or(String::new(), |rate| format!(" --rate {rate}"));
    if contenders.iter().all(|contender| contender.options.is_empty()) {
        return vec![format!("loadgen {}{rate}", case.line)];
    }
    let line =
        |contender: &Contender| format!("loadgen {}{rate} --system {}", case.line_of(contender), contender.system);
    contenders.iter().map(line).collect()
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
    use crate::plan::Plan;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    fn command(bench: &str, contender: Contender, line: &str, rate: Option<f64>) -> (String, Plan) {
        let command = Command::of(&words(bench), contender, line, rate).expect("a command line");
        (command.words.join(" "), command.scenario.plan().expect("a plan"))
    }

    #[test]
    fn every_contender_of_the_suite_is_a_plan_that_its_published_line_repeats() {
        for case in suite() {
            let rate = (case.rate != Rate::Given).then_some(120.0);
            for contender in case.contenders {
                let (line, plan) = command("loadgen bench --rounds 3", *contender, &case.line_of(contender), rate);
                let (again, place) = crate::cli::run_of(&words(&line)).expect("a command line");
                let again = again.plan().expect("a plan");
                assert_eq!((again.scenario, again.options), (plan.scenario, plan.options), "{line}");
                assert_eq!(place.one_system().expect("one"), contender.system);
            }
        }
    }

    #[test]
    fn options_of_a_contender_take_the_place_of_the_comparisons_own() {
        let wide = Contender { name: "wide", system: System::Haproxy, options: "-d 70 --seed 4" };
        let case = Case { line: "message -d 5 --rate 9", ..suite()[0] };
        let (line, plan) = command("loadgen bench --only a", wide, &case.line_of(&wide), None);
        assert_eq!(line, "loadgen message -d 5 --rate 9 -d 70 --seed 4 --system haproxy");
        assert_eq!((plan.remotes, plan.seed), (70, 4));
        assert_eq!(case.line_of(&Contender::plain(System::Direct)), case.line);
    }

    #[test]
    fn rate_of_an_earlier_comparison_is_part_of_the_line() {
        let ringgate = Contender::plain(System::Ringgate);
        let (line, plan) = command("loadgen bench", ringgate, "fanout -k 100", Some(123.0));
        assert_eq!(line, "loadgen fanout -k 100 --rate 123 --system ringgate");
        assert_eq!(plan.options["rate"], 123.0);
    }

    #[test]
    fn scenario_of_a_bench_is_run_as_asked() {
        let bench = "loadgen --out x bench --rounds 2 message -d 7 --rate 50 --system ringgate,haproxy --keep";
        let command = Command::of(&words(bench), Contender::plain(System::Haproxy), "", None).expect("a command line");
        assert_eq!(command.words.join(" "), "loadgen message -d 7 --rate 50 --keep --system haproxy");
        assert!(command.place.keep && command.place.out.is_none());
        assert_eq!(command.scenario.plan().expect("a plan").remotes, 7);
    }

    #[test]
    fn contender_with_options_of_its_own_is_listed_and_published_apart() {
        const TWO: [Contender; 2] = [
            Contender { name: "few", system: System::Ringgate, options: "-d 5" },
            Contender { name: "many", system: System::Ringgate, options: "-d 50" },
        ];
        let case = Case { name: "x", title: "x", line: "idle", rate: Rate::Given, contenders: &TWO };
        let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
        let listed = listed(&case);
        let listed: Vec<String> = listed.lines().map(columns).collect();
        assert_eq!(listed, ["x idle", "few -d 5 --system ringgate", "many -d 50 --system ringgate"]);
        let published = lines(&case, &TWO, None);
        assert_eq!(published, ["loadgen idle -d 5 --system ringgate", "loadgen idle -d 50 --system ringgate"]);
        assert_eq!(lines(&suite()[0], suite()[0].contenders, None), [format!("loadgen {}", suite()[0].line)]);
    }

    #[test]
    fn system_asked_for_keeps_all_of_its_contenders() {
        const THREE: [Contender; 3] = [
            Contender::plain(System::Haproxy),
            Contender { name: "few", system: System::Ringgate, options: "-d 5" },
            Contender { name: "many", system: System::Ringgate, options: "-d 50" },
        ];
        let case = Case { name: "x", title: "x", line: "idle", rate: Rate::Given, contenders: &THREE };
        let names = |asked: &[System]| {
            let contenders = contenders_of(&case, asked).map_err(|error| error.to_string())?;
            Ok::<_, String>(contenders.iter().map(|contender| contender.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[System::Ringgate]), Ok(vec!["few", "many"]));
        assert_eq!(names(&[]), Ok(vec!["haproxy", "few", "many"]));
        assert!(names(&[System::Prosody]).unwrap_err().starts_with("none of these systems can do `x`"));
    }

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
