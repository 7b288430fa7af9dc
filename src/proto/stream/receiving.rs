//! The receiving entity of a stream: the peer connected to us.
//!
//! ```text
//!                  header               <starttls/>            tls_established()
//!  ┌▶ AwaitHeader ─────────▶ Open ──────────────────▶ AwaitTls ──────────────────▶ AwaitHeader
//!  │                         ▲  │
//!  │                 failure │  │ <auth/> without payload
//!  │                         │  ▼
//!  │                     AwaitResponse
//!  │  <success/>             │  │
//!  └─────────────────────────┴──┘ <auth/> with payload, <response/>
//! ```

mod link;

use core::mem;

use crate::address::{Domain, DomainPair};
use crate::ns;
use crate::scan::tree::Node;
use crate::scan::{Element, Header, Kind, StreamContext};

use super::close::Frame;
use super::header::{PeerHeader, Version};
use super::sasl::{self, Payload};
use super::starttls::{self, StartTls};
use super::{Condition, PeerCertificate, SaslFailure, Side, StreamError, StreamEvent, Terms, TlsTerms, World};

use link::Link;

/// The receiving entity of a stream: the peer connected to us.
#[derive(Debug)]
pub struct Receiving {
    state: State,
    link: Link,
}

#[derive(Debug)]
enum State {
    AwaitHeader(AwaitHeader),
    Open(Open),
    AwaitResponse(AwaitResponse),
    AwaitTls,
    /// A rule was broken; the owner calls `fail`.
    Broken,
}

/// A header must come: the first, or that of a restart.
#[derive(Debug)]
struct AwaitHeader {
    /// What EXTERNAL proved before the restart.
    proven: Option<DomainPair>,
}

/// Our header and features are out.
#[derive(Debug)]
struct Open {
    proven: Option<DomainPair>,
}

/// The empty challenge is out.
#[derive(Debug)]
struct AwaitResponse;

impl Receiving {
    /// Waits for the first header. `tls` is what direct TLS said, if the stream began with it.
    pub fn new(side: Side, tls: Option<PeerCertificate>) -> Self {
        let link = Link::new(side, tls);
        Self { state: State::AwaitHeader(AwaitHeader { proven: None }), link }
    }

    /// Announces another bound than [`crate::limits::STANZA_BYTES`] for one stanza. XEP-0478 §3.
    pub fn with_stanza_bytes(mut self, bytes: u32) -> Self {
        self.link.stanza_bytes = bytes;
        self
    }

    /// A header came (the first one or that of a restart).
    ///
    /// # Errors
    /// As all of these: the error is *not* yet on the wire; the owner calls [`Self::fail`].
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
                let open = state.header(&PeerHeader::read(header), &mut self.link, world)?;
                self.state = State::Open(open);
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
            State::Open(state) => state.element(element.kind, &node, link, world)?,
            State::AwaitResponse(state) => state.element(element.kind, &node, link, world)?,
            State::AwaitTls if element.kind == Kind::StartTls => refuse_tls(link, world),
            State::AwaitTls => {
                return Err(StreamError::peer(Condition::PolicyViolation, "data came between <starttls/> and TLS"));
            }
            State::AwaitHeader(_) => {
                return Err(StreamError::peer(Condition::BadFormat, "an element came before the stream header"));
            }
            State::Broken => State::Broken,
        };
        Ok(())
    }

    /// `</stream:stream>` came.
    pub fn handle_close(&mut self, world: &mut World<'_>) {
        self.link.frame.peer_closed(world);
    }

    /// TLS is up after [`StreamEvent::StartTls`]; a new header must follow.
    ///
    /// All that was said in clear is forgotten. RFC 6120 §5.4.3.3.
    pub fn tls_established(&mut self, peer: PeerCertificate) {
        if self.link.frame.is_over() {
            return;
        }
        let fresh = Self::new(self.link.side, Some(peer)).with_stanza_bytes(self.link.stanza_bytes);
        *self = Self { link: Link { refusals: self.link.refusals, ..fresh.link }, ..fresh };
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
    pub fn close(&mut self, world: &mut World<'_>) {
        if self.link.frame == Frame::Unopened {
            self.link.write_header(world);
        }
        self.link.frame.close(world.out);
    }

    /// Whether dialback elements are welcome now; never a question of authentication (XEP-0220 §2.2.2).
    ///
    /// Whether dialback may prove a pair is asked for each pair by the owner: the answer is an error for that pair, and
    /// the stream is kept (XEP-0220 §2.5).
    ///
    /// # Errors
    /// The stream error to answer with when not: `policy-violation` before TLS where it is required, `not-authorized`
    /// while the stream is not negotiated.
    pub fn takes_dialback(&self) -> Result<(), StreamError> {
        self.check_content()
    }

    /// Whether stanzas may come now (each still needs its proven pair).
    ///
    /// # Errors
    /// `not-authorized` during negotiation, `policy-violation` before TLS where it is required.
    pub fn takes_stanzas(&self) -> Result<(), StreamError> {
        self.check_content()
    }

    fn check_content(&self) -> Result<(), StreamError> {
        match (&self.state, self.link.terms) {
            (State::AwaitTls, _) => {
                Err(StreamError::peer(Condition::PolicyViolation, "data came between <starttls/> and TLS"))
            }
            (State::Open(_), Some(terms)) if !self.link.frame.is_over() => {
                if terms.tls == TlsTerms::Required && self.link.tls.is_none() {
                    return Err(TLS_REQUIRED);
                }
                Ok(())
            }
            _ => Err(StreamError::peer(Condition::NotAuthorized, "the stream is not negotiated yet")),
        }
    }

    /// Our stream id, once the response header is out: what dialback keys are made of.
    pub fn id(&self) -> &str {
        &self.link.id
    }

    /// The header's domains: the peer's (if it said), and ours.
    pub fn domains(&self) -> (Option<&Domain>, Option<&Domain>) {
        (self.link.from.as_ref(), self.link.to.as_ref())
    }

    /// The terms that were granted.
    pub fn terms(&self) -> Option<Terms> {
        self.link.terms
    }

    /// The peer's certificate, on an encrypted stream.
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.link.tls.as_ref()
    }

    /// Whether the stream is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.link.tls.is_some()
    }

    /// Both end tags have been exchanged, or a stream error ended it.
    pub fn is_over(&self) -> bool {
        self.link.frame.is_over()
    }
}

const TLS_REQUIRED: StreamError = StreamError::peer(Condition::PolicyViolation, "TLS is required");

impl AwaitHeader {
    fn header(self, peer: &PeerHeader, link: &mut Link, world: &mut World<'_>) -> Result<Open, StreamError> {
        link.is_versioned = peer.version != Version::Missing;
        match &self.proven {
            Some(pair) => check_restart(pair, peer)?,
            None => link.take_addresses(peer)?,
        }
        let admitted = world.rules.admit(link.side, link.from.as_ref(), link.to.as_ref());
        let is_unserved =
            |e: &StreamError| matches!(e.condition, Condition::HostUnknown | Condition::ImproperAddressing);
        link.is_served = !admitted.as_ref().is_err_and(is_unserved);
        let terms = admitted?;
        link.terms = Some(terms);
        if peer.version == Version::Unsupported {
            return Err(StreamError::peer(Condition::UnsupportedVersion, "the stream version is not 1.0"));
        }
        if self.proven.is_none() {
            link.check_means(terms)?;
        }
        link.write_header(world);
        if link.is_versioned {
            link.offer(terms, self.proven.is_some()).write(world.out);
        }
        world.events.push_back(StreamEvent::Opened);
        Ok(Open { proven: self.proven })
    }
}

/// An identity is not carried over to other domains by a restart (class of CVE-2018-10847). RFC 6120 §4.3.3.
///
/// COMPAT: Prosody and older servers leave addresses out on a restart; the proven ones hold.
fn check_restart(pair: &DomainPair, peer: &PeerHeader) -> Result<(), StreamError> {
    if peer.checked_to()?.is_some_and(|to| to != pair.to) {
        return Err(StreamError::peer(Condition::NotAuthorized, "'to' differs from the authenticated stream's"));
    }
    if peer.checked_from()?.is_some_and(|from| from != pair.from) {
        return Err(StreamError::peer(Condition::InvalidFrom, "'from' differs from the authenticated stream's"));
    }
    Ok(())
}

/// RFC 6120 §5.4.2.2: the failure ends the stream.
fn refuse_tls(link: &mut Link, world: &mut World<'_>) -> State {
    starttls::write("failure", world.out);
    if link.frame == Frame::Mute {
        world.out.extend_from_slice(b"</stream:stream>");
    }
    link.frame.end(world.out);
    State::Broken
}

impl Open {
    fn element(self, kind: Kind, node: &Node, link: &mut Link, world: &mut World<'_>) -> Result<State, StreamError> {
        match kind {
            Kind::StartTls => start_tls(node, link, world),
            Kind::Sasl => self.sasl(node, link, world),
            Kind::Other => self.other(node, link, world),
            Kind::Features => {
                Err(StreamError::peer(Condition::UnsupportedStanzaType, "only the receiving entity offers features"))
            }
            _ => Err(StreamError::peer(Condition::NotAuthorized, "nothing was proven for this element")),
        }
    }

    /// Policy decides what is offered; what was not offered is refused here.
    ///
    /// COMPAT: Prosody asks for stream management on any stream; ejabberd 24.10 to 26.04 sends `<bidi/>` in the
    /// namespace of the feature.
    fn other(self, node: &Node, link: &mut Link, world: &mut World<'_>) -> Result<State, StreamError> {
        match (node.namespace.as_str(), node.name.as_str()) {
            (ns::COMPRESS, "compress") => {
                link.refuse(&["<failure xmlns='", ns::COMPRESS, "'><unsupported-method/></failure>"], world)?;
            }
            (sm @ (ns::SM2 | ns::SM3), "enable" | "resume" | "r") => {
                let condition = ["'><unexpected-request xmlns='", ns::STANZA_ERRORS, "'/></failed>"];
                link.refuse(&["<failed xmlns='", sm, condition[0], condition[1], condition[2]], world)?;
            }
            (ns::SM2 | ns::SM3, "a") | (ns::BIDI | ns::BIDI_FEATURE, "bidi") => link.refuse(&[], world)?,
            _ => return Err(StreamError::peer(Condition::UnsupportedStanzaType, "this element is not known")),
        }
        Ok(State::Open(self))
    }

    fn sasl(self, node: &Node, link: &mut Link, world: &mut World<'_>) -> Result<State, StreamError> {
        if self.proven.is_some() {
            return Err(StreamError::peer(Condition::PolicyViolation, "the stream is authenticated already"));
        }
        match node.name.as_str() {
            "auth" => match begin(node, link) {
                Ok(Payload::Missing) => {
                    sasl::write_challenge(world.out);
                    Ok(State::AwaitResponse(AwaitResponse))
                }
                Ok(Payload::Empty) => finish(None, link, world),
                Ok(Payload::Authzid(authzid)) => finish(Some(&authzid), link, world),
                Err(failure) => link.sasl_failed(failure, world),
            },
            "abort" => link.sasl_failed(SaslFailure::Aborted, world),
            "response" => link.sasl_failed(SaslFailure::MalformedRequest, world),
            _ => Err(StreamError::peer(Condition::PolicyViolation, "this SASL element is the receiving entity's")),
        }
    }
}

impl AwaitResponse {
    fn element(self, kind: Kind, node: &Node, link: &mut Link, world: &mut World<'_>) -> Result<State, StreamError> {
        if kind != Kind::Sasl {
            return Err(StreamError::peer(Condition::NotAuthorized, "only a SASL response may come now"));
        }
        match node.name.as_str() {
            "response" => match Payload::read(node) {
                Ok(Payload::Missing | Payload::Empty) => finish(None, link, world),
                Ok(Payload::Authzid(authzid)) => finish(Some(&authzid), link, world),
                Err(failure) => link.sasl_failed(failure, world),
            },
            "abort" => link.sasl_failed(SaslFailure::Aborted, world),
            _ => link.sasl_failed(SaslFailure::MalformedRequest, world),
        }
    }
}

fn start_tls(node: &Node, link: &mut Link, world: &mut World<'_>) -> Result<State, StreamError> {
    match StartTls::read(node) {
        StartTls::Command => {}
        _ => return Err(StreamError::peer(Condition::PolicyViolation, "this STARTTLS element was not asked for")),
    }
    let is_offered = link.tls.is_none() && link.terms.is_some_and(|terms| terms.tls != TlsTerms::None);
    if !is_offered {
        return Ok(refuse_tls(link, world));
    }
    starttls::write("proceed", world.out);
    link.frame = Frame::Mute;
    world.events.push_back(StreamEvent::StartTls);
    Ok(State::AwaitTls)
}

/// Whether this is an attempt that may succeed, and with which payload. RFC 6120 §6.4.2.
fn begin(auth: &Node, link: &Link) -> Result<Payload, SaslFailure> {
    if link.tls.is_none() {
        return Err(SaslFailure::EncryptionRequired);
    }
    let is_allowed = link.terms.is_some_and(|terms| terms.external);
    if !is_allowed || auth.attribute("mechanism") != Some("EXTERNAL") {
        return Err(SaslFailure::InvalidMechanism);
    }
    Payload::read(auth)
}

fn finish(authzid: Option<&str>, link: &mut Link, world: &mut World<'_>) -> Result<State, StreamError> {
    // an empty `response` decodes to no identity either
    let authzid = authzid.filter(|authzid| !authzid.is_empty());
    let accepted = match &link.tls {
        Some(certificate) => sasl::accept(link.from.as_ref(), link.to.as_ref(), certificate, authzid),
        None => Err(SaslFailure::EncryptionRequired),
    };
    match accepted {
        Ok(accepted) => {
            let proven = Some(accepted.pair().clone());
            sasl::write_success(world.out);
            link.frame = Frame::Unopened;
            world.events.push_back(StreamEvent::Proven(accepted));
            world.events.push_back(StreamEvent::Restart);
            Ok(State::AwaitHeader(AwaitHeader { proven }))
        }
        Err(failure) => link.sasl_failed(failure, world),
    }
}
