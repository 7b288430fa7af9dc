//! From bytes to elements. Who brings many is stopped between two of them, at the word of who gives them.
//!
//! ```text
//!   kept             bytes
//!   ├──────────┤├──────────────────────────────────────────────────┤
//!   ├─element───────┤├─element─┤├─element─┤├─element─┤├─beginning of…
//!        joined         read where they lie                  kept
//! ```
//!
//! Elements are read where they lie; only one that came in two parts is put together. A large element is looked at in
//! windows of [`LOOK_BYTES`], so that it can be stopped, too: then what was looked at is kept.

use alloc::vec::Vec;
use core::ops::Range;

use super::Gate;
use super::conn::Phase;
use super::machine::Machine;
use crate::event::ConnId;
use crate::limits;
use crate::scan::{self, Element, Kind, Step};
use crate::stream::{Condition, StreamError};
use crate::time::Timestamp;

/// Bytes that are looked at between two questions whether to go on; up to twice as many if elements are smaller.
pub const LOOK_BYTES: usize = 2 << 10;

/// A spare buffer is taken for the beginning of an element if it has at most this capacity, bytes, or [`KEPT_SHARE`] times
/// what is kept: a peer that sends one byte of each element must not hold the largest buffers.
const KEPT_CAPACITY: usize = 4 << 10;
const KEPT_SHARE: usize = 8;

/// Bytes of a connection in a row.
#[derive(Clone, Copy)]
struct Run<'a> {
    bytes: &'a [u8],
    /// Of these the scanner has seen so many: the beginning of the first element.
    seen: usize,
    /// Elements that begin here or later are not dealt with.
    until: usize,
}

/// What came of a look for one element.
enum Stepped {
    /// It was dealt with, and ends here.
    Past(usize),
    /// It begins here, and its end is not there.
    Unfinished { from: usize },
    /// It is for another shard.
    Moving,
    /// The stream has failed: nothing more of it is of interest.
    Stopped,
}

/// Whether to go on, asked every [`LOOK_BYTES`], and after every element while the connection is blocked (which is what
/// it is told).
pub(super) type GoesOn<'a> = &'a mut dyn FnMut(bool) -> bool;

impl Gate {
    /// Plaintext came: every complete element in it is dealt with, the beginning of one is kept. `goes_on` is asked
    /// every [`LOOK_BYTES`], and before each element while an outbox that the connection feeds is full (then it is given
    /// `true`). Returns how much was taken: if less than all, it said no, and the rest has to come again.
    pub fn receive(
        &mut self,
        id: ConnId,
        bytes: &[u8],
        now: Timestamp,
        goes_on: &mut dyn FnMut(bool) -> bool,
    ) -> usize {
        self.now = now;
        self.make_room(now);
        let Some(conn) = self.conns.get_mut(id) else { return bytes.len() };
        conn.active_at = now;
        if conn.phase == Phase::Securing {
            return bytes.len();
        }
        let kept = core::mem::take(&mut conn.unread);
        let at = match kept.is_empty() {
            true => 0,
            false => match self.join(id, kept, bytes, now, goes_on) {
                Ok(at) => at,
                Err(taken) => return taken,
            },
        };
        let rest = &bytes[at..];
        let kept = self.consume(id, Run { bytes: rest, seen: 0, until: usize::MAX }, now, goes_on);
        self.keep(id, &rest[kept.clone()], now);
        at + kept.end
    }

    /// Puts the element together whose beginning was kept, and deals with it: `Ok` is how much of `bytes` belonged to it.
    /// `Err`: it is not complete, or not to be dealt with now; so much was taken.
    fn join(
        &mut self,
        id: ConnId,
        mut kept: Vec<u8>,
        bytes: &[u8],
        now: Timestamp,
        goes_on: GoesOn<'_>,
    ) -> Result<usize, usize> {
        let mut taken = 0;
        loop {
            let held = kept.len();
            let more = &bytes[taken..][..LOOK_BYTES.min(bytes.len() - taken)];
            kept.extend_from_slice(more);
            let run = Run { bytes: &kept, seen: held, until: held };
            let still = self.consume(id, run, now, goes_on);
            if still.start > 0
                && let Some(conn) = self.conns.get_mut(id)
            {
                self.unfinished.forget(&mut conn.held);
            }
            if still.start >= held {
                // An idle stream owns no buffer.
                self.recycle(kept);
                return Ok(taken + still.start - held);
            }
            // Less than was held: it is blocked, and complete elements came with it from another shard.
            taken += still.end.saturating_sub(held);
            let is_stopped = still.end < kept.len() || taken == bytes.len();
            kept.truncate(still.end.max(held));
            kept.drain(..still.start);
            if is_stopped || !self.is_to_go_on(id, goes_on) {
                if let Some(conn) = self.conns.get_mut(id) {
                    conn.unread = kept;
                    self.weigh(id, now);
                }
                return Err(taken);
            }
        }
    }

    fn is_to_go_on(&self, id: ConnId, goes_on: GoesOn<'_>) -> bool {
        self.conns.get(id).is_none_or(|conn| goes_on(conn.blocked_on > 0))
    }

    /// Keeps the beginning of an element until its rest comes.
    fn keep(&mut self, id: ConnId, bytes: &[u8], now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id).filter(|_| !bytes.is_empty()) else { return };
        // Who has proven nothing takes no more memory than it has sent.
        if !conn.proven.is_empty() {
            let fits = |spare: &Vec<u8>| spare.capacity() <= KEPT_CAPACITY.max(KEPT_SHARE * bytes.len());
            let fitting = self.spare.iter().rposition(fits);
            conn.unread = fitting.map(|index| self.spare.swap_remove(index)).unwrap_or_default();
        }
        conn.unread.extend_from_slice(bytes);
        self.weigh(id, now);
    }

    /// Deals with the elements that begin before `until`. Returns what of the input is to be kept; what is before it is
    /// done with, what is behind it has to come again.
    fn consume(&mut self, id: ConnId, run: Run<'_>, now: Timestamp, goes_on: GoesOn<'_>) -> Range<usize> {
        let len = run.bytes.len();
        let (nothing, mut at, mut looked, mut window) = (len..len, 0, 0, run.seen + LOOK_BYTES);
        while at < run.until {
            let Some(conn) = self.conns.get_mut(id) else { return nothing };
            match conn.phase {
                Phase::Streaming => {}
                // RFC 6120 §5.4.3.3: what came in clear after the command is not looked at.
                Phase::Securing => return nothing,
                Phase::Moving => return at..len,
            }
            let is_blocked = conn.blocked_on > 0;
            if is_blocked || at.saturating_sub(looked) >= LOOK_BYTES {
                looked = at;
                if !goes_on(is_blocked) {
                    return at..at;
                }
            }
            // A peer that asks and asks and reads no answer is not kept: its own outbox has no feeder to pause.
            if matches!(conn.machine, Machine::Receiving(_)) && conn.outbox.bytes.len() > limits::OUTBOX_HIGH_BYTES {
                let text = "the answers are not read";
                self.fail(id, StreamError::peer(Condition::PolicyViolation, text), now);
                return nothing;
            }
            let end = len.min(at + window);
            match self.look(id, &run.bytes[at..end], now) {
                Stepped::Past(count) => (at, window) = (at + count, LOOK_BYTES),
                Stepped::Unfinished { from } => {
                    at += from;
                    looked = end;
                    if end == len || !self.is_to_go_on(id, goes_on) {
                        return at..end;
                    }
                    window = end - at + LOOK_BYTES;
                }
                Stepped::Stopped => return nothing,
                Stepped::Moving => return at..len,
            }
        }
        at..at
    }

    /// Looks for one element, and deals with it.
    fn look(&mut self, id: ConnId, input: &[u8], now: Timestamp) -> Stepped {
        let Some(conn) = self.conns.get_mut(id) else { return Stepped::Stopped };
        match conn.scanner.scan(&mut self.scratch, input) {
            Ok(Step::NeedMore { keep_from }) => Stepped::Unfinished { from: keep_from },
            Ok(Step::Header(header)) => {
                // Otherwise a few bytes of a stanza would become kilobytes for its target.
                if scan::longest_splice(conn.scanner.context(), &self.ours) > limits::SPLICE_BYTES {
                    let text = "the header's prefixes and language are too long";
                    self.fail(id, StreamError::peer(Condition::PolicyViolation, text), now);
                    return Stepped::Stopped;
                }
                self.drive(id, now, |machine, context, world| machine.header(&header, context, world));
                Stepped::Past(header.end)
            }
            Ok(Step::Close { end }) => {
                self.drive(id, now, |machine, _, world| {
                    machine.peer_closed(world);
                    Ok(())
                });
                Stepped::Past(end)
            }
            // By reference: it is large.
            Ok(Step::Element(ref element)) => {
                if self.must_move(id, element.kind) {
                    return Stepped::Moving;
                }
                self.element(id, element, now);
                Stepped::Past(element.end)
            }
            Err(error) => {
                self.fail(id, error.into(), now);
                Stepped::Stopped
            }
        }
    }

    fn element(&mut self, id: ConnId, element: &Element<'_>, now: Timestamp) {
        match element.kind {
            Kind::Message | Kind::Presence | Kind::Iq => self.stanza(id, element, now),
            // Also after authentication: these become trees, which costs more than a look.
            _ if element.bytes.len() > limits::PREAUTH_BYTES as usize => {
                let text = "an element of the stream itself is too large";
                self.fail(id, StreamError::peer(Condition::PolicyViolation, text), now);
            }
            Kind::DialbackResult | Kind::DialbackVerify => self.dialback(id, element, now),
            Kind::StreamError | Kind::Features | Kind::StartTls | Kind::Sasl | Kind::Other => {
                self.drive(id, now, |machine, context, world| machine.element(element, context, world));
            }
        }
    }
}
