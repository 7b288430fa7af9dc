//! A server that the peer opened the stream to, and that believes it.

use ringgate_proto::address::Domain;
use ringgate_proto::dialback::{DialbackError, Frame, FrameBody, FrameKind, Outcome, answer_verification};
use ringgate_proto::scan::{Element, Header, Kind, StreamContext};
use ringgate_proto::stream::{PeerCertificate, Receiving, Side, StreamError, StreamEvent, Terms, TlsTerms, World};

use super::broken::Cause;
use super::cast::{Cast, Reception, tls_terms};
use super::part::{Desk, Turn};

/// A server that the peer opened the stream to.
pub(super) struct Welcoming {
    machine: Receiving,
    terms: Terms,
}

impl Welcoming {
    pub(super) fn new(reception: Reception, cast: &Cast) -> Self {
        let tls = cast.store.as_ref().map_or(TlsTerms::None, |_| tls_terms(reception.tls));
        let terms = Terms { tls, external: reception.offers_external, dialback: true, dialback_first: false };
        Self { machine: Receiving::new(Side::Federation, None), terms }
    }

    pub(super) fn secured(&mut self, peer: PeerCertificate) {
        self.machine.tls_established(peer);
    }

    pub(super) fn header(
        &mut self,
        header: &Header<'_>,
        context: &StreamContext,
        desk: &mut Desk<'_>,
    ) -> Result<(), Cause> {
        self.run(desk, |machine, world| machine.handle_header(header, context, world))
    }

    pub(super) fn element(
        &mut self,
        element: &Element<'_>,
        context: &StreamContext,
        desk: &mut Desk<'_>,
    ) -> Result<(), Cause> {
        match element.kind {
            Kind::DialbackResult | Kind::DialbackVerify => {
                self.machine.takes_dialback()?;
                dialback(&Frame::parse(element, context)?, desk);
                Ok(())
            }
            _ => self.run(desk, |machine, world| machine.handle_element(element, context, world)),
        }
    }

    #[inline]
    pub(super) fn takes_stanzas(&self) -> Result<(), StreamError> {
        self.machine.takes_stanzas()
    }

    pub(super) fn peer_closed(&mut self, desk: &mut Desk<'_>) -> Result<(), Cause> {
        self.run(desk, |machine, world| {
            machine.handle_close(world);
            Ok(())
        })
    }

    pub(super) fn fail(&mut self, error: StreamError, desk: &mut Desk<'_>) {
        desk.run(self.terms, |world| self.machine.fail(error, world));
    }

    pub(super) fn close(&mut self, desk: &mut Desk<'_>) {
        desk.run(self.terms, |world| self.machine.close(world));
    }

    pub(super) fn is_over(&self) -> bool {
        self.machine.is_over()
    }

    /// As the header said.
    pub(super) fn domains(&self) -> (Option<Domain>, Option<Domain>) {
        let (peer, ours) = self.machine.domains();
        (peer.cloned(), ours.cloned())
    }

    fn run(
        &mut self,
        desk: &mut Desk<'_>,
        work: impl FnOnce(&mut Receiving, &mut World<'_>) -> Result<(), StreamError>,
    ) -> Result<(), Cause> {
        let (result, events) = desk.run(self.terms, |world| work(&mut self.machine, world));
        for event in events {
            match event {
                StreamEvent::StartTls => desk.turns.push(Turn::StartTls),
                StreamEvent::Restart => desk.turns.push(Turn::Restart),
                StreamEvent::PeerClosed => desk.turns.push(Turn::PeerClosed),
                StreamEvent::Proven(_) => desk.turns.push(Turn::Ready),
                StreamEvent::PeerError(condition) => return Err(Cause::PeerError(condition)),
                // A peer may try something else after a failure.
                StreamEvent::Opened | StreamEvent::Negotiated | StreamEvent::SaslFailed(_) => {}
            }
        }
        Ok(result?)
    }
}

/// Believes any key that comes for a domain of ours, and answers questions about our own keys truly. XEP-0220 §2.2.
fn dialback(frame: &Frame, desk: &mut Desk<'_>) {
    let serves = desk.cast.plays(&frame.pair.to);
    match (frame.kind, &frame.body) {
        (FrameKind::Verify, FrameBody::Request(_)) => {
            answer_verification(frame, &desk.cast.secret, serves).write(desk.answer);
        }
        (FrameKind::Result, FrameBody::Request(_)) if serves => {
            frame.answer(Outcome::Valid).write(desk.answer);
            desk.turns.push(Turn::Ready);
        }
        (FrameKind::Result, FrameBody::Request(_)) => {
            frame.answer(Outcome::Error(DialbackError::ItemNotFound)).write(desk.answer);
        }
        // We ask nothing on a stream that the peer opened.
        (_, FrameBody::Answer(_)) => {}
    }
}
