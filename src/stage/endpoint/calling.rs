//! A server that opened the stream, to send stanzas.

use ringgate_proto::address::{Domain, DomainPair};
use ringgate_proto::dialback::{Frame, Requests};
use ringgate_proto::scan::{Element, Header, Kind, StreamContext};
use ringgate_proto::stream::{
    Condition, Initiating, Intent, PeerCertificate, Side, StreamError, StreamEvent, Terms, World,
};

use super::broken::Cause;
use super::cast::{Call, Proof, tls_terms};
use super::part::{Desk, Turn};

/// A server that opened the stream.
pub(super) struct Calling {
    machine: Initiating,
    requests: Requests,
}

impl Calling {
    pub(super) fn new(call: &Call) -> Self {
        let terms = Terms {
            tls: tls_terms(call.tls),
            external: call.proof == Proof::External,
            dialback: call.proof == Proof::Dialback,
            dialback_first: false,
        };
        let (from, to) = (call.from.clone(), call.to.clone());
        let intent = Intent { side: Side::Federation, from, to, terms, dialback_only: false };
        Self { machine: Initiating::new(intent, None), requests: Requests::default() }
    }

    pub(super) fn start(&mut self, desk: &mut Desk<'_>) {
        desk.run(self.terms(), |world| self.machine.start(world));
    }

    pub(super) fn secured(&mut self, peer: PeerCertificate, desk: &mut Desk<'_>) {
        desk.run(self.terms(), |world| self.machine.tls_established(peer, world));
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
        if element.kind != Kind::DialbackResult {
            return self.run(desk, |machine, world| machine.handle_element(element, context, world));
        }
        self.machine.takes_dialback()?;
        // An answer to what was not asked is nobody's.
        match self.requests.handle_answer(&Frame::parse(element, context)?) {
            Some((_, Ok(_))) => desk.turns.push(Turn::Ready),
            Some((_, Err(outcome))) => return Err(Cause::Dialback(outcome)),
            None => {}
        }
        Ok(())
    }

    /// Streams between servers have one direction. RFC 6120 §4.5.
    pub(super) fn takes_stanzas(&self) -> Result<(), StreamError> {
        Err(StreamError::peer(Condition::NotAuthorized, "stanzas came on a stream that we opened"))
    }

    pub(super) fn peer_closed(&mut self, desk: &mut Desk<'_>) -> Result<(), Cause> {
        self.run(desk, |machine, world| {
            machine.handle_close(world);
            Ok(())
        })
    }

    pub(super) fn fail(&mut self, error: StreamError, desk: &mut Desk<'_>) {
        desk.run(self.terms(), |world| self.machine.fail(error, world));
    }

    pub(super) fn close(&mut self, desk: &mut Desk<'_>) {
        desk.run(self.terms(), |world| self.machine.close(world));
    }

    pub(super) fn is_over(&self) -> bool {
        self.machine.is_over()
    }

    pub(super) fn domains(&self) -> (Option<Domain>, Option<Domain>) {
        let intent = self.machine.intent();
        (Some(intent.from.clone()), Some(intent.to.clone()))
    }

    fn terms(&self) -> Terms {
        self.machine.intent().terms
    }

    fn run(
        &mut self,
        desk: &mut Desk<'_>,
        work: impl FnOnce(&mut Initiating, &mut World<'_>) -> Result<(), StreamError>,
    ) -> Result<(), Cause> {
        let (result, events) = desk.run(self.terms(), |world| work(&mut self.machine, world));
        for event in events {
            self.follow(event, desk)?;
        }
        Ok(result?)
    }

    fn follow(&mut self, event: StreamEvent, desk: &mut Desk<'_>) -> Result<(), Cause> {
        match event {
            StreamEvent::Opened => {}
            StreamEvent::StartTls => desk.turns.push(Turn::StartTls),
            StreamEvent::Restart => desk.turns.push(Turn::Restart),
            StreamEvent::PeerClosed => desk.turns.push(Turn::PeerClosed),
            StreamEvent::Proven(_) => desk.turns.push(Turn::Ready),
            StreamEvent::Negotiated => self.request(desk),
            StreamEvent::SaslFailed(failure) => return Err(Cause::Sasl(failure)),
            StreamEvent::PeerError(condition) => return Err(Cause::PeerError(condition)),
        }
        Ok(())
    }

    /// Asks to be believed. XEP-0220 §2.1.1.
    fn request(&mut self, desk: &mut Desk<'_>) {
        let intent = self.machine.intent();
        let pair = DomainPair { from: intent.from.clone(), to: intent.to.clone() };
        // The machine only speaks of dialback when there is an id.
        let id = self.machine.id().unwrap_or_default();
        self.requests.request(&pair, &desk.cast.secret, id, desk.answer);
    }
}
