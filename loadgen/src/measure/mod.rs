//! Judges what arrived: distributions per phase and second, order, duplicates, what is missing, and whether the run may be
//! believed at all.
//!
//! Nothing here reads a clock: instants are [`Duration`](std::time::Duration)s since the begin of the run, on one monotonic
//! clock for all cores, so that a departure on one core and its arrival on another can be compared.

mod environment;
pub mod figure;
mod growth;
mod hiccup;
pub mod processor;
mod recorder;
mod series;
mod tracker;
pub mod validity;

pub use crate::outcome::Growth;
pub use figure::Figure;
pub use hiccup::Hiccup;
pub use recorder::{GREATEST, Recorder, merge, total};
pub use series::{Phase, Series};
pub use tracker::{Arrival, Due, HANDOVER, Mode, Tracker};
