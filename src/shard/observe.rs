//! What a shard counts about itself: plain numbers of one thread, read between ticks.

use hdrhistogram::Histogram;
use ringgate_proto::event::{Event, Face};
use ringgate_proto::time::Timestamp;

/// The faces in the order of the arrays in [`Observations`].
pub const FACES: [Face; 4] = [Face::Inbound, Face::Outbound, Face::FromBackend, Face::ToBackend];

/// Where `face` stands in [`FACES`].
pub const fn face_index(face: Face) -> usize {
    match face {
        Face::Inbound => 0,
        Face::Outbound => 1,
        Face::FromBackend => 2,
        Face::ToBackend => 3,
    }
}

/// Shortest and longest transit time that a histogram tells apart, in nanoseconds: 1 µs and 1 h.
const TRANSIT_NANOS: (u64, u64) = (1_000, 3_600_000_000_000);
/// Decimal digits of a transit time that are kept.
const TRANSIT_DIGITS: u8 = 3;

/// Bytes on the wire of the streams of one face, TLS included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Received.
    pub bytes_in: u64,
    /// Given to the kernel.
    pub bytes_out: u64,
}

/// Sums since the shard began; none of them ever falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Turns of the shard that had something to do.
    pub ticks: u64,
    /// Times that the executor had nothing to run, and left its thread to the shard.
    pub sleeps: u64,
    /// Calls of `io_uring_enter` for the data ring.
    pub enters: u64,
    /// Connections that listeners gave us, refused ones included.
    pub accepted: u64,
    /// Of those, closed at once because a bound was reached.
    pub refused: u64,
    /// Connections begun.
    pub dialled: u64,
    /// Connections whose end was seen by the shard.
    pub closed: u64,
    /// TLS handshakes that ended well.
    pub handshakes: u64,
    /// Of those, resumed.
    pub resumed: u64,
    /// TLS handshakes and sessions that failed.
    pub tls_failures: u64,
    /// Outboxes taken: one record run and one send each.
    pub flushes: u64,
    /// TLS records made of them.
    pub records: u64,
    /// Sends that the socket did not take at once.
    pub blocked_sends: u64,
    /// Times that some of a connection's bytes had to wait behind others'.
    pub deferrals: u64,
    /// Streams handed to another shard.
    pub handed_over: u64,
    /// Streams that came from another shard.
    pub adopted: u64,
    /// Messages put into other shards' mailboxes.
    pub posted: u64,
    /// Stanzas in them.
    pub stanzas_posted: u64,
    /// Times that another shard's mailbox was full.
    pub mailbox_full: u64,
    /// Listeners that ran out of descriptors or memory.
    pub accept_failures: u64,
    /// Events that came while too many were unread.
    pub events_lost: u64,
    /// Connections given up because handling them panicked: each is a bug.
    pub panics: u64,
}

/// What a shard has now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Connections, closing ones included.
    pub connections: usize,
    /// Memory of the bytes that were received and wait for their connection's turn.
    pub backlog_bytes: usize,
    /// Memory of large stanzas whose end has not come, at most
    /// [`UNFINISHED_BYTES_PER_SHARD`](ringgate_proto::limits::UNFINISHED_BYTES_PER_SHARD).
    pub unfinished_bytes: usize,
}

/// Everything a shard tells about itself.
pub struct Observations {
    /// What happened in the last tick, in order; whoever reads it drains it.
    pub events: Vec<Event>,
    /// Nanoseconds from the receipt of a stanza to the kernel's taking it, by the face of the stream it left on.
    pub transit: [Histogram<u64>; 4],
    /// By face. Bytes of connections that never became a stream's are not counted.
    pub traffic: [Traffic; 4],
    /// See there.
    pub counters: Counters,
}

impl Default for Observations {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            transit: std::array::from_fn(|_| transit_histogram()),
            traffic: [Traffic::default(); 4],
            counters: Counters::default(),
        }
    }
}

fn transit_histogram() -> Histogram<u64> {
    let (shortest, longest) = TRANSIT_NANOS;
    match Histogram::new_with_bounds(shortest, longest, TRANSIT_DIGITS) {
        Ok(histogram) => histogram,
        Err(error) => unreachable!("the bounds are constants, and a test makes such a histogram: {error}"),
    }
}

impl Observations {
    /// Counts the transit of stanzas that left on a stream of `face` at `now`.
    pub(super) fn record_transit(&mut self, face: Face, received_at: &[Timestamp], now: Timestamp) {
        let histogram = &mut self.transit[face_index(face)];
        for at in received_at {
            let nanos = u64::try_from(now.since(*at).as_nanos()).unwrap_or(u64::MAX);
            histogram.saturating_record(nanos.max(TRANSIT_NANOS.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transit_is_counted_on_the_face_that_the_stanza_left_on() {
        let mut observations = Observations::default();
        let at = |nanos| Timestamp::from_nanos(nanos);
        observations.record_transit(Face::ToBackend, &[at(0), at(9_000)], at(10_000));
        let counted: Vec<u64> = observations.transit.iter().map(Histogram::len).collect();
        assert_eq!(counted, [0, 0, 0, 2]);
        let longest = observations.transit[3].max();
        assert!((10_000..11_000).contains(&longest), "{longest} ns, within the microsecond that is resolved");
    }

    #[test]
    fn faces_stand_where_their_index_says() {
        assert!(FACES.iter().enumerate().all(|(index, face)| face_index(*face) == index));
    }
}
