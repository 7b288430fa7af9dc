//! What a scenario implies, before it is run.

use std::process::ExitCode;

use clap::Args;

use crate::plan::Scenario;

/// Which scenario, with its options.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    scenario: Scenario,
}

/// Prints it.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let plan = options.scenario.plan()?;
    for line in options.scenario.explain(&plan) {
        println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}
