//! Percentiles, only where the samples suffice. Everything that prints one asks here: terminal, JSON, HTML, objectives.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The quantiles that reports show, in this order, and their names.
pub const SHOWN: [(f64, &str); 6] =
    [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99"), (0.99999, "p99.999")];

/// A percentile, if there were enough samples for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// The value that the share of the samples does not exceed, three significant digits.
    Value(Duration),
    /// Not enough samples; so many there were.
    TooFew(u64),
}

impl Figure {
    /// The value, if there is one.
    pub fn value(self) -> Option<Duration> {
        match self {
            Self::Value(value) => Some(value),
            Self::TooFew(_) => None,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Value(value) => readable(*value),
            Self::TooFew(samples) => format!("n/a (n={samples})"),
        };
        out.pad(&text)
    }
}

/// Samples that a quantile needs: `100 / (1 - quantile)`, so that at least a hundred lie beyond it. 200 for the median, 10,000 for
/// the 99th percentile, 1,000,000 for the 99.99th.
pub fn samples_needed(quantile: f64) -> u64 {
    // 1 - 0.999 is not quite 0.001: a share of a sample more or less does not count.
    (100.0 / (1.0 - quantile.clamp(0.0, 0.999_999_9)) - 1e-3).ceil() as u64
}

/// The value that `quantile` (0 to 1) of the samples do not exceed, if [`samples_needed`] says that there are enough.
pub fn percentile(histogram: &Histogram<u64>, quantile: f64) -> Figure {
    if histogram.len() < samples_needed(quantile) {
        return Figure::TooFew(histogram.len());
    }
    Figure::Value(Duration::from_nanos(histogram.value_at_quantile(quantile)))
}

/// The greatest value: always known, unless there is no sample at all.
pub fn maximum(histogram: &Histogram<u64>) -> Figure {
    match histogram.len() {
        0 => Figure::TooFew(0),
        _ => Figure::Value(Duration::from_nanos(histogram.max())),
    }
}

/// A duration with three significant digits and its unit: `870 ns`, `12.3 µs`, `4.56 ms`, `7.89 s`.
pub fn readable(value: Duration) -> String {
    let nanos = value.as_nanos() as f64;
    let (scaled, unit) = match nanos {
        ..999.5 => return format!("{nanos} ns"),
        ..999.5e3 => (nanos / 1e3, "µs"),
        ..999.5e6 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let decimals = match scaled {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(samples: u64) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).unwrap();
        for value in 1..=samples {
            histogram.record(value * 1_000).unwrap();
        }
        histogram
    }

    #[test]
    fn every_percentile_needs_a_hundred_samples_beyond_it() {
        let needed: Vec<u64> = SHOWN.iter().map(|(quantile, _)| samples_needed(*quantile)).collect();
        assert_eq!(needed, [200, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]);
    }

    #[test]
    fn percentile_with_too_few_samples_is_not_available_and_the_maximum_is() {
        let few = of(9_999);
        assert_eq!(percentile(&few, 0.99).to_string(), "n/a (n=9999)");
        assert_eq!(maximum(&few).to_string(), "10.0 ms");
        assert_eq!(percentile(&of(10_000), 0.99).to_string(), "9.90 ms");
        assert_eq!(maximum(&of(0)), Figure::TooFew(0));
    }

    #[test]
    fn durations_read_with_three_digits() {
        let texts = [870, 999, 12_340, 999_600, 4_560_000, 99_960_000, 7_890_000_000, 3_600_000_000_000]
            .map(|nanos| readable(Duration::from_nanos(nanos)));
        assert_eq!(texts, ["870 ns", "999 ns", "12.3 µs", "1.00 ms", "4.56 ms", "100 ms", "7.89 s", "3600 s"]);
    }
}
