//! What people and other programs read of a run: the terminal, `result.json`, `.hlog`, `.hgrm`.
//!
//! ```text
//!   Record ──▶ Run ──▶ result.json ──▶ Run ──▶ compare
//!                ├───▶ summary (terminal)
//!                └───▶ latency.hgrm
//!   Record ──▶ latency.hlog
//! ```
//!
//! A [`Run`] is an outcome with one merged histogram per phase and series. Percentiles are read from those, by
//! [`crate::measure::figure`], and are never averaged.

mod curve;
mod files;
mod hgrm;
mod hlog;
mod paint;
mod plot;
mod progress;
mod result;
mod run;
mod scale;
mod summary;
mod units;

pub use files::{Files, write_files};
pub use paint::{Paint, Terminal};
pub use progress::Progress;
pub use result::{ReadError, read, to_json};
pub use run::Run;
pub use summary::summary;

#[cfg(test)]
mod made_up;
