//! Whether a run may be believed, and whether it kept its objective.
//!
//! *Invalid*: the figures must not be used.
//! - Send lag: in an open loop its p99 in the measured phase must not exceed 25 % of the main series' p99. With too few samples for p99 in
//!   either, the same holds for p90, then p50.
//! - Generator: no engine core may have worked more than 90 % of the measured phase. In a closed loop the generator
//!   would be the limit, unless the system worked as much; in an open loop it would read arrivals late.
//! - Conservation: `scheduled = arrived + missing + unsent + undecided`; as many samples were recorded as were settled; as many
//!   departures and stanzas were scheduled as the plan holds (no more than that, when interrupted).
//! - Something was measured at all, and the memory of idle streams while all of them were open.
//!
//! *Doubtful*: named, and the figures may be used.
//! - The send lag's p99 exceeds 10 % of the main series'. Latency counts from the scheduled time: what the lag adds makes the result
//!   worse, never better.
//! - In an open loop, the time until stanzas are offered to their sockets has a p99 that exceeds 30 % of the main series': much of
//!   the result is the generator's writing of fan-outs, which a run without a system shows alone.
//! - In a closed loop both the generator and the system worked more than 90 % of the time: the system might carry more a
//!   second. What a stanza costs it holds. Without a system, the generator itself is measured.
//! - Others used more than 25 % of the cores of the system and the engine.
//! - Not steady: between the halves of the measured phase, the main series' p99 differs by more than a factor of 2, or its median
//!   by more than 1.5. Not looked at when something goes wrong on purpose.
//!
//! *Failed*: what did not hold.
//! - Stanzas missing, unsent, bounced, duplicated, reordered or foreign, a handshake that failed, a stream that the system cut:
//!   what was due on it is unsent or missing, so the figures of the others hold. What is missing, unsent or bounced on the lanes of
//!   a domain that stops reading on purpose is excused.
//! - The objective: the p99 or p99.9 of the main series is greater, or there are too few samples to say.
//! - Where streams come and go: the interval of the slope of memory or descriptors lies above 0, and the slope is 1 MB an hour, or 20
//!   descriptors an hour, or more. With 50 streams a second that is 6 bytes a stream, less than anything that could be forgotten of one, or a
//!   descriptor of one stream in 9,000. An interval that reaches beyond these bounds without growth being found, and a slope
//!   below them, are doubts, and so is a slope that is not known; that the generator was late or busy is one there, too, for latency is not what the run is about.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::figure::{Figure, percentile, readable, samples_needed};
use super::{Mode, Phase, Series, total};
use crate::outcome::{Counts, Growth, Interval, PhaseLengths, Processor, Streams, Trend, Verdict};
use crate::plan::{Class, Disturbance, Load, Plan};

/// Of the main series' percentile, so much send lag at most.
pub const SEND_LAG: f64 = 0.25;
/// Beyond this it is a doubt.
pub const SEND_LAG_DOUBT: f64 = 0.1;
/// Of the main series' percentile, so much time until stanzas are offered.
pub const OFFERED: f64 = 0.3;
/// Of its time, so much work of an engine core at most.
pub const ENGINE_BUSY: f64 = 0.9;
/// Of the cores, so much use by others.
pub const OTHERS: f64 = 0.25;
/// Between halves: quantile and factor.
pub const STEADY: [(f64, &str, f64); 2] = [(0.5, "median", 1.5), (0.99, "p99", 2.0)];

/// For a generator that did not keep up with its own work.
const REMEDY: &str = "give it more cores, or quieter ones (--engine-cores)";

/// Bytes an hour by which memory may grow.
pub const MEMORY_GROWTH: f64 = 1e6;
/// And descriptors.
pub const DESCRIPTOR_GROWTH: f64 = 20.0;

/// What a run has shown.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What should have happened.
    pub plan: &'a Plan,
    /// Of the measured phase.
    pub counts: Counts,
    /// The part of it on lanes of [`Class::Stressed`].
    pub stressed: Counts,
    /// All series.
    pub intervals: &'a [Interval],
    /// As they were.
    pub phases: PhaseLengths,
    /// In the measured phase.
    pub processor: Processor,
    /// Those of the system.
    pub system_cores: usize,
    /// Different cores that the system and the engine were on.
    pub cores: usize,
    /// Handshakes that failed, streams that were lost.
    pub streams: &'a Streams,
    /// What the system held, where that is what the scenario is about.
    pub growth: Option<&'a Growth>,
    /// The user ended it.
    pub interrupted: bool,
}

/// Judges a run by the rules above.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict { interrupted: evidence.interrupted, ..Verdict::default() };
    generator(evidence, &mut verdict);
    verdict.invalid.extend(conservation(evidence));
    verdict.invalid.extend(closed_streams(evidence));
    verdict.doubts.extend(others(evidence));
    verdict.failed.extend(losses(evidence));
    if let Some(series) = evidence.plan.main_series() {
        main(evidence, series, &mut verdict);
    }
    if let Some(of_system) = evidence.growth {
        growth(evidence, of_system, &mut verdict);
    }
    verdict.is_generators_limit &= verdict.invalid.len() == 1;
    verdict
}

/// Whether the system holds more and more.
fn growth(evidence: &Evidence<'_>, growth: &Growth, verdict: &mut Verdict) {
    let of = [
        ("memory", growth.memory, MEMORY_GROWTH, bytes_per_hour as fn(f64) -> String),
        ("the number of descriptors", growth.descriptors, DESCRIPTOR_GROWTH, descriptors_per_hour),
    ];
    for (what, trend, bound, show) in of {
        let Some(Trend { per_hour, least, most }) = trend else {
            if !evidence.interrupted {
                verdict.doubts.push(format!(
                    "nothing tells whether {what} grows: the looks are too few (take a longer --duration), or see nothing \
                     (no system, or another user's)"
                ));
            }
            continue;
        };
        let slope = format!("{} (95 %: {} to {})", show(per_hour), show(least), show(most));
        if least > 0.0 && per_hour >= bound {
            verdict.failed.push(format!("{what} grows by {slope}"));
        } else if least > 0.0 {
            verdict.doubts.push(format!("{what} grows, but by less than {}: {slope}", show(bound)));
        } else if most > bound {
            verdict
                .doubts
                .push(format!("{what} may grow by more than {}: {slope}; a longer --duration tells", show(bound)));
        }
    }
}

/// `1,200 kB/hour`.
pub fn bytes_per_hour(value: f64) -> String {
    format!("{:.0} kB/hour", value / 1e3)
}

/// `3.5/hour`.
pub fn descriptors_per_hour(value: f64) -> String {
    format!("{value:.1}/hour")
}

/// What the main series says.
fn main(evidence: &Evidence<'_>, series: Series, verdict: &mut Verdict) {
    let histogram = evidence.total(series);
    if histogram.is_empty() {
        verdict.invalid.push(format!("nothing was measured: no sample of {}", series.name()));
        return;
    }
    send_lag(evidence, series, &histogram, verdict);
    verdict.doubts.extend(writing(evidence, series, &histogram));
    verdict.doubts.extend(steadiness(evidence, series));
    verdict.failed.extend(objective(evidence, series, &histogram));
}

impl Evidence<'_> {
    fn total(&self, series: Series) -> Histogram<u64> {
        total(self.intervals, series, Phase::Measure)
    }
}

fn send_lag(evidence: &Evidence<'_>, series: Series, main: &Histogram<u64>, verdict: &mut Verdict) {
    if !matches!(evidence.plan.load, Load::Paced(_)) {
        return;
    }
    let Some((name, lag, main)) = comparable(&evidence.total(Series::SendLag), main) else { return };
    let than = |share: f64| {
        format!(
            "{name} of the send lag is {}, more than {:.0} % of {} ({name} of {})",
            readable(lag),
            share * 100.0,
            readable(main),
            series.name()
        )
    };
    if lag > main.mul_f64(SEND_LAG) && evidence.growth.is_none() {
        verdict.invalid.push(format!("the generator was late: {}; {REMEDY}, or a lower rate", than(SEND_LAG)));
    } else if lag > main.mul_f64(SEND_LAG_DOUBT) {
        verdict.doubts.push(format!("the system may be better than this: {}", than(SEND_LAG_DOUBT)));
    }
}

fn writing(evidence: &Evidence<'_>, series: Series, main: &Histogram<u64>) -> Option<String> {
    let (name, offered, main) = comparable(&evidence.total(Series::Offered), main)?;
    (offered > main.mul_f64(OFFERED)).then(|| {
        format!(
            "much of it is the generator's writing: {name} until stanzas are offered is {}, more than 30 % of {} ({name} of {}); see a run on `direct`",
            readable(offered),
            readable(main),
            series.name()
        )
    })
}

/// The highest of p99, p90 and p50 that both have enough samples for: its name, and theirs.
fn comparable(one: &Histogram<u64>, main: &Histogram<u64>) -> Option<(&'static str, Duration, Duration)> {
    [(0.99, "p99"), (0.9, "p90"), (0.5, "p50")].into_iter().find_map(|(quantile, name)| {
        Some((name, percentile(one, quantile).value()?, percentile(main, quantile).value()?))
    })
}

fn generator(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let Processor { system, engine_busy, .. } = evidence.processor;
    if engine_busy <= ENGINE_BUSY {
        return;
    }
    let is_closed = !matches!(evidence.plan.load, Load::Paced(_));
    let of_system = system / (evidence.phases.measure * evidence.system_cores as f64);
    let worked = format!("its busiest core worked {:.0} % of the time", engine_busy * 100.0);
    if is_closed && system == 0.0 {
        verdict.doubts.push("without a system, the generator itself is what is measured".to_owned());
    } else if is_closed && of_system > ENGINE_BUSY {
        let system = format!("the system's {:.0} %", of_system * 100.0);
        verdict.doubts.push(format!(
            "the generator was as busy as the system: {worked}, {system}; stanzas per second are the least it can do"
        ));
    } else if is_closed {
        verdict.is_generators_limit = true;
        verdict.invalid.push(format!("the generator was the limit, not the system: {worked} (at most 90 %); {REMEDY}"));
    } else {
        let list = if evidence.growth.is_some() { &mut verdict.doubts } else { &mut verdict.invalid };
        list.push(format!(
            "the generator may have read arrivals late: {worked} (at most 90 %); {REMEDY}, or a lower rate"
        ));
    }
}

fn others(evidence: &Evidence<'_>) -> Option<String> {
    let available = evidence.phases.measure * evidence.cores as f64;
    let share = evidence.processor.others / available;
    (available > 0.0 && share > OTHERS)
        .then(|| format!("other programs used {:.0} % of the cores (more than 25 %)", share * 100.0))
}

fn conservation(evidence: &Evidence<'_>) -> Vec<String> {
    let Counts { departures, scheduled, arrived, missing, unsent, undecided, .. } = evidence.counts;
    let mut broken = Vec::new();
    let settled = arrived + missing + unsent;
    if scheduled != settled + undecided {
        broken.push(format!(
            "the account does not balance: {scheduled} scheduled, but {arrived} arrived + {missing} missing + {unsent} unsent + {undecided} undecided"
        ));
    }
    let mode = evidence.plan.mode();
    let of_recipients: &[Series] = match mode {
        Mode::Closed => &[Series::Transit],
        Mode::Open { .. } => &[Series::Recipient, Series::Stressed, Series::Neighbour],
    };
    let recorded: u64 = of_recipients.iter().map(|series| evidence.total(*series).len()).sum();
    if recorded != settled {
        broken.push(format!("{recorded} latencies were recorded for {settled} stanzas that were settled"));
    }
    broken.extend(schedule(evidence, departures, scheduled));
    if mode == (Mode::Open { fan_outs: true }) && undecided == 0 {
        let (whole, plain) = (evidence.total(Series::Last).len(), plain_departures(evidence));
        if plain.is_some_and(|plain| plain != whole) {
            broken.push(format!("{whole} fan-outs were recorded for {} departures", plain.unwrap_or_default()));
        }
    }
    broken
}

/// Memory is told for each stream of the plan: all of them have to be open.
fn closed_streams(evidence: &Evidence<'_>) -> Option<String> {
    let lost = evidence.streams.lost;
    (matches!(evidence.plan.load, Load::Idle) && lost > 0)
        .then(|| format!("{lost} streams were no longer open when their memory was measured"))
}

/// Departures of which fan-outs are recorded, as far as the plan tells.
fn plain_departures(evidence: &Evidence<'_>) -> Option<u64> {
    let Load::Paced(timetable) = &evidence.plan.load else { return None };
    let is_all_plain = timetable.departures().iter().all(|departure| departure.class == Class::Plain);
    is_all_plain.then_some(evidence.counts.departures)
}

/// The plan was kept.
fn schedule(evidence: &Evidence<'_>, departures: u64, scheduled: u64) -> Option<String> {
    let Load::Paced(_) = evidence.plan.load else { return None };
    let tally = evidence.plan.tally(evidence.plan.phases.warm_up + evidence.plan.phases.measure);
    let (got, planned) = ((departures, scheduled), (tally.departures, tally.stanzas()));
    let is_kept = match evidence.interrupted {
        true => got.0 <= planned.0 && got.1 <= planned.1,
        false => got == planned,
    };
    (!is_kept).then(|| {
        format!(
            "the plan was not kept: {} departures of {} stanzas instead of {} of {}",
            got.0, got.1, planned.0, planned.1
        )
    })
}

fn steadiness(evidence: &Evidence<'_>, series: Series) -> Vec<String> {
    let is_wished = !matches!(evidence.plan.disturbance, None | Some(Disturbance::ComesAndGoes { .. }));
    if is_wished || evidence.interrupted {
        return Vec::new();
    }
    let [first, second] = halves(evidence, series);
    let differs = |(quantile, name, factor): &(f64, &str, f64)| {
        let (first, second) = (percentile(&first, *quantile).value()?, percentile(&second, *quantile).value()?);
        (first.max(second) > first.min(second).mul_f64(*factor)).then(|| {
            format!(
                "not steady: the {name} of {} is {} in the first half and {} in the second (more than a factor of {factor})",
                series.name(),
                readable(first),
                readable(second)
            )
        })
    };
    STEADY.iter().filter_map(differs).collect()
}

/// A series in the first and in the second half of the measured phase; each interval is where its middle is. What arrives after the
/// end, while the run waits for the last stanzas, is in neither.
fn halves(evidence: &Evidence<'_>, series: Series) -> [Histogram<u64>; 2] {
    let PhaseLengths { connect, warm_up, measure } = evidence.phases;
    let begin = connect + warm_up;
    let (middle, end) = (begin + measure / 2.0, begin + measure);
    let half = |is_in: &dyn Fn(f64) -> bool| {
        let at = |interval: &&Interval| (interval.start + interval.length / 2).as_secs_f64();
        total(evidence.intervals.iter().filter(|interval| is_in(at(interval))), series, Phase::Measure)
    };
    [half(&|at| at < middle), half(&|at| (middle..end).contains(&at))]
}

fn losses(evidence: &Evidence<'_>) -> Vec<String> {
    let Evidence { counts, stressed, streams, .. } = evidence;
    let excused = match evidence.plan.disturbance {
        Some(Disturbance::StopsReading(_)) => *stressed,
        _ => Counts::default(),
    };
    let count = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let because = |what: Option<String>, first: Option<&str>| match first {
        Some(first) => what.map(|what| format!("{what}; the first: {first}")),
        None => what,
    };
    [
        count(counts.missing.saturating_sub(excused.missing), "stanzas had not arrived by the deadline"),
        count(counts.unsent.saturating_sub(excused.unsent), "stanzas could not be sent, their stream was gone"),
        count(counts.bounced.saturating_sub(excused.bounced), "stanzas came back as errors"),
        count(counts.duplicated, "stanzas arrived more than once"),
        count(counts.reordered, "stanzas arrived after later ones"),
        count(counts.foreign, "stanzas were foreign, changed or at the wrong domain"),
        because(count(streams.failed, "handshakes failed"), streams.first_failed.as_deref()),
        because(count(streams.lost, "streams were lost"), streams.first_lost.as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn objective(evidence: &Evidence<'_>, series: Series, main: &Histogram<u64>) -> Vec<String> {
    let slo = evidence.plan.slo;
    let missed = |(bound, quantile, name): (Option<Duration>, f64, &str)| {
        let bound = bound?;
        match percentile(main, quantile) {
            Figure::Value(value) if value <= bound => None,
            Figure::Value(value) => Some(format!(
                "{name} of {} is {}, the objective is {}",
                series.name(),
                readable(value),
                readable(bound)
            )),
            Figure::TooFew(samples) => Some(format!(
                "{name} of {} cannot be told from {samples} samples, it needs {}",
                series.name(),
                samples_needed(quantile)
            )),
        }
    };
    [(slo.p99, 0.99, "p99"), (slo.p999, 0.999, "p99.9")].into_iter().filter_map(missed).collect()
}

#[cfg(test)]
mod tests;
