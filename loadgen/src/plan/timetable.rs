//! When stanzas depart: a merged, ordered sequence of seeded arrival processes.

use super::Departure;

/// Departures in order of time, of the warm-up and the measured phase together.
#[derive(Clone, Debug)]
pub struct Timetable {
    departures: std::sync::Arc<[Departure]>,
}

impl Timetable {
    /// From departures in order of time.
    pub fn new(departures: Vec<Departure>) -> Self {
        debug_assert!(departures.is_sorted_by_key(|departure| departure.at));
        Self { departures: departures.into() }
    }

    /// All of them.
    pub fn departures(&self) -> &[Departure] {
        &self.departures
    }
}
