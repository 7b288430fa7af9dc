//! The order of a tick, time, and sleeping.

use std::io;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ringgate_proto::gate::{Breakage, Input, ShardId};
use ringgate_proto::time::Timestamp;

use super::Shard;
use super::mailbox::{Delivered, ENVELOPE_BYTES, Mailbox, Message};
use super::share::{Brought, SERVING};
use crate::clock;
use crate::ring::{Completion, SocketId, Wait};

/// Rounds of "flushed, hence more to flush" in one tick; what is left then comes with the next.
const ROUNDS: usize = 8;
/// Messages taken from the mailbox in one tick.
const MESSAGES: usize = 64;
/// Bytes that wait for other shards' mailboxes above which nothing but uncut turns is taken in: what comes waits.
const OUTBOUND_HIGH_BYTES: usize = 8 << 20;
/// Pause before a full mailbox is tried again.
const MAILBOX_RETRY: Duration = Duration::from_millis(1);

impl Shard {
    /// Submits what the last tick armed and collects what has completed; with [`Wait::Yes`] sleeps until something has
    /// (messages of other shards do not end this sleep: use [`Self::sleep`] where there are any).
    ///
    /// # Errors
    /// The ring is broken; the shard cannot go on.
    pub fn enter(&mut self, wait: Wait) -> io::Result<()> {
        self.ring.enter(wait)
    }

    /// One tick: takes up to `budget` completions, and everything else that is ready, then what waits for its turn. `true`:
    /// there is more to do now.
    pub fn process(&mut self, budget: usize) -> bool {
        self.now = clock::now();
        self.timed_turns = Duration::ZERO;
        let mut worked = self.keep_time();
        worked |= self.drain(budget);
        worked |= self.read_mailbox();
        worked |= self.take_answers();
        worked |= self.settle();
        if self.serve_waiting() {
            worked = true;
            self.settle();
        }
        self.read_unread();
        if worked {
            self.observations.counters.ticks += 1;
        }
        self.wish_to_wake();
        self.observations.counters.enters = self.ring.enters();
        // What waits for other shards is tried again when the time for that has come.
        (!self.waiting.is_idle() && !self.is_outbound_full())
            || self.ring.has_completions()
            || self.mailboxes.get(self.id).is_some_and(|mailbox| !mailbox.is_empty())
    }

    /// Feeds the gate what the ring has: up to `budget` completions. `true` if there were any.
    pub fn drain(&mut self, budget: usize) -> bool {
        for count in 0..budget {
            let Some(completion) = self.ring.next() else { return count > 0 };
            match socket_of(&completion) {
                Some(id) => self.guarded(id, |shard| shard.arrive(completion)),
                None => drop(self.survives(|shard| shard.arrive(completion))),
            }
            // What comes now is taken in uncut: the rest waits in the ring, so that the tick gets to everything else.
            if self.waiting.is_overfull() && self.timed_turns >= SERVING {
                break;
            }
        }
        true
    }

    /// Whether other shards are too far behind to be given more.
    pub(super) fn is_outbound_full(&self) -> bool {
        self.outbound.envelope_bytes() > OUTBOUND_HIGH_BYTES
    }

    /// Works on one connection, and gives it up if that panics.
    pub(super) fn guarded(&mut self, id: SocketId, work: impl FnOnce(&mut Self)) {
        if !self.survives(work) {
            // The connection that met the bug is taken out.
            self.survives(|shard| shard.abandon(id));
        }
    }

    /// Does some of a tick's work, and carries out what the gate says to it. `false`: it panicked, which was counted.
    ///
    /// All of a shard is plain data of this thread: after a panic it is whole, if perhaps not consistent. A bug that one
    /// peer can reach, also by a timer or an answer of its DNS, shall not end everybody's streams.
    fn survives(&mut self, work: impl FnOnce(&mut Self)) -> bool {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            work(self);
            self.carry_out();
        }));
        self.observations.counters.panics += u64::from(outcome.is_err());
        outcome.is_ok()
    }

    fn abandon(&mut self, id: SocketId) {
        let Some(conn) = self.sockets.get_mut(id).filter(|socket| !socket.is_closing()).map(|socket| socket.conn)
        else {
            return self.vanish(id);
        };
        self.vanish(id);
        let detail = String::from("internal error");
        self.gate.handle(Input::Broken { conn, breakage: Breakage::Network, detail }, self.now);
    }

    fn read_mailbox(&mut self) -> bool {
        let (mut count, mut bytes) = (0, 0);
        while count < MESSAGES && bytes < ENVELOPE_BYTES {
            let Some(message) = self.mailboxes.get(self.id).and_then(Mailbox::pop) else { break };
            count += 1;
            bytes += message.load().0;
            self.survives(|shard| match message {
                Message::Envelope(envelope) => shard.gate.handle(Input::Post(envelope), shard.now),
                Message::Adopt(moving) => shard.adopt(*moving),
                Message::Drain => shard.begin_drain(),
                Message::Call(call) => {
                    shard.control.note_woken(); // For all that is known.
                    call(shard);
                }
            });
        }
        count > 0
    }

    fn begin_drain(&mut self) {
        if self.drain_until.is_none() {
            self.drain_until = Some(self.now + self.drain_deadline);
            for (id, _) in std::mem::take(&mut self.listeners) {
                self.ring.close(id);
            }
            self.gate.handle(Input::Drain, self.now);
        }
    }

    fn take_answers(&mut self) -> bool {
        let mut any = false;
        while let Some((question, answer)) = self.control.next_answer() {
            self.survives(|shard| shard.gate.handle(Input::Answered { question, answer }, shard.now));
            any = true;
        }
        any
    }

    /// Sends what has been brought, at least once per tick: outputs until there are none, one record run and one send per
    /// destination, and one message per other shard. `true` if there was anything.
    pub(super) fn settle(&mut self) -> bool {
        let mut worked = self.carry_out();
        self.brought = Brought::default();
        for _ in 0..ROUNDS {
            if self.drain_until.is_some() {
                // A drain goes on when streams have ended, and it looks for that when it is told the time.
                self.survives(|shard| shard.gate.handle(Input::Timer, shard.now));
            }
            self.gate.end_tick();
            let mut more = self.carry_out();
            more |= self.flush();
            if !more {
                break;
            }
            worked = true;
        }
        self.deliver();
        worked
    }

    /// Gives other shards what is theirs.
    fn deliver(&mut self) {
        if self.outbound.is_empty() {
            return;
        }
        let Delivered { messages, stanzas, full } = self.outbound.deliver(&self.mailboxes);
        let counters = &mut self.observations.counters;
        counters.posted += messages;
        counters.stanzas_posted += stanzas;
        counters.mailbox_full += full;
    }

    /// What is due by the clock.
    fn keep_time(&mut self) -> bool {
        let mut worked = false;
        if self.gate.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.survives(|shard| shard.gate.handle(Input::Timer, shard.now));
            worked = true;
        }
        while self.closing.front().is_some_and(|(until, _)| *until <= self.now) {
            let Some((_, id)) = self.closing.pop_front() else { break };
            self.give_up_closing(id);
            worked = true;
        }
        while self.resting.front().is_some_and(|(until, _)| *until <= self.now) {
            let Some((_, listener)) = self.resting.pop_front() else { break };
            self.ring.accept(listener);
            worked = true;
        }
        worked
    }

    fn wish_to_wake(&mut self) {
        let deadlines = [
            self.gate.deadline(),
            self.closing.front().map(|(until, _)| *until),
            self.resting.front().map(|(until, _)| *until),
            self.drain_until,
            (!self.outbound.is_empty()).then(|| self.now + MAILBOX_RETRY),
        ];
        if let Some(deadline) = deadlines.into_iter().flatten().min() {
            self.ring.wake_after(deadline.since(self.now));
        }
    }

    /// Sleeps in the ring until something has completed, came into the mailbox or from a task, or `other` (the same in
    /// every call) became readable. Returns at once if something is there already; may return for nothing.
    ///
    /// # Errors
    /// The ring is broken.
    pub fn sleep(&mut self, other: BorrowedFd<'_>) -> io::Result<()> {
        self.set_sleeping(true);
        let outcome = if self.has_something() { Ok(()) } else { self.ring.sleep(other) };
        self.set_sleeping(false);
        outcome
    }

    /// The executor has nothing to run, and leaves its thread to the shard.
    pub(super) fn count_sleep(&mut self) {
        self.observations.counters.sleeps += 1;
    }

    /// After `true`, whoever has something signals; what came before does not.
    fn set_sleeping(&self, sleeping: bool) {
        if let Some(mailbox) = self.mailboxes.get(self.id) {
            mailbox.set_sleeping(sleeping);
        }
    }

    pub(super) fn has_something(&mut self) -> bool {
        self.ring.has_completions()
            || self.mailboxes.get(self.id).is_none_or(|mailbox| !mailbox.is_empty())
            || self.control.has_answers()
            || self.is_finished()
    }

    /// After the order to drain: whether everything has ended here and on all other shards (whose last stanzas may
    /// still come), or the time is up.
    pub fn is_finished(&mut self) -> bool {
        let Some(until) = self.drain_until else { return false };
        if until <= clock::now() {
            return true;
        }
        if !self.gate.is_drained() || self.sockets.len() > 0 || !self.outbound.is_empty() {
            return false;
        }
        if !self.counted_drained {
            self.counted_drained = true;
            self.mailboxes.count_drained();
        }
        self.mailboxes.are_all_drained() && self.mailboxes.get(self.id).is_none_or(Mailbox::is_empty)
    }

    /// Puts something into the way of another shard, which gets it when this one settles.
    pub(super) fn post(&mut self, to: ShardId, message: Message) {
        self.outbound.push(to, message);
    }

    /// The time of this tick.
    pub fn now(&self) -> Timestamp {
        self.now
    }
}

fn socket_of(completion: &Completion) -> Option<SocketId> {
    match completion {
        Completion::Connected { socket }
        | Completion::Received { socket, .. }
        | Completion::Readable { socket }
        | Completion::Eof { socket }
        | Completion::Stopped { socket }
        | Completion::Sent { socket, .. }
        | Completion::Broken { socket, .. } => Some(*socket),
        Completion::Accepted { .. } | Completion::AcceptFailed { .. } | Completion::Deadline => None,
    }
}
