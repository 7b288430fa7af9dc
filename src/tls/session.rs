//! One TLS connection over rustls' unbuffered API: ciphertext in, plaintext and ciphertext out, no socket.

use std::fmt;
use std::sync::Arc;

use ringgate_proto::address::Domain;
use ringgate_proto::stream::PeerCertificate;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};
use thiserror::Error;

use super::drive::{Pass, Write, write};
use super::trust::{self, Trust};
use super::{HELD_BYTES, IDLE_RECORDS, records, sni};

/// Plaintext of one record at most. RFC 8446 §5.1.
const RECORD_PLAINTEXT_BYTES: usize = 1 << 14;
/// More than a record adds in any version and suite (TLS 1.2 GCM: 29 bytes).
const RECORD_OVERHEAD_BYTES: usize = 32;

/// Why a session ended or cannot do what was asked.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The peer broke the protocol, sent an alert, or there is nothing both sides can do.
    #[error("{0}")]
    Protocol(#[from] rustls::Error),
    /// Over [`HELD_BYTES`] for one handshake message.
    #[error("handshake message over {HELD_BYTES} bytes")]
    HandshakeTooLarge,
    /// Over [`IDLE_RECORDS`] records in a row without plaintext.
    #[error("over {IDLE_RECORDS} records without data")]
    IdleRecords,
    /// The TLS library made no progress.
    #[error("TLS made no progress")]
    Stuck,
    /// The handshake is not over yet.
    #[error("TLS handshake is not over")]
    NotEstablished,
    /// The session has ended: an error came before, or [`Session::close`] was called.
    #[error("TLS session has ended")]
    Ended,
    /// The traffic keys are used up (TLS 1.2 only; TLS 1.3 renews them).
    #[error("TLS keys are used up")]
    KeysExhausted,
    /// No identity is configured for this local domain.
    #[error("no certificate is configured for {0}")]
    UnknownLocal(Domain),
    /// The domain cannot be a TLS server name.
    #[error("{0} cannot be a TLS server name")]
    ServerName(Domain),
}

/// What [`Session::receive`] hands over, in the order in which it came.
#[derive(Debug)]
pub enum Received<'a> {
    /// The handshake is over; comes once and before the first plaintext.
    Established(PeerCertificate),
    /// One record's plaintext.
    Plaintext(&'a [u8]),
}

/// What a call of [`Session::receive`] came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are done with: all of them. The session itself keeps a copy of an unfinished record.
    pub consumed: usize,
    /// The handshake ended well in this call.
    pub established: bool,
    /// The peer's close_notify came: there will be no more plaintext. What comes after it is ignored.
    pub closed: bool,
}

/// One TLS connection, from the first byte to the last; moves between shards with its socket.
///
/// The order of calls: a client calls [`start`](Self::start) once; then [`receive`](Self::receive) for everything that comes in,
/// [`send`](Self::send) once established, [`close`](Self::close) at the end. Whatever a call appends to `out` must be
/// sent, in order, also after an error.
pub struct Session {
    connection: Connection,
    trust: Arc<Trust>,
    /// What rustls has seen of an unfinished handshake message (up to `shown`; it keeps offsets into these very bytes, and
    /// may have decrypted them), then the unfinished record. Empty, and without memory, between records.
    held: Vec<u8>,
    shown: usize,
    server_name: Option<Box<str>>,
    idle_records: usize,
    phase: Phase,
    peer_closed: bool,
}

enum Connection {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Handshake,
    Traffic,
    /// Our close_notify is out.
    Closed,
    /// An error was reported.
    Failed,
}

impl Session {
    pub(super) fn client(connection: UnbufferedClientConnection, name: &str, trust: Arc<Trust>) -> Self {
        Self::new(Connection::Client(Box::new(connection)), Some(name.into()), trust)
    }

    pub(super) fn server(connection: UnbufferedServerConnection, trust: Arc<Trust>) -> Self {
        Self::new(Connection::Server(Box::new(connection)), None, trust)
    }

    fn new(connection: Connection, server_name: Option<Box<str>>, trust: Arc<Trust>) -> Self {
        Self {
            connection,
            trust,
            held: Vec::new(),
            shown: 0,
            server_name,
            idle_records: 0,
            phase: Phase::Handshake,
            peer_closed: false,
        }
    }

    /// Begins a client's handshake: appends the ClientHello. For a server it does nothing.
    ///
    /// # Errors
    /// [`TlsError::Protocol`] if the configuration and the library disagree.
    pub fn start(&mut self, out: &mut Vec<u8>) -> Result<(), TlsError> {
        self.run(Bytes::Held, out, &mut |_| {}).map(drop)
    }

    /// Takes ciphertext (decrypting it in place), hands what it meant to `sink` in order, and appends what must be sent
    /// (handshake, tickets, key updates, alerts) to `out`.
    ///
    /// All of `incoming` is consumed. An unfinished record is copied; its rest is joined to it record by record, so bulk
    /// data is copied once per call at most.
    ///
    /// # Errors
    /// The session is over; if the peer is to be told by an alert, it is at the end of `out`. What was received before the
    /// error has been handed to `sink`. After the first error: [`TlsError::Ended`].
    pub fn receive(
        &mut self,
        incoming: &mut [u8],
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Received<'_>),
    ) -> Result<Progress, TlsError> {
        if self.phase == Phase::Failed {
            return Err(TlsError::Ended);
        }
        let before = self.phase;
        let was_closed = self.peer_closed;
        self.take(incoming, out, sink).inspect_err(|_| {
            self.phase = Phase::Failed;
            self.held = Vec::new();
            self.shown = 0;
        })?;
        Ok(Progress {
            consumed: incoming.len(),
            established: before == Phase::Handshake && self.phase == Phase::Traffic,
            closed: !was_closed && self.peer_closed,
        })
    }

    /// How much of `incoming` to give [`receive`](Self::receive) at once for work of about `budget`, in bytes of dear
    /// input: whole records, at least one.
    pub fn share(&self, incoming: &[u8], budget: usize) -> usize {
        records::share(&self.held[self.shown..], incoming, budget)
    }

    /// Appends `plaintext` to `out` as one run of records of up to 16 KiB.
    ///
    /// # Errors
    /// [`TlsError::NotEstablished`] before the handshake is over, [`TlsError::Ended`] after an error or [`close`](Self::close),
    /// [`TlsError::KeysExhausted`].
    pub fn send(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        match self.phase {
            Phase::Handshake => return Err(TlsError::NotEstablished),
            Phase::Closed | Phase::Failed => return Err(TlsError::Ended),
            Phase::Traffic if plaintext.is_empty() => return Ok(()),
            Phase::Traffic => {}
        }
        let records = plaintext.len().div_ceil(RECORD_PLAINTEXT_BYTES);
        let room = plaintext.len() + records * RECORD_OVERHEAD_BYTES;
        self.write(Write::Data(plaintext), room, out)
    }

    /// Appends close_notify; afterwards nothing more can be sent, but the peer's data is still received. Before the handshake
    /// is over there is nothing to append.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if self.phase == Phase::Traffic {
            // An error here leaves nothing to be said to the peer: the connection ends anyway.
            let _ = self.write(Write::CloseNotify, 2 * RECORD_OVERHEAD_BYTES, out);
            self.phase = Phase::Closed;
        }
    }

    /// Whether the handshake is over and nothing has ended the session yet.
    pub fn is_established(&self) -> bool {
        self.phase == Phase::Traffic
    }

    /// The peer's certificates judged now: the chain for the server purpose, and its names. Also after a resumption, which
    /// brings the certificates of the first handshake back. A good verdict may be
    /// [`VERDICT_LIFETIME`](super::VERDICT_LIFETIME) old.
    pub fn peer(&self) -> PeerCertificate {
        self.trust.judge(self.common().peer_certificates(), trust::now())
    }

    /// The server name of the handshake: the one we asked for, or, when the peer connected to us, the one it asked for
    /// (`None`: none, or no ClientHello yet).
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Whether the handshake resumed an earlier session; `None` before that is known.
    pub fn is_resumed(&self) -> Option<bool> {
        self.common().handshake_kind().map(|kind| kind == HandshakeKind::Resumed)
    }

    /// For the log: `1.2` or `1.3`; `None` before it is agreed.
    pub fn version(&self) -> Option<&'static str> {
        match self.common().protocol_version()? {
            ProtocolVersion::TLSv1_2 => Some("1.2"),
            ProtocolVersion::TLSv1_3 => Some("1.3"),
            _ => None,
        }
    }

    /// What ALPN agreed on.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.common().alpn_protocol()
    }

    /// Bytes of heap that this session itself holds for unfinished records (rustls' own come on top).
    pub fn held_bytes(&self) -> usize {
        self.held.capacity()
    }

    fn common(&self) -> &CommonState {
        match &self.connection {
            Connection::Client(client) => client,
            Connection::Server(server) => server,
        }
    }

    /// Completes held records from the front of `incoming`, one at a time; runs the rest in place.
    fn take(
        &mut self,
        incoming: &mut [u8],
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Received<'_>),
    ) -> Result<(), TlsError> {
        let mut rest = incoming;
        while !self.held.is_empty() && !rest.is_empty() && !self.peer_closed {
            let missing = records::missing(&self.held[self.shown..]);
            let (piece, others) = rest.split_at_mut(missing.min(rest.len()));
            self.held.extend_from_slice(piece);
            rest = others;
            if records::missing(&self.held[self.shown..]) == 0 {
                self.run_counted(Bytes::Held, 1, out, sink)?;
            }
            self.check_held()?;
        }
        if rest.is_empty() || self.peer_closed {
            return Ok(());
        }
        let (end, count) = records::whole(rest);
        let (complete, partial) = rest.split_at_mut(end);
        if !complete.is_empty() {
            self.run_counted(Bytes::Borrowed(complete), count, out, sink)?;
        }
        if !self.peer_closed {
            self.held.extend_from_slice(partial);
        }
        self.check_held()
    }

    /// Has rustls work on `bytes`, and keeps what it still needs of them.
    fn run(&mut self, bytes: Bytes<'_>, out: &mut Vec<u8>, sink: &mut dyn FnMut(Received<'_>)) -> Result<(), TlsError> {
        let mut held = std::mem::take(&mut self.held);
        let result = match bytes {
            Bytes::Held => self.drive(&mut held, out, sink).map(|used| {
                held.drain(..used);
            }),
            Bytes::Borrowed(bytes) => self.drive(bytes, out, sink).map(|used| held.extend_from_slice(&bytes[used..])),
        };
        self.shown = held.len();
        // An idle stream owns no buffer.
        self.held = if held.is_empty() { Vec::new() } else { held };
        if self.peer_closed {
            self.held = Vec::new();
            self.shown = 0;
        }
        result
    }

    /// Returns how many bytes at the front of `bytes` rustls is done with.
    fn drive(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Received<'_>),
    ) -> Result<usize, TlsError> {
        let mut pass = Pass { established: self.phase != Phase::Handshake, ..Pass::default() };
        let result = match &mut self.connection {
            Connection::Client(client) => pass.drive(&mut ***client, bytes, out, sink, &self.trust),
            Connection::Server(server) => pass.drive(&mut ***server, bytes, out, sink, &self.trust),
        };
        if let (Connection::Server(_), Some(asked)) = (&self.connection, sni::take_asked()) {
            if asked.0.is_none() {
                sni::log_nameless();
            }
            self.server_name = asked.0;
        }
        if pass.established && self.phase == Phase::Handshake {
            self.phase = Phase::Traffic;
        }
        if pass.received_plaintext {
            self.idle_records = 0;
        }
        self.peer_closed |= pass.peer_closed;
        result.map(|()| pass.used)
    }

    /// Runs, and counts records since the last plaintext. The run in which plaintext came counts as nothing: rustls itself
    /// bounds key updates and empty records between two records of data.
    fn run_counted(
        &mut self,
        bytes: Bytes<'_>,
        records: usize,
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Received<'_>),
    ) -> Result<(), TlsError> {
        let was_handshake = self.phase == Phase::Handshake;
        self.idle_records += records;
        self.run(bytes, out, sink)?;
        if was_handshake {
            self.idle_records = 0;
        }
        if self.idle_records > IDLE_RECORDS { Err(TlsError::IdleRecords) } else { Ok(()) }
    }

    fn check_held(&self) -> Result<(), TlsError> {
        if self.held.len() > HELD_BYTES { Err(TlsError::HandshakeTooLarge) } else { Ok(()) }
    }

    fn write(&mut self, what: Write<'_>, room: usize, out: &mut Vec<u8>) -> Result<(), TlsError> {
        // rustls must be shown the very bytes that it keeps offsets into, or it indexes past an empty buffer.
        let shown = &mut self.held[..self.shown];
        match &mut self.connection {
            Connection::Client(client) => write(&mut ***client, shown, what, room, out),
            Connection::Server(server) => write(&mut ***server, shown, what, room, out),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.connection {
            Connection::Client(_) => "client",
            Connection::Server(_) => "server",
        };
        f.debug_struct("Session").field("side", &side).field("phase", &self.phase).finish_non_exhaustive()
    }
}

/// Where the bytes are that rustls shall work on.
enum Bytes<'a> {
    Held,
    Borrowed(&'a mut [u8]),
}
