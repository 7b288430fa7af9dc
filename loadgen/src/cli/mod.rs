//! The command line: one module per command.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | it did what was asked; a run is valid and kept its objectives |
//! | 1 | it could not be done; one line on standard error says why |
//! | 2 | wrong usage: an unknown scenario or system, an impossible rate |
//! | 3 | a run missed an objective, or lost, doubled or reordered stanzas; in a comparison, a side is worse |
//! | 4 | a run is invalid: its figures must not be used; in a comparison, a side has no valid run; in a search, the answer is not confirmed |
//! | 130 | it was interrupted (Ctrl-C, SIGTERM): what there is was measured until then |

mod bench;
mod bisect;
mod compare;
mod explain;
mod repeat;
mod run;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::outcome::Verdict;
use crate::plan::Scenario;
use crate::report::shell_line;
use crate::systems::System;

/// What was asked for could not be done.
const FAILURE: u8 = 1;
/// Wrong usage.
const USAGE: u8 = 2;
/// A run missed an objective or lost stanzas.
const FAILED: u8 = 3;
/// A run is invalid.
const INVALID: u8 = 4;
/// It was interrupted: what a shell makes of SIGINT.
const INTERRUPTED: u8 = 130;

const EXIT_CODES: &str = "Exit codes: 0 done, and a run kept its objectives; 1 could not be done; 2 wrong usage; \
                          3 an objective was missed or stanzas were lost; 4 the run is invalid, or a search's answer not confirmed; \
                          130 it was interrupted.";

/// Measures XMPP federation: plays the servers on both sides of a system under test.
///
/// Each scenario is a command: `loadgen fanout` starts ringgate by itself, runs, and writes its files. Of an option
/// that is given twice, the last counts.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, after_help = EXIT_CODES, subcommand_required = true, args_override_self = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    run: run::Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Run(Scenario),
    /// Compares systems: interleaved rounds, ratios and their spread
    Bench(bench::Options),
    /// Searches the highest rate of a scenario that keeps an objective
    Bisect(bisect::Options),
    /// Prints what a scenario implies, before it is run
    Explain(explain::Options),
    /// Compares runs, and says whether one is worse
    Compare(compare::Options),
}

/// Does what the command line asks.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            eprintln!("loadgen: {}", in_one_line(&error.to_string()));
            return ExitCode::from(USAGE);
        }
        // Help, or the version.
        Err(shown) => shown.exit(),
    };
    let done = match &arguments.command {
        Command::Run(scenario) => run::run(scenario, &arguments.run),
        Command::Bench(options) => bench::run(options, &arguments.run),
        Command::Bisect(options) => bisect::run(options, &arguments.run),
        Command::Explain(options) => explain::run(options),
        Command::Compare(options) => compare::run(options),
    };
    done.unwrap_or_else(|error| {
        eprintln!("loadgen: {error:#}");
        let is_usage = error.is::<crate::plan::Problem>() || error.is::<Usage>();
        ExitCode::from(if is_usage { USAGE } else { FAILURE })
    })
}

/// What the parser of arguments says, without the usage that follows it.
fn in_one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    let text = said.join(" ").replace(" tip: ", "; ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// Options that contradict each other.
#[derive(Debug, thiserror::Error)]
enum Usage {
    #[error("a run has one system; `loadgen bench` compares several")]
    SeveralSystems,
    #[error("there is no comparison {0:?}; there are {1}")]
    NoCase(String, String),
    #[error("none of these systems can do `{0}`: {1} can")]
    NobodyCan(String, String),
    #[error("a search needs an objective: --slo-p99 or --slo-p999")]
    NoObjective,
    #[error("this scenario has no rate to search")]
    NoRate,
    #[error("--attach is for one ringgate that runs already; it goes with no other --system and no --ringgate")]
    AttachedToOthers,
    #[error("the shards of a ringgate that runs already are as its configuration says; --attach goes with no --shards")]
    ShardsOfAttached,
    #[error("--shards is for ringgate, {0} has none: leave --shards out, or ask for --system ringgate alone")]
    ShardsOfOthers(System),
    #[error(
        "--ringgate says which build of ringgate runs, but only {0} runs here: leave it out, or ask for ringgate with --system"
    )]
    BuildOfOthers(String),
    #[error("the contenders of `{0}` say themselves how many shards they have: leave --shards out")]
    ShardsOfCase(&'static str),
    #[error("--pid says which process --attach is about")]
    PidWithoutAttach,
    #[error("{0}")]
    Bounds(&'static str),
}

/// The scenario that a command line runs, and where.
///
/// # Errors
/// It is not the command line of a run.
fn run_of(words: &[String]) -> anyhow::Result<(Scenario, run::Options)> {
    let arguments = Arguments::try_parse_from(words).map_err(|error| anyhow::anyhow!(in_one_line(&error.to_string())));
    match arguments.with_context(|| shell_line(words))? {
        Arguments { command: Command::Run(scenario), run } => Ok((scenario, run)),
        _ => anyhow::bail!("{}: no scenario", shell_line(words)),
    }
}

/// The exit code of a run.
fn code(verdict: &Verdict) -> ExitCode {
    if verdict.interrupted {
        return ExitCode::from(INTERRUPTED);
    }
    match (verdict.invalid.is_empty(), verdict.failed.is_empty()) {
        (false, _) => ExitCode::from(INVALID),
        (true, false) => ExitCode::from(FAILED),
        (true, true) => ExitCode::SUCCESS,
    }
}

/// Becomes true at the first SIGINT or SIGTERM; the second one ends the process at once.
fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop)).context("signals")?;
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("signals")?;
    }
    Ok(stop)
}
