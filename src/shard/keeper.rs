//! Sees to it that no executor sleeps beside a task that could run.
//!
//! glommio 0.9.0 can: `run_task_queues` gives `false` ("nothing ran") also when the preemption timer had fired before the
//! first task, and `run` then parks, although tasks are waiting. It takes a thread that is descheduled, between polling
//! and running, for longer than the timer; on a loaded host that is a matter of minutes. Nothing inside the executor can
//! prevent it: a timer's task may be the one left behind. So a thread outside wakes a task of every executor that has
//! not turned since it last looked; an executor that wakes runs all that waits.
//!
//! A shard is thus deaf for twice [`LOOK_EVERY`] at worst; an idle one pays for one wake in [`LOOK_EVERY`].

use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;

use super::mailbox::Mailboxes;

/// How often the keeper looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One executor's sign of life, and how to wake it.
pub(super) struct Pulse {
    turns: AtomicU64,
    /// One place: the task leaves its waker, the keeper takes it.
    waker: ArrayQueue<Waker>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { turns: AtomicU64::new(0), waker: ArrayQueue::new(1) }
    }
}

impl Pulse {
    /// The driver turned.
    pub(super) fn beat(&self) {
        // Written by one thread only.
        self.turns.store(self.turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// The task that is woken; it never ends.
    pub(super) async fn stay(&self) {
        poll_fn(|context| {
            self.waker.force_push(context.waker().clone());
            Poll::<()>::Pending
        })
        .await;
    }

    fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Wakes the executor, unless an earlier wake has not arrived yet.
    fn wake(&self) {
        if let Some(waker) = self.waker.pop() {
            waker.wake();
        }
    }
}

/// Starts the keeper of these mailboxes, whose `end` is what [`Mailboxes::new`] gave beside them: it ends with them.
///
/// # Errors
/// The process can have no further thread.
pub(super) fn start(mailboxes: &Arc<Mailboxes>, end: Receiver<()>) -> io::Result<()> {
    let mailboxes = Arc::downgrade(mailboxes);
    thread::Builder::new().name("keeper".to_owned()).spawn(move || keep(&mailboxes, &end)).map(drop)
}

fn keep(mailboxes: &Weak<Mailboxes>, end: &Receiver<()>) {
    let mut seen = Vec::new();
    while end.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        let Some(mailboxes) = mailboxes.upgrade() else { return };
        seen.resize(usize::from(mailboxes.shards()), u64::MAX);
        for (pulse, seen) in mailboxes.pulses().zip(&mut seen) {
            let turns = pulse.turns();
            if *seen == turns {
                pulse.wake();
            }
            *seen = turns;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Wake};

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn keeper_ends_with_the_mailboxes() {
        let (mailboxes, end) = Mailboxes::new(1).expect("mailboxes");
        let weak = Arc::downgrade(&mailboxes);
        let keeper = thread::spawn(move || keep(&weak, &end));
        drop(mailboxes);
        keeper.join().expect("it ends");
    }

    #[test]
    fn executor_that_stands_still_is_woken_once_until_it_runs() {
        let mailboxes = Mailboxes::new(1).expect("mailboxes").0;
        let pulse = mailboxes.pulses().next().expect("shard 0");
        let counted = Arc::new(Counted::default());
        let waker = Waker::from(Arc::clone(&counted));
        let mut task = std::pin::pin!(pulse.stay());
        assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        pulse.wake();
        pulse.wake();
        assert_eq!(counted.0.load(Ordering::Relaxed), 1);
        assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        pulse.wake();
        assert_eq!(counted.0.load(Ordering::Relaxed), 2);
    }
}
