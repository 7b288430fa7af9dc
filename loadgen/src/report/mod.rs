//! What people and other programs read of a run: the terminal, `result.json`, `.hlog`, `.hgrm`, and a page of HTML.
//!
//! ```text
//!   Record ──▶ Run ──▶ result.json ──▶ Run ──▶ compare
//!                ├───▶ summary (terminal)
//!                ├───▶ report.html
//!                └───▶ latency.hgrm
//!   Record ──▶ latency.hlog
//! ```
//!
//! A [`Run`] is an outcome with one merged histogram per phase and series. Percentiles are read from those, by
//! [`crate::measure::figure`], and are never averaged.

pub(crate) mod curve;
mod files;
pub(crate) mod grid;
mod hgrm;
mod hlog;
pub(crate) mod html;
mod paint;
pub(crate) mod plot;
mod progress;
mod quantity;
mod result;
pub(crate) mod run;
mod scale;
mod shell;
mod summary;
pub mod table;
mod units;

pub use files::{Files, write_files};
pub use paint::{Paint, Terminal};
pub use progress::Progress;
pub use quantity::Quantity;
pub use result::{ReadError, read, to_json};
pub use run::Run;
pub(crate) use run::{add, empty};
pub use shell::shell_line;
pub use summary::summary;
pub use units::Unit;

#[cfg(test)]
mod foreign;
#[cfg(test)]
pub(crate) mod made_up;
