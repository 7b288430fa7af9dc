//! Percentile curves.

use hdrhistogram::Histogram;

use super::scale::Scale;
use crate::measure::figure::samples_needed;

/// Points per curve.
const POINTS: usize = 240;

/// One curve, named.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// What it shows.
    pub(crate) name: String,
    /// From left to right.
    pub(crate) points: Vec<Point>,
}

/// A value that a share of the samples does not exceed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// The share.
    pub(crate) quantile: f64,
    /// Nanoseconds.
    pub(crate) nanos: f64,
    /// Whether there are samples enough to call it a percentile of what was measured, and not only of this sample.
    pub(crate) supported: bool,
}

impl Curve {
    /// Of a histogram of nanoseconds, up to its greatest value.
    pub(crate) fn of(name: String, histogram: &Histogram<u64>) -> Self {
        let scale = Scale::nines_for(histogram.len());
        let quantiles: Vec<f64> = (0..=POINTS).map(|number| scale.value(number as f64 / POINTS as f64)).collect();
        let values = histogram.value_at_quantiles(quantiles.iter().copied());
        let point = |(quantile, nanos): (&f64, u64)| Point {
            quantile: *quantile,
            nanos: nanos.min(histogram.max()) as f64,
            supported: histogram.len() >= samples_needed(*quantile),
        };
        let mut points: Vec<Point> = quantiles.iter().zip(values).map(point).collect();
        // The last of n samples stands at 1 - 1/n on the axis, but is the value of a quantile just above.
        if let Some(last) = points.last_mut() {
            last.nanos = histogram.max() as f64;
        }
        Self { name, points }
    }

    /// Where it stands on average, 0 to 1.
    pub(crate) fn height(&self, y: Scale) -> f64 {
        self.points.iter().map(|point| y.position(point.nanos)).sum::<f64>() / self.points.len().max(1) as f64
    }
}

/// Axes that hold all of the curves: quantiles and nanoseconds. `None`: there is nothing to draw.
pub(crate) fn axes(curves: &[Curve]) -> Option<(Scale, Scale)> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let last = points().map(|point| point.quantile).fold(0.0, f64::max);
    let y = Scale::log_around(points().map(|point| point.nanos))?;
    Some((Scale::Nines { nines: -(1.0 - last).log10() }, y))
}
