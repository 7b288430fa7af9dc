//! The gate's outputs, carried out.

use std::net::SocketAddr;

use ringgate_proto::event::Face;
use ringgate_proto::gate::{Breakage, ConnId, Input, Output, TlsClient};

use super::mailbox::Message;
use super::socket::{Origin, Phase, Socket, TlsRole};
use super::{Shard, listen};
use crate::ring::SocketId;

/// Events kept for a reader who does not come; older ones stay, further ones are not kept.
const EVENTS_KEPT: usize = 65_536;

impl Shard {
    /// Carries out what the gate has decided, until it has nothing more. `true` if there was anything.
    pub(super) fn carry_out(&mut self) -> bool {
        let mut any = false;
        while let Some(output) = self.gate.next_output() {
            any = true;
            match output {
                Output::Connect { conn, address, direct_tls } => self.dial(conn, address, direct_tls),
                Output::StartTls { conn, client, default_domain } => {
                    self.start_tls(conn, client.map_or(TlsRole::Server(default_domain), TlsRole::Client));
                }
                Output::Ask(question, purpose) => self.control.ask(question, purpose),
                Output::Close { conn, last, abort } => self.close(conn, &last, abort),
                Output::Pause(conn) => self.pause(conn),
                Output::Resume(conn) => self.resume(conn),
                Output::HandOver { conn, to } => self.hand_over(conn, to),
                Output::Post { to, envelope } => self.post(to, Message::Envelope(envelope)),
                Output::Event(event) => {
                    if self.observations.events.len() < EVENTS_KEPT {
                        self.observations.events.push(event);
                    } else {
                        self.observations.counters.events_lost += 1;
                    }
                }
            }
        }
        any
    }

    fn dial(&mut self, conn: ConnId, address: SocketAddr, direct_tls: Option<TlsClient>) {
        self.observations.counters.dialled += 1;
        match listen::outbound(address) {
            Ok(socket) => {
                let id = self.ring.connect(socket, address);
                self.sockets.insert(Socket::new(id, conn, Origin::Dialled, address, Phase::Connecting(direct_tls)));
            }
            Err(error) => {
                let detail = error.to_string();
                self.gate.handle(Input::Broken { conn, breakage: Breakage::Connect, detail }, self.now);
            }
        }
    }

    /// What is queued goes out in clear first; see [`Shard::sent`] for what follows.
    fn start_tls(&mut self, conn: ConnId, role: TlsRole) {
        let Some(id) = self.sockets.find(conn) else { return };
        let Some(socket) = self.sockets.get_mut(id).filter(|socket| socket.is_open()) else { return };
        socket.phase = Phase::Clearing(role);
        socket.dirty = true;
        // RFC 6120 §5.4.3.3: what came in clear after `<starttls/>` must not be taken for anything later.
        self.drop_backlog(id);
        self.sent(id);
    }

    /// Begins TLS.
    pub(super) fn begin_tls(&mut self, id: SocketId, role: &TlsRole) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let Some(store) = &self.tls else { return self.tls_failed(id, "no certificate is configured") };
        let session = match (role, socket.origin) {
            (TlsRole::Client(names), _) => store.client(names, self.gate.face(socket.conn) == Some(Face::ToBackend)),
            (TlsRole::Server(domain), Origin::Accepted(listener)) => Ok(store.server(listener, domain.as_ref())),
            (TlsRole::Server(_), Origin::Dialled) => return self.tls_failed(id, "no names to begin TLS with"),
        };
        let begun = session.and_then(|mut session| {
            session.start(&mut socket.unsent)?;
            Ok(session)
        });
        match begun {
            Ok(session) => {
                socket.tls = Some(Box::new(session));
                socket.phase = Phase::Handshaking;
                self.touch(id);
            }
            Err(error) => self.tls_failed(id, &error.to_string()),
        }
    }

    fn pause(&mut self, conn: ConnId) {
        let Some(id) = self.sockets.find(conn) else { return };
        if let Some(socket) = self.sockets.get_mut(id) {
            socket.paused = true;
            self.ring.stop_receiving(id);
        }
    }

    fn resume(&mut self, conn: ConnId) {
        let Some(id) = self.sockets.find(conn) else { return };
        let Some(socket) = self.sockets.get_mut(id) else { return };
        socket.paused = false;
        self.read_on(id);
    }
}
