//! Between two turns: sleep in the ring, and the last moment before a departure without sleeping.

use std::io;
use std::time::Duration;

use ringgate::ring::Wait;

use super::{Act, Core};
use crate::measure::processor;

/// How long before a departure the core stops sleeping. A sleeper wakes up late, on a virtual machine by some 50 µs; the
/// rest of the way is spent looking at the clock and the ring, which costs no system call.
const SPIN: Duration = Duration::from_micros(60);

/// What the core did with its time.
#[derive(Default)]
pub(super) struct Patience {
    /// Time spent looking at the clock.
    spun: Duration,
    /// Time spent asleep.
    slept: Duration,
    at_begin: Option<Mark>,
    /// From the begin of the measured phase to its end.
    worked: Option<Work>,
}

/// A moment.
#[derive(Clone, Copy)]
struct Mark {
    at: Duration,
    used: Duration,
    spun: Duration,
    slept: Duration,
}

/// What a core did in the measured phase.
#[derive(Clone, Copy, Default)]
pub(in crate::engine) struct Work {
    /// Processor time, without that of spinning.
    pub(in crate::engine) used: Duration,
    /// Time in which it neither slept nor spun: it worked, or would have, had it been given the processor.
    pub(in crate::engine) busy: Duration,
}

impl Patience {
    /// In the measured phase.
    pub(super) fn worked(&self) -> Work {
        self.worked.unwrap_or_default()
    }

    fn mark(&self, at: Duration) -> Mark {
        Mark { at, used: processor::of_this_thread(), spun: self.spun, slept: self.slept }
    }
}

impl Work {
    fn between(from: Mark, to: Mark) -> Self {
        let spun = to.spun.saturating_sub(from.spun);
        let waited = spun + to.slept.saturating_sub(from.slept);
        Self {
            used: to.used.saturating_sub(from.used).saturating_sub(spun),
            busy: to.at.saturating_sub(from.at).saturating_sub(waited),
        }
    }
}

impl Core {
    /// Waits until something is due or comes.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        self.note_phase();
        if self.ring.has_completions() || !self.dirty.is_empty() || self.has_batches() || self.has_roomy_lanes() {
            return Ok(());
        }
        let (due, is_departure) = self.next_due();
        let Some(pause) = due.checked_sub(self.shared.now()).filter(|pause| !pause.is_zero()) else { return Ok(()) };
        if is_departure && pause <= SPIN {
            return self.spin(due);
        }
        let shared = std::sync::Arc::clone(&self.shared);
        let inbox = &shared.inboxes[self.number];
        if inbox.fall_asleep() {
            self.ring.wake_after(if is_departure { pause - SPIN } else { pause });
            let begin = self.shared.now();
            self.ring.enter(Wait::Yes)?;
            self.patience.slept += self.shared.now().saturating_sub(begin);
            inbox.wake_up();
        }
        Ok(())
    }

    /// What is next, and whether it is a departure, which has to be on time.
    fn next_due(&self) -> (Duration, bool) {
        let mut other = self.next_tick;
        for due in [self.schedule.measured_from, self.schedule.end] {
            if due > self.now {
                other = other.min(due);
            }
        }
        for due in [self.absence.next(), self.visits.next()].into_iter().flatten() {
            other = other.min(due);
        }
        let departure = self.schedule.next_due(&self.scene).filter(|due| self.act == Act::Playing && *due < self.end());
        match departure {
            Some(due) if due <= other => (due, true),
            _ => (other, false),
        }
    }

    fn spin(&mut self, due: Duration) -> io::Result<()> {
        let begin = self.shared.now();
        let mut now = begin;
        while now < due && !self.ring.has_completions() && !self.shared.inboxes[self.number].has_batches() {
            std::hint::spin_loop();
            self.ring.enter(Wait::No)?;
            now = self.shared.now();
        }
        self.patience.spun += now.saturating_sub(begin);
        Ok(())
    }

    /// Notes how much the thread has worked, at both ends of the measured phase.
    fn note_phase(&mut self) {
        match self.patience.at_begin {
            None if self.now >= self.schedule.measured_from => {
                self.patience.at_begin = Some(self.patience.mark(self.shared.now()));
            }
            Some(begin) if self.patience.worked.is_none() && self.act >= Act::Draining => {
                self.patience.worked = Some(Work::between(begin, self.patience.mark(self.shared.now())));
            }
            _ => {}
        }
    }
}
