//! Virtual TCP with virtual TLS on it: pairs of sockets with latency, a window, short reads, stalls, resets.

use std::collections::VecDeque;

use ringgate_proto::event::ConnId;
use ringgate_proto::stream::PeerCertificate;

/// Bytes on the way in one direction before the sender's kernel takes no more.
pub const WINDOW: usize = 64 << 10;

/// What travels in one direction, in order.
#[derive(Clone, Debug)]
pub enum Wire {
    Clear(Vec<u8>),
    /// Application data of TLS.
    Cipher(Vec<u8>),
    /// One side's half of a TLS handshake.
    Hello(Box<Hello>),
    Fin,
    Reset,
}

#[derive(Clone, Debug)]
pub struct Hello {
    /// From the client.
    pub sni: Option<String>,
    pub certificate: PeerCertificate,
}

impl Wire {
    pub fn len(&self) -> usize {
        match self {
            Self::Clear(bytes) | Self::Cipher(bytes) => bytes.len(),
            Self::Hello(_) | Self::Fin | Self::Reset => 0,
        }
    }

    /// Cuts off the first `most` bytes.
    pub fn split(&mut self, most: usize) -> Option<Self> {
        match self {
            Self::Clear(bytes) if bytes.len() > most => Some(Self::Clear(bytes.drain(..most).collect())),
            Self::Cipher(bytes) if bytes.len() > most => Some(Self::Cipher(bytes.drain(..most).collect())),
            _ => None,
        }
    }
}

/// How far TLS is at one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    No,
    /// We sent our half as the client.
    Client,
    /// We wait for the client's half.
    Server,
    Up,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub usize);

/// Who reads and writes a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Not accepted yet.
    Accepting,
    Shard {
        process: usize,
        shard: usize,
        conn: ConnId,
    },
    /// Between two shards.
    Moving,
    Server {
        server: usize,
        stream: usize,
    },
    /// A script.
    Raw,
    /// Closed by its owner; what still comes is thrown away.
    Gone,
}

/// Whether what was written is with the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// And the owner knows.
    Done,
    /// Not yet.
    Wanted,
    /// It is, and word is on its way.
    Told,
}

#[derive(Debug)]
pub struct Socket {
    pub owner: Owner,
    pub peer: SocketId,
    /// Came and was not read.
    pub rx: VecDeque<Wire>,
    /// Written by the owner and not taken by the kernel.
    pub tx: VecDeque<Wire>,
    /// Bytes that the kernel took and the peer has not read.
    pub in_flight: usize,
    /// When what was sent last arrives: nothing overtakes it.
    pub last_arrival: u64,
    /// Nothing leaves before this time.
    pub stalled_until: u64,
    pub tls: Tls,
    pub paused: bool,
    /// Whether the owner awaits word that everything is with the kernel.
    pub flush: Flush,
    /// Between a gate and a backend.
    pub is_inside: bool,
    pub has_read: bool,
    /// Everything read by a script.
    pub heard: String,
    /// The owner began the connection.
    pub is_client: bool,
    /// One end was reset, or both are closed.
    pub is_dead: bool,
}

impl Socket {
    pub fn new(owner: Owner, peer: SocketId, is_client: bool) -> Self {
        Self {
            owner,
            peer,
            rx: VecDeque::new(),
            tx: VecDeque::new(),
            in_flight: 0,
            last_arrival: 0,
            stalled_until: 0,
            tls: Tls::No,
            paused: false,
            flush: Flush::Done,
            is_inside: false,
            has_read: false,
            heard: String::new(),
            is_client,
            is_dead: false,
        }
    }

    /// Application data as TLS leaves it.
    pub fn wrap(&self, bytes: Vec<u8>) -> Wire {
        match self.tls {
            Tls::Up => Wire::Cipher(bytes),
            Tls::No => Wire::Clear(bytes),
            Tls::Client | Tls::Server => panic!("bytes for a peer in the middle of a TLS handshake: {bytes:?}"),
        }
    }
}
