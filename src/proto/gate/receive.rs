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

/// Bytes that are looked at between two questions whether to go on; with the elements that begin in them, up to three times
/// as many.
pub const LOOK_BYTES: usize = 2 << 10;

/// A spare buffer is taken for the beginning of an element if it has at most this capacity, bytes, or [`KEPT_SHARE`] times
/// what is kept: a peer that sends one byte of each element must not hold the largest buffers.
const KEPT_CAPACITY: usize = 4 << 10;
const KEPT_SHARE: usize = 8;

/// What came of a look for one element.
enum Stepped {
    /// It was dealt with, and ends here.
    Past(usize),
    /// It begins here, and its end is not there.
    Unfinished { from: usize },
    /// It is for another shard.
    Moving,
    /// Nothing more of what came is of interest: the stream has failed, or begins anew with TLS.
    Stopped,
}

/// Whether to go on; told whether an outbox is full that the connection feeds. It is asked every [`LOOK_BYTES`], and
/// before each element while one is.
pub type GoesOn<'a> = &'a mut dyn FnMut(bool) -> bool;

impl Gate {
    /// Plaintext came: every complete element in it is dealt with, the beginning of one is kept. Returns how much was
    /// taken: if less than all, `goes_on` said no, and the rest has to come again, before anything else of the connection.
    pub fn receive(&mut self, id: ConnId, bytes: &[u8], now: Timestamp, goes_on: GoesOn<'_>) -> usize {
        self.now = now;
        self.make_room(now);
        let Some(conn) = self.conns.get_mut(id) else { return bytes.len() };
        conn.active_at = now;
        match conn.phase {
            Phase::Streaming => {}
            // RFC 6120 §5.4.3.3: what came in clear after the command is not looked at.
            Phase::Securing => return bytes.len(),
            Phase::Moving => {
                conn.kept.extend_from_slice(bytes);
                self.weigh(id, now);
                return bytes.len();
            }
        }
        let kept = core::mem::take(&mut conn.kept);
        let mut taken = 0;
        if !kept.is_empty() {
            taken = self.join(id, kept, bytes, now, goes_on);
            if self.conns.get(id).is_some_and(|conn| !conn.kept.is_empty()) {
                return taken;
            }
        }
        let rest = &bytes[taken..];
        let kept = self.consume(id, rest, now, goes_on);
        self.keep(id, &rest[kept.clone()], now);
        taken + kept.end
    }

    /// A connection came from another shard, with bytes that were read there and begin with an element.
    pub(super) fn adopted(&mut self, id: ConnId, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let kept = core::mem::take(&mut conn.kept);
        self.receive(id, &kept, now, &mut |_| true);
    }

    /// Puts the element together whose beginning was kept, and deals with it. Returns how much of `bytes` was taken for
    /// it; what is kept afterwards is not complete.
    fn join(&mut self, id: ConnId, mut kept: Vec<u8>, bytes: &[u8], now: Timestamp, goes_on: GoesOn<'_>) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.may_go_on(id, taken, goes_on) {
            let end = bytes.len().min(taken + LOOK_BYTES);
            kept.extend_from_slice(&bytes[taken..end]);
            taken = end;
            match self.look(id, &kept, now) {
                Stepped::Past(count) => {
                    taken -= kept.len() - count;
                    kept.clear();
                    break;
                }
                Stepped::Unfinished { from } => drop(kept.drain(..from)),
                Stepped::Moving => {
                    kept.extend_from_slice(&bytes[taken..]);
                    taken = bytes.len();
                }
                Stepped::Stopped => {
                    kept.clear();
                    taken = bytes.len();
                }
            }
        }
        self.keep_rest(id, kept, now);
        taken
    }

    /// What is kept after an element was joined; an idle stream owns no buffer.
    fn keep_rest(&mut self, id: ConnId, kept: Vec<u8>, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return self.recycle(kept) };
        if kept.is_empty() {
            self.unfinished.forget(&mut conn.held);
            return self.recycle(kept);
        }
        conn.kept = kept;
        self.weigh(id, now);
    }

    /// Deals with the elements that are complete. Returns what is to be kept: what is before it is done with, what is
    /// behind it has to come again.
    fn consume(&mut self, id: ConnId, bytes: &[u8], now: Timestamp, goes_on: GoesOn<'_>) -> Range<usize> {
        let len = bytes.len();
        // Where an element begins; how far it was looked at; where it was asked last.
        let (mut at, mut seen, mut asked) = (0, 0, 0);
        loop {
            if !self.may_go_on(id, seen - asked, goes_on) {
                return at..seen;
            }
            if seen - asked >= LOOK_BYTES {
                asked = seen;
            }
            let end = len.min(seen + LOOK_BYTES);
            match self.look(id, &bytes[at..end], now) {
                Stepped::Past(count) => {
                    at += count;
                    seen = at;
                }
                Stepped::Unfinished { from } => {
                    at += from;
                    seen = end;
                    if end == len {
                        return at..len;
                    }
                }
                Stepped::Moving => return at..len,
                Stepped::Stopped => return len..len,
            }
        }
    }

    /// Asks, if it is time to: `looked` bytes after it was asked last.
    fn may_go_on(&self, id: ConnId, looked: usize, goes_on: GoesOn<'_>) -> bool {
        let is_blocked = self.conns.get(id).is_some_and(|conn| !conn.blocked_by.is_empty());
        (!is_blocked && looked < LOOK_BYTES) || goes_on(is_blocked)
    }

    /// Keeps the beginning of an element until its rest comes.
    fn keep(&mut self, id: ConnId, bytes: &[u8], now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id).filter(|_| !bytes.is_empty()) else { return };
        // Who has proven nothing takes no more memory than it has sent.
        if !conn.proven.is_empty() {
            let fits = |spare: &Vec<u8>| spare.capacity() <= KEPT_CAPACITY.max(KEPT_SHARE * bytes.len());
            let fitting = self.spare.iter().rposition(fits);
            conn.kept = fitting.map(|index| self.spare.swap_remove(index)).unwrap_or_default();
        }
        conn.kept.extend_from_slice(bytes);
        self.weigh(id, now);
    }

    /// Looks for one element, and deals with it.
    fn look(&mut self, id: ConnId, input: &[u8], now: Timestamp) -> Stepped {
        let Some(conn) = self.conns.get_mut(id).filter(|conn| conn.phase == Phase::Streaming) else {
            return Stepped::Stopped;
        };
        // A peer that asks and asks and reads no answer is not kept: its own outbox has no feeder to pause.
        if matches!(conn.machine, Machine::Receiving(_)) && conn.outbox.bytes.len() > limits::OUTBOX_HIGH_BYTES {
            let text = "the answers are not read";
            self.fail(id, StreamError::peer(Condition::PolicyViolation, text), now);
            return Stepped::Stopped;
        }
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
