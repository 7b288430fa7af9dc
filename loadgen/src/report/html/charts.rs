//! The charts of a run's page.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::chart::Chart;
use crate::measure::figure::samples_needed;
use crate::measure::{Phase, Series};
use crate::outcome::Interval;
use crate::report::curve::{Curve, axes};
use crate::report::run::{add, empty};
use crate::report::scale::{Scale, percent};
use crate::report::units;

/// Bars of a distribution.
const BARS: usize = 72;

/// Percentile curves over one another; dotted where the samples do not suffice. Empty if there is nothing to draw.
pub(crate) fn percentile_chart(curves: &[Curve]) -> String {
    let Some((x, y)) = axes(curves) else { return String::new() };
    let show_x = |quantile: f64| if quantile == 0.0 { "min".to_owned() } else { percent(quantile) };
    let mut chart = Chart::new("latency by percentile", 380.0, (x, show_x), (y, units::mark));
    chart.end_mark("max");
    for (number, curve) in curves.iter().enumerate() {
        let supported = curve.points.iter().take_while(|point| point.supported).count();
        let part = |from: usize, to: usize| -> Vec<(f64, f64)> {
            curve.points[from..to].iter().map(|point| (point.quantile, point.nanos)).collect()
        };
        chart.line(number, &part(0, supported), false, None);
        chart.line(number, &part(supported.saturating_sub(1), curve.points.len()), true, Some(&curve.name));
    }
    chart.finish()
}

/// A percentile, or the maximum, second by second.
#[derive(Debug)]
struct Line {
    name: &'static str,
    /// The middle of the second, since the begin of the run; nanoseconds.
    points: Vec<(f64, f64)>,
    /// Whether a usual second has samples enough for it.
    supported: bool,
}

/// What a series was over time.
#[derive(Debug)]
pub(super) struct Timeline {
    lines: [Line; 3],
    /// Where it begins and ends, seconds since the begin of the run.
    span: (f64, f64),
}

impl Timeline {
    /// Of the intervals of one series, in the warm-up and the measured phase. `None`: there are none.
    pub(super) fn of(series: Series, intervals: &[Interval]) -> Option<Self> {
        let of_series = intervals.iter().filter(|one| one.series == series && one.phase != Phase::Connect);
        let mut seconds = BTreeMap::new();
        for interval in of_series {
            let begin = interval.start.as_secs_f64();
            let entry = seconds.entry(interval.start).or_insert_with(|| (begin, begin, empty()));
            entry.1 = entry.1.max(begin + interval.length.as_secs_f64());
            add(&mut entry.2, &interval.histogram);
        }
        let seconds: Vec<Second> = seconds.into_values().filter(|(.., histogram)| !histogram.is_empty()).collect();
        let span = (seconds.first()?.0, seconds.last()?.1);
        let line = |name, quantile| Line {
            name,
            points: seconds
                .iter()
                .map(|second| (middle(second), second.2.value_at_quantile(quantile) as f64))
                .collect(),
            supported: quantile == 1.0 || usual_count(&seconds) >= samples_needed(quantile),
        };
        Some(Self { lines: [line("p50", 0.5), line("p99", 0.99), line("max", 1.0)], span })
    }

    /// Over an x axis that it may share with others; what is before `measured_from` is shaded. Empty if nothing can be drawn.
    pub(super) fn chart(&self, described: &str, height: f64, span: (f64, f64), measured_from: f64) -> String {
        let values = self.lines.iter().flat_map(|line| line.points.iter().map(|(_, nanos)| *nanos));
        let Some(y) = Scale::log_around(values) else { return String::new() };
        let x = Scale::Linear { from: span.0, to: span.1 };
        let mut chart = Chart::new(described, height, (x, |second| format!("{second:.0} s")), (y, units::mark));
        if measured_from > span.0 {
            chart.shade(span.0, measured_from, "warm-up");
        }
        for (number, line) in self.lines.iter().enumerate() {
            chart.line(number, &line.points, !line.supported, Some(line.name));
        }
        chart.finish()
    }

    /// Its own span of time.
    pub(super) fn span(&self) -> (f64, f64) {
        self.span
    }
}

/// Begin, end, values.
type Second = (f64, f64, Histogram<u64>);

fn middle((from, to, _): &Second) -> f64 {
    f64::midpoint(*from, *to)
}

/// How many values most seconds have: the median.
fn usual_count(seconds: &[Second]) -> u64 {
    let mut counts: Vec<u64> = seconds.iter().map(|(.., histogram)| histogram.len()).collect();
    counts.sort_unstable();
    counts[counts.len() / 2]
}

/// What a system held over time, from 0 on; what is before `measured_from` is shaded. Empty if there is nothing to draw.
pub(super) fn held_chart(name: &str, points: &[(f64, f64)], measured_from: f64, show: fn(f64) -> String) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let most = points.iter().map(|(_, held)| *held).fold(1.0, f64::max);
    let x = Scale::Linear { from: first.0, to: last.0 };
    let y = Scale::Linear { from: 0.0, to: most * 1.1 };
    let mut chart = Chart::new(&format!("{name} over time"), 200.0, (x, |second| format!("{second:.0} s")), (y, show));
    if measured_from > first.0 {
        chart.shade(first.0, measured_from, "warm-up");
    }
    chart.line(0, points, false, Some(name));
    chart.finish()
}

/// How values are distributed, in bars of equal ratio.
pub(super) fn distribution_chart(described: &str, histogram: &Histogram<u64>) -> String {
    let Some(x @ Scale::Log { .. }) = Scale::log_around([histogram.min() as f64, histogram.max() as f64]) else {
        return String::new();
    };
    let edges: Vec<f64> = (0..=BARS).map(|bar| x.value(bar as f64 / BARS as f64)).collect();
    let share = |edges: &[f64]| {
        let (low, high) = (edges[0].ceil() as u64, (edges[1].ceil() as u64).saturating_sub(1));
        if low > high { 0.0 } else { histogram.count_between(low, high) as f64 / histogram.len() as f64 }
    };
    let shares: Vec<f64> = edges.windows(2).map(share).collect();
    let y = Scale::Linear { from: 0.0, to: shares.iter().copied().fold(0.0, f64::max) * 1.05 };
    let mut chart = Chart::new(described, 240.0, (x, units::mark), (y, units::share));
    for (edges, share) in edges.windows(2).zip(shares).filter(|(_, share)| *share > 0.0) {
        let hint = format!(
            "{} to {}: {}",
            units::seconds(edges[0] / 1e9),
            units::seconds(edges[1] / 1e9),
            units::share(share)
        );
        chart.bar(0, (edges[0], edges[1]), share, &hint);
    }
    chart.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::made_up;
    use crate::report::run::Run;

    #[test]
    fn percentile_over_time_is_dotted_where_a_second_has_too_few_samples() {
        // 1,000 fan-outs a second of 40 recipients each: enough for a median of both, and for a 99th percentile of the recipients.
        let record = made_up::fan_out(1, 5, 1.0);
        let supported = |series| {
            let timeline = Timeline::of(series, &record.intervals).unwrap();
            assert_eq!((timeline.span, timeline.lines[1].points.len()), ((1.0, 8.0), 7));
            timeline.lines.map(|line| line.supported)
        };
        assert_eq!((supported(Series::Last), supported(Series::Recipient)), ([true, false, true], [true, true, true]));
    }

    #[test]
    fn curve_ends_at_the_maximum() {
        let run = Run::of(&made_up::fan_out(1, 2, 1.0));
        let last = run.measured(Series::Last).unwrap();
        let curve = Curve::of("last".to_owned(), last);
        assert_eq!(curve.points.last().map(|point| point.nanos), Some(last.max() as f64));
        assert!(percentile_chart(&[curve]).contains(">max</text>"));
    }
}
