//! A load generator for XMPP federation: it plays remote domains and local domains around a system under test, and
//! measures what a stanza has to wait for.
//!
//! ```text
//!   plan ──▶ engine ──▶ measure ──▶ outcome ──▶ report, compare
//!              │ ▲
//!              ▼ │ real s2s over loopback
//!            systems: ringgate, HAProxy, …, or none
//! ```
//!
//! `plan` says what will happen and when, from a seed, before anything happens. `engine` makes it happen: one executor per
//! core, streams between servers, the schedule. `measure` judges what arrived. `outcome` is what is left of a run, and all
//! that reports and comparisons know.
#![forbid(unsafe_code)]

pub mod bare;
pub mod bench;
pub mod cli;
pub mod compare;
pub mod engine;
pub mod measure;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod rig;
pub mod systems;
pub mod world;

/// Version and source revision of this build.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("LOADGEN_REVISION"));
