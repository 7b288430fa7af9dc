//! The driver: the shard is served, and sleeps, where its executor would sleep ([`parking`]).
//!
//! ```text
//!            nothing runnable            glommio has an event, or a task was woken here
//!   glommio ──────────────────▶ shard: turn, sleep in its ring ──────────────────▶ glommio
//!      │                                                                              │
//!      └── companion: turns the shard as long as other tasks run, then lets glommio ──┘
//!          come here again
//! ```
//!
//! While stanzas flow and no task has anything to do, glommio runs no code at all.
//!
//! # What ends a sleep, or keeps from it
//!
//! | what is left to do | who sees to it |
//! |---|---|
//! | operations that were asked for, completions that the kernel has | the call that sleeps submits the ones and hands out the others |
//! | completions not taken in, turns, reads to release | `Shard::process` says that there is more |
//! | messages of other shards, orders | looked for after `set_sleeping(true)`; who posts after that signals the eventfd, which the ring reads |
//! | answers of the resolver | as messages |
//! | deadlines: the gate's, of closing connections, of listeners that rest, of full mailboxes | a timeout in the ring, wished for in each tick |
//! | tasks that the shard has woken | `Control::take_woken`, asked after each turn |
//! | glommio's I/O, timers, wakes from other threads | completions on its main ring, which is polled in the shard's |
//! | tasks that could run otherwise | a quiet round, as follows |
//!
//! # Tasks left behind
//!
//! glommio 0.9.0 may come to sleep beside a task that could run: `run_task_queues` gives `false` ("nothing ran") also when
//! the preemption timer fired before the first task (the thread was descheduled), and `run` then parks. So the shard
//! sleeps only after a quiet [`Round`]: since glommio was last told to look around, the companion, which was woken for
//! that, has run, nothing else has, and the timer had no time to fire. After anything else glommio looks around once
//! more. That is one pass of about 10 µs per event of glommio's, and none per stanza.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_lite::future::or;
use ringgate_proto::time::Timestamp;

use super::PREEMPT;
use super::turn::{Turned, Turner};
use crate::clock;
use crate::ring::parking::{self, Outside, Serving, Unserved};

/// Within this time an executor with nothing to do has come to sleep for the first time, on the busiest host.
const FIRST_SLEEP: Duration = Duration::from_secs(5);
/// Rounds of the tasks after which the companion knows that it is alone: in the first, others may come after it; their
/// number is known when the second has ended.
const QUIET_ROUNDS: u32 = 3;

/// A shard that is served where its executor sleeps.
pub(super) struct Parked {
    desk: Rc<Desk>,
    serving: Serving,
    companion: glommio::Task<()>,
}

impl Parked {
    /// Serves the shard on the executor of this thread from now on, once it is known that the executor sleeps here.
    ///
    /// # Errors
    /// It does not, and why.
    pub(super) async fn begin(turner: Turner) -> Result<Self, String> {
        let desk = Rc::new(Desk::new(turner));
        let server = Rc::clone(&desk);
        let serving = parking::serve(move |outside| server.serve(outside)).map_err(|why| why.to_string())?;
        let companion = glommio::spawn_local(count_polls(Rc::clone(&desk)));
        let called = async {
            desk.first_call.wait().await;
            true
        };
        let late = async {
            glommio::timer::sleep(FIRST_SLEEP).await;
            false
        };
        if or(called, late).await {
            Ok(Self { desk, serving, companion })
        } else {
            Err(Unserved::NotCalled.to_string())
        }
    }

    /// Waits until the shard has ended, well or not. From then on the executor does not sleep at all: what is left to do
    /// on it is done at once.
    pub(super) async fn ended(&self) {
        self.desk.end.wait().await;
    }

    /// Gives the shard back that has ended.
    ///
    /// # Errors
    /// It broke, and how.
    pub(super) async fn finish(self) -> Result<Turner, String> {
        let Self { desk, serving, companion } = self;
        companion.cancel().await;
        drop(serving);
        desk.outcome.take().unwrap_or(Ok(()))?;
        desk.turner.take().ok_or_else(|| "it was given back already".to_owned())
    }
}

/// What the server, the companion and the waiting driver share; all are on one thread, and none holds it while waiting.
struct Desk {
    turner: RefCell<Option<Turner>>,
    outcome: RefCell<Option<Result<(), String>>>,
    round: Round,
    first_call: Bell,
    company: Bell,
    end: Bell,
}

impl Desk {
    fn new(turner: Turner) -> Self {
        Self {
            turner: RefCell::new(Some(turner)),
            outcome: RefCell::default(),
            round: Round::default(),
            first_call: Bell::default(),
            company: Bell::default(),
            end: Bell::default(),
        }
    }

    /// Called where the executor would sleep.
    fn serve(&self, outside: &Outside<'_>) {
        self.first_call.ring();
        if self.round.was_quiet(clock::now()) {
            self.guarded(|turner| self.sleep(turner, outside));
        }
        self.round.begin(clock::now());
        self.company.ring();
    }

    /// Serves the shard until glommio, or the tasks that it woke, should run.
    fn sleep(&self, turner: &mut Turner, outside: &Outside<'_>) -> io::Result<()> {
        turner.shard.count_sleep();
        while !outside.has_events() {
            let turned = turner.turn()?;
            if turned == Turned::Ended {
                self.ended(Ok(()));
            }
            if turned == Turned::Ended || turner.shard.control.take_woken() {
                return Ok(());
            }
            if turned == Turned::Idle {
                turner.shard.sleep(outside.fd())?;
            }
        }
        Ok(())
    }

    /// Keeps stanzas flowing while other tasks run: between those, the executor does not come to sleep.
    async fn keep_company(&self) {
        loop {
            self.company.wait().await;
            let mut quiet = 0;
            while quiet < QUIET_ROUNDS {
                glommio::executor().yield_task_queue_now().await;
                quiet = if self.round.count() > 1 { 0 } else { quiet + 1 };
                self.guarded(|turner| {
                    if turner.turn()? == Turned::Ended {
                        self.ended(Ok(()));
                    }
                    Ok(())
                });
            }
        }
    }

    /// Works on the shard, unless it has ended; what breaks it ends it.
    fn guarded(&self, work: impl FnOnce(&mut Turner) -> io::Result<()>) {
        if self.outcome.borrow().is_some() {
            return;
        }
        let worked = catch_unwind(AssertUnwindSafe(|| match self.turner.borrow_mut().as_mut() {
            Some(turner) => work(turner),
            None => Ok(()),
        }));
        match worked {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.ended(Err(format!("its data ring: {error}"))),
            Err(_) => self.ended(Err("it panicked; see the log".to_owned())),
        }
    }

    fn ended(&self, outcome: Result<(), String>) {
        self.outcome.replace(Some(outcome));
        self.end.ring();
    }
}

/// Runs the companion, and counts how often it was run.
async fn count_polls(desk: Rc<Desk>) {
    let mut companion = pin!(desk.keep_company());
    poll_fn(|context| {
        desk.round.polls.set(desk.round.polls.get() + 1);
        companion.as_mut().poll(context)
    })
    .await;
}

/// What ran since glommio was last told to look around.
#[derive(Default)]
struct Round {
    /// None until that was done for the first time: who waits for the executor's first sleep has not run by then.
    began: Cell<Option<Timestamp>>,
    /// Runs of the companion.
    polls: Cell<u64>,
    /// Runs of all tasks.
    executed: Cell<u64>,
}

impl Round {
    fn begin(&self, now: Timestamp) {
        self.count();
        self.polls.set(0);
        self.executed.set(0);
        self.began.set(Some(now));
    }

    /// How many tasks have run since the last call, in rounds of the executor that have ended.
    fn count(&self) -> u64 {
        // The figures start anew with each look at them; nobody else looks.
        let executed = glommio::executor().executor_stats().tasks_executed();
        self.executed.set(self.executed.get() + executed);
        executed
    }

    /// Whether the companion has run, alone, and too soon for the preemption timer to have kept anybody from running.
    fn was_quiet(&self, now: Timestamp) -> bool {
        self.count();
        let polls = self.polls.get();
        let was_short = self.began.get().is_some_and(|began| now.since(began) < PREEMPT);
        polls > 0 && self.executed.get() <= polls && was_short
    }
}

/// What one task of this thread waits for.
#[derive(Default)]
struct Bell {
    rung: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Bell {
    fn ring(&self) {
        self.rung.set(true);
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// Waits for the next ring, or takes the one that nobody has waited for.
    async fn wait(&self) {
        poll_fn(|context| {
            if self.rung.take() {
                return Poll::Ready(());
            }
            self.waiting.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock of a process may be as young as its first executor, whose spawning has run the companion.
    #[test]
    fn rounds_are_quiet_only_after_the_first_and_before_the_preemption_timer_could_fire() {
        glommio::LocalExecutorBuilder::default().make().expect("executor").run(async {
            let (start, round) = (Timestamp::default(), Round::default());
            glommio::executor().yield_task_queue_now().await;
            round.polls.set(1);
            assert!(!round.was_quiet(start));

            round.begin(start);
            assert!(!round.was_quiet(start), "the companion has not run");
            round.polls.set(1);
            assert!(round.was_quiet(start));
            assert!(!round.was_quiet(start + PREEMPT));
        });
    }
}
