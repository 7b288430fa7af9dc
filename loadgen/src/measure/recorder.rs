//! Distributions of one engine core, second by second.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::{Phase, Series};
use crate::outcome::Interval;

/// Greater values are recorded as this one.
pub const GREATEST: Duration = Duration::from_hours(1);

/// Significant decimal digits of every recorded value: 0.1 %.
const DIGITS: u8 = 3;

/// Intervals of a run, at most; a longer run has longer ones, so that what it leaves behind stays bounded.
const INTERVALS: u32 = 600;

/// Records values of one core into one histogram per series and phase, and puts these aside about every second.
///
/// Values are nanoseconds with three significant digits, from 1 ns to an hour; beyond, they count as an hour. There is no lock: each core has its
/// own, and [`merge`] joins them in the end. Recording allocates only with the first value of a series in an interval.
#[derive(Debug)]
pub struct Recorder {
    length: Duration,
    /// Begin of the interval that is being recorded; a multiple of `length`.
    start: Duration,
    current: [[Option<Histogram<u64>>; Phase::COUNT]; Series::COUNT],
    closed: Vec<Interval>,
}

impl Recorder {
    /// For a run of about this length. Intervals are a second long, or a 600th of the run in whole seconds if that is more.
    pub fn new(run: Duration) -> Self {
        let length = Duration::from_secs(run.div_f64(f64::from(INTERVALS)).as_secs_f64().ceil().max(1.0) as u64);
        Self { length, start: Duration::ZERO, current: Default::default(), closed: Vec::new() }
    }

    /// Counts a value.
    pub fn record(&mut self, series: Series, phase: Phase, value: Duration) {
        self.record_nanos(series, phase, nanos(value));
    }

    /// The same, in nanoseconds.
    pub(super) fn record_nanos(&mut self, series: Series, phase: Phase, value: u64) {
        let histogram = self.current[series as usize][phase as usize].get_or_insert_with(empty);
        histogram.saturating_record(value);
    }

    /// Puts the interval aside if it is over. Intervals begin at multiples of their length, on all cores alike; a core that comes
    /// late has a longer one. To be called several times a second; costs next to nothing.
    pub fn tick(&mut self, now: Duration) {
        if now < self.start + self.length {
            return;
        }
        let past = now.as_nanos() % self.length.as_nanos();
        self.close(now - Duration::from_nanos(past as u64));
    }

    /// The histogram of a series and phase in the interval that was put aside last, if anything was recorded in it: for a display of
    /// progress.
    pub fn latest(&self, series: Series, phase: Phase) -> Option<&Histogram<u64>> {
        let last = self.closed.last()?.start;
        let latest = self.closed.iter().rev().take_while(|interval| interval.start == last);
        latest
            .filter(|interval| interval.series == series && interval.phase == phase)
            .map(|found| &found.histogram)
            .next()
    }

    /// Ends the last interval and gives all of them, in order of their start.
    pub fn into_intervals(mut self, now: Duration) -> Vec<Interval> {
        self.close(now.max(self.start));
        self.closed
    }

    fn close(&mut self, end: Duration) {
        let (start, length) = (self.start, end - self.start);
        for series in Series::ALL {
            for phase in Phase::ALL {
                // What replaces it is made when it is needed: zeroed pages that the kernel fills in on touch.
                let Some(histogram) = self.current[series as usize][phase as usize].take() else { continue };
                self.closed.push(Interval { series, phase, start, length, histogram });
            }
        }
        self.start = end;
    }
}

/// Joins what several cores recorded: intervals of the same series and phase that begin together become one.
pub fn merge(cores: impl IntoIterator<Item = Vec<Interval>>) -> Vec<Interval> {
    let mut merged = BTreeMap::<_, Interval>::new();
    for interval in cores.into_iter().flatten() {
        let key = (interval.start, interval.series, interval.phase);
        match merged.get_mut(&key) {
            Some(known) => {
                known.length = known.length.max(interval.length);
                known.histogram += &interval.histogram;
            }
            None => drop(merged.insert(key, interval)),
        }
    }
    merged.into_values().collect()
}

/// All intervals of a series and phase as one histogram. Percentiles come from this, never from an average of percentiles.
pub fn total<'a>(intervals: impl IntoIterator<Item = &'a Interval>, series: Series, phase: Phase) -> Histogram<u64> {
    let mut total = empty();
    for interval in intervals {
        if interval.series == series && interval.phase == phase {
            total += &interval.histogram;
        }
    }
    total
}

/// Nanoseconds; more than [`GREATEST`] counts as that.
pub(super) fn nanos(value: Duration) -> u64 {
    value.min(GREATEST).as_nanos() as u64
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, GREATEST.as_nanos() as u64, DIGITS).expect("constants that the crate accepts")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lengths(intervals: &[Interval]) -> Vec<(u64, u64, u64)> {
        let of = |interval: &Interval| {
            (interval.start.as_millis() as u64, interval.length.as_millis() as u64, interval.histogram.len())
        };
        intervals.iter().map(of).collect()
    }

    #[test]
    fn values_keep_three_digits_from_a_nanosecond_to_an_hour_and_saturate_there() {
        for nanos in [1, 87, 999, 12_345, 987_654_321, 59 * 60 * 1_000_000_000] {
            let mut recorder = Recorder::new(SECOND);
            recorder.record(Series::Last, Phase::Measure, Duration::from_nanos(nanos));
            let got = recorder.into_intervals(SECOND)[0].histogram.max();
            assert!(got.abs_diff(nanos) <= nanos / 1_000, "{nanos}: {got}");
        }
        let mut recorder = Recorder::new(SECOND);
        recorder.record(Series::Last, Phase::Measure, Duration::MAX);
        let got = recorder.into_intervals(SECOND)[0].histogram.max();
        assert!(got.abs_diff(3_600_000_000_000) < 3_600_000_000, "{got}");
    }

    #[test]
    fn intervals_lie_on_whole_seconds_however_late_the_tick_comes() {
        let mut recorder = Recorder::new(SECOND * 30);
        for millis in [100, 900, 1_050, 1_900, 4_300] {
            recorder.tick(Duration::from_millis(millis));
            recorder.record(Series::Recipient, Phase::Measure, SECOND);
        }
        let intervals = recorder.into_intervals(Duration::from_millis(4_500));
        assert_eq!(lengths(&intervals), [(0, 1_000, 2), (1_000, 3_000, 2), (4_000, 500, 1)]);
    }

    #[test]
    fn long_run_has_longer_intervals() {
        let mut recorder = Recorder::new(Duration::from_hours(1));
        for second in 0..3_600 {
            recorder.tick(SECOND * second);
            recorder.record(Series::Hiccup, Phase::Measure, SECOND);
        }
        assert_eq!(recorder.into_intervals(SECOND * 3_600).len(), 600);
    }

    #[test]
    fn cores_merge_by_interval_series_and_phase() {
        let core = |series, values: u32| {
            let mut recorder = Recorder::new(SECOND);
            for value in 0..values {
                recorder.record(series, Phase::Measure, Duration::from_micros(u64::from(value)));
            }
            recorder.tick(SECOND);
            recorder.record(series, Phase::WarmUp, SECOND);
            recorder.into_intervals(SECOND * 2)
        };
        let merged = merge([core(Series::First, 3), core(Series::First, 4), core(Series::Last, 5)]);
        assert_eq!(lengths(&merged), [(0, 1_000, 7), (0, 1_000, 5), (1_000, 1_000, 2), (1_000, 1_000, 1)]);
        assert_eq!(total(&merged, Series::First, Phase::Measure).len(), 7);
    }

    #[test]
    fn latest_interval_is_the_one_put_aside_last() {
        let mut recorder = Recorder::new(SECOND);
        recorder.record(Series::First, Phase::Measure, SECOND);
        assert!(recorder.latest(Series::First, Phase::Measure).is_none());
        recorder.tick(SECOND);
        assert_eq!(recorder.latest(Series::First, Phase::Measure).unwrap().len(), 1);
        recorder.record(Series::Last, Phase::Measure, SECOND);
        recorder.tick(SECOND * 2);
        assert!(recorder.latest(Series::First, Phase::Measure).is_none(), "nothing in that second");
    }
}
