//! The bounded waiting room of one domain pair.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::limits;
use crate::time::Timestamp;

/// A stanza that waits for its stream, ready to be appended to one (it was spliced already).
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) received_at: Timestamp,
    pub(crate) generated: bool,
}

impl Parked {
    pub(crate) fn new(bytes: &[u8], received_at: Timestamp, generated: bool) -> Self {
        Self { bytes: bytes.into(), received_at, generated }
    }
}

/// Stanzas in the order they came; full at [`limits::WAITING_STANZAS_PER_PAIR`] or
/// [`limits::WAITING_BYTES_PER_PAIR`], whichever is first.
#[derive(Debug, Default)]
pub(crate) struct WaitingRoom {
    stanzas: VecDeque<Parked>,
    bytes: usize,
}

impl WaitingRoom {
    /// Takes a stanza in.
    ///
    /// # Errors
    /// Gives it back when the room is full; the caller bounces it with `resource-constraint`.
    pub(crate) fn push(&mut self, parked: Parked) -> Result<(), Parked> {
        let full = self.stanzas.len() >= limits::WAITING_STANZAS_PER_PAIR
            || self.bytes + parked.bytes.len() > limits::WAITING_BYTES_PER_PAIR;
        if full {
            return Err(parked);
        }
        self.bytes += parked.bytes.len();
        self.stanzas.push_back(parked);
        Ok(())
    }

    /// Puts back what had left already, in front of the rest; it was counted when it first came, so the bound may be
    /// passed by one outbox.
    pub(crate) fn put_back(&mut self, parked: Parked) {
        self.bytes += parked.bytes.len();
        self.stanzas.push_front(parked);
    }

    /// The next to leave.
    pub(crate) fn pop(&mut self) -> Option<Parked> {
        let parked = self.stanzas.pop_front()?;
        self.bytes -= parked.bytes.len();
        Some(parked)
    }

    /// When the oldest one came.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.stanzas.front().map(|parked| parked.received_at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stanzas.is_empty()
    }

    /// Bytes of all stanzas in it.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(size: usize) -> Parked {
        Parked::new(&alloc::vec![b'x'; size], Timestamp::from_nanos(1), false)
    }

    #[test]
    fn stanza_beyond_the_count_bound_is_given_back() {
        let mut room = WaitingRoom::default();
        for _ in 0..limits::WAITING_STANZAS_PER_PAIR {
            room.push(parked(1)).expect("below the bound");
        }
        assert!(room.push(parked(1)).is_err());
        room.pop();
        assert!(room.push(parked(1)).is_ok());
    }

    #[test]
    fn stanza_beyond_the_byte_bound_is_given_back() {
        let mut room = WaitingRoom::default();
        for _ in 0..16 {
            room.push(parked(limits::WAITING_BYTES_PER_PAIR / 16)).expect("below the bound");
        }
        assert!(room.push(parked(1)).is_err());
        assert_eq!(room.bytes(), limits::WAITING_BYTES_PER_PAIR);
    }

    #[test]
    fn stanzas_put_back_leave_first() {
        let mut room = WaitingRoom::default();
        room.push(parked(2)).expect("empty");
        room.put_back(parked(1));
        assert_eq!(room.pop().map(|p| p.bytes.len()), Some(1));
        assert_eq!(room.pop().map(|p| p.bytes.len()), Some(2));
        assert_eq!(room.bytes(), 0);
    }
}
