//! The initiating entity of a stream: we connected to the peer.
//!
//! ```text
//!        start()              header                 <starttls/>              <proceed/>
//!  Idle ────────▶ AwaitHeader ──────▶ AwaitFeatures ────────────▶ AwaitProceed ─────────▶ AwaitTls
//!                  ▲ ▲    │            │   │   │                                              │
//!                  │ │    │ no version │   │   └─ <auth/> ─▶ AwaitSuccess ─┐  tls_established()│
//!                  │ │    ▼            │   │                   │  │        │                  │
//!                  │ │   Ready ◀───────┘   └─▶ Ready ◀─────────┘  │        │                  │
//!                  │ │   by dialback         proven      <failure/>, dialback                 │
//!                  │ └─────────────────────────────────────────────────────┘ <success/>       │
//!                  └──────────────────────────────────────────────────────────────────────────┘
//! ```

use alloc::string::String;
use core::mem;

use crate::ns;
use crate::scan::tree::Node;
use crate::scan::{Element, Header, Kind, StreamContext};

use super::close::Frame;
use super::features::Offered;
use super::header::{OurHeader, PeerHeader, Version};
use super::starttls::{self, StartTls};
use super::{Condition, Intent, PeerCertificate, SaslFailure, StreamError, StreamEvent, TlsTerms, World, sasl};

/// The initiating entity of a stream: we connected to the peer.
#[derive(Debug)]
pub struct Initiating {
    state: State,
    link: Link,
}

#[derive(Debug)]
enum State {
    Idle,
    AwaitHeader(AwaitHeader),
    AwaitFeatures(AwaitFeatures),
    AwaitProceed(AwaitProceed),
    AwaitTls,
    AwaitSuccess(AwaitSuccess),
    Ready,
    /// A rule was broken; the owner calls `fail`.
    Broken,
}

/// Our header is out.
#[derive(Debug)]
struct AwaitHeader {
    /// `<success/>` came before this stream's restart.
    is_accepted: bool,
}

/// The response header came.
#[derive(Debug)]
struct AwaitFeatures {
    is_accepted: bool,
}

/// `<starttls/>` is out.
#[derive(Debug)]
struct AwaitProceed;

/// `<auth/>` is out.
#[derive(Debug)]
struct AwaitSuccess {
    /// The peer offered dialback beside EXTERNAL.
    offers_dialback: bool,
    /// The peer has asked for the authorization identity again.
    is_challenged: bool,
}

/// What all states need.
#[derive(Debug)]
struct Link {
    intent: Intent,
    tls: Option<PeerCertificate>,
    frame: Frame,
    id: Option<String>,
    declares_dialback: bool,
    dialback_errors: bool,
    max_bytes: Option<u32>,
}

impl Initiating {
    /// `tls` is what direct TLS said, if the stream begins with it.
    pub fn new(intent: Intent, tls: Option<PeerCertificate>) -> Self {
        let link = Link {
            intent,
            tls,
            frame: Frame::Unopened,
            id: None,
            declares_dialback: false,
            dialback_errors: false,
            max_bytes: None,
        };
        Self { state: State::Idle, link }
    }

    /// Queues our header; call once when connected (after direct TLS).
    pub fn start(&mut self, world: &mut World<'_>) {
        if matches!(self.state, State::Idle) {
            self.link.write_header(world);
            self.state = State::AwaitHeader(AwaitHeader { is_accepted: false });
        }
    }

    /// A header came (the first one or that of a restart).
    ///
    /// # Errors
    /// The error is *not* yet on the wire; the owner calls [`Self::fail`].
    pub fn handle_header(
        &mut self,
        header: &Header<'_>,
        _context: &StreamContext,
        world: &mut World<'_>,
    ) -> Result<(), StreamError> {
        if self.link.frame.has_ended() {
            return Ok(());
        }
        match mem::replace(&mut self.state, State::Broken) {
            State::AwaitHeader(state) => {
                self.state = state.header(PeerHeader::read(header), &mut self.link, world)?;
                Ok(())
            }
            _ => Err(StreamError::peer(Condition::BadFormat, "a stream header came inside a stream")),
        }
    }

    /// A depth-1 element came that is neither a stanza nor dialback.
    ///
    /// After [`Self::close`] only a stream error still counts.
    ///
    /// # Errors
    /// As [`Self::handle_header`].
    pub fn handle_element(
        &mut self,
        element: &Element<'_>,
        context: &StreamContext,
        world: &mut World<'_>,
    ) -> Result<(), StreamError> {
        let Some(node) = self.link.frame.read(element, context, world)? else { return Ok(()) };
        let link = &mut self.link;
        self.state = match mem::replace(&mut self.state, State::Broken) {
            State::AwaitFeatures(state) if element.kind == Kind::Features => state.features(&node, link, world)?,
            State::AwaitProceed(state) if element.kind == Kind::StartTls => state.answer(&node, link, world)?,
            State::AwaitSuccess(state) if element.kind == Kind::Sasl => state.answer(&node, link, world)?,
            State::Broken => State::Broken,
            state => {
                check_unasked(element.kind, &node)?;
                state
            }
        };
        Ok(())
    }

    /// `</stream:stream>` came.
    pub fn handle_close(&mut self, world: &mut World<'_>) {
        self.link.frame.peer_closed(world);
    }

    /// TLS is up after [`StreamEvent::StartTls`]: queues the new header.
    ///
    /// All that the peer said in clear is forgotten. RFC 6120 §5.4.3.3.
    pub fn tls_established(&mut self, peer: PeerCertificate, world: &mut World<'_>) {
        if self.link.frame.is_over() {
            return;
        }
        *self = Self::new(self.link.intent.clone(), Some(peer));
        self.start(world);
    }

    /// Queues our header if it is not out yet, the error and the end tag (RFC 6120 §4.9.1); nothing more will be queued.
    pub fn fail(&mut self, error: StreamError, world: &mut World<'_>) {
        if self.link.frame == Frame::Unopened {
            self.link.write_header(world);
        }
        self.link.frame.fail(&error, world.out);
        self.state = State::Broken;
    }

    /// Queues `</stream:stream>`; what the peer still sends is taken until its own. RFC 6120 §4.4.
    ///
    /// A stream that has not begun is over at once.
    pub fn close(&mut self, world: &mut World<'_>) {
        self.link.frame.close(world.out);
    }

    /// The peer's stream id: what our dialback keys are made of. `None` when it gave none (then dialback is impossible).
    pub fn id(&self) -> Option<&str> {
        self.link.id.as_deref()
    }

    /// Whether dialback elements may be exchanged: after `Negotiated` or `Proven`.
    ///
    /// # Errors
    /// `not-authorized` before.
    pub fn takes_dialback(&self) -> Result<(), StreamError> {
        match self.state {
            State::Ready if !self.link.frame.is_over() => Ok(()),
            _ => Err(StreamError::peer(Condition::NotAuthorized, "the stream is not negotiated yet")),
        }
    }

    /// The peer's certificate, on an encrypted stream.
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.link.tls.as_ref()
    }

    /// Whether the stream is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.link.tls.is_some()
    }

    /// Bytes of one stanza that the peer takes (XEP-0478), if it said.
    pub fn peer_stanza_limit(&self) -> Option<u32> {
        self.link.max_bytes
    }

    /// Whether the peer advertised dialback errors (`<errors/>`, XEP-0220 §2.4).
    pub fn peer_knows_dialback_errors(&self) -> bool {
        self.link.dialback_errors
    }

    /// What the stream is for.
    pub fn intent(&self) -> &Intent {
        &self.link.intent
    }

    /// Both end tags have been exchanged, or a stream error ended it.
    pub fn is_over(&self) -> bool {
        self.link.frame.is_over()
    }
}

/// What no state waits for.
///
/// COMPAT: Prosody speaks of stream management, ejabberd of bidi, on streams that never asked for them; features may
/// come again (RFC 6120 §4.3.4).
fn check_unasked(kind: Kind, node: &Node) -> Result<(), StreamError> {
    match kind {
        Kind::Features => Ok(()),
        Kind::StartTls => Err(StreamError::peer(Condition::PolicyViolation, "a STARTTLS answer came unasked")),
        Kind::Sasl => Err(StreamError::peer(Condition::PolicyViolation, "a SASL answer came unasked")),
        Kind::Other if matches!(node.namespace.as_str(), ns::SM2 | ns::SM3 | ns::BIDI | ns::BIDI_FEATURE) => Ok(()),
        Kind::Other => Err(StreamError::peer(Condition::UnsupportedStanzaType, "this element is not known")),
        _ => Err(StreamError::peer(Condition::NotAuthorized, "this stream carries nothing in this direction")),
    }
}

impl AwaitHeader {
    /// COMPAT: jabberd2 and ejabberd leave `from` out of their response headers; TLS or dialback tell who it is.
    fn header(self, peer: PeerHeader, link: &mut Link, world: &mut World<'_>) -> Result<State, StreamError> {
        if peer.checked_from()?.is_some_and(|from| from != link.intent.to) {
            return Err(StreamError::peer(Condition::InvalidFrom, "the response is from another domain"));
        }
        if peer.version == Version::Unsupported {
            return Err(StreamError::peer(Condition::UnsupportedVersion, "the stream version is not 1.0"));
        }
        link.id = peer.id;
        link.declares_dialback = peer.declares_dialback;
        world.events.push_back(StreamEvent::Opened);
        match (peer.version, self.is_accepted) {
            // no features will come; TLS could not be negotiated. RFC 6120 §4.7.5
            (Version::Missing, false) => link.go_without_features(world),
            (Version::Missing, true) => link.proven(world),
            (_, is_accepted) => Ok(State::AwaitFeatures(AwaitFeatures { is_accepted })),
        }
    }
}

impl AwaitFeatures {
    fn features(self, node: &Node, link: &mut Link, world: &mut World<'_>) -> Result<State, StreamError> {
        let offered = Offered::read(node);
        link.max_bytes = offered.max_bytes;
        link.dialback_errors = offered.dialback_errors;
        if link.tls.is_none() {
            match link.intent.terms.tls {
                TlsTerms::Required if !offered.starttls => return Err(TLS_STRIPPED),
                TlsTerms::Required | TlsTerms::Optional if offered.starttls => {
                    starttls::write("starttls", world.out);
                    return Ok(State::AwaitProceed(AwaitProceed));
                }
                TlsTerms::None if offered.starttls_required => {
                    return Err(StreamError::us(
                        Condition::UnsupportedFeature,
                        "the peer requires TLS, our policy forbids it",
                    ));
                }
                _ => {}
            }
        }
        if offered.unknown_required {
            return Err(StreamError::us(
                Condition::UnsupportedFeature,
                "the peer requires a feature that is not known",
            ));
        }
        if self.is_accepted { link.proven(world) } else { link.authenticate(&offered, world) }
    }
}

/// What the counter `tls_stripped` counts: someone on the path may have cut STARTTLS out.
const TLS_STRIPPED: StreamError = StreamError::peer(Condition::PolicyViolation, "tls-required");

impl AwaitProceed {
    fn answer(self, node: &Node, link: &mut Link, world: &mut World<'_>) -> Result<State, StreamError> {
        match StartTls::read(node) {
            StartTls::Proceed => {
                link.frame = Frame::Mute;
                world.events.push_back(StreamEvent::StartTls);
                Ok(State::AwaitTls)
            }
            StartTls::Failure => {
                Err(StreamError::peer(Condition::PolicyViolation, "the peer offered TLS and refused it"))
            }
            StartTls::Command | StartTls::Unknown => {
                Err(StreamError::peer(Condition::PolicyViolation, "no answer to <starttls/>"))
            }
        }
    }
}

impl AwaitSuccess {
    fn answer(self, node: &Node, link: &mut Link, world: &mut World<'_>) -> Result<State, StreamError> {
        match node.name.as_str() {
            "success" => {
                world.events.push_back(StreamEvent::Restart);
                link.write_header(world);
                Ok(State::AwaitHeader(AwaitHeader { is_accepted: true }))
            }
            "failure" => {
                let failure = SaslFailure::of_peer(node);
                world.events.push_back(StreamEvent::SaslFailed(failure));
                if !link.can_dialback(self.offers_dialback) {
                    return Err(StreamError::us(Condition::NotAuthorized, "the peer does not accept our certificate"));
                }
                world.events.push_back(StreamEvent::Negotiated);
                Ok(State::Ready)
            }
            // COMPAT: a server after the letter of XEP-0178 §3 may ask although the identity was sent
            "challenge" if !self.is_challenged => {
                sasl::write_response(&link.intent.from, world.out);
                Ok(State::AwaitSuccess(Self { is_challenged: true, ..self }))
            }
            _ => Err(StreamError::peer(Condition::PolicyViolation, "this is no answer to SASL EXTERNAL")),
        }
    }
}

impl Link {
    fn write_header(&mut self, world: &mut World<'_>) {
        let header = OurHeader {
            from: Some(self.intent.from.as_str()),
            to: Some(self.intent.to.as_str()),
            id: None,
            version: true,
        };
        header.write(world.out);
        self.frame = Frame::Open;
    }

    fn allows_clear(&self) -> bool {
        self.tls.is_some() || self.intent.terms.tls != TlsTerms::Required
    }

    fn allows_dialback(&self) -> bool {
        self.intent.terms.dialback || self.intent.dialback_only
    }

    /// Keys are made of the stream id; support is told by the feature or by the header's namespace. XEP-0220 §2.3.
    fn can_dialback(&self, is_offered: bool) -> bool {
        self.allows_dialback() && self.allows_clear() && self.id.is_some() && (is_offered || self.declares_dialback)
    }

    /// EXTERNAL binds us to whoever holds the connection, so its certificate must prove the domain first.
    fn can_external(&self, offered: &Offered) -> bool {
        let is_possible = offered.external && self.intent.terms.external && !self.intent.dialback_only;
        is_possible && self.tls.as_ref().is_some_and(|certificate| certificate.proves(&self.intent.to).is_ok())
    }

    fn go_without_features(&mut self, world: &mut World<'_>) -> Result<State, StreamError> {
        self.authenticate(&Offered::default(), world)
    }

    /// Chooses how we prove ourselves, in the policy's order.
    fn authenticate(&mut self, offered: &Offered, world: &mut World<'_>) -> Result<State, StreamError> {
        let (by_external, by_dialback) = (self.can_external(offered), self.can_dialback(offered.dialback));
        let prefers_dialback = by_dialback && self.intent.terms.dialback_first;
        if by_external && !prefers_dialback {
            sasl::write_auth(&self.intent.from, world.out);
            return Ok(State::AwaitSuccess(AwaitSuccess { offers_dialback: offered.dialback, is_challenged: false }));
        }
        if !by_dialback {
            return Err(self.why_not(offered));
        }
        world.events.push_back(StreamEvent::Negotiated);
        Ok(State::Ready)
    }

    /// After the restart that follows `<success/>`.
    fn proven(&mut self, world: &mut World<'_>) -> Result<State, StreamError> {
        let accepted = self
            .tls
            .as_ref()
            .and_then(|certificate| sasl::accepted_by(certificate, &self.intent.from, &self.intent.to))
            .ok_or(StreamError::peer(Condition::NotAuthorized, "the certificate does not prove the domain"))?;
        world.events.push_back(StreamEvent::Proven(accepted));
        Ok(State::Ready)
    }

    /// Why no authentication is possible.
    fn why_not(&self, offered: &Offered) -> StreamError {
        let refuse = |text| StreamError::peer(Condition::NotAuthorized, text);
        if !self.allows_clear() {
            return TLS_STRIPPED;
        }
        if self.allows_dialback() && self.id.is_none() {
            return refuse("the stream has no id, so dialback is impossible");
        }
        let wants_external = self.intent.terms.external && !self.intent.dialback_only;
        match &self.tls {
            Some(certificate) if wants_external => match certificate.proves(&self.intent.to) {
                Err(why) => refuse(why.as_text()),
                Ok(()) if offered.external => refuse("the peer offers no authentication that our policy allows"),
                Ok(()) => {
                    StreamError::us(Condition::NotAuthorized, "the peer does not offer EXTERNAL to our certificate")
                }
            },
            _ => refuse("the peer offers no authentication that our policy allows"),
        }
    }
}
