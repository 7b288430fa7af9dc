//! Negotiation and lifetime of one XML stream, for both roles. RFC 6120 §4 to §6.
//!
//! A machine is fed what the scanner found, queues bytes for the peer in [`World::out`] and tells its owner what
//! happened in [`World::events`]. It knows no socket, no TLS library, no DNS, no other stream, and no dialback: the
//! owner hands dialback elements to [`crate::dialback`] itself when [`Receiving::takes_dialback`] or
//! [`Initiating::takes_dialback`] says so, and stanzas to its router when `takes_stanzas` says so.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use crate::address::{Domain, DomainPair};
use crate::scan::{Element, Header, StreamContext};

/// Which face of ringgate a stream is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Towards remote domains.
    Federation,
    /// Towards the backends.
    Internal,
}

/// What we demand of a stream between two domains; decided by policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whether the stream must, may or must not be encrypted.
    pub tls: TlsTerms,
    /// SASL EXTERNAL may prove the peer.
    pub external: bool,
    /// Dialback may prove the peer.
    pub dialback: bool,
    /// Dialback is tried before EXTERNAL when both are possible (the policy's order).
    pub dialback_first: bool,
}

/// Encryption of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsTerms {
    /// No stanza and no dialback in clear.
    Required,
    /// Encrypted when the peer can.
    Optional,
    /// Never negotiated.
    None,
}

/// Answers what a stream machine must know about the world; the gate implements it from configuration and policy.
pub trait Rules {
    /// Whether a stream from `from` (if the peer said) to `to` may be, and on which terms.
    ///
    /// # Errors
    /// The stream error for the peer: `host-unknown` for a `to` that is not served, `improper-addressing`,
    /// `invalid-from` for a `from` that is ours, `policy-violation` or `not-authorized` by policy.
    fn admit(&self, side: Side, from: Option<&Domain>, to: Option<&Domain>) -> Result<Terms, StreamError>;
    /// The domain our response header is from when the peer's `to` is missing or not served.
    fn default_local(&self, side: Side) -> Option<&Domain>;
}

/// What a machine works on during one call.
pub struct World<'a> {
    /// Bytes for the peer, in order.
    pub out: &'a mut Vec<u8>,
    /// What the owner must know or do, in order.
    pub events: &'a mut VecDeque<StreamEvent>,
    /// Configuration and policy.
    pub rules: &'a dyn Rules,
    /// 128 fresh random bits for a stream id (RFC 6120 §4.7.3).
    pub entropy: &'a mut dyn FnMut() -> [u8; 16],
}

/// What a machine tells its owner.
#[derive(Debug)]
pub enum StreamEvent {
    /// The peer's header was accepted and answered (receiving) or the response header came (initiating).
    Opened,
    /// Flush what is queued in clear, then begin TLS; unread bytes are discarded (RFC 6120 §5.4.3.3).
    /// The owner calls `tls_established` and gives the machine a new scanner.
    StartTls,
    /// The stream restarts (RFC 6120 §4.3.3): the owner uses a new scanner from the next byte on.
    Restart,
    /// Initiating: negotiation is over and the stream is to be authorised by dialback (or only carries verifications).
    Negotiated,
    /// SASL EXTERNAL succeeded for this pair (receiving: after `<success/>`; initiating: after the restart's features).
    Proven(ExternalAccepted),
    /// SASL failed on a stream that goes on (log; receiving side and initiating side).
    SaslFailed(SaslFailure),
    /// The peer sent `</stream:stream>`; ours has been queued if it was not out already.
    PeerClosed,
    /// The peer sent a stream error. The stream is over.
    PeerError(Condition),
}

/// Witness that SASL EXTERNAL proved a pair; only `sasl` makes it.
#[derive(Debug, PartialEq, Eq)]
pub struct ExternalAccepted {
    pair: DomainPair,
}

impl ExternalAccepted {
    pub(crate) fn into_pair(self) -> DomainPair {
        self.pair
    }
}

/// SASL failure conditions. RFC 6120 §6.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslFailure {
    /// §6.5.1
    Aborted,
    /// §6.5.4
    EncryptionRequired,
    /// §6.5.5
    IncorrectEncoding,
    /// §6.5.6
    InvalidAuthzid,
    /// §6.5.7
    InvalidMechanism,
    /// §6.5.8
    MalformedRequest,
    /// §6.5.9
    MechanismTooWeak,
    /// §6.5.10
    NotAuthorized,
    /// §6.5.11
    TemporaryAuthFailure,
    /// One this list lacks (from a peer).
    Other,
}

/// What TLS said about the peer. The chain was checked for the *server* purpose after the handshake; names are
/// compared when the domain is known.
#[derive(Clone, Debug)]
pub struct PeerCertificate {
    /// Whether the chain ends in a root we trust, at the time of the handshake.
    pub trust: Result<(), Untrusted>,
    /// dNSName entries.
    pub dns_names: Vec<String>,
    /// SRVName entries (`_xmpp-server.example.org`). RFC 4985.
    pub srv_names: Vec<String>,
    /// id-on-xmppAddr entries. RFC 6120 §13.7.1.4.
    pub xmpp_addrs: Vec<String>,
    /// SHA-256 of the leaf.
    pub fingerprint: [u8; 32],
}

/// Why a peer's certificate proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Untrusted {
    /// No certificate was presented.
    Absent,
    /// The chain does not end in a trusted root.
    UnknownIssuer,
    /// The leaf is its own issuer.
    SelfSigned,
    /// Past its time.
    Expired,
    /// Before its time.
    NotYetValid,
    /// Not for servers (clientAuth only).
    WrongPurpose,
    /// Not a certificate we can read, or one that breaks a rule.
    Malformed,
    /// Valid, but no name in it is the domain.
    NameMismatch,
}

impl PeerCertificate {
    /// Whether this certificate proves `domain`.
    ///
    /// dNSName (left-most label may be `*`), SRVName for `_xmpp-server`, xmppAddr; compared as A-labels; never the CN.
    ///
    /// # Errors
    /// Why not.
    ///
    /// # Source
    /// RFC 6120 §13.7.1.2, §13.7.1.4, RFC 9525.
    pub fn proves(&self, domain: &Domain) -> Result<(), Untrusted> {
        let _ = domain;
        unimplemented!()
    }
}

/// Stream error conditions. RFC 6120 §4.9.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Condition {
    BadFormat,
    BadNamespacePrefix,
    Conflict,
    ConnectionTimeout,
    HostGone,
    HostUnknown,
    ImproperAddressing,
    InternalServerError,
    InvalidFrom,
    InvalidNamespace,
    InvalidXml,
    NotAuthorized,
    NotWellFormed,
    PolicyViolation,
    RemoteConnectionFailed,
    Reset,
    ResourceConstraint,
    RestrictedXml,
    SeeOtherHost,
    SystemShutdown,
    UndefinedCondition,
    UnsupportedEncoding,
    UnsupportedFeature,
    UnsupportedStanzaType,
    UnsupportedVersion,
}

/// A stream must end: with which condition, why (a fixed sentence for log and peer), and who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// For the wire.
    pub condition: Condition,
    /// For the log and `<text/>`; never contains what the peer sent.
    pub text: &'static str,
    /// Whose fault it is.
    pub blame: Blame,
}

/// Who broke a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The peer did.
    Peer,
    /// We could not.
    Us,
}

/// The receiving entity of a stream: the peer connected to us.
#[derive(Debug)]
pub struct Receiving {}

impl Receiving {
    /// Waits for the first header. `tls` is what direct TLS said, if the stream began with it.
    pub fn new(side: Side, tls: Option<PeerCertificate>) -> Self {
        let _ = (side, tls);
        unimplemented!()
    }
    /// A header came (the first one or that of a restart).
    ///
    /// # Errors
    /// As all of these: the error is *not* yet on the wire; the owner calls [`Self::fail`].
    pub fn handle_header(
        &mut self,
        header: &Header<'_>,
        context: &StreamContext,
        world: &mut World<'_>,
    ) -> Result<(), StreamError> {
        let _ = (header, context, world);
        unimplemented!()
    }
    /// A depth-1 element came that is neither a stanza nor dialback.
    pub fn handle_element(
        &mut self,
        element: &Element<'_>,
        context: &StreamContext,
        world: &mut World<'_>,
    ) -> Result<(), StreamError> {
        let _ = (element, context, world);
        unimplemented!()
    }
    /// `</stream:stream>` came.
    pub fn handle_close(&mut self, world: &mut World<'_>) {
        let _ = world;
        unimplemented!()
    }
    /// TLS is up after [`StreamEvent::StartTls`]; a new header must follow.
    pub fn tls_established(&mut self, peer: PeerCertificate) {
        let _ = peer;
        unimplemented!()
    }
    /// Queues our header if it is not out yet, the error and the end tag (RFC 6120 §4.9.1); nothing more will be queued.
    pub fn fail(&mut self, error: StreamError, world: &mut World<'_>) {
        let _ = (error, world);
        unimplemented!()
    }
    /// Queues `</stream:stream>`; what the peer still sends is taken until its own. RFC 6120 §4.4.
    pub fn close(&mut self, world: &mut World<'_>) {
        let _ = world;
        unimplemented!()
    }
    /// Whether dialback elements are welcome now.
    ///
    /// # Errors
    /// The stream error to answer with when not (before TLS where it is required, dialback not among the terms).
    pub fn takes_dialback(&self) -> Result<(), StreamError> {
        unimplemented!()
    }
    /// Whether stanzas may come now (each still needs its proven pair).
    ///
    /// # Errors
    /// `not-authorized` and the like.
    pub fn takes_stanzas(&self) -> Result<(), StreamError> {
        unimplemented!()
    }
    /// Our stream id, once the response header is out: what dialback keys are made of.
    pub fn id(&self) -> &str {
        unimplemented!()
    }
    /// The header's domains: the peer's (if it said), and ours.
    pub fn domains(&self) -> (Option<&Domain>, Option<&Domain>) {
        unimplemented!()
    }
    /// The terms that were granted.
    pub fn terms(&self) -> Option<Terms> {
        unimplemented!()
    }
    /// The peer's certificate, on an encrypted stream.
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        unimplemented!()
    }
    /// Whether the stream is encrypted.
    pub fn is_encrypted(&self) -> bool {
        unimplemented!()
    }
    /// Both end tags have been exchanged, or a stream error ended it.
    pub fn is_over(&self) -> bool {
        unimplemented!()
    }
}

/// What an initiating stream is for.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Internal: towards a backend.
    pub side: Side,
    /// Our domain (federation) or the remote domain in whose name we speak (internal).
    pub from: Domain,
    /// The peer's domain.
    pub to: Domain,
    /// By policy.
    pub terms: Terms,
    /// Only dialback elements will be exchanged: never authenticate with SASL (verifications; backends).
    pub dialback_only: bool,
}

/// The initiating entity of a stream: we connected to the peer.
#[derive(Debug)]
pub struct Initiating {}

impl Initiating {
    /// `tls` is what direct TLS said, if the stream begins with it.
    pub fn new(intent: Intent, tls: Option<PeerCertificate>) -> Self {
        let _ = (intent, tls);
        unimplemented!()
    }
    /// Queues our header; call once when connected (after direct TLS).
    pub fn start(&mut self, world: &mut World<'_>) {
        let _ = world;
        unimplemented!()
    }
    /// As [`Receiving::handle_header`].
    pub fn handle_header(
        &mut self,
        header: &Header<'_>,
        context: &StreamContext,
        world: &mut World<'_>,
    ) -> Result<(), StreamError> {
        let _ = (header, context, world);
        unimplemented!()
    }
    /// As [`Receiving::handle_element`].
    pub fn handle_element(
        &mut self,
        element: &Element<'_>,
        context: &StreamContext,
        world: &mut World<'_>,
    ) -> Result<(), StreamError> {
        let _ = (element, context, world);
        unimplemented!()
    }
    /// `</stream:stream>` came.
    pub fn handle_close(&mut self, world: &mut World<'_>) {
        let _ = world;
        unimplemented!()
    }
    /// TLS is up after [`StreamEvent::StartTls`]: queues the new header.
    pub fn tls_established(&mut self, peer: PeerCertificate, world: &mut World<'_>) {
        let _ = (peer, world);
        unimplemented!()
    }
    /// As [`Receiving::fail`].
    pub fn fail(&mut self, error: StreamError, world: &mut World<'_>) {
        let _ = (error, world);
        unimplemented!()
    }
    /// As [`Receiving::close`].
    pub fn close(&mut self, world: &mut World<'_>) {
        let _ = world;
        unimplemented!()
    }
    /// The peer's stream id: what our dialback keys are made of. `None` when it gave none (then dialback is impossible).
    pub fn id(&self) -> Option<&str> {
        unimplemented!()
    }
    /// As [`Receiving::takes_dialback`]: after `Negotiated` or `Proven`.
    pub fn takes_dialback(&self) -> Result<(), StreamError> {
        unimplemented!()
    }
    /// The peer's certificate, on an encrypted stream.
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        unimplemented!()
    }
    /// Whether the stream is encrypted.
    pub fn is_encrypted(&self) -> bool {
        unimplemented!()
    }
    /// Bytes of one stanza that the peer takes (XEP-0478), if it said.
    pub fn peer_stanza_limit(&self) -> Option<u32> {
        unimplemented!()
    }
    /// Whether the peer advertised dialback errors (`<errors/>`, XEP-0220 §2.4).
    pub fn peer_knows_dialback_errors(&self) -> bool {
        unimplemented!()
    }
    /// Both end tags have been exchanged, or a stream error ended it.
    pub fn is_over(&self) -> bool {
        unimplemented!()
    }
}
