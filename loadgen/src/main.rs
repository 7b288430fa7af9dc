//! loadgen: measures XMPP federation. See `loadgen::cli` for its commands.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    loadgen::cli::main()
}
