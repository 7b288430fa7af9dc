//! Deadlines of connections and links in one heap.
//!
//! An entry only says "look at this then": whether something is due is decided by what is looked at, so entries need no
//! cancelling, and a later deadline leaves its earlier entry alone.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use crate::event::ConnId;
use crate::time::Timestamp;

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Watch {
    Conn(ConnId),
    Link(usize),
    Drain,
}

/// The heap.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Timestamp, Watch)>>,
}

impl Timers {
    pub(crate) fn at(&mut self, when: Timestamp, watch: Watch) {
        self.heap.push(Reverse((when, watch)));
    }

    /// The earliest entry's time.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((when, _))| *when)
    }

    /// Takes one entry that is due.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Watch> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, watch))| watch)
    }
}
