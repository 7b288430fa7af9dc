//! Makes a plan happen: one executor per core, streams between servers, the schedule.
//!
//! ```text
//!   Stage::set ──▶ (the system is configured and started) ──▶ Stage::run ──▶ Measured
//!   listeners,                                      conductor: phases, processor time, progress
//!   certificates, DNS                               cores: streams, departures, arrivals
//! ```
//!
//! Domains are dealt out to the engine's cores; a domain's connections, and the judgement of what its users send, are on its
//! core. What arrives elsewhere is handed over in batches, with the time of its arrival; with one core nothing is.
//!
//! *Send lag* is the time from when a departure was due until its first stanza was offered to its socket. An *arrival* is timed
//! when the ring that had received it was entered last.

mod attacker;
mod core;
mod ground;
mod hex;
mod live;
mod run;
mod scene;
mod shared;
mod socket;
mod stage;
mod stanza;

pub use ground::Ground;
pub use live::{Glimpse, Live};
pub use run::{Measured, SystemWatch};
pub use scene::Places;
pub use stage::Stage;
