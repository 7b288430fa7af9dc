//! What goes into a gate and what comes out: the contract with the shell.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::address::Domain;
use crate::discover::{Answer, Question};
use crate::event::{ConnId, Event};
use crate::stream::PeerCertificate;
use crate::time::Timestamp;

/// A shard's number, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u16);

/// Which listener a connection came in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listener {
    /// 5269 and 5270: remote servers.
    Public,
    /// Backends.
    Internal,
}

/// One thing that happened outside.
#[derive(Debug)]
pub enum Input {
    /// The TLS handshake ended well: direct TLS before any byte, or after [`Output::StartTls`].
    TlsEstablished {
        /// On which connection.
        conn: ConnId,
        /// What the peer presented, chain checked for the server purpose.
        peer: PeerCertificate,
    },
    /// A connection attempt of [`Output::Connect`] succeeded (TCP; for direct TLS the shell first completes TLS and
    /// reports [`Input::TlsEstablished`] instead).
    Connected {
        /// Which.
        conn: ConnId,
    },
    /// The peer ended its direction in an orderly way (FIN, close_notify).
    Eof {
        /// On which connection.
        conn: ConnId,
    },
    /// The connection is gone: refused, reset, timed out, TLS failure. The shell has forgotten it already.
    Broken {
        /// Which.
        conn: ConnId,
        /// What broke.
        breakage: Breakage,
        /// For the log.
        detail: String,
    },
    /// All bytes taken from this connection's outbox so far have been given to the kernel.
    Flushed {
        /// Which.
        conn: ConnId,
    },
    /// The DNS answered [`Output::Ask`].
    Answered {
        /// As asked.
        question: Question,
        /// The answer.
        answer: Answer,
    },
    /// Another shard's message came.
    Post(Envelope),
    /// A stream that another shard handed over came; its connection is `conn` here ([`super::Gate::adopt`] named it).
    Adopted {
        /// Which.
        conn: ConnId,
    },
    /// Time passed; deadlines may be due.
    Timer,
    /// Stop: no new streams, flush, close, bounce the rest.
    Drain,
}

/// What broke a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakage {
    /// No connection came about.
    Connect,
    /// TLS did not come about, or a record was bad.
    Tls,
    /// Reset, time-out or another error of an established connection.
    Network,
}

/// What a question to the DNS is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Stanzas wait for it.
    Delivery,
    /// A stranger's dialback request, with a name of its choice, waits for it: it must never keep a delivery waiting.
    Verification,
}

/// One thing for the shell to do.
#[derive(Debug)]
pub enum Output {
    /// Connect to `address`; answer with `Connected`, `TlsEstablished` (direct TLS) or `Broken`.
    Connect {
        /// The name of the connection to be.
        conn: ConnId,
        /// Where.
        address: SocketAddr,
        /// TLS from the first byte, with these names.
        direct_tls: Option<TlsClient>,
    },
    /// Send what is in the outbox in clear, throw away unread input, then begin TLS.
    StartTls {
        /// Which.
        conn: ConnId,
        /// `None`: we are the TLS server.
        client: Option<TlsClient>,
        /// Whose certificate the server shows a peer that sends no SNI: the domain in its stream header's `to`.
        ///
        /// COMPAT: Prosody 0.12: sends no SNI after STARTTLS, and expects the certificate of the domain it asked for.
        default_domain: Option<Domain>,
    },
    /// Ask the DNS; answer with [`Input::Answered`]. A question may come twice, for verification first.
    Ask(Question, Purpose),
    /// Send the rest of the outbox (`last`), then end the connection. The gate has forgotten it.
    Close {
        /// Which.
        conn: ConnId,
        /// What remains to be sent.
        last: Vec<u8>,
        /// Abort instead: do not even try to send.
        abort: bool,
    },
    /// Do not read from this connection until [`Output::Resume`].
    Pause(ConnId),
    /// Read again.
    Resume(ConnId),
    /// Stop reading, call [`super::Gate::depart`], and send the result with the socket and its TLS session to that shard.
    HandOver {
        /// Which.
        conn: ConnId,
        /// Where to.
        to: ShardId,
    },
    /// Give this to another shard at the end of the tick.
    Post {
        /// Where to.
        to: ShardId,
        /// What.
        envelope: Envelope,
    },
    /// Log it, count it.
    Event(Event),
}

/// The names of a TLS handshake that we begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsClient {
    /// SNI: the domain we want (not the SRV target). RFC 6120 §13.7.2.1, XEP-0368.
    pub server_name: Domain,
    /// Whose client certificate we present.
    pub local: Domain,
    /// Offer ALPN `xmpp-server` (direct TLS).
    pub alpn: bool,
}

/// Stanzas for pairs that another shard owns: one envelope per shard at each
/// [`Gate::end_tick`](super::Gate::end_tick).
#[derive(Debug, Default)]
pub struct Envelope {
    /// The stanzas, back to back, ready to be appended to a stream whose header binds only `jabber:server`, `stream`
    /// and `db`.
    pub bytes: Vec<u8>,
    /// One entry per stanza.
    pub stanzas: Vec<Posted>,
}

/// One stanza of an [`Envelope`].
#[derive(Clone, Debug)]
pub struct Posted {
    /// Its proven (or bounced) pair.
    pub pair: crate::address::DomainPair,
    /// Bytes of it in the envelope.
    pub length: u32,
    /// When it was received.
    pub received_at: Timestamp,
    /// Made by ringgate (an error).
    pub generated: bool,
}

/// What is taken from a connection's outbox at the end of a tick: one record run, one send.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Plaintext for the peer.
    pub bytes: Vec<u8>,
    /// When each of the stanzas in it was received; for the transit histogram.
    pub received_at: Vec<Timestamp>,
}
