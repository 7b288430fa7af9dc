//! Judges what arrived: distributions per phase and second, order, duplicates, what is missing, and whether the run may be
//! believed at all.

mod series;

pub use series::{Phase, Series};
