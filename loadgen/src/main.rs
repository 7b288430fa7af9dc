//! loadgen: measures XMPP federation. See `loadgen::cli` for its commands.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    loadgen::systems::ringgate::be_ringgate().unwrap_or_else(loadgen::cli::main)
}
