//! The interval log: HDR histograms of transit times, one line per face and interval.
//!
//! The format is HdrHistogram's log, version 1.3 as its tools read it: V2 histograms, deflated and in base64, times
//! relative to `BaseTime`, one `Tag` per face. A thread of its own writes it, because a disk may block.

use std::fs::File;
use std::io::{self, LineWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogWriter, IntervalLogWriterBuilder, IntervalLogWriterError, Tag,
};
use hdrhistogram::serialization::{V2DeflateSerializeError, V2DeflateSerializer};
use ringgate_proto::time::Timestamp;
use thiserror::Error;

use super::board::Board;
use crate::clock;
use crate::shard::observe::{FACES, Observations};

/// A running interval log; dropping it writes the last interval and ends it.
#[derive(Debug)]
pub struct IntervalLog {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why an interval log is not written.
#[derive(Debug, Error)]
pub enum IntervalLogError {
    /// The file, or the thread.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The histogram.
    #[error("a histogram cannot be encoded: {0}")]
    Encode(V2DeflateSerializeError),
}

impl From<IntervalLogWriterError<V2DeflateSerializeError>> for IntervalLogError {
    fn from(error: IntervalLogWriterError<V2DeflateSerializeError>) -> Self {
        match error {
            IntervalLogWriterError::IoError(error) => Self::Io(error),
            IntervalLogWriterError::SerializeError(error) => Self::Encode(error),
        }
    }
}

impl IntervalLog {
    /// Makes the file (an earlier one is overwritten) and writes what `board` shows, every `interval`.
    ///
    /// # Errors
    /// When the file cannot be made or the thread not started. A later failure is logged once and ends the log.
    pub fn start(path: &Path, interval: Duration, board: Arc<Board>) -> Result<Self, IntervalLogError> {
        let file = LineWriter::new(File::create(path)?); // Each line is on the disk when it is complete.
        let (stop, stopped) = mpsc::channel();
        let path = path.to_owned();
        let thread = thread::Builder::new().name("hlog".into()).spawn(move || {
            let next = || matches!(stopped.recv_timeout(interval), Err(RecvTimeoutError::Timeout));
            if let Err(error) = write(file, &board, UNIX_EPOCH + clock::wall(), clock::now, next) {
                tracing::error!(file = %path.display(), %error, "interval log ended");
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for IntervalLog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // A panic there is in the log already.
        }
    }
}

/// Writes the head of an interval log: format version, `what` is in it, when it `began`, the legend. Lines then have their
/// start since `began`; values are nanoseconds, and the greatest of a line is shown in milliseconds.
///
/// Both `StartTime` and `BaseTime` stand there: with only one of them, readers guess what the starts are relative to.
///
/// # Errors
/// When `out` fails.
pub fn begin_interval_log<'a, W: Write>(
    out: &'a mut W,
    serializer: &'a mut V2DeflateSerializer,
    began: SystemTime,
    what: &str,
) -> io::Result<IntervalLogWriter<'a, 'a, W, V2DeflateSerializer>> {
    const NANOS_PER_MILLI: f64 = 1e6;
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!("[{what}]"))
        .with_start_time(began)
        .with_base_time(began)
        .with_max_value_divisor(NANOS_PER_MILLI)
        .begin_log_with(out, serializer)?;
    log.write_comment("\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"")?;
    Ok(log)
}

/// Writes one line per face after every `next`, and the last ones when that says `false`.
fn write(
    mut out: impl Write,
    board: &Board,
    began_wall: SystemTime,
    now: impl Fn() -> Timestamp,
    mut next: impl FnMut() -> bool,
) -> Result<(), IntervalLogError> {
    const WHAT: &str = "ringgate: transit of stanzas, nanoseconds from receive to send, by the face they left on";
    let began = now();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = begin_interval_log(&mut out, &mut serializer, began_wall, WHAT)?;
    let mut earlier = Observations::default().transit;
    let mut since = began;
    let mut goes_on = true;
    while goes_on {
        goes_on = next();
        let (latest, until) = (board.transit(), now());
        write_interval(&mut log, &latest, &earlier, since.since(began), until.since(since))?;
        (earlier, since) = (latest, until);
    }
    Ok(out.flush()?)
}

fn write_interval<W: Write>(
    log: &mut IntervalLogWriter<'_, '_, W, V2DeflateSerializer>,
    latest: &[Histogram<u64>; 4],
    earlier: &[Histogram<u64>; 4],
    start: Duration,
    length: Duration,
) -> Result<(), IntervalLogError> {
    for ((face, latest), earlier) in FACES.iter().zip(latest).zip(earlier) {
        let mut interval = latest.clone();
        interval.subtract(earlier).expect("shards only add to their histograms");
        log.write_histogram(&interval, start, length, Tag::new(face.as_str()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::metrics::{Snapshot, Tally};
    use crate::shard::observe::Gauges;

    fn snapshot(transit_nanos: &[u64]) -> Snapshot {
        let mut observations = Observations::default();
        transit_nanos.iter().for_each(|nanos| observations.transit[0].record(*nanos).unwrap());
        Snapshot::take(&Tally::default(), &observations, std::iter::empty(), Gauges::default())
    }

    /// Tag, start, length and number of values of every line.
    fn read_back(log: &[u8]) -> Vec<(String, Duration, Duration, u64)> {
        use base64::Engine;
        let entries = IntervalLogIterator::new(log).map(Result::unwrap);
        let lines = entries.filter_map(|entry| match entry {
            LogEntry::Interval(line) => Some(line),
            LogEntry::StartTime(_) | LogEntry::BaseTime(_) => None,
        });
        lines
            .map(|line| {
                let bytes = base64::engine::general_purpose::STANDARD.decode(line.encoded_histogram()).unwrap();
                let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
                (line.tag().unwrap().as_str().to_owned(), line.start_timestamp(), line.duration(), histogram.len())
            })
            .collect()
    }

    #[test]
    fn each_interval_has_only_its_own_values_one_line_per_face() {
        let board = Board::new(2);
        let seconds = Cell::new(100);
        let mut rounds = [vec![1_000_000, 2_000_000], vec![1_000_000, 2_000_000, 3_000_000]].into_iter();
        let next = || {
            seconds.set(seconds.get() + 10);
            let Some(values) = rounds.next() else { return false };
            board.publish(0, snapshot(&values));
            board.publish(1, snapshot(&[5_000]));
            true
        };
        let now = || Timestamp::default() + Duration::from_secs(seconds.get());
        let mut log = Vec::new();
        write(&mut log, &board, UNIX_EPOCH + Duration::from_secs(1_700_000_000), now, next).unwrap();
        let text = String::from_utf8(log.clone()).unwrap();
        assert!(text.contains("#[StartTime: 1700000000.000 (seconds since epoch)]"), "{text}");
        assert!(text.contains("#[BaseTime: 1700000000.000 (seconds since epoch)]"), "{text}");
        let lines = read_back(&log);
        assert_eq!(lines.len(), 3 * FACES.len());
        let inbound = lines.into_iter().filter(|(tag, ..)| tag == "inbound").collect::<Vec<_>>();
        let seconds = Duration::from_secs;
        let expected = [(seconds(0), 3), (seconds(10), 1), (seconds(20), 0)];
        assert_eq!(inbound.iter().map(|line| (line.1, line.3)).collect::<Vec<_>>(), expected);
        assert!(inbound.iter().all(|line| line.2 == seconds(10)));
    }

    #[test]
    fn file_is_complete_when_the_log_is_dropped() {
        let path = std::env::temp_dir().join(format!("ringgate-{}.hlog", std::process::id()));
        let board = Arc::new(Board::new(1));
        let log = IntervalLog::start(&path, Duration::from_secs(3_600), Arc::clone(&board)).unwrap();
        board.publish(0, snapshot(&[1_000_000]));
        drop(log);
        let lines = read_back(&std::fs::read(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(lines.iter().map(|line| line.3).collect::<Vec<_>>(), [1, 0, 0, 0]);
    }
}
