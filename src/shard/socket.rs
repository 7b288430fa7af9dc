//! One connection between the ring and the gate.

use std::net::SocketAddr;

use ringgate_proto::address::Domain;
use ringgate_proto::event::Face;
use ringgate_proto::gate::{ConnId, Gate, Listener, ShardId, TlsClient};
use ringgate_proto::time::Timestamp;

use super::share::Backlog;
use super::waiting::Line;
use crate::ring::SocketId;
use crate::tls::Session;

/// How a connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Accepted(Listener),
    Dialled,
}

/// Where a connection is on its way to carrying a stream.
///
/// ```text
///   accepted ─▶ Sniffing ─0x16─▶ Handshaking ─▶ Open ─StartTls─▶ Clearing ─flushed─▶ Handshaking
///                   └──────────any other byte────▶ ▲
///   Connect ─▶ Connecting ──────────────────────────┘ (direct TLS: Handshaking)
///   any ─Close, Broken by TLS─▶ Closing ─▶ gone
/// ```
#[derive(Debug)]
pub(super) enum Phase {
    /// Accepted; the first byte will tell TLS from XML.
    Sniffing,
    /// TCP is not up yet; then TLS at once, if there are names for it.
    Connecting(Option<TlsClient>),
    /// What was queued in clear goes out before TLS begins; what still comes in is thrown away.
    Clearing(TlsRole),
    /// TLS is not up yet.
    Handshaking,
    /// The gate's bytes flow.
    Open,
    /// The gate has forgotten it: the last bytes go out, then the peer's end is awaited.
    Closing,
}

/// What we are in a handshake.
#[derive(Debug)]
pub(super) enum TlsRole {
    /// We connected, and these are the names.
    Client(TlsClient),
    /// The peer connected; the domain is that of the certificate it sees if it sends no SNI.
    Server(Option<Domain>),
}

/// One connection.
pub(super) struct Socket {
    pub(super) id: SocketId,
    /// Its name with the gate; the gate has forgotten it while [`Phase::Closing`].
    pub(super) conn: ConnId,
    pub(super) origin: Origin,
    pub(super) peer: SocketAddr,
    pub(super) phase: Phase,
    pub(super) tls: Option<Box<Session>>,
    /// Bytes for the peer, behind those that the ring is still sending. No memory while empty.
    pub(super) unsent: Vec<u8>,
    /// When the stanzas in bytes that are not with the kernel yet were received.
    pub(super) received_at: Vec<Timestamp>,
    /// The gate waits to hear that its bytes are with the kernel.
    pub(super) flushing: bool,
    /// The gate has bytes that could not be taken yet.
    pub(super) dirty: bool,
    /// Among those with bytes to send when the shard settles.
    pub(super) touched: bool,
    /// The gate wants nothing to be read.
    pub(super) paused: bool,
    /// It is new, brings more than its share, or has proven nothing yet: one buffer is read at a time.
    pub(super) reads_singly: bool,
    /// What has come and waits for its turn.
    pub(super) backlog: Option<Box<Backlog>>,
    /// Among those whose turn comes by itself.
    pub(super) queued: bool,
    /// Among those that wait to be read.
    pub(super) is_lined_up: bool,
    /// The peer's FIN or close_notify came.
    pub(super) peer_ended: bool,
    /// Our FIN is out.
    pub(super) shut_down: bool,
    /// On its way to another shard as soon as nothing is in flight.
    pub(super) departing: Option<ShardId>,
}

impl Socket {
    pub(super) fn new(id: SocketId, conn: ConnId, origin: Origin, peer: SocketAddr, phase: Phase) -> Self {
        Self {
            id,
            conn,
            origin,
            peer,
            phase,
            tls: None,
            unsent: Vec::new(),
            received_at: Vec::new(),
            flushing: false,
            dirty: false,
            touched: false,
            paused: false,
            reads_singly: true,
            backlog: None,
            queued: false,
            is_lined_up: false,
            peer_ended: false,
            shut_down: false,
            departing: None,
        }
    }

    /// Whether the gate may give bytes for it now.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Whether anything that comes is to be received now.
    pub(super) fn takes_bytes(&self) -> bool {
        let is_up = !matches!(self.phase, Phase::Connecting(_));
        // After a FIN there is nothing to read, and a new receive would only say so again. After a close_notify the FIN
        // is still to come, but the gate has been told already.
        is_up && !self.paused && !self.peer_ended && self.departing.is_none()
    }

    /// Whether anybody may be at its other end: it came to a public listener, and its handshake is not over, or it has
    /// proven nothing.
    pub(super) fn is_stranger(&self, gate: &Gate) -> bool {
        let came = matches!(self.origin, Origin::Accepted(Listener::Public));
        (came && matches!(self.phase, Phase::Handshaking)) || gate.is_unproven(self.conn)
    }

    /// In which line it waits.
    pub(super) fn line(&self, gate: &Gate) -> Line {
        match gate.face(self.conn) {
            Some(Face::FromBackend | Face::ToBackend) => Line::Backends,
            _ if self.is_stranger(gate) => Line::Strangers,
            _ => Line::Streams,
        }
    }

    /// Whether it has broken, which the gate hears behind what came before. Until then nothing is taken from its outbox, so
    /// that all of that goes back; what was taken before and is not with the kernel is in doubt.
    pub(super) fn is_broken(&self) -> bool {
        self.backlog.as_ref().is_some_and(|backlog| backlog.is_broken())
    }

    pub(super) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing)
    }
}

/// The connections of a shard, by the ring's name and by the gate's.
#[derive(Default)]
pub(super) struct Sockets {
    by_slot: Vec<Option<Socket>>,
    /// By slot of the gate's name, with its generation.
    by_conn: Vec<Option<(u32, SocketId)>>,
    count: usize,
}

impl Sockets {
    pub(super) fn insert(&mut self, socket: Socket) {
        let slot = socket.id.index();
        if slot >= self.by_slot.len() {
            self.by_slot.resize_with(slot + 1, || None);
        }
        let place = socket.conn.index as usize;
        if place >= self.by_conn.len() {
            self.by_conn.resize(place + 1, None);
        }
        self.by_conn[place] = Some((socket.conn.generation, socket.id));
        self.count += 1;
        self.by_slot[slot] = Some(socket);
    }

    pub(super) fn get_mut(&mut self, id: SocketId) -> Option<&mut Socket> {
        self.by_slot.get_mut(id.index())?.as_mut().filter(|socket| socket.id == id)
    }

    /// The connection that the gate calls `conn`; none once it has been forgotten.
    pub(super) fn find(&self, conn: ConnId) -> Option<SocketId> {
        let (generation, id) = (*self.by_conn.get(conn.index as usize)?)?;
        (generation == conn.generation).then_some(id)
    }

    /// The gate has forgotten its name.
    pub(super) fn forget(&mut self, conn: ConnId) {
        if self.find(conn).is_some() {
            self.by_conn[conn.index as usize] = None;
        }
    }

    pub(super) fn remove(&mut self, id: SocketId) -> Option<Socket> {
        let place = self.by_slot.get_mut(id.index())?;
        let socket = place.take_if(|socket| socket.id == id)?;
        if self.find(socket.conn) == Some(id) {
            self.forget(socket.conn);
        }
        self.count -= 1;
        Some(socket)
    }

    /// How many there are, closing ones included.
    pub(super) fn len(&self) -> usize {
        self.count
    }
}
