//! Records that look like those of real runs, by seed.

use std::time::Duration;

use hdrhistogram::Histogram;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::run::empty;
use crate::measure::{Phase, Series};
use crate::outcome::{
    Attacked, Counts, Environment, Interval, Outcome, PhaseLengths, Processor, Record, SCHEMA, Sessions, Streams,
    SystemRecord, Verdict,
};

/// Fan-outs per second, and recipients of each.
const DEPARTURES: usize = 1_000;
const RECIPIENTS: u64 = 40;

/// A fan-out run of `seconds`, whose latencies are `slowness` times those of slowness 1.
pub(crate) fn fan_out(seed: u64, seconds: u32, slowness: f64) -> Record {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut intervals = Vec::new();
    for second in 0..seconds + 2 {
        let phase = if second < 2 { Phase::WarmUp } else { Phase::Measure };
        let start = Duration::from_secs(u64::from(second) + 1);
        for (series, histogram) in second_of_fan_outs(&mut rng, slowness) {
            intervals.push(Interval { series, phase, start, length: Duration::from_secs(1), histogram });
        }
    }
    Record { outcome: outcome(seed, seconds, slowness), intervals }
}

/// An attack of `seconds`, and what the neighbours got meanwhile.
pub(crate) fn hostile(seed: u64, seconds: u32) -> Record {
    let Record { mut outcome, mut intervals } = fan_out(seed, seconds, 1.0);
    intervals.retain(|interval| [Series::Recipient, Series::SendLag, Series::Hiccup].contains(&interval.series));
    for interval in intervals.iter_mut().filter(|interval| interval.series == Series::Recipient) {
        interval.series = Series::Neighbour;
    }
    outcome.main_series = Some(Series::Neighbour);
    outcome.scenario = "hostile".to_owned();
    outcome.options = serde_json::json!({ "attack": "elements", "domains": 50, "rate": 2_000.0 });
    outcome.counts.departures = outcome.counts.scheduled;
    let bytes = 600_000_000 * u64::from(seconds);
    outcome.attack = Some(Attacked { bytes, streams: 1_204, closed: 1_203, refused: 17 });
    Record { outcome, intervals }
}

/// A run that is about one series, and has recorded nothing else.
pub(crate) fn only(series: Series, seconds: u32) -> Record {
    let mut record = fan_out(1, seconds, 1.0);
    record.outcome.main_series = Some(series);
    record.intervals.iter_mut().for_each(|interval| interval.series = series);
    record
}

fn second_of_fan_outs(rng: &mut ChaCha8Rng, slowness: f64) -> Vec<(Series, Histogram<u64>)> {
    let names =
        [Series::First, Series::Median, Series::Last, Series::Skew, Series::Recipient, Series::SendLag, Series::Hiccup];
    let mut histograms = names.map(|_| empty());
    let mut record = |which: usize, value: f64| histograms[which].record(value.max(1.0) as u64).expect("it grows");
    for _ in 0..DEPARTURES {
        let stall = if rng.random_bool(0.002) { rng.random_range(5e5..4e6) } else { 0.0 };
        let first = (log_normal(rng, 80_000.0, 0.25) + stall) * slowness;
        let skew = log_normal(rng, 160_000.0, 0.55) * slowness;
        record(0, first);
        record(1, first + skew * 0.45);
        record(2, first + skew);
        record(3, skew);
        (0..RECIPIENTS).for_each(|number| record(4, first + skew * number as f64 / (RECIPIENTS - 1) as f64));
        record(5, 4_000.0 + rng.random_range(0.0..9_000.0) + stall * 0.01);
        record(6, 52_000.0 + rng.random_range(0.0..20_000.0) + stall * 0.2);
    }
    names.into_iter().zip(histograms).collect()
}

/// By Box and Muller; libm's functions are the same on every machine, and so are the snapshots.
fn log_normal(rng: &mut ChaCha8Rng, median: f64, sigma: f64) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log1p(-rng.random::<f64>()));
    median * libm::exp(sigma * radius * libm::cos(std::f64::consts::TAU * rng.random::<f64>()))
}

fn outcome(seed: u64, seconds: u32, slowness: f64) -> Outcome {
    let departures = DEPARTURES as u64 * u64::from(seconds);
    let scheduled = departures * RECIPIENTS;
    Outcome {
        shards: None,
        schema: SCHEMA,
        generator: "loadgen 0.1.0 (ae3c63a)".to_owned(),
        command: ["loadgen", "fanout", "--rate", "1000", "--contacts", "40", "--seed"]
            .map(str::to_owned)
            .into_iter()
            .chain([seed.to_string()])
            .collect(),
        started_unix_seconds: 1_795_262_400.125,
        scenario: "fanout".to_owned(),
        seed,
        main_series: Some(Series::Last),
        options: serde_json::json!({ "contacts": 40, "domains": 100, "rate": 1000.0, "zipf": 1.0 }),
        system: SystemRecord { name: "ringgate".to_owned(), version: "0.1.0".to_owned() },
        environment: Environment {
            kernel: "6.18.5".to_owned(),
            processor: "Example Processor 9000 at 2.10 GHz".to_owned(),
            cores: 2,
            system_cores: vec![0],
            engine_cores: vec![1],
            governor: Some("performance".to_owned()),
            smt: Some(false),
            mitigations: vec!["spectre_v2: Mitigation: Retpolines".to_owned(), "meltdown: Not affected".to_owned()],
            control_group: vec!["cpu.max: max 100000".to_owned()],
            memory_bytes: 16_000_000_000,
        },
        phases: PhaseLengths { connect: 0.412, warm_up: 2.0, measure: f64::from(seconds) },
        counts: Counts { departures, scheduled, arrived: scheduled, bytes: scheduled * 450, ..Counts::default() },
        stressed: Counts::default(),
        carried: scheduled,
        processor: Processor {
            system: scheduled as f64 * 8e-6 * slowness,
            engine: scheduled as f64 * 4.2e-6,
            engine_busy: 0.31,
            others: 0.02 * f64::from(seconds),
        },
        streams: Streams {
            open: 220,
            lanes: 110,
            handshakes: 0,
            opened: Sessions { full: 110, resumed: 0 },
            accepted: Sessions { full: 105, resumed: 5 },
            memory_before_bytes: 9_000_000,
            memory_open_bytes: 10_518_000,
            memory_end_bytes: 11_900_000,
            ..Streams::default()
        },
        attack: None,
        growth: None,
        verdict: Verdict::default(),
    }
}
