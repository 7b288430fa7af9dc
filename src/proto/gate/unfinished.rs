//! Memory of stanzas whose end has not come, of all streams together.
//!
//! Each stream may keep the beginning of a stanza for as long as it likes, up to the bound of one stanza, and a remote
//! domain may have any number of streams. So what is large is counted, and when it is too much altogether, the stream whose
//! stanza has been large for longest ends. Who holds stanzas back is the oldest before long, and a neighbour's avatar on
//! its way is young; further bytes of the same stanza make it no younger.

use alloc::collections::VecDeque;

use super::Gate;
use super::conn::Conns;
use crate::event::ConnId;
use crate::limits;
use crate::stream::{Condition, StreamError};
use crate::time::Timestamp;

/// For the peer and the log.
const TOO_MUCH: StreamError = StreamError::peer(
    Condition::ResourceConstraint,
    "memory is short, and this stanza has been unfinished for longest",
);
/// Entries of streams that have finished, beyond which, and beyond half of all, they are swept out.
const STALE: usize = 16;

/// What is counted of one stream.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: usize,
    /// Which stanza this is, in the order in which they became large; 0 while nothing is counted.
    number: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    /// In the order of their numbers; those that were finished are among them until they come to the front or are swept.
    by_age: VecDeque<(u64, ConnId)>,
    /// Streams that are counted.
    count: usize,
    bytes: usize,
    /// Of the stanza that became large last.
    number: u64,
}

impl Unfinished {
    /// Counts what a stream holds now of the stanza that it is in the middle of.
    fn count(&mut self, id: ConnId, held: &mut Held, bytes: usize) {
        if held.number == 0 {
            self.number += 1;
            held.number = self.number;
            self.count += 1;
            self.by_age.push_back((held.number, id));
        }
        self.bytes = self.bytes - held.bytes + bytes;
        held.bytes = bytes;
    }

    /// The stanza is finished, or the stream is gone.
    pub(super) fn forget(&mut self, held: &mut Held) {
        if held.number == 0 {
            return;
        }
        self.bytes -= held.bytes;
        self.count -= 1;
        *held = Held::default();
    }

    /// Keeps the queue from growing with stanzas that were finished.
    fn sweep(&mut self, is_held: impl Fn(u64, ConnId) -> bool) {
        if self.by_age.len() > 2 * self.count + STALE {
            self.by_age.retain(|(number, id)| is_held(*number, *id));
        }
    }

    /// Takes the stanza out that has been large for longest.
    fn pop_oldest(&mut self, is_held: impl Fn(u64, ConnId) -> bool) -> Option<ConnId> {
        loop {
            let (number, id) = self.by_age.pop_front()?;
            if is_held(number, id) {
                return Some(id);
            }
        }
    }
}

impl Gate {
    /// Memory of large stanzas whose end has not come, in bytes; at most [`limits::UNFINISHED_BYTES_PER_SHARD`].
    pub fn unfinished_bytes(&self) -> usize {
        self.unfinished.bytes
    }

    /// A stream keeps the beginning of a stanza: counts it if it is large, and ends streams if that is too much altogether.
    pub(super) fn weigh(&mut self, id: ConnId, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        // What the scanner remembers of it has bounds of its own, and is some kilobytes at most.
        let bytes = conn.kept.capacity();
        if bytes <= limits::UNFINISHED_SMALL_BYTES {
            return;
        }
        self.unfinished.count(id, &mut conn.held, bytes);
        self.unfinished.sweep(|number, id| is_held(&self.conns, number, id));
        while self.unfinished.bytes > limits::UNFINISHED_BYTES_PER_SHARD {
            let oldest = self.unfinished.pop_oldest(|number, id| is_held(&self.conns, number, id));
            let Some(oldest) = oldest else { return };
            self.fail(oldest, TOO_MUCH, now);
        }
    }
}

/// Whether a stream is still in the middle of the stanza of this number.
fn is_held(conns: &Conns, number: u64, id: ConnId) -> bool {
    conns.get(id).is_some_and(|conn| conn.held.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_does_not_grow_with_stanzas_that_are_finished() {
        let mut unfinished = Unfinished::default();
        let id = |index| ConnId { index, generation: 0 };
        let mut slow = Held::default();
        unfinished.count(id(0), &mut slow, 100_000);
        let slow_number = slow.number;
        for _ in 0..10_000 {
            let mut held = Held::default();
            unfinished.count(id(1), &mut held, 20_000);
            unfinished.count(id(1), &mut held, 40_000);
            assert_eq!(unfinished.bytes, 140_000);
            let number = held.number;
            unfinished.sweep(|n, _| n == slow_number || n == number);
            assert!(unfinished.by_age.len() <= 2 * unfinished.count + STALE);
            unfinished.forget(&mut held);
        }
        assert_eq!((unfinished.count, unfinished.bytes), (1, 100_000));
        assert_eq!(unfinished.pop_oldest(|number, _| number == slow_number), Some(id(0)));
    }
}
