//! `.hgrm`: the percentile table that HdrHistogram's plotters read, in milliseconds.

use std::io::{self, Write};

use hdrhistogram::Histogram;

/// Lines per halving of the distance to 100 %.
const TICKS_PER_HALF_DISTANCE: u32 = 5;
const NANOS_PER_MILLI: f64 = 1e6;

/// Writes the table of one histogram of nanoseconds.
///
/// # Errors
/// When `out` fails.
pub(super) fn write(mut out: impl Write, histogram: &Histogram<u64>) -> io::Result<()> {
    let millis = |nanos: f64| nanos / NANOS_PER_MILLI;
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let mut count = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        count += step.count_since_last_iteration();
        let (value, quantile) = (millis(step.value_iterated_to() as f64), step.quantile_iterated_to());
        if quantile < 1.0 {
            writeln!(out, "{value:12.3} {quantile:2.12} {count:10} {:14.2}", 1.0 / (1.0 - quantile))?;
        } else {
            writeln!(out, "{value:12.3} {quantile:2.12} {count:10}")?;
        }
    }
    let (mean, deviation) = (millis(histogram.mean()), millis(histogram.stdev()));
    writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
    writeln!(out, "#[Max     = {:12.3}, Total count    = {:12}]", millis(histogram.max() as f64), histogram.len())?;
    let sub_buckets = (2 * 10_u64.pow(u32::from(histogram.sigfig()))).next_power_of_two();
    writeln!(out, "#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]", histogram.buckets())?;
    out.flush()
}
