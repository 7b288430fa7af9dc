//! Observable facts, as small structs: the only source of log lines and counters.
//!
//! Domains are named; localparts, resources and bodies never are.

use alloc::string::String;
use core::net::SocketAddr;

use crate::address::{Domain, DomainPair};
use crate::proof::Method;
use crate::route::Account;
use crate::stream::{Condition, SaslFailure, Untrusted};

/// A connection's name between gate and shell; the generation tells a reused slot from its predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    /// Slot.
    pub index: u32,
    /// How often the slot was used before.
    pub generation: u32,
}

/// Which way a stream was opened, and on which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Face {
    /// A remote server connected to us.
    Inbound,
    /// We connected to a remote server.
    Outbound,
    /// A backend connected to us.
    FromBackend,
    /// We connected to a backend.
    ToBackend,
}

impl Face {
    /// The word for log and counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::FromBackend => "from-backend",
            Self::ToBackend => "to-backend",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A stream's headers were exchanged.
    StreamOpened {
        /// Shard-unique number for the log.
        stream: u64,
        /// Which way.
        face: Face,
        /// Of the peer.
        address: SocketAddr,
        /// Our domain on it, if known.
        local: Option<Domain>,
        /// The peer's domain on it, if it said.
        remote: Option<Domain>,
        /// Encrypted already.
        encrypted: bool,
    },
    /// A pair was proven on a stream.
    PairProven {
        /// See [`Event::StreamOpened`].
        stream: u64,
        /// Which way.
        face: Face,
        /// In the direction of the stanzas.
        pair: DomainPair,
        /// How.
        method: Method,
    },
    /// A pair could not be proven on a stream.
    PairRefused {
        /// See [`Event::StreamOpened`].
        stream: u64,
        /// Which way.
        face: Face,
        /// In the direction of the stanzas.
        pair: DomainPair,
        /// Why, in the word of the counter.
        reason: &'static str,
    },
    /// SASL failed; the stream may go on with dialback.
    SaslFailed {
        /// See [`Event::StreamOpened`].
        stream: u64,
        /// Which way.
        face: Face,
        /// Of the peer, if it said.
        remote: Option<Domain>,
        /// The condition.
        failure: SaslFailure,
        /// What the peer's certificate lacks, if that was it.
        certificate: Option<Untrusted>,
    },
    /// A stream is gone.
    StreamClosed {
        /// See [`Event::StreamOpened`].
        stream: u64,
        /// Which way.
        face: Face,
        /// Of the peer, if known.
        remote: Option<Domain>,
        /// Why.
        cause: CloseCause,
    },
    /// A remote domain could not be reached.
    Unreachable {
        /// The pair of the stanzas that wait.
        pair: DomainPair,
        /// Why, in the word of the counter.
        reason: &'static str,
    },
    /// A connection was refused at accept.
    ConnectionRefused {
        /// Of the peer.
        address: SocketAddr,
        /// The bound that was reached.
        reason: &'static str,
    },
    /// A pair's account, at shutdown or when the pair is forgotten.
    PairClosed {
        /// In the direction of the stanzas.
        pair: DomainPair,
        /// All that became of them.
        account: Account,
    },
    /// A rule was applied to a stanza or an element (counter only).
    Refused {
        /// The word of the counter.
        reason: &'static str,
    },
}

/// Why a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// Both end tags were exchanged.
    Clean,
    /// We sent a stream error.
    SentError(Condition, &'static str),
    /// The peer sent one.
    PeerError(Condition),
    /// The connection broke without an end tag.
    Broken(String),
    /// TLS could not be established.
    Tls(String),
    /// It was idle, and we closed it.
    Idle,
    /// ringgate is stopping.
    Shutdown,
    /// The peer's end tag did not come in time.
    ClosingTimeout,
}
