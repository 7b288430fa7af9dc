//! Completions: what came in from the ring.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ringgate_proto::gate::{Breakage, Input, Listener};

use super::Shard;
use super::observe::face_index;
use super::share::{End, Turn};
use super::socket::{Origin, Phase, Socket, TlsRole};
use crate::ring::{Buffer, Completion, SocketId};
use crate::tls::Received;

/// The first byte of a TLS handshake record; no XML begins with it. RFC 8446 §5.1.
const TLS_HANDSHAKE: u8 = 0x16;
/// Pause of a listener that has no descriptors or memory left.
const ACCEPT_REST: Duration = Duration::from_millis(50);

impl Shard {
    /// Handles one completion; outputs are carried out by the caller.
    pub(super) fn arrive(&mut self, completion: Completion) {
        match completion {
            Completion::Accepted { listener, socket } => self.accepted(listener, socket),
            Completion::AcceptFailed { listener, .. } => {
                self.observations.counters.accept_failures += 1;
                self.resting.push_back((self.now + ACCEPT_REST, listener));
            }
            Completion::Connected { socket } => self.connected(socket),
            Completion::Received { socket, bytes } => self.received(socket, bytes),
            Completion::Readable { socket } => self.readable(socket),
            Completion::Eof { socket } => self.over(socket, End::Fin),
            Completion::Stopped { socket } => {
                self.try_depart(socket);
                self.read_on(socket);
            }
            Completion::Sent { socket, buffer } => {
                self.recycle(buffer);
                self.sent(socket);
            }
            Completion::Broken { socket, error } => self.over(socket, End::Broken(error)),
            Completion::Deadline => {}
        }
    }

    fn accepted(&mut self, listener: SocketId, socket: OwnedFd) {
        let Some(kind) = self.listeners.iter().find(|(id, _)| *id == listener).map(|(_, kind)| *kind) else { return };
        self.observations.counters.accepted += 1;
        // A peer that is gone already has no name any more.
        let Ok(Some(peer)) = socket2::SockRef::from(&socket).peer_addr().map(|address| address.as_socket()) else {
            return;
        };
        // A listener on `[::]` shows IPv4 peers as mapped addresses.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(conn) = self.gate.accept(kind, peer, self.now) else {
            self.observations.counters.refused += 1;
            return;
        };
        let id = self.ring.adopt(socket);
        self.sockets.insert(Socket::new(id, conn, Origin::Accepted(kind), peer, Phase::Sniffing));
        self.read_on(id);
    }

    fn connected(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let conn = socket.conn;
        match std::mem::replace(&mut socket.phase, Phase::Open) {
            Phase::Connecting(Some(names)) => self.begin_tls(id, &TlsRole::Client(names)),
            Phase::Connecting(None) => {
                self.gate.handle(Input::Connected { conn }, self.now);
                self.retake(id);
            }
            other => socket.phase = other,
        }
        self.read_on(id);
    }

    fn received(&mut self, id: SocketId, bytes: Buffer) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        match socket.phase {
            // RFC 6120 §5.4.3.3: what came in clear after `<starttls/>` must not be taken for anything later.
            Phase::Closing | Phase::Clearing(_) | Phase::Connecting(_) => return self.throw_away(id, &bytes),
            Phase::Sniffing => self.sniff(id, &bytes),
            Phase::Handshaking | Phase::Open => {}
        }
        let Some(socket) = self.sockets.get_mut(id).filter(|socket| !socket.is_closing()) else { return };
        if let Some(face) = self.gate.face(socket.conn) {
            self.observations.traffic[face_index(face)].bytes_in += bytes.len() as u64;
        }
        self.share(id, bytes);
    }

    /// The first bytes of an accepted connection tell direct TLS from a stream header. XEP-0368.
    fn sniff(&mut self, id: SocketId, bytes: &[u8]) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let speaks_tls = match socket.origin {
            Origin::Accepted(Listener::Internal) => self.internal_tls,
            Origin::Accepted(Listener::Public) | Origin::Dialled => true,
        };
        if bytes.first() == Some(&TLS_HANDSHAKE) && speaks_tls {
            self.begin_tls(id, &TlsRole::Server(None));
        } else {
            socket.phase = Phase::Open;
        }
    }

    /// Gives the gate what ciphertext means; `rest` takes the plaintext for which the turn does not last.
    pub(super) fn decrypt(&mut self, turn: &mut Turn, bytes: &mut [u8], rest: &mut Vec<u8>) {
        let id = turn.id;
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let Some(session) = socket.tls.as_mut() else { return };
        let (conn, now, gate) = (socket.conn, self.now, &mut self.gate);
        let (ring, mailbox) = (&mut self.ring, self.mailboxes.get(self.id));
        let outcome = session.receive(bytes, &mut socket.unsent, &mut |received| match received {
            Received::Established(peer) => gate.handle(Input::TlsEstablished { conn, peer }, now),
            Received::Plaintext(bytes) => {
                let given = if rest.is_empty() { turn.give((conn, bytes), gate, now, (ring, mailbox)) } else { 0 };
                rest.extend_from_slice(&bytes[given..]);
            }
        });
        if !socket.unsent.is_empty() {
            self.touch(id);
        }
        match outcome {
            Ok(progress) => {
                if progress.established {
                    self.established(id);
                }
                turn.end = progress.closed.then_some(End::CloseNotify);
            }
            Err(error) => turn.end = Some(End::Tls(error.to_string())),
        }
    }

    fn established(&mut self, id: SocketId) {
        let counters = &mut self.observations.counters;
        counters.handshakes += 1;
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if socket.tls.as_ref().and_then(|session| session.is_resumed()) == Some(true) {
            counters.resumed += 1;
        }
        if matches!(socket.phase, Phase::Handshaking) {
            socket.phase = Phase::Open;
        }
        self.retake(id);
    }

    /// FIN.
    pub(super) fn ended(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        match socket.phase {
            Phase::Closing => {
                socket.peer_ended = true;
                self.try_finish(id);
            }
            Phase::Handshaking | Phase::Clearing(_) => self.tls_failed(id, "the peer left before TLS was up"),
            _ => self.peer_ended(id),
        }
    }

    /// FIN or close_notify, whichever came first.
    pub(super) fn peer_ended(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id).filter(|socket| !socket.peer_ended) else { return };
        socket.peer_ended = true;
        let conn = socket.conn;
        self.gate.handle(Input::Eof { conn }, self.now);
    }

    pub(super) fn broken(&mut self, id: SocketId, error: &io::Error) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let (conn, told) = (socket.conn, !socket.is_closing());
        let breakage = if matches!(socket.phase, Phase::Connecting(_)) { Breakage::Connect } else { Breakage::Network };
        self.vanish(id);
        if told {
            self.gate.handle(Input::Broken { conn, breakage, detail: error.to_string() }, self.now);
        }
    }

    /// TLS did not come about, or broke: the gate forgets the connection; an alert that is queued still goes out.
    pub(super) fn tls_failed(&mut self, id: SocketId, detail: &str) {
        let Some(socket) = self.sockets.get_mut(id).filter(|socket| !socket.is_closing()) else { return };
        let conn = socket.conn;
        self.observations.counters.tls_failures += 1;
        self.begin_closing(id);
        self.gate.handle(Input::Broken { conn, breakage: Breakage::Tls, detail: detail.to_owned() }, self.now);
    }
}
