//! In which order the stanzas of one lane arrive, stream by stream: nobody promises an order between two streams.
//!
//! ```text
//!   numbers   0 ········ 6 ········ 9 ···· 11 ···········▶
//!   streams   └ ended ──┘└──── open ─────┘└ current ─────▶
//! ```

use std::collections::VecDeque;
use std::ops::Range;

/// The streams of one lane that a stanza may still arrive from. A stream carries consecutive numbers, up to the next one's first.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// That carries what departs now.
    current: Stream,
    /// Before it, the oldest first: those with stanzas that are not settled.
    open: VecDeque<Stream>,
    /// Before these, the oldest first: those with stanzas that are missing, and may be late.
    ended: Vec<Stream>,
}

/// One stream of a lane.
#[derive(Debug, Default)]
struct Stream {
    /// Its first number.
    first: u64,
    /// One more than the highest number that arrived; 0: none did.
    arrived_below: u64,
}

impl Order {
    /// Stanzas from this number on are of another stream than those before.
    pub(super) fn begin(&mut self, first: u64) {
        if first > self.current.first {
            let before = std::mem::replace(&mut self.current, Stream { first, arrived_below: 0 });
            self.open.push_back(before);
        }
    }

    /// Notes the first arrival of a stanza; whether one with a higher number had arrived before on its stream. Constant time for the current
    /// stream; the others are searched by halves.
    pub(super) fn is_overtaken(&mut self, number: u64) -> bool {
        let Some(stream) = self.stream(number) else { return false };
        let is_overtaken = number + 1 < stream.arrived_below;
        stream.arrived_below = stream.arrived_below.max(number + 1);
        is_overtaken
    }

    /// Forgets the streams whose stanzas are all settled, being below `settled`, unless `is_missing` says that one of a stream's numbers is
    /// missing.
    pub(super) fn settle(&mut self, settled: u64, is_missing: impl Fn(Range<u64>) -> bool) {
        while let Some(oldest) = self.open.front() {
            let end = self.open.get(1).unwrap_or(&self.current).first;
            if end > settled {
                return;
            }
            let is_kept = is_missing(oldest.first..end);
            self.ended.extend(self.open.pop_front().filter(|_| is_kept));
        }
    }

    /// How many are remembered besides the current one.
    #[cfg(test)]
    pub(super) fn older(&self) -> usize {
        self.open.len() + self.ended.len()
    }

    fn stream(&mut self, number: u64) -> Option<&mut Stream> {
        if number >= self.current.first {
            return Some(&mut self.current);
        }
        let after = self.open.partition_point(|stream| stream.first <= number);
        if let Some(index) = after.checked_sub(1) {
            return self.open.get_mut(index);
        }
        let after = self.ended.partition_point(|stream| stream.first <= number);
        self.ended.get_mut(after.checked_sub(1)?)
    }
}
