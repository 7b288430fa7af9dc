//! From turns to a table.

use std::time::Duration;

use super::Turn;
use crate::measure::Series;
use crate::measure::figure::percentile;
use crate::report::table::{NONE, Row, Table};
use crate::report::{Quantity, Unit};
use crate::systems::System;

/// Percentiles of all rounds together.
const TOGETHER: [(f64, &str); 3] = [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")];

/// The table of a comparison: a figure that no system gave has no row, a run that is not valid has no figures.
pub fn table(title: &str, systems: &[System], turns: &[Turn]) -> Table {
    let by_round = Quantity::ALL.into_iter().map(|quantity| Row {
        name: quantity.name().to_owned(),
        unit: quantity.unit(),
        cells: systems.iter().map(|system| of_rounds(*system, turns, quantity)).collect(),
    });
    let rows: Vec<Row> = by_round.chain(together(systems, turns)).filter(has_figures).collect();
    Table { title: title.to_owned(), columns: systems.iter().map(|system| system.name().to_owned()).collect(), rows }
}

fn has_figures(row: &Row) -> bool {
    row.cells.iter().flatten().any(|value| value.is_finite())
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
        })
    };
    [Series::First, Series::Median, Series::Last, Series::Recipient, Series::Skew].into_iter().flat_map(rows).collect()
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
    turns.iter().filter(|turn| turn.system == system).map(|turn| figure(turn).unwrap_or(NONE)).collect()
}

fn valid(system: System, turns: &[Turn]) -> impl Iterator<Item = &Turn> {
    turns.iter().filter(move |turn| turn.system == system && turn.objection().is_none())
}

/// Stanzas a second of the slowest system, each with its best round; `None` when one of them has no valid round. Runs without a
/// system do not count.
pub fn maximum(systems: &[System], turns: &[Turn]) -> Option<f64> {
    let best = |system: &System| {
        let rates = valid(*system, turns).filter_map(|turn| turn.run.stanzas_per_second());
        rates.max_by(f64::total_cmp)
    };
    let of_all: Option<Vec<f64>> = systems.iter().filter(|system| **system != System::Direct).map(best).collect();
    of_all?.into_iter().min_by(f64::total_cmp)
}
