//! The command line: one module per command.

use std::process::ExitCode;

use clap::Parser;

/// Measures XMPP federation: plays the servers on both sides of a system under test.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version)]
struct Arguments {}

/// Does what the command line asks.
pub fn main() -> ExitCode {
    let Arguments {} = Arguments::parse();
    ExitCode::SUCCESS
}
