//! What can be seen of a run while it runs: written by the engine, read by whoever shows progress.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use crate::measure::Phase;

/// A run as it stands; it moves on about ten times a second.
#[derive(Debug, Default)]
pub struct Live {
    phase: AtomicU8,
    elapsed: AtomicU64,
    planned: AtomicU64,
    opened: AtomicU64,
    to_open: AtomicU64,
    rate: AtomicU64,
    p50: AtomicU64,
    p99: AtomicU64,
    done: AtomicU64,
    missing: AtomicU64,
}

/// What [`Live`] shows at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glimpse {
    /// Where the run is.
    pub phase: Phase,
    /// Since the begin of this phase.
    pub elapsed: Duration,
    /// How long this phase takes; at most, while streams are opened.
    pub planned: Duration,
    /// Streams that the engine has opened.
    pub opened: u64,
    /// Streams that it is to open before the warm-up.
    pub to_open: u64,
    /// What was [done](Self::done) in the last second.
    pub rate: u64,
    /// Median over the last whole second, of the core where it is greatest; zero without samples.
    pub p50: Duration,
    /// 99th percentile of the same.
    pub p99: Duration,
    /// Stanzas that arrived, or handshakes where the load is made of them, since the begin of the warm-up.
    pub done: u64,
    /// Stanzas that did not arrive by their deadline.
    pub missing: u64,
}

impl Live {
    /// The last state.
    pub fn glimpse(&self) -> Glimpse {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        Glimpse {
            phase: Phase::ALL[usize::from(self.phase.load(Ordering::Relaxed))],
            elapsed: Duration::from_nanos(read(&self.elapsed)),
            planned: Duration::from_nanos(read(&self.planned)),
            opened: read(&self.opened),
            to_open: read(&self.to_open),
            rate: read(&self.rate),
            p50: Duration::from_nanos(read(&self.p50)),
            p99: Duration::from_nanos(read(&self.p99)),
            done: read(&self.done),
            missing: read(&self.missing),
        }
    }

    pub(crate) fn show(&self, glimpse: &Glimpse) {
        let write = |place: &AtomicU64, value| place.store(value, Ordering::Relaxed);
        self.phase.store(glimpse.phase as u8, Ordering::Relaxed);
        write(&self.elapsed, glimpse.elapsed.as_nanos() as u64);
        write(&self.planned, glimpse.planned.as_nanos() as u64);
        write(&self.opened, glimpse.opened);
        write(&self.to_open, glimpse.to_open);
        write(&self.rate, glimpse.rate);
        write(&self.p50, glimpse.p50.as_nanos() as u64);
        write(&self.p99, glimpse.p99.as_nanos() as u64);
        write(&self.done, glimpse.done);
        write(&self.missing, glimpse.missing);
    }
}

/// What one core lets others see; only that core writes.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) opened: AtomicU64,
    pub(super) to_open: AtomicU64,
    pub(super) done: AtomicU64,
    pub(super) missing: AtomicU64,
    pub(super) p50: AtomicU64,
    pub(super) p99: AtomicU64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_seen() {
        let live = Live::default();
        assert_eq!((live.glimpse().phase, live.glimpse().done), (Phase::Connect, 0));
        let glimpse = Glimpse {
            phase: Phase::Measure,
            elapsed: Duration::from_millis(1),
            planned: Duration::from_secs(2),
            opened: 3,
            to_open: 4,
            rate: 5,
            p50: Duration::from_micros(6),
            p99: Duration::from_micros(7),
            done: 8,
            missing: 9,
        };
        live.show(&glimpse);
        assert_eq!(live.glimpse(), glimpse);
    }
}
