//! A run as reports and comparisons see it.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::measure::{Phase, Series};
use crate::outcome::{Outcome, Record};

/// An outcome with one histogram per phase and series; what `result.json` holds.
#[derive(Clone, Debug)]
pub struct Run {
    /// All but the distributions.
    pub outcome: Outcome,
    histograms: BTreeMap<(Phase, Series), Histogram<u64>>,
}

impl Run {
    /// Merges the intervals of a record.
    pub fn of(record: &Record) -> Self {
        let mut run = Self { outcome: record.outcome.clone(), histograms: BTreeMap::new() };
        record.intervals.iter().for_each(|interval| run.merge(interval.phase, interval.series, &interval.histogram));
        run
    }

    /// Without distributions.
    pub(super) fn new(outcome: Outcome) -> Self {
        Self { outcome, histograms: BTreeMap::new() }
    }

    /// Adds to the distribution of a series.
    pub(super) fn merge(&mut self, phase: Phase, series: Series, histogram: &Histogram<u64>) {
        add(self.histograms.entry((phase, series)).or_insert_with(empty), histogram);
    }

    /// The distribution of a series in the measured phase, if anything was recorded; nanoseconds.
    pub fn measured(&self, series: Series) -> Option<&Histogram<u64>> {
        self.histograms.get(&(Phase::Measure, series)).filter(|histogram| !histogram.is_empty())
    }

    /// All distributions, by phase and series.
    pub fn histograms(&self) -> impl Iterator<Item = (Phase, Series, &Histogram<u64>)> {
        self.histograms.iter().map(|((phase, series), histogram)| (*phase, *series, histogram))
    }

    /// What the run is about, if any of it was recorded.
    pub fn main_series(&self) -> Option<Series> {
        self.outcome.main_series.filter(|series| self.measured(*series).is_some())
    }

    /// The series whose percentile curves are drawn: first, median and last arrival, or the main one.
    pub fn drawn_series(&self) -> Vec<Series> {
        let fan_out = [Series::First, Series::Median, Series::Last];
        let drawn: Vec<Series> = fan_out.into_iter().filter(|series| self.measured(*series).is_some()).collect();
        if drawn.len() > 1 { drawn } else { self.main_series().into_iter().collect() }
    }

    /// Name and version of the system, once if the version says the name itself.
    pub fn system(&self) -> String {
        let system = &self.outcome.system;
        if system.version.to_lowercase().contains(&system.name.to_lowercase()) {
            system.version.clone()
        } else {
            format!("{} {}", system.name, system.version).trim_end().to_owned()
        }
    }

    /// Processor time of the system per stanza that arrived within the measured phase, seconds; `None` where no stanza did, its
    /// time is unknown, or an attacker took some of it.
    pub fn seconds_per_stanza(&self) -> Option<f64> {
        let (used, carried) = (self.outcome.processor.system, self.outcome.carried);
        (used > 0.0 && carried > 0 && self.outcome.attack.is_none()).then(|| used / carried as f64)
    }

    /// Bytes that the system took from an attacker, per second of the measured phase.
    pub fn attack_bytes_per_second(&self) -> Option<f64> {
        let (attack, seconds) = (self.outcome.attack?, self.outcome.phases.measure);
        (seconds > 0.0).then(|| attack.bytes as f64 / seconds)
    }

    /// Stanzas that arrived within the measured phase, per second of it.
    pub fn stanzas_per_second(&self) -> Option<f64> {
        let seconds = self.outcome.phases.measure;
        (seconds > 0.0).then(|| self.outcome.carried as f64 / seconds)
    }

    /// Resident memory that each stream of a remote domain costs the system, bytes; `None` unless all of them were idle.
    pub fn bytes_per_stream(&self) -> Option<f64> {
        let Outcome { streams, counts, .. } = &self.outcome;
        let grown = streams.memory_end_bytes.checked_sub(streams.memory_before_bytes)?;
        let is_known = streams.lanes > 0 && streams.memory_before_bytes > 0 && counts.scheduled == 0;
        is_known.then(|| grown as f64 / streams.lanes as f64)
    }

    /// Processor time of the system per handshake, seconds; `None` where there was none, or stanzas flowed meanwhile.
    pub fn seconds_per_handshake(&self) -> Option<f64> {
        let (used, handshakes) = (self.outcome.processor.system, self.outcome.streams.handshakes);
        (used > 0.0 && handshakes > 0 && self.outcome.counts.scheduled == 0).then(|| used / handshakes as f64)
    }

    /// Successful handshakes per second of the measured phase; `None` where a timetable says how many there are, as among stanzas.
    pub fn handshakes_per_second(&self) -> Option<f64> {
        let (handshakes, seconds) = (self.outcome.streams.handshakes, self.outcome.phases.measure);
        (handshakes > 0 && seconds > 0.0 && self.outcome.counts.scheduled == 0).then(|| handshakes as f64 / seconds)
    }
}

/// A histogram that grows with what is added to it; three significant digits.
pub(crate) fn empty() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}

/// Adds `more` to a histogram from [`empty`].
pub(crate) fn add(histogram: &mut Histogram<u64>, more: &Histogram<u64>) {
    histogram.add(more).expect("it grows");
}
