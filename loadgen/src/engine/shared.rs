//! What the cores and their conductor tell each other.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;

use super::live::Tally;
use super::stanza::Seen;

/// Batches of arrivals that a core has not taken yet, at most; their sender keeps further ones.
const BATCHES: usize = 1_024;

/// A stanza that arrived on another core than its sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) seen: Seen,
    pub(super) bytes: u32,
    /// Since the begin of the run.
    pub(super) at: Duration,
}

/// Where a core finds what others have for it, and what wakes it.
pub(super) struct Inbox {
    queue: ArrayQueue<Vec<Arrived>>,
    bell: UnixStream,
    is_asleep: AtomicBool,
}

impl Inbox {
    /// Leaves a batch; gives it back when there is no room.
    pub(super) fn post(&self, batch: Vec<Arrived>) -> Result<(), Vec<Arrived>> {
        self.queue.push(batch)?;
        if self.is_asleep.swap(false, Ordering::SeqCst) {
            self.ring();
        }
        Ok(())
    }

    /// Takes one batch.
    pub(super) fn take(&self) -> Option<Vec<Arrived>> {
        self.queue.pop()
    }

    /// Whether there is something to take.
    pub(super) fn has_batches(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Says that the core is about to sleep; `false`: it must not, there is something.
    pub(super) fn fall_asleep(&self) -> bool {
        self.is_asleep.store(true, Ordering::SeqCst);
        if self.queue.is_empty() {
            return true;
        }
        self.is_asleep.store(false, Ordering::SeqCst);
        false
    }

    /// Says that the core is awake.
    pub(super) fn wake_up(&self) {
        self.is_asleep.store(false, Ordering::SeqCst);
    }

    /// Wakes the core.
    pub(super) fn ring(&self) {
        // It fails when the core has ended, or has so many rings to read that it is awake anyway.
        let _ = (&self.bell).write(&[0]);
    }
}

/// What all threads of a run share.
pub(super) struct Shared {
    /// The run's begin on the process's clock, nanoseconds.
    origin: u64,
    /// Begin of the warm-up in nanoseconds since the origin; 0: not known yet.
    begin: AtomicU64,
    /// The end of all departures, if earlier than planned; `u64::MAX`: as planned.
    cut: AtomicU64,
    is_over: AtomicBool,
    /// Components that the server knows.
    components: AtomicUsize,
    /// Cores whose streams are all open.
    opened: AtomicUsize,
    /// Cores that wait for nothing any more.
    drained: AtomicUsize,
    failure: OnceLock<String>,
    /// Handshakes that were begun of a limited number.
    pub(super) begun: AtomicU32,
    pub(super) inboxes: Box<[Inbox]>,
    pub(super) tallies: Box<[Tally]>,
}

impl Shared {
    /// For so many cores; also gives each core's end of its bell.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(super) fn new(cores: usize) -> io::Result<(Self, Vec<OwnedFd>)> {
        let (mut inboxes, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..cores {
            let (bell, end) = UnixStream::pair()?;
            bell.set_nonblocking(true)?;
            let queue = ArrayQueue::new(BATCHES);
            inboxes.push(Inbox { queue, bell, is_asleep: AtomicBool::new(false) });
            ends.push(end.into());
        }
        let shared = Self {
            origin: ringgate::clock::now().as_nanos(),
            begin: AtomicU64::new(0),
            cut: AtomicU64::new(u64::MAX),
            is_over: AtomicBool::new(false),
            components: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            drained: AtomicUsize::new(0),
            failure: OnceLock::new(),
            begun: AtomicU32::new(0),
            inboxes: inboxes.into(),
            tallies: (0..cores).map(|_| Tally::default()).collect(),
        };
        Ok((shared, ends))
    }

    /// Time since the begin of the run, the same on all threads.
    pub(super) fn now(&self) -> Duration {
        Duration::from_nanos(ringgate::clock::now().as_nanos().saturating_sub(self.origin))
    }

    /// When the warm-up begins, once that is known.
    pub(super) fn begin(&self) -> Option<Duration> {
        match self.begin.load(Ordering::Acquire) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// When nothing departs any more, if that is earlier than planned.
    pub(super) fn cut(&self) -> Option<Duration> {
        match self.cut.load(Ordering::Acquire) {
            u64::MAX => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    pub(super) fn set_begin(&self, at: Duration) {
        self.begin.store(at.as_nanos() as u64, Ordering::Release);
        self.ring_all();
    }

    pub(super) fn set_cut(&self, at: Duration) {
        self.cut.fetch_min(at.as_nanos() as u64, Ordering::AcqRel);
        self.ring_all();
    }

    pub(super) fn set_over(&self) {
        self.is_over.store(true, Ordering::Release);
        self.ring_all();
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// The server knows one more component.
    pub(super) fn count_component(&self) {
        self.components.fetch_add(1, Ordering::AcqRel);
        self.ring_all();
    }

    /// How many components the server knows.
    pub(super) fn components(&self) -> usize {
        self.components.load(Ordering::Acquire)
    }

    /// A core's streams are open.
    pub(super) fn count_opened(&self) {
        self.opened.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn are_all_opened(&self) -> bool {
        self.opened.load(Ordering::Acquire) == self.inboxes.len()
    }

    /// A core has nothing to send and waits for nothing any more.
    pub(super) fn count_drained(&self) {
        self.drained.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn are_all_drained(&self) -> bool {
        self.drained.load(Ordering::Acquire) == self.inboxes.len()
    }

    /// Ends the run with one clear line; the first one counts.
    pub(super) fn fail(&self, why: String) {
        let _ = self.failure.set(why);
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    fn ring_all(&self) {
        self.inboxes.iter().for_each(Inbox::ring);
    }
}
