//! Who takes part in a comparison.

use std::fmt;

use crate::plan::Plan;
use crate::rig::Rig;
use crate::systems::System;

/// A system under a command line. A comparison may have one system under several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contender {
    /// In tables and directories; no other of the comparison has it.
    pub name: &'static str,
    /// What is measured.
    pub system: System,
    /// Options after those of the comparison; of two that say the same, the last counts.
    pub options: &'static str,
}

impl Contender {
    /// A system under the comparison's own command line, by its own name.
    pub const fn plain(system: System) -> Self {
        Self { name: system.name(), system, options: "" }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A contender, ready to run.
pub struct Entrant {
    /// Who.
    pub contender: Contender,
    /// What its command line plans.
    pub plan: Plan,
    /// Where its command line runs it.
    pub rig: Rig,
    /// Repeats one of its runs.
    pub command: Vec<String>,
}
