//! One connection of a server that plays a part, without a socket: bytes in, bytes and meaning out.
//!
//! ```text
//!              ┌──────────────── Endpoint ─────────────────┐
//!  receive() ─▶│ tls::Session ─▶ scanner ─▶ the part ──────┼─▶ Heard: Ready, Stanza, PeerClosed
//!              │       ▲                       │ answers   │
//!  send() ────▶│ ──────┴◀──────────────────────┘           ├─▶ `out`, to be written to the socket
//!              └───────────────────────────────────────────┘
//! ```
//!
//! The part is that of a server which opens the stream ([`Call`]: SASL EXTERNAL or dialback), of an external component
//! (XEP-0114), or of a server that the peer opens the stream to ([`Reception`]).
//!
//! It proves itself for real, with certificates and keys that a real peer can verify, and answers questions about its own
//! dialback keys truly. But it **believes any peer**: a dialback request is answered `valid` at once, and nobody checks
//! which pair a stanza belongs to. The system that is played with has to prove itself to nobody here.
//!
//! # The order of calls
//! [`start`](Endpoint::start) once, when connected; [`receive`](Endpoint::receive) for all that comes; [`send`](Endpoint::send)
//! after [`Heard::Ready`]; [`close`](Endpoint::close) at the end. Whatever a call appends to `out` is to be sent, in order,
//! also after an error. When [`is_over`](Endpoint::is_over) says so and all of it is sent, the socket can be closed.
//!
//! # Cost
//! A stanza that comes whole is neither copied nor allocated for; what is cut is kept until the rest comes. An idle
//! connection owns no buffer.

mod broken;
mod calling;
mod cast;
mod component;
mod part;
mod stream;
#[cfg(test)]
mod tests;
mod welcoming;

use std::sync::Arc;

use ringgate_proto::address::Domain;
use ringgate_proto::gate::{Listener, TlsClient};
use ringgate_proto::scan::Element;

use crate::tls::{Received, Session, TlsError};
use calling::Calling;
use component::Component;
use part::Part;
use stream::{Sink, Stream};
use welcoming::Welcoming;

pub use broken::{Broken, Cause};
pub use cast::{Call, Cast, Proof, Reception, Tls};

/// The first byte of a TLS handshake record; no XML begins with it. RFC 8446 §5.1.
const TLS_HANDSHAKE: u8 = 0x16;

const NO_CERTIFICATE: Cause = Cause::Impossible("there is no certificate for TLS");

/// One connection.
pub struct Endpoint {
    cast: Arc<Cast>,
    /// For the handshake that STARTTLS or the peer's first byte begins.
    side: Side,
    tls: Option<Box<Session>>,
    stream: Stream,
    phase: Phase,
}

/// Who connected.
enum Side {
    /// We did. The session that STARTTLS begins: made only once, since that takes the ticket of an earlier one.
    Initiating(Option<Box<Session>>),
    /// The peer did.
    Receiving,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come yet from a peer that opened the connection.
    Sniffing(Tls),
    Open,
    /// Our end is out.
    Closed,
    Broken,
}

/// What came, in order.
#[derive(Debug)]
pub enum Heard<'a> {
    /// Once: the peer believes us, and stanzas may be sent; or, on a stream that it opened, it is believed for the first
    /// time.
    Ready,
    /// A stanza, as it stands in what was received. On a component's stream those that carry the component's namespace
    /// themselves come with the kind that their name says.
    Stanza(&'a Element<'a>),
    /// Once: the peer ends the stream. Our end is queued.
    PeerClosed,
}

impl Endpoint {
    /// We opened the connection.
    ///
    /// # Errors
    /// [`Cause::Tls`] when there is no certificate for `from`, or `to` is no server name; [`Cause::Impossible`] for a
    /// component with TLS, and for TLS without certificates.
    pub fn initiating(call: Call, cast: Arc<Cast>) -> Result<Self, Broken> {
        let names = TlsClient { server_name: call.to.clone(), local: call.from.clone(), alpn: call.tls == Tls::Direct };
        let part = match &call.proof {
            Proof::Component { secret } => {
                Part::Component(Component::new(call.from.clone(), call.to.clone(), secret.clone()))
            }
            Proof::External | Proof::Dialback => Part::Calling(Calling::new(&call)),
        };
        let stream = Stream::new(part, Arc::clone(&cast));
        let is_component = matches!(call.proof, Proof::Component { .. });
        if is_component && call.tls != Tls::None {
            return Err(stream.name(Cause::Impossible("components speak in clear")));
        }
        let mut endpoint = Self { cast, side: Side::Initiating(None), tls: None, stream, phase: Phase::Open };
        match call.tls {
            Tls::None => {}
            Tls::StartTls => endpoint.side = Side::Initiating(Some(endpoint.client(&names)?)),
            Tls::Direct => endpoint.tls = Some(endpoint.client(&names)?),
        }
        Ok(endpoint)
    }

    /// The peer opened the connection.
    pub fn receiving(reception: Reception, cast: Arc<Cast>) -> Self {
        let stream = Stream::new(Part::Welcoming(Welcoming::new(reception, &cast)), Arc::clone(&cast));
        Self { cast, side: Side::Receiving, tls: None, stream, phase: Phase::Sniffing(reception.tls) }
    }

    /// Appends the first bytes: a ClientHello, a stream header, or, when the peer opened the connection, nothing.
    ///
    /// # Errors
    /// [`Cause::Tls`].
    pub fn start(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        match &mut self.tls {
            Some(session) => session.start(out).map_err(|error| self.broken(error.into())),
            None => {
                self.stream.start(out);
                Ok(())
            }
        }
    }

    /// Takes what came (decrypting it in place), appends what must be sent, and hands over what it meant.
    ///
    /// # Errors
    /// The connection is of no more use: the peer refuses us, ended the stream with an error, or broke a rule. What came
    /// before was handed over.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), Broken> {
        if self.phase == Phase::Broken {
            return Err(self.stream.name(Cause::Ended));
        }
        let result = self.take(bytes, out, sink);
        if result.is_err() {
            self.phase = Phase::Broken;
        }
        if let Some(session) = &mut self.tls
            && (self.phase == Phase::Broken || self.stream.is_over())
        {
            session.close(out);
        }
        result
    }

    /// Appends whole stanzas, encrypted as one run of records: one for every 16 KiB.
    ///
    /// # Errors
    /// [`Cause::NotReady`] unless [`is_ready`](Self::is_ready), [`Cause::Ended`] after the end, [`Cause::Tls`] when the keys
    /// are used up.
    pub fn send(&mut self, stanzas: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        if !self.is_ready() {
            let is_ended = self.is_over() || self.phase == Phase::Closed;
            return Err(self.stream.name(if is_ended { Cause::Ended } else { Cause::NotReady }));
        }
        match &mut self.tls {
            Some(session) => session.send(stanzas, out).map_err(|error| self.broken(error.into())),
            None => {
                out.extend_from_slice(stanzas);
                Ok(())
            }
        }
    }

    /// Whether stanzas may be sent. Never on a stream that the peer opened: theirs come on it, ours take another.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Open && self.stream.may_send() && !self.stream.is_over()
    }

    /// Appends our end tag and close_notify. What the peer still sends is taken until its own; a connection that has not
    /// come about is over at once.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if matches!(self.phase, Phase::Closed | Phase::Broken) {
            return;
        }
        self.phase = Phase::Closed;
        let mut answer = Vec::new();
        self.stream.close(&mut answer);
        // Who cannot be told any more need not be.
        let _ = self.answer(&answer, out);
        if let Some(session) = &mut self.tls {
            session.close(out);
        }
    }

    /// Whether the connection is of no more use: broken, or ended on both sides.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Broken || self.stream.is_over()
    }

    /// Whether its TLS session resumed an earlier one; `None` without TLS, or before that is known.
    pub fn is_resumed(&self) -> Option<bool> {
        self.tls.as_ref()?.is_resumed()
    }

    /// The domain that opened the stream, and the one that it was opened to, as far as it was said.
    pub fn domains(&self) -> (Option<Domain>, Option<Domain>) {
        self.stream.domains()
    }

    fn take(&mut self, bytes: &mut [u8], out: &mut Vec<u8>, sink: &mut Sink<'_>) -> Result<(), Broken> {
        if let (Phase::Sniffing(tls), Some(first)) = (self.phase, bytes.first()) {
            self.sniff(tls, *first)?;
        }
        match self.tls {
            Some(_) => self.decrypt(bytes, out, sink),
            None => self.read(bytes, out, sink),
        }
    }

    /// The first byte tells TLS from a stream header. XEP-0368.
    fn sniff(&mut self, tls: Tls, first: u8) -> Result<(), Broken> {
        self.phase = Phase::Open;
        match (tls, first == TLS_HANDSHAKE) {
            (Tls::None, _) | (Tls::StartTls, false) => Ok(()),
            (Tls::StartTls | Tls::Direct, true) => {
                self.tls = Some(self.session()?);
                Ok(())
            }
            (Tls::Direct, false) => Err(self.broken(Cause::NotTls)),
        }
    }

    /// Takes clear text.
    fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>, sink: &mut Sink<'_>) -> Result<(), Broken> {
        self.stream.hear(bytes, out, sink)?;
        if self.stream.is_securing() && self.tls.is_none() {
            let mut session = self.session()?;
            session.start(out).map_err(|error| self.broken(error.into()))?;
            self.tls = Some(session);
        }
        Ok(())
    }

    /// Takes ciphertext.
    fn decrypt(&mut self, bytes: &mut [u8], out: &mut Vec<u8>, sink: &mut Sink<'_>) -> Result<(), Broken> {
        let Some(session) = &mut self.tls else { return Ok(()) };
        let (stream, mut answer, mut heard) = (&mut self.stream, Vec::new(), Ok(()));
        let progress = session.receive(bytes, out, &mut |received| match received {
            _ if heard.is_err() => {}
            Received::Established(peer) => stream.secured(peer, &mut answer),
            Received::Plaintext(plain) => heard = stream.hear(plain, &mut answer, sink),
        });
        if matches!(&progress, Ok(progress) if progress.closed) && heard.is_ok() {
            stream.vanished(sink);
            stream.close(&mut answer);
        }
        let answered = self.answer(&answer, out);
        heard?;
        progress.map_err(|error| self.broken(error.into()))?;
        answered.map_err(|error| self.broken(error.into()))
    }

    /// Sends what the part wrote. Nobody waits for it once the session has ended.
    fn answer(&mut self, answer: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        match &mut self.tls {
            _ if answer.is_empty() => Ok(()),
            Some(session) if session.is_established() => session.send(answer, out),
            Some(_) => Ok(()),
            None => {
                out.extend_from_slice(answer);
                Ok(())
            }
        }
    }

    /// A session in which we are the client.
    fn client(&self, names: &TlsClient) -> Result<Box<Session>, Broken> {
        let Some(store) = &self.cast.store else { return Err(self.stream.name(NO_CERTIFICATE)) };
        store.client(names, false).map(Box::new).map_err(|error| self.stream.name(error.into()))
    }

    /// The session that begins now.
    fn session(&mut self) -> Result<Box<Session>, Broken> {
        let session = match (&mut self.side, &self.cast.store) {
            (Side::Initiating(waiting), _) => waiting.take(),
            (Side::Receiving, Some(store)) => {
                Some(Box::new(store.server(Listener::Public, self.stream.domains().1.as_ref())))
            }
            (Side::Receiving, None) => None,
        };
        session.ok_or_else(|| self.stream.name(NO_CERTIFICATE))
    }

    fn broken(&mut self, cause: Cause) -> Broken {
        self.phase = Phase::Broken;
        self.stream.name(cause)
    }
}
