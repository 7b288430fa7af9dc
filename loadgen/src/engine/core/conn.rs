//! One connection: its endpoint, and what waits to be written.

use std::time::Duration;

use ringgate::ring::SocketId;
use ringgate::stage::endpoint::Endpoint;

use crate::engine::scene::Side;
use crate::plan::{Party, WAITING_BYTES};

/// How a connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A peer connected to us.
    Accepted(Side),
    /// One of the streams that stay open; index in the core's links.
    Link(u32),
    /// One of many, to be measured; its lane.
    Trial(u32),
    /// Opened for one stanza; its lane.
    Visit(u32),
}

/// Where a connection is.
///
/// ```text
///   opened ──▶ Connecting ──▶ Negotiating ──▶ Ready ──▶ Closing ──▶ gone
///   accepted ────────────────────┘                         ▲
///                  any, by an end, an error or a wish ─────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Phase {
    /// TCP is not up yet.
    Connecting,
    /// The stream is not.
    Negotiating,
    /// Stanzas flow.
    Ready,
    /// The last bytes go out, then the peer's end is awaited.
    Closing,
}

/// A stanza that waits to be encrypted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) lane: u32,
    pub(super) number: u32,
    /// When it was due.
    pub(super) due: Duration,
    /// Whether it is the first stanza of its departure.
    pub(super) is_first: bool,
}

/// One connection.
pub(super) struct Conn {
    pub(super) id: SocketId,
    pub(super) endpoint: Box<Endpoint>,
    pub(super) origin: Origin,
    pub(super) phase: Phase,
    /// The only domain that stanzas on it may be for, if there is only one.
    pub(super) home: Option<Party>,
    /// When it was opened, or accepted.
    pub(super) since: Duration,
    /// Stanzas for the next record.
    pub(super) plain: Vec<u8>,
    /// Where records end in `plain`; what is behind the last end is one record as well.
    pub(super) records: Vec<usize>,
    /// The stanzas in `plain`.
    pub(super) written: Vec<Written>,
    /// How many of them were offered to the socket, which had no room for them.
    pub(super) offered: usize,
    /// Bytes for the peer, behind those that the ring still sends.
    pub(super) out: Vec<u8>,
    /// Among those to be flushed at the end of the turn.
    pub(super) is_dirty: bool,
    /// Ends soon, having been opened for one stanza.
    pub(super) is_leaving: bool,
}

impl Conn {
    pub(super) fn new(id: SocketId, endpoint: Endpoint, origin: Origin, phase: Phase, since: Duration) -> Self {
        Self {
            id,
            endpoint: Box::new(endpoint),
            origin,
            phase,
            home: None,
            since,
            plain: Vec::new(),
            records: Vec::new(),
            written: Vec::new(),
            offered: 0,
            out: Vec::new(),
            is_dirty: false,
            is_leaving: false,
        }
    }

    /// Whether a stanza may be written for the peer. Up to [`WAITING_BYTES`] wait for one that does not read.
    pub(super) fn has_room(&self) -> bool {
        self.phase == Phase::Ready && self.plain.len() < WAITING_BYTES
    }

    /// Encrypts what was written, one run of records for each end that was marked.
    pub(super) fn seal(&mut self) -> Result<(), ringgate::stage::endpoint::Broken> {
        let mut start = 0;
        for end in self.records.drain(..).chain([self.plain.len()]) {
            if start < end {
                self.endpoint.send(&self.plain[start..end], &mut self.out)?;
                start = end;
            }
        }
        self.plain.clear();
        self.written.clear();
        self.offered = 0;
        Ok(())
    }
}

/// The connections of a core, by the ring's names.
#[derive(Default)]
pub(super) struct Conns {
    by_slot: Vec<Option<Conn>>,
}

impl Conns {
    pub(super) fn insert(&mut self, conn: Conn) {
        let slot = conn.id.index();
        if slot >= self.by_slot.len() {
            self.by_slot.resize_with(slot + 1, || None);
        }
        self.by_slot[slot] = Some(conn);
    }

    pub(super) fn get(&self, id: SocketId) -> Option<&Conn> {
        self.by_slot.get(id.index())?.as_ref().filter(|conn| conn.id == id)
    }

    pub(super) fn get_mut(&mut self, id: SocketId) -> Option<&mut Conn> {
        self.by_slot.get_mut(id.index())?.as_mut().filter(|conn| conn.id == id)
    }

    pub(super) fn remove(&mut self, id: SocketId) -> Option<Conn> {
        self.by_slot.get_mut(id.index())?.take_if(|conn| conn.id == id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Conn> {
        self.by_slot.iter().flatten()
    }
}
