//! The way of the lines out of the process: a bounded queue, and a thread that writes.
//!
//! Shards log on their own threads, and a write to a full pipe waits for whoever reads it. Only the writer thread waits;
//! lines for which the queue has no place are dropped and counted, and the count is told as soon as lines get through.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ringgate_proto::time::Timestamp;
use tracing::{Dispatch, warn};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::clock;

/// Lines that wait for the writer thread; further ones are dropped. A line is some hundred bytes, 8 KiB at most.
pub(super) const LINES_WAITING: usize = 8_192;
/// While lines are dropped all the time, that is told this often.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What the log of the process dropped.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Lines of the process's log that were dropped because its sink did not take them in time.
pub fn lines_dropped() -> u64 {
    DROPPED.get().map_or(0, |dropped| dropped.dropped_lines() as u64)
}

/// The log at work. When it is dropped, what still waits is written, for a second at most.
#[must_use = "when it is dropped, lines go nowhere"]
pub struct Log {
    dropped: ErrorCounter,
    _writer: WorkerGuard,
}

impl Log {
    /// [`lines_dropped`] speaks of this log.
    pub(super) fn is_the_process_log(&self) {
        // A process has one log: the second one was refused already.
        let _ = DROPPED.set(self.dropped.clone());
    }
}

/// A queue to `sink`. `own` is the writer thread's voice, straight to the same sink.
pub(super) fn open(sink: impl Write + Send + 'static, own: Dispatch) -> (NonBlocking, Log) {
    let dropped = Arc::new(OnceLock::new());
    let sink = Sink { sink, own, dropped: Arc::clone(&dropped), told: 0, tell_at: clock::now() };
    let (queue, writer) =
        NonBlockingBuilder::default().buffered_lines_limit(LINES_WAITING).lossy(true).thread_name("log").finish(sink);
    let dropped = dropped.get_or_init(|| queue.error_counter()).clone();
    (queue, Log { dropped, _writer: writer })
}

/// The writer thread's side of the queue.
struct Sink<W> {
    sink: W,
    own: Dispatch,
    /// Known when the queue is.
    dropped: Arc<OnceLock<ErrorCounter>>,
    /// How many of them the log has told of.
    told: usize,
    /// Not before then again, unless the queue is empty.
    tell_at: Timestamp,
}

impl<W> Sink<W> {
    fn tell(&mut self) {
        let dropped = self.dropped.get().map_or(0, ErrorCounter::dropped_lines);
        if dropped > self.told {
            tracing::dispatcher::with_default(&self.own, || warn!(lines = dropped - self.told, "log lines dropped"));
            (self.told, self.tell_at) = (dropped, clock::now() + TELL_EVERY);
        }
    }
}

impl<W: Write> Write for Sink<W> {
    /// Takes one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.sink.write_all(line)?;
        if clock::now() >= self.tell_at {
            self.tell();
        }
        Ok(line.len())
    }

    /// The queue is empty.
    fn flush(&mut self) -> io::Result<()> {
        self.tell();
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing::Level;
    use tracing::info;

    use super::super::voice;
    use super::*;
    use crate::config::{self, LogFormat};

    /// A sink that takes nothing while its lock is held elsewhere.
    #[derive(Clone, Default)]
    struct Pipe(Arc<Mutex<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn opened(pipe: &Pipe, format: LogFormat) -> (Dispatch, Log) {
        let config = config::Log { level: Level::INFO, format };
        let own = pipe.clone();
        let (queue, log) = open(pipe.clone(), voice(config, move || own.clone()));
        (voice(config, queue), log)
    }

    /// OVL-09: the sink takes nothing.
    #[test]
    fn blocked_sink_drops_and_counts_lines_and_nobody_waits() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let pipe = Pipe::default();
            let (voice, log) = opened(&pipe, format);
            let lines = LINES_WAITING + 2_000;
            let held = pipe.0.lock().unwrap();
            // Would never end, did it wait for the sink.
            tracing::dispatcher::with_default(&voice, || (0..lines).for_each(|n| info!(n, "line")));
            let dropped = log.dropped.dropped_lines();
            assert!((1_999..=2_000).contains(&dropped), "{dropped}"); // The writer may hold one.
            drop(held);
            drop(log);
            let written = String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
            assert_eq!(written.lines().count(), lines - dropped + 1);
            let told = written.lines().find(|line| line.contains("log lines dropped")).unwrap();
            let count = [format!("lines={dropped}"), format!("\"lines\":{dropped}")];
            assert!(count.iter().any(|count| told.contains(count)), "{told}");
        }
    }

    #[test]
    fn lines_that_wait_are_written_when_the_log_ends() {
        let pipe = Pipe::default();
        let (voice, log) = opened(&pipe, LogFormat::Text);
        tracing::dispatcher::with_default(&voice, || (0..1_000).for_each(|n| info!(n, "line")));
        drop(log);
        let written = String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().count(), 1_000);
        assert!(written.ends_with("line n=999\n"), "{written}");
    }
}
