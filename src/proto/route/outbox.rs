//! What waits at a connection for the end of the tick, and what the kernel has not taken yet.

use alloc::vec::Vec;

use super::pair::PairIndex;
use super::waiting::Parked;
use crate::time::Timestamp;

/// Where one stanza lies in an outbox, and whose it is.
#[derive(Clone, Copy, Debug)]
struct Mark {
    pair: PairIndex,
    start: u32,
    end: u32,
    received_at: Timestamp,
    generated: bool,
}

/// Plaintext for one peer. Bytes without a mark are negotiation; they are never given back.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) bytes: Vec<u8>,
    marks: Vec<Mark>,
    /// Stanzas that the shell took and that are not with the kernel yet, per pair.
    in_flight: Vec<(PairIndex, u32)>,
}

impl Outbox {
    /// Marks the stanza that was appended to `bytes` from offset `start` on.
    pub(crate) fn mark(&mut self, pair: PairIndex, start: usize, received_at: Timestamp, generated: bool) {
        // Beyond `limits::OUTBOX_MOST_BYTES` only what waited for its stream is added, which has a bound for the whole shard:
        // it cannot come near 4 GiB.
        let (start, end) = (start as u32, self.bytes.len() as u32);
        self.marks.push(Mark { pair, start, end, received_at, generated });
    }

    /// Hands everything to the shell.
    pub(crate) fn take(&mut self, received_at: &mut Vec<Timestamp>) -> Vec<u8> {
        for mark in self.marks.drain(..) {
            received_at.push(mark.received_at);
            match self.in_flight.last_mut() {
                Some((pair, count)) if *pair == mark.pair => *count += 1,
                _ => self.in_flight.push((mark.pair, 1)),
            }
        }
        core::mem::take(&mut self.bytes)
    }

    /// Whether stanzas were taken that are not with the kernel yet.
    pub(crate) fn has_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// The stanzas per pair that were taken; the kernel has them now, or they are lost.
    pub(crate) fn take_in_flight(&mut self) -> impl Iterator<Item = (PairIndex, u32)> + '_ {
        self.in_flight.drain(..)
    }

    /// Gives back the stanzas that were not taken, in order, and the bytes that are none.
    pub(crate) fn give_back(&mut self) -> (Vec<(PairIndex, Parked)>, Vec<u8>) {
        let bytes = core::mem::take(&mut self.bytes);
        let (mut stanzas, mut rest, mut at) = (Vec::with_capacity(self.marks.len()), Vec::new(), 0);
        for mark in self.marks.drain(..) {
            let (start, end) = (mark.start as usize, mark.end as usize);
            rest.extend_from_slice(bytes.get(at..start).unwrap_or_default());
            let stanza = bytes.get(start..end).unwrap_or_default();
            stanzas.push((mark.pair, Parked::new(stanza, mark.received_at, mark.generated)));
            at = end;
        }
        rest.extend_from_slice(bytes.get(at..).unwrap_or_default());
        (stanzas, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(outbox: &mut Outbox, pair: u32, stanza: &[u8]) {
        let start = outbox.bytes.len();
        outbox.bytes.extend_from_slice(stanza);
        outbox.mark(PairIndex(pair), start, Timestamp::from_nanos(u64::from(pair)), pair == 2);
    }

    #[test]
    fn what_was_not_taken_is_given_back_in_order_and_apart_from_negotiation() {
        let mut outbox = Outbox::default();
        outbox.bytes.extend_from_slice(b"<header>");
        put(&mut outbox, 1, b"<a/>");
        put(&mut outbox, 2, b"<b/>");
        outbox.bytes.extend_from_slice(b"<db:result/>");
        put(&mut outbox, 1, b"<c/>");
        outbox.bytes.extend_from_slice(b"</stream:stream>");
        let (stanzas, rest) = outbox.give_back();
        let found: Vec<_> = stanzas.iter().map(|(pair, s)| (pair.0, &*s.bytes, s.generated)).collect();
        assert_eq!(found, [(1, &b"<a/>"[..], false), (2, b"<b/>", true), (1, b"<c/>", false)]);
        assert_eq!(stanzas[1].1.received_at, Timestamp::from_nanos(2));
        assert_eq!(rest, b"<header><db:result/></stream:stream>");
        assert!(outbox.bytes.is_empty() && outbox.give_back().0.is_empty());
    }

    #[test]
    fn what_was_taken_is_in_flight_until_it_is_asked_for_and_is_not_given_back() {
        let mut outbox = Outbox::default();
        for pair in [1, 1, 2, 1] {
            put(&mut outbox, pair, b"<a/>");
        }
        let mut received_at = Vec::new();
        assert_eq!(outbox.take(&mut received_at), b"<a/><a/><a/><a/>");
        assert_eq!(received_at.len(), 4);
        put(&mut outbox, 3, b"<later/>");
        let (stanzas, rest) = outbox.give_back();
        assert_eq!((stanzas.len(), stanzas[0].0, rest.len()), (1, PairIndex(3), 0));
        let of = |pair, counts: &[(PairIndex, u32)]| -> u32 {
            counts.iter().filter(|(index, _)| *index == PairIndex(pair)).map(|(_, count)| count).sum()
        };
        let in_flight: Vec<_> = outbox.take_in_flight().collect();
        assert_eq!((of(1, &in_flight), of(2, &in_flight), of(3, &in_flight)), (3, 1, 0));
        assert!(!outbox.has_in_flight());
    }

    #[test]
    fn outbox_that_was_taken_owns_no_buffer() {
        let mut outbox = Outbox::default();
        put(&mut outbox, 1, b"<a/>");
        outbox.take(&mut Vec::new());
        assert_eq!(outbox.bytes.capacity(), 0);
        put(&mut outbox, 1, b"<b/>");
        assert_eq!(outbox.take(&mut Vec::new()), b"<b/>");
    }
}
