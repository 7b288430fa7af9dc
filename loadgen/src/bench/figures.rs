//! From turns to a table.

use std::time::Duration;

use super::Turn;
use crate::measure::Series;
use crate::measure::figure::percentile;
use crate::report::table::{Bound, NONE, Row, Table};
use crate::report::{Quantity, Unit};
use crate::systems::System;

/// Percentiles of all rounds together.
const TOGETHER: [(f64, &str); 3] = [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")];
/// Of these: what a fan-out has, and each that can be a run's main series.
const TOLD: [Series; 8] = [
    Series::First,
    Series::Median,
    Series::Last,
    Series::Recipient,
    Series::Skew,
    Series::Neighbour,
    Series::Transit,
    Series::Handshake,
];

/// The table of a comparison: a figure that no system gave has no row, a run that is not valid has no figures.
pub fn table(title: &str, systems: &[System], turns: &[Turn]) -> Table {
    let by_round = Quantity::ALL.into_iter().map(|quantity| Row {
        name: quantity.name().to_owned(),
        unit: quantity.unit(),
        cells: systems.iter().map(|system| of_rounds(*system, turns, quantity)).collect(),
        bounds: systems.iter().map(|system| bound(*system, turns, quantity)).collect(),
    });
    let rows: Vec<Row> = by_round.chain(together(systems, turns)).filter(has_figures).collect();
    Table { title: title.to_owned(), columns: systems.iter().map(|system| system.name().to_owned()).collect(), rows }
}

fn has_figures(row: &Row) -> bool {
    row.cells.iter().flatten().any(|value| value.is_finite())
}

/// What a median over rounds is a bound of, as soon as one of them is.
fn bound(system: System, turns: &[Turn], quantity: Quantity) -> Bound {
    let is_bound = of(system, turns).any(|turn| turn.is_bound() && quantity.of(&turn.run).is_some());
    match quantity {
        Quantity::CpuPerStanza | Quantity::CpuPerHandshake if is_bound => Bound::AtMost,
        Quantity::StanzasPerCoreSecond if is_bound => Bound::AtLeast,
        _ => Bound::Exact,
    }
}

/// Percentiles of the merged histograms: the tail, for which one round has too few samples.
fn together(systems: &[System], turns: &[Turn]) -> Vec<Row> {
    let rows = |series: Series| {
        TOGETHER.map(|(quantile, name)| Row {
            name: format!("{name} of {}, all rounds", series.name()),
            unit: Unit::Seconds,
            cells: systems
                .iter()
                .map(|system| vec![merged(*system, turns, series, quantile).unwrap_or(NONE)])
                .collect(),
            bounds: Vec::new(),
        })
    };
    TOLD.into_iter().flat_map(rows).collect()
}

fn merged(system: System, turns: &[Turn], series: Series, quantile: f64) -> Option<f64> {
    let mut all = crate::report::empty();
    valid(system, turns)
        .filter_map(|turn| turn.run.measured(series))
        .for_each(|more| crate::report::add(&mut all, more));
    percentile(&all, quantile).value().as_ref().map(Duration::as_secs_f64)
}

fn of_rounds(system: System, turns: &[Turn], quantity: Quantity) -> Vec<f64> {
    let figure = |turn: &Turn| if turn.vouches_for(quantity) { quantity.of(&turn.run) } else { None };
    of(system, turns).map(|turn| figure(turn).unwrap_or(NONE)).collect()
}

fn of(system: System, turns: &[Turn]) -> impl Iterator<Item = &Turn> {
    turns.iter().filter(move |turn| turn.system == system)
}

fn valid(system: System, turns: &[Turn]) -> impl Iterator<Item = &Turn> {
    of(system, turns).filter(|turn| turn.objection().is_none())
}

/// Stanzas a second that every system carries, each in its best round; `None` when one of them has no round to go by. Where the
/// generator was the limit, the system carries no less. Runs without a system do not count.
pub fn maximum(systems: &[System], turns: &[Turn]) -> Option<f64> {
    let best = |system: &System| {
        let usable = of(*system, turns).filter(|turn| turn.objection().is_none() || turn.is_bound());
        usable.filter_map(|turn| turn.run.stanzas_per_second()).max_by(f64::total_cmp)
    };
    let of_all: Option<Vec<f64>> = systems.iter().filter(|system| **system != System::Direct).map(best).collect();
    of_all?.into_iter().min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Verdict;
    use crate::report::{Paint, Run, made_up};

    /// A round of some system whose stanzas cost `slowness` times 8 µs, and come 40,000 / `slowness` a second.
    fn turn(system: System, round: usize, slowness: f64, verdict: Verdict) -> Turn {
        let mut record = made_up::fan_out(round as u64, 5, slowness);
        record.outcome.phases.measure *= slowness;
        record.outcome.verdict = verdict;
        Turn { system, round, run: Run::of(&record) }
    }

    fn good() -> Verdict {
        Verdict::default()
    }

    fn limited() -> Verdict {
        Verdict { invalid: vec!["the generator was the limit".to_owned()], is_generators_limit: true, ..good() }
    }

    fn wrong() -> Verdict {
        Verdict { invalid: vec!["the generator was late".to_owned()], ..good() }
    }

    fn lossy() -> Verdict {
        Verdict { failed: vec!["1 stanzas missing".to_owned()], ..limited() }
    }

    const BOTH: [System; 2] = [System::Ringgate, System::Haproxy];

    fn row<'a>(table: &'a Table, name: &str) -> Option<&'a Row> {
        table.rows.iter().find(|row| row.name == name)
    }

    #[test]
    fn run_that_the_generator_limited_vouches_for_costs_only() {
        let vouches = |verdict| {
            let turn = turn(System::Ringgate, 0, 1.0, verdict);
            [Quantity::CpuPerStanza, Quantity::P50].map(|quantity| turn.vouches_for(quantity))
        };
        assert_eq!([vouches(good()), vouches(limited())], [[true, true], [true, false]]);
        assert_eq!([vouches(wrong()), vouches(lossy())], [[false, false]; 2]);
    }

    #[test]
    fn table_uses_valid_rounds_only_and_percentiles_of_all_of_them_together() {
        let turns = [
            turn(BOTH[0], 0, 1.0, good()),
            turn(BOTH[1], 0, 2.0, good()),
            turn(BOTH[0], 1, 50.0, wrong()),
            turn(BOTH[1], 1, 2.0, good()),
        ];
        let table = table("fan-outs", &BOTH, &turns);
        let spreads = |name: &str| [0, 1].map(|system| row(&table, name).unwrap().spread(system).unwrap());
        let [ours, theirs] = spreads("CPU per stanza");
        assert_eq!((ours.count, theirs.count), (1, 2));
        assert!((ours.median - 8e-6).abs() < 1e-12 && (theirs.median - 16e-6).abs() < 1e-12, "{ours:?} {theirs:?}");
        // A round has 5,000 fan-outs: two make a p99, and the one valid round of ours makes none.
        assert!(row(&table, "p99").is_none());
        let tail = row(&table, "p99 of last, all rounds").unwrap();
        assert!(tail.spread(0).is_none() && tail.spread(1).is_some(), "{tail:?}");
        assert!(row(&table, "p50 of transit, all rounds").is_none());
    }

    #[test]
    fn main_series_of_every_scenario_is_merged() {
        for series in [Series::Neighbour, Series::Transit, Series::Handshake] {
            let mut record = made_up::fan_out(1, 2, 1.0);
            record.intervals.iter_mut().for_each(|interval| interval.series = series);
            let turns = [Turn { system: System::Ringgate, round: 0, run: Run::of(&record) }];
            let table = table("one", &BOTH[..1], &turns);
            assert!(row(&table, &format!("p50 of {}, all rounds", series.name())).is_some(), "{series:?}");
        }
    }

    #[test]
    fn cost_of_a_run_that_the_generator_limited_is_marked_as_a_bound() {
        let turns = [
            turn(BOTH[0], 0, 1.0, good()),
            turn(BOTH[1], 0, 2.0, limited()),
            turn(BOTH[0], 1, 1.0, good()),
            turn(BOTH[1], 1, 2.0, good()),
        ];
        let table = table("flood", &BOTH, &turns);
        let bounds = |name: &str| row(&table, name).unwrap().bounds.clone();
        assert_eq!(bounds("CPU per stanza"), [Bound::Exact, Bound::AtMost]);
        assert_eq!(bounds("stanzas/s per core"), [Bound::Exact, Bound::AtLeast]);
        assert_eq!(bounds("stanzas/s"), [Bound::Exact; 2]);
        let text = table.text(Paint(false));
        assert!(text.contains("≤ 16.0 µs") && text.contains("≤ 2.00 (") && text.contains("≥ 0.50 ("), "{text}");
    }

    #[test]
    fn maximum_is_the_best_round_of_the_slowest_system() {
        let rate = |slowness: f64| 40_000.0 / slowness;
        let mut turns = vec![
            turn(BOTH[0], 0, 1.0, good()),
            turn(BOTH[1], 0, 4.0, good()),
            turn(BOTH[1], 1, 2.0, good()),
            turn(BOTH[1], 2, 0.5, wrong()),
            turn(System::Direct, 0, 9.0, good()),
        ];
        let systems = [BOTH[0], BOTH[1], System::Direct];
        assert_eq!(maximum(&systems, &turns), Some(rate(2.0)));
        // At least so many: a rate that everyone carries is what is wanted.
        turns.push(turn(System::Prosody, 0, 8.0, limited()));
        let systems = [&systems[..], &[System::Prosody]].concat();
        assert_eq!(maximum(&systems, &turns), Some(rate(8.0)));
        turns.push(turn(System::Ejabberd, 0, 1.0, lossy()));
        assert_eq!(maximum(&[System::Ejabberd], &turns), None);
    }
}
