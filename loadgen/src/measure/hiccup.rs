//! What the machine itself does to a thread that only sleeps.

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};

use super::{Phase, Recorder, Series};
use crate::outcome::{Interval, PhaseLengths};

/// For so long it sleeps at a time.
const SLEEP: Duration = Duration::from_millis(1);

/// The kernel may wake it so much later, by its own rules; the usual 50 µs would be in every sample.
const SLACK: NonZeroU64 = NonZeroU64::MIN;

/// Samples that one stall stands for, at most.
const STALL: u32 = 100_000;

/// A thread that sleeps 1 ms at a time and records how late it wakes up: what any program on this core has to bear, whatever the system
/// under test does.
///
/// A stall of `d` stands for all the sleeps that would have ended within it: it is recorded as `d`, `d - 1 ms`, `d - 2 ms`, … so that a
/// percentile of this series is one of time.
#[derive(Debug)]
pub struct Hiccup {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Interval>>,
}

impl Hiccup {
    /// Starts it on a core, for a run that began at `origin` and takes about `run`.
    ///
    /// # Errors
    /// The kernel gives no thread.
    pub fn start(core: Option<usize>, origin: Instant, run: Duration) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::Builder::new().name("hiccup".to_owned()).spawn(move || {
            settle_on(core);
            sleep_and_record(origin, run, &told)
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends it. Intervals of a second belong to the phase in which they begin.
    pub fn finish(self, phases: PhaseLengths) -> Vec<Interval> {
        self.stop.store(true, Ordering::Relaxed);
        let mut intervals = self.thread.join().unwrap_or_default();
        for interval in &mut intervals {
            let start = interval.start.as_secs_f64();
            interval.phase = match start {
                start if start < phases.connect => Phase::Connect,
                start if start < phases.connect + phases.warm_up => Phase::WarmUp,
                _ => Phase::Measure,
            };
        }
        intervals.retain(|interval| interval.start.as_secs_f64() < phases.connect + phases.warm_up + phases.measure);
        intervals
    }
}

/// Best effort: without a core of its own, and with the usual slack, it measures a little more than it should, never less.
fn settle_on(core: Option<usize>) {
    let _ = set_current_timer_slack(Some(SLACK));
    if let Some(core) = core.filter(|core| *core < CpuSet::MAX_CPU) {
        let mut set = CpuSet::new();
        set.set(core);
        let _ = sched_setaffinity(None, &set);
    }
}

fn sleep_and_record(origin: Instant, run: Duration, stop: &AtomicBool) -> Vec<Interval> {
    let mut recorder = Recorder::new(run);
    let mut before = origin.elapsed();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(SLEEP);
        let now = origin.elapsed();
        recorder.tick(now);
        record(&mut recorder, (now - before).saturating_sub(SLEEP));
        before = origin.elapsed();
    }
    recorder.into_intervals(origin.elapsed())
}

fn record(recorder: &mut Recorder, late: Duration) {
    recorder.record(Series::Hiccup, Phase::Measure, late);
    let mut rest = late;
    for _ in 0..STALL {
        let Some(next) = rest.checked_sub(SLEEP).filter(|next| !next.is_zero()) else { return };
        rest = next;
        recorder.record(Series::Hiccup, Phase::Measure, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::total;

    #[test]
    fn stall_stands_for_all_sleeps_that_it_swallowed() {
        let mut recorder = Recorder::new(SLEEP);
        record(&mut recorder, Duration::from_micros(4_500));
        record(&mut recorder, Duration::from_micros(20));
        let all = total(&recorder.into_intervals(SLEEP), Series::Hiccup, Phase::Measure);
        let values: Vec<u64> = all.iter_recorded().map(|value| value.value_iterated_to() / 10_000).collect();
        assert_eq!(values, [2, 50, 150, 250, 350, 450]);
    }

    #[test]
    fn sleeping_thread_leaves_samples_in_the_phases_that_were() {
        let hiccup = Hiccup::start(Some(0), Instant::now(), Duration::from_secs(1)).unwrap();
        thread::sleep(Duration::from_millis(50));
        let intervals = hiccup.finish(PhaseLengths { connect: 0.0, warm_up: 0.0, measure: 1.0 });
        let samples = total(&intervals, Series::Hiccup, Phase::Measure).len();
        assert!(samples > 5, "{samples}");
        let hiccup = Hiccup::start(None, Instant::now(), Duration::from_secs(1)).unwrap();
        let nothing = hiccup.finish(PhaseLengths { connect: 0.0, warm_up: 0.0, measure: 0.0 });
        assert!(nothing.is_empty(), "after the measured phase");
    }
}
