//! From turns to a table.

use std::time::Duration;

use super::{Contender, Turn};
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

/// The table of a comparison: a figure that no contender gave has no row, a run that is not valid has no figures.
pub fn table(title: &str, contenders: &[Contender], turns: &[Turn]) -> Table {
    let by_round = Quantity::ALL.into_iter().map(|quantity| Row {
        name: quantity.name().to_owned(),
        unit: quantity.unit(),
        cells: contenders.iter().map(|contender| of_rounds(*contender, turns, quantity)).collect(),
        bounds: contenders.iter().map(|contender| bound(*contender, turns, quantity)).collect(),
    });
    let rows: Vec<Row> = by_round.chain(together(contenders, turns)).filter(has_figures).collect();
    let columns = contenders.iter().map(Contender::to_string).collect();
    Table { title: title.to_owned(), columns, rows }
}

fn has_figures(row: &Row) -> bool {
    row.cells.iter().flatten().any(|value| value.is_finite())
}

/// What a median over rounds is a bound of, as soon as one of them is.
fn bound(contender: Contender, turns: &[Turn], quantity: Quantity) -> Bound {
    let is_bound = of(contender, turns).any(|turn| turn.is_bound() && quantity.of(&turn.run).is_some());
    match quantity {
        Quantity::CpuPerStanza | Quantity::CpuPerHandshake if is_bound => Bound::AtMost,
        Quantity::StanzasPerCoreSecond if is_bound => Bound::AtLeast,
        _ => Bound::Exact,
    }
}

/// Percentiles of the merged histograms: the tail, for which one round has too few samples.
fn together(contenders: &[Contender], turns: &[Turn]) -> Vec<Row> {
    let rows = |series: Series| {
        TOGETHER.map(|(quantile, name)| Row {
            name: format!("{name} of {}, all rounds", series.name()),
            unit: Unit::Seconds,
            cells: contenders
                .iter()
                .map(|contender| vec![merged(*contender, turns, series, quantile).unwrap_or(NONE)])
                .collect(),
            bounds: Vec::new(),
        })
    };
    TOLD.into_iter().flat_map(rows).collect()
}

fn merged(contender: Contender, turns: &[Turn], series: Series, quantile: f64) -> Option<f64> {
    let mut all = crate::report::empty();
    valid(contender, turns)
        .filter_map(|turn| turn.run.measured(series))
        .for_each(|more| crate::report::add(&mut all, more));
    percentile(&all, quantile).value().as_ref().map(Duration::as_secs_f64)
}

fn of_rounds(contender: Contender, turns: &[Turn], quantity: Quantity) -> Vec<f64> {
    let figure = |turn: &Turn| if turn.vouches_for(quantity) { quantity.of(&turn.run) } else { None };
    of(contender, turns).map(|turn| figure(turn).unwrap_or(NONE)).collect()
}

fn of(contender: Contender, turns: &[Turn]) -> impl Iterator<Item = &Turn> {
    turns.iter().filter(move |turn| turn.contender == contender)
}

fn valid(contender: Contender, turns: &[Turn]) -> impl Iterator<Item = &Turn> {
    of(contender, turns).filter(|turn| turn.objection().is_none())
}

/// Stanzas a second that every contender carries, each in its best round; `None` when one of them has no round to go by. Where the
/// generator was the limit, the system carries no less. Runs without a system do not count.
pub fn maximum(contenders: &[Contender], turns: &[Turn]) -> Option<f64> {
    let best = |contender: &Contender| {
        let usable = of(*contender, turns).filter(|turn| turn.objection().is_none() || turn.is_bound());
        usable.filter_map(|turn| turn.run.stanzas_per_second()).max_by(f64::total_cmp)
    };
    let systems = contenders.iter().filter(|one| !matches!(one.system, System::Direct | System::Bare));
    let of_all: Option<Vec<f64>> = systems.map(best).collect();
    of_all?.into_iter().min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Verdict;
    use crate::report::{Paint, Run, made_up};

    /// A round of some system whose stanzas cost `slowness` times 8 µs, and come 40,000 / `slowness` a second.
    fn turn(contender: Contender, round: usize, slowness: f64, verdict: Verdict) -> Turn {
        let mut record = made_up::fan_out(round as u64, 5, slowness);
        record.outcome.phases.measure *= slowness;
        record.outcome.verdict = verdict;
        Turn { contender, round, run: Run::of(&record) }
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

    const BOTH: [Contender; 2] = [Contender::plain(System::Ringgate), Contender::plain(System::Haproxy)];

    fn row<'a>(table: &'a Table, name: &str) -> Option<&'a Row> {
        table.rows.iter().find(|row| row.name == name)
    }

    #[test]
    fn run_that_the_generator_limited_vouches_for_costs_only() {
        let vouches = |verdict| {
            let turn = turn(BOTH[0], 0, 1.0, verdict);
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
        let spreads = |name: &str| [0, 1].map(|contender| row(&table, name).unwrap().spread(contender).unwrap());
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
            let record = made_up::only(series, 2);
            let turns = [Turn { contender: BOTH[0], round: 0, run: Run::of(&record) }];
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
    fn one_system_under_two_command_lines_has_two_columns() {
        let slow = Contender { name: "ringgate-slow", options: "--window 1", ..BOTH[0] };
        let turns = [turn(BOTH[0], 0, 1.0, good()), turn(slow, 0, 3.0, good())];
        let table = table("both ways", &[BOTH[0], slow], &turns);
        assert_eq!(table.columns, ["ringgate", "ringgate-slow"]);
        let cost = row(&table, "CPU per stanza").unwrap();
        assert_eq!((cost.cells[0].len(), cost.cells[1].len()), (1, 1));
        assert!((cost.ratio(1).unwrap().median - 3.0).abs() < 1e-9, "{cost:?}");
    }

    #[test]
    fn maximum_is_the_best_round_of_the_slowest_system() {
        const DIRECT: Contender = Contender::plain(System::Direct);
        const PROSODY: Contender = Contender::plain(System::Prosody);
        const EJABBERD: Contender = Contender::plain(System::Ejabberd);
        let rate = |slowness: f64| 40_000.0 / slowness;
        let mut turns = vec![
            turn(BOTH[0], 0, 1.0, good()),
            turn(BOTH[1], 0, 4.0, good()),
            turn(BOTH[1], 1, 2.0, good()),
            turn(BOTH[1], 2, 0.5, wrong()),
            turn(DIRECT, 0, 9.0, good()),
        ];
        let contenders = [BOTH[0], BOTH[1], DIRECT];
        assert_eq!(maximum(&contenders, &turns), Some(rate(2.0)));
        // At least so many: a rate that everyone carries is what is wanted.
        turns.push(turn(PROSODY, 0, 8.0, limited()));
        let contenders = [&contenders[..], &[PROSODY]].concat();
        assert_eq!(maximum(&contenders, &turns), Some(rate(8.0)));
        turns.push(turn(EJABBERD, 0, 1.0, lossy()));
        assert_eq!(maximum(&[EJABBERD], &turns), None);
    }
}
