//! ringgate: an XMPP federation proxy. See `ringgate::cli` for its commands.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ringgate::cli::main()
}
