//! From elements to the stream machine, and what the machine says.

use alloc::vec::Vec;

use super::conn::{self, Phase};
use super::link::Failure;
use super::machine::Machine;
use super::timers::Watch;
use super::{Gate, Output};
use crate::event::{CloseCause, ConnId, Event, Face};
use crate::limits;
use crate::proof::DomainVerified;
use crate::scan::StreamContext;
use crate::stream::{Condition, PeerCertificate, Receiving, Side, StreamError, StreamEvent, Untrusted, World};
use crate::time::Timestamp;

impl Gate {
    /// Lets the machine of a connection work, then does what it said.
    pub(super) fn drive(
        &mut self,
        id: ConnId,
        now: Timestamp,
        work: impl FnOnce(&mut Machine, &StreamContext, &mut World<'_>) -> Result<(), StreamError>,
    ) {
        let Some(result) = self.let_work(id, work) else { return };
        let events = core::mem::take(&mut self.stream_events);
        self.mark_dirty(id);
        for event in events {
            self.stream_event(id, event, now);
        }
        if let Err(error) = result {
            self.fail(id, error, now);
        }
        self.finish_if_over(id, now);
    }

    /// Lets the machine of a connection work; what it says stays in `stream_events`. `None`: there is no such connection.
    pub(super) fn let_work<R>(
        &mut self,
        id: ConnId,
        work: impl FnOnce(&mut Machine, &StreamContext, &mut World<'_>) -> R,
    ) -> Option<R> {
        let conn = self.conns.get_mut(id)?;
        let ids = &mut self.ids;
        let mut world = World {
            out: &mut conn.outbox.bytes,
            events: &mut self.stream_events,
            rules: &self.realm,
            entropy: &mut || ids.next(),
        };
        Some(work(&mut conn.machine, conn.scanner.context(), &mut world))
    }

    fn stream_event(&mut self, id: ConnId, event: StreamEvent, now: Timestamp) {
        match event {
            StreamEvent::Opened => self.opened(id),
            StreamEvent::StartTls => self.start_tls(id, now),
            StreamEvent::Restart => self.restart(id),
            StreamEvent::Negotiated => self.link_negotiated(id, now),
            StreamEvent::Proven(witness) => {
                let verified = DomainVerified::from(witness);
                match self.conns.get(id).map(|conn| conn.face) {
                    Some(Face::Inbound | Face::FromBackend) => self.prove(id, verified, now),
                    Some(Face::Outbound | Face::ToBackend) => self.link_proven(id, verified, now),
                    None => {}
                }
            }
            StreamEvent::SaslFailed(failure) => {
                let Some(conn) = self.conns.get(id) else { return };
                let (stream, face, link) = (conn.stream, conn.face, conn.link);
                if let Some(link) = link.and_then(|link| self.links.get_mut(link)) {
                    link.external_failed = true;
                }
                let remote = conn.names().1.cloned();
                let certificate = self.certificate_fault(id);
                self.event(Event::SaslFailed { stream, face, remote, failure, certificate });
            }
            StreamEvent::PeerClosed => self.peer_closed(id, now),
            StreamEvent::PeerError(condition) => self.peer_error(id, condition, now),
        }
    }

    /// A header was accepted. The stream is announced when it stands on what it will stand on: when it is encrypted, or
    /// when it is used in clear (a dialback element). It restarts after TLS and SASL, and is announced once.
    fn opened(&mut self, id: ConnId) {
        if self.conns.get(id).is_some_and(|conn| conn.machine.is_encrypted()) {
            self.announce(id);
        }
    }

    pub(super) fn announce(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if core::mem::replace(&mut conn.is_announced, true) {
            return;
        }
        let (local, remote) = conn.names();
        let (local, remote) = (local.cloned(), remote.cloned());
        let event = Event::StreamOpened {
            stream: conn.stream,
            face: conn.face,
            address: conn.address,
            local,
            remote,
            encrypted: conn.machine.is_encrypted(),
        };
        self.event(event);
    }

    fn start_tls(&mut self, id: ConnId, now: Timestamp) {
        let client = self.tls_names(id);
        let default_domain = self.conns.get(id).and_then(|conn| conn.names().0.cloned());
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.phase = Phase::Securing;
        // Nor is a verification that is under way still answered: its answer would go out in clear, among TLS's bytes.
        conn.epoch += 1;
        // TCP-24, TCP-25: nothing from before TLS survives it, and nobody stays proven. RFC 6120 §5.4.3.3.
        conn.kept = Vec::new();
        self.unfinished.forget(&mut conn.held);
        let proven = core::mem::take(&mut conn.proven);
        conn.negotiate_by.get_or_insert(now + limits::NEGOTIATION);
        self.timers.at(now + limits::NEGOTIATION, Watch::Conn(id));
        self.forget_proofs(&proven);
        self.outputs.push_back(Output::StartTls { conn: id, client, default_domain });
    }

    fn restart(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.scanner = conn::fresh_scanner(self.cpu);
        // SASL EXTERNAL proves the peer before the stream restarts.
        if !conn.proven.is_empty() {
            conn.scanner.set_limits(conn::stanza_limits(self.stanza_bytes_max));
        }
        conn.epoch += 1;
    }

    /// TLS is up: the stream begins anew, with nothing from before. RFC 6120 §5.4.3.3.
    pub(super) fn tls_established(&mut self, id: ConnId, peer: PeerCertificate, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.active_at = now;
        match (conn.phase, &conn.machine) {
            (Phase::Securing, _) => {
                conn.phase = Phase::Streaming;
                self.restart(id);
                self.drive(id, now, |machine, _, world| {
                    machine.tls_established(peer, world);
                    Ok(())
                });
            }
            (_, Machine::Connecting) => self.connected(id, Some(peer), now),
            (_, Machine::Receiving(_)) => {
                let side = if conn.face == Face::Inbound { Side::Federation } else { Side::Internal };
                let machine = Receiving::new(side, Some(peer)).with_stanza_bytes(self.stanza_bytes_max);
                conn.machine = Machine::Receiving(machine);
            }
            (_, Machine::Initiating(_)) => {}
        }
    }

    fn peer_closed(&mut self, id: ConnId, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.cause.get_or_insert(CloseCause::Clean);
        if conn.link.is_some() {
            self.link_closed(id, None, now);
        }
    }

    fn peer_error(&mut self, id: ConnId, condition: Condition, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.cause = Some(CloseCause::PeerError(condition));
        if conn.link.is_some() {
            let failure = match condition {
                Condition::HostUnknown | Condition::HostGone => Failure::not_found("host-unknown"),
                _ => Failure::timeout("stream-error"),
            };
            self.link_closed(id, Some(failure), now);
        }
    }

    /// What the peer's certificate lacks to prove the domain it claims.
    pub(super) fn certificate_fault(&self, id: ConnId) -> Option<Untrusted> {
        let conn = self.conns.get(id)?;
        conn.machine.certificate()?.proves(conn.names().1?).err()
    }
}
