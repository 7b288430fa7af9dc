//! `.hlog`: every interval of every series, as HdrHistogram's log tools read it.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::Tag;
use ringgate::metrics::begin_interval_log;

use crate::outcome::Record;

/// What the log holds, for who opens it.
const WHAT: &str = "loadgen: nanoseconds; tags are phase-series; starts are relative to BaseTime";

/// Writes all intervals in order of their start, one line each, tagged `phase-series`.
///
/// # Errors
/// When `out` fails or a histogram cannot be encoded.
pub(super) fn write(mut out: impl Write, record: &Record) -> anyhow::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = begin_interval_log(&mut out, &mut serializer, began(record), WHAT)?;
    let mut intervals: Vec<_> = record.intervals.iter().collect();
    intervals.sort_by_key(|interval| (interval.start, interval.phase, interval.series));
    for interval in intervals {
        let name = format!("{}-{}", interval.phase.name(), interval.series.name());
        let tag = Tag::new(&name).context("a tag without comma and space")?;
        log.write_histogram(&interval.histogram, interval.start, interval.length, Some(tag))?;
    }
    Ok(out.flush()?)
}

fn began(record: &Record) -> SystemTime {
    let since_1970 = Duration::try_from_secs_f64(record.outcome.started_unix_seconds).unwrap_or_default();
    UNIX_EPOCH.checked_add(since_1970).unwrap_or(UNIX_EPOCH)
}
