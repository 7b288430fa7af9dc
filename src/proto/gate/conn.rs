//! One connection as the gate sees it, and the table of them.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::machine::Machine;
use super::proven::Proven;
use super::unfinished::Held;
use crate::address::Domain;
use crate::event::ConnId;
use crate::event::{CloseCause, Face};
use crate::limits;
use crate::route::outbox::Outbox;
use crate::scan::{Cpu, Limits, Scanner};
use crate::time::Timestamp;

/// How far the transport is.
///
/// ```text
///   Streaming ──STARTTLS agreed──▶ Securing ──TLS is up──▶ Streaming
///       └──── another shard's ───▶ Moving ──adopted there─▶ Streaming
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Bytes are fed to the machine.
    Streaming,
    /// STARTTLS was agreed; clear bytes are thrown away (RFC 6120 §5.4.3.3).
    Securing,
    /// On its way to another shard; bytes are kept, not looked at.
    Moving,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) id: ConnId,
    pub(crate) face: Face,
    pub(crate) address: SocketAddr,
    /// For the log: unique on the process.
    pub(crate) stream: u64,
    pub(crate) machine: Machine,
    pub(crate) phase: Phase,
    pub(crate) scanner: Scanner,
    /// Bytes of an unfinished element; no allocation while there are none.
    pub(crate) kept: Vec<u8>,
    /// What is counted of that.
    pub(crate) held: Held,
    pub(crate) outbox: Outbox,
    /// It is in the list of connections with something to send.
    pub(crate) is_dirty: bool,
    /// The link that it serves (faces `Outbound` and `ToBackend`).
    pub(crate) link: Option<usize>,
    /// Pairs that the peer proved on it (faces `Inbound` and `FromBackend`).
    pub(crate) proven: Proven,
    /// Dialback requests of the peer that we are verifying.
    pub(crate) verifying: usize,
    /// Raised when TLS or a restart makes the stream a new one: older verifications do not count for it.
    pub(crate) epoch: u32,
    /// Bytes of one stanza that the peer takes (XEP-0478).
    pub(crate) stanza_limit: Option<u32>,
    /// It was handed over once; a stream moves no second time.
    pub(crate) moved: bool,
    /// Connections whose full outboxes keep it from being read.
    pub(crate) blocked_by: Vec<ConnId>,
    /// Connections that are not read until this outbox has emptied.
    pub(crate) feeders: Vec<ConnId>,
    /// Negotiation must be over by then; `None` when it is.
    pub(crate) negotiate_by: Option<Timestamp>,
    /// The peer's end tag must be there by then.
    pub(crate) close_by: Option<Timestamp>,
    /// Last byte from the peer, or stanza to it.
    pub(crate) active_at: Timestamp,
    /// Why it is being closed, once that is decided.
    pub(crate) cause: Option<CloseCause>,
    /// `StreamOpened` told of it.
    pub(crate) is_announced: bool,
    /// Counted among the unauthenticated of its address.
    pub(crate) is_unproven: bool,
}

impl Conn {
    /// The local domain and the remote one, as far as the headers say; a stream to a backend serves many of both.
    pub(crate) fn names(&self) -> (Option<&Domain>, Option<&Domain>) {
        let (peer, ours) = self.machine.domains();
        match self.face {
            Face::Inbound | Face::Outbound => (ours, peer),
            Face::FromBackend => (peer, ours),
            Face::ToBackend => (None, None),
        }
    }

    /// When the gate has to look at it again.
    pub(crate) fn deadline(&self) -> Timestamp {
        let idle = self.active_at + limits::IDLE;
        [self.negotiate_by, self.close_by].into_iter().flatten().fold(idle, Timestamp::min)
    }
}

/// Bounds for a stream whose peer has proven nothing yet.
pub(crate) fn preauth_limits() -> Limits {
    Limits {
        depth: limits::STANZA_DEPTH,
        attributes: limits::ELEMENT_ATTRIBUTES,
        stanza_bytes: limits::PREAUTH_BYTES,
        elements: limits::PREAUTH_ELEMENTS,
    }
}

/// Bounds for stanzas.
pub(crate) fn stanza_limits(stanza_bytes: u32) -> Limits {
    Limits {
        depth: limits::STANZA_DEPTH,
        attributes: limits::ELEMENT_ATTRIBUTES,
        stanza_bytes,
        elements: limits::STANZA_ELEMENTS,
    }
}

/// A scanner for a stream that begins (again).
pub(crate) fn fresh_scanner(cpu: Cpu) -> Scanner {
    Scanner::new(preauth_limits(), cpu)
}

/// The connections of a shard by slot and generation.
#[derive(Debug, Default)]
pub(crate) struct Conns {
    slots: Vec<Slot>,
    free: Vec<u32>,
    count: usize,
    max: usize,
    /// By face, in the order of its variants.
    by_face: [usize; 4],
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    conn: Option<Box<Conn>>,
}

impl Conns {
    /// A table for `max` connections, at most [`limits::CONNECTIONS_PER_SHARD`].
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.min(limits::CONNECTIONS_PER_SHARD), ..Self::default() }
    }

    /// The name that the next [`Self::insert`], of a connection with this face, must use; `None` when the table is full. An
    /// eighth of it is not for who comes from outside: however many that are, backends get in and servers are dialled.
    pub(crate) fn reserve(&mut self, face: Face) -> Option<ConnId> {
        let is_inbound_full = self.by_face[Face::Inbound as usize] >= self.max - self.max / 8;
        if self.count >= self.max || (face == Face::Inbound && is_inbound_full) {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Slot::default());
                u32::try_from(self.slots.len() - 1).ok()?
            }
        };
        Some(ConnId { index, generation: self.slots[index as usize].generation })
    }

    /// Fills a reserved slot.
    pub(crate) fn insert(&mut self, conn: Box<Conn>) {
        let index = conn.id.index as usize;
        self.count += 1;
        self.by_face[conn.face as usize] += 1;
        self.slots[index].conn = Some(conn);
    }

    pub(crate) fn get(&self, id: ConnId) -> Option<&Conn> {
        let slot = self.slots.get(id.index as usize)?;
        slot.conn.as_deref().filter(|_| slot.generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        let slot = self.slots.get_mut(id.index as usize)?;
        let generation = slot.generation;
        slot.conn.as_deref_mut().filter(|_| generation == id.generation)
    }

    /// Two different connections at once.
    pub(crate) fn get_two(&mut self, a: ConnId, b: ConnId) -> Option<(&mut Conn, &mut Conn)> {
        let [first, second] = self.slots.get_disjoint_mut([a.index as usize, b.index as usize]).ok()?;
        if first.generation != a.generation || second.generation != b.generation {
            return None;
        }
        Some((first.conn.as_deref_mut()?, second.conn.as_deref_mut()?))
    }

    pub(crate) fn remove(&mut self, id: ConnId) -> Option<Box<Conn>> {
        let slot = self.slots.get_mut(id.index as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let conn = slot.conn.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        self.count -= 1;
        self.by_face[conn.face as usize] -= 1;
        Some(conn)
    }

    pub(crate) fn ids(&self) -> Vec<ConnId> {
        self.slots.iter().filter_map(|slot| slot.conn.as_deref().map(|conn| conn.id)).collect()
    }

    pub(crate) fn count_of(&self, face: Face) -> usize {
        self.by_face[face as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }
}
