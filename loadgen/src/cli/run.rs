//! One scenario on one system.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use super::Usage;
use crate::plan::{Scenario, duration};
use crate::report::{self, Progress, Terminal};
use crate::rig::{Cores, Rig};
use crate::systems::attach::Attach;
use crate::systems::{Programs, System, priority};

/// Until a ringgate that runs already listens, at most.
const PATIENCE: Duration = Duration::from_secs(86_400);

/// Where and on what to run.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// System under test; several for a bench: ringgate, haproxy, direct, bare, xmpp-proxy, prosody, ejabberd
    #[arg(long, global = true, value_name = "NAME,NAME", value_delimiter = ',')]
    pub(super) system: Vec<System>,
    /// Directory for the files of the run; by default loadgen-results/ and the time
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Cores of the system under test
    #[arg(long, global = true, value_name = "N,N", value_delimiter = ',')]
    pub(super) system_cores: Vec<usize>,
    /// Cores of the engine
    #[arg(long, global = true, value_name = "N,N", value_delimiter = ',')]
    pub(super) engine_cores: Vec<usize>,
    /// Shards of ringgate, which share the system's cores; by default one per core
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub(super) shards: Option<u16>,
    /// Another build of ringgate than the one that is part of loadgen
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) ringgate: Option<PathBuf>,
    /// A ringgate that runs already, by the directory of its configuration, which is made if it is not there
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) attach: Option<PathBuf>,
    /// Until such a ringgate listens, at most
    #[arg(long, global = true, default_value = "60s", value_parser = duration, value_name = "TIME")]
    pub(super) attach_wait: Duration,
    /// Its process, if that cannot be told from its ports
    #[arg(long, global = true, value_name = "N")]
    pub(super) pid: Option<u32>,
    /// Install what a system needs: Debian's packages as root, crates for this user
    #[arg(long, global = true)]
    pub(super) install: bool,
    /// Keep the configurations and logs of systems
    #[arg(long, global = true)]
    pub(super) keep: bool,
}

impl Options {
    /// The one system to run on: ringgate, unless another one is asked for.
    pub(super) fn one_system(&self) -> Result<System, Usage> {
        match self.system.as_slice() {
            [] => Ok(System::Ringgate),
            [system] => Ok(*system),
            _ => Err(Usage::SeveralSystems),
        }
    }

    /// The place for runs, with all that these systems need.
    ///
    /// # Errors
    /// Options that are for none of them; what is missing, and how to get it; cores that cannot be had.
    pub(super) fn rig(&self, systems: &[System]) -> anyhow::Result<Rig> {
        let attach = self.attach(systems)?;
        self.check_shards(systems)?;
        self.check_build(systems)?;
        for need in systems.iter().filter_map(|system| system.need()) {
            if self.install { need.install().map(drop)? } else { need.find().map(drop)? }
        }
        let cores = Cores::choose(&self.system_cores, &self.engine_cores)?;
        let programs = Programs { own: None, ringgate: self.ringgate.clone(), shards: self.shards };
        Ok(Rig { cores, programs, keep: self.keep, attach })
    }

    fn check_shards(&self, systems: &[System]) -> Result<(), Usage> {
        let other = systems.iter().find(|system| **system != System::Ringgate).filter(|_| self.shards.is_some());
        other.map_or(Ok(()), |other| Err(Usage::ShardsOfOthers(*other)))
    }

    fn check_build(&self, systems: &[System]) -> Result<(), Usage> {
        if self.ringgate.is_none() || systems.contains(&System::Ringgate) {
            return Ok(());
        }
        let names: Vec<&str> = systems.iter().map(|system| system.name()).collect();
        Err(Usage::BuildOfOthers(names.join(", ")))
    }

    fn attach(&self, systems: &[System]) -> Result<Option<Attach>, Usage> {
        match &self.attach {
            None if self.pid.is_some() => Err(Usage::PidWithoutAttach),
            None => Ok(None),
            Some(_) if systems != [System::Ringgate] || self.ringgate.is_some() => Err(Usage::AttachedToOthers),
            Some(_) if self.shards.is_some() => Err(Usage::ShardsOfAttached),
            Some(_) if self.attach_wait > PATIENCE => Err(Usage::Bounds("--attach-wait must be at most 24h")),
            Some(directory) => {
                Ok(Some(Attach { directory: directory.clone(), patience: self.attach_wait, pid: self.pid }))
            }
        }
    }

    /// The directory for what is named `what`.
    pub(super) fn directory(&self, what: &str) -> PathBuf {
        self.out.clone().unwrap_or_else(|| {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Path::new("loadgen-results").join(format!("{what}-{}", since_1970.as_secs()))
        })
    }
}

/// Runs it, prints the summary, writes the files.
pub(super) fn run(scenario: &Scenario, options: &Options) -> anyhow::Result<ExitCode> {
    let plan = scenario.plan()?;
    let system = options.one_system()?;
    let rig = options.rig(&[system])?;
    let stop = super::stop_flag()?;
    let _precedence = priority::favour_self();
    let mut progress = Progress::new();
    let record = rig.play(&plan, system, std::env::args().collect(), &mut progress, &stop);
    progress.finish();
    let record = record?;
    let files = report::write_files(&record, &options.directory(plan.scenario))?;
    let terminal = Terminal::stdout();
    print!("{}\n{}", report::summary(&record, terminal.width, terminal.colour), files.listing());
    Ok(super::code(&record.outcome.verdict))
}
