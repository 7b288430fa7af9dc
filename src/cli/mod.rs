//! The command line: one module per command.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | it did what was asked |
//! | 1 | it could not (the log or standard error says why); `scan`: the stream breaks a rule |
//! | 2 | wrong usage, or a configuration that has to be corrected |

mod check;
mod run;
pub mod scan;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Loaded};
use crate::demo::{self, DemoArgs};

/// What was asked for could not be done.
pub const EXIT_FAILURE: u8 = 1;
/// Wrong usage, or a configuration that has to be corrected.
pub const EXIT_CONFIGURATION: u8 = 2;

/// An XMPP federation proxy: authenticates, validates and routes what crosses between your servers and all others.
#[derive(Debug, Parser)]
#[command(name = "ringgate", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 could not be done (scan: the stream breaks a rule); \
                          2 wrong usage, or a configuration to correct.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the proxy until SIGTERM or SIGINT, which drain it; a second one stops it at once.
    Run(ConfigurationFile),
    /// Says whether a configuration and the files it names are in order, and changes nothing.
    Check(ConfigurationFile),
    /// Shows what the scanner makes of a captured stream.
    Scan(scan::ScanArgs),
    /// Plays a small internet on loopback around a real ringgate, for some seconds.
    Demo(DemoArgs),
}

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigurationFile {
    /// The configuration; ringgate.toml in the repository explains every key.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Does what the command line asks.
pub fn main() -> ExitCode {
    main_from(std::env::args_os())
}

/// Does what these words ask, of which the first is the program's own name.
pub fn main_from(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done = match Arguments::parse_from(words).command {
        Command::Run(file) => run::run(&file),
        Command::Check(file) => check::check(&file, &mut std::io::stdout()),
        Command::Scan(args) => scan::run(&args),
        Command::Demo(args) => demo::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(EXIT_FAILURE)
    })
}

/// Loads the configuration, or prints on standard error what has to be corrected and gives the exit code for that.
fn load(file: &ConfigurationFile) -> Result<Loaded, ExitCode> {
    Config::load(&file.config).map_err(|problems| {
        eprint!("{problems}{}", problems.warnings_text());
        ExitCode::from(EXIT_CONFIGURATION)
    })
}
