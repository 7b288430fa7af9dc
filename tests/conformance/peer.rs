//! A peer on the other end of one stream: it says text, and hears text.

use std::collections::VecDeque;

use ringgate_proto::address::{Domain, DomainPair};
use ringgate_proto::scan::{Cpu, Element, Header, Kind, Limits, Scanner, Scratch, Step, StreamContext};
use ringgate_proto::stream::{
    Condition, Initiating, Intent, PeerCertificate, Receiving, Rules, SaslFailure, Side, StreamError, StreamEvent,
    Terms, TlsTerms, Untrusted, World,
};

/// Served behind ringgate.
pub(crate) const LOCAL: &str = "local.example";
/// The peer's.
pub(crate) const REMOTE: &str = "remote.example";

/// TLS required, EXTERNAL then dialback: the default.
pub(crate) const DEFAULT: Terms =
    Terms { tls: TlsTerms::Required, external: true, dialback: true, dialback_first: false };
/// As [`DEFAULT`], but clear streams are accepted.
pub(crate) const OPTIONAL: Terms = Terms { tls: TlsTerms::Optional, ..DEFAULT };
/// Only a certificate proves the peer.
pub(crate) const EXTERNAL_ONLY: Terms = Terms { dialback: false, ..DEFAULT };
/// Only dialback proves the peer.
pub(crate) const DIALBACK_ONLY: Terms = Terms { external: false, dialback_first: true, ..DEFAULT };
/// No TLS at all, as towards a backend on a private network.
pub(crate) const CLEAR: Terms = Terms { tls: TlsTerms::None, external: false, dialback: true, dialback_first: true };

/// The parts of an initial header that are always the same.
pub(crate) const NAMESPACES: &str =
    "xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' xmlns:db='jabber:server:dialback'";
/// The attributes of a peer's usual header to us.
pub(crate) const TO_LOCAL: &str = "from='remote.example' to='local.example' version='1.0'";
/// The attributes of a peer's usual response to us.
pub(crate) const RESPONSE: &str = "from='remote.example' to='local.example' id='peer-id' version='1.0'";

pub(crate) const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
pub(crate) const STARTTLS_REQUIRED: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>";
pub(crate) const PROCEED: &str = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
pub(crate) const TLS_FAILURE: &str = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
pub(crate) const EXTERNAL: &str =
    "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>";
pub(crate) const DIALBACK: &str = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";
pub(crate) const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
pub(crate) const END: &str = "</stream:stream>";

pub(crate) fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

pub(crate) fn pair(from: &str, to: &str) -> DomainPair {
    DomainPair { from: domain(from), to: domain(to) }
}

/// A header with these attributes.
pub(crate) fn header(attributes: &str) -> String {
    format!("<?xml version='1.0'?><stream:stream {NAMESPACES} {attributes}>")
}

pub(crate) fn features(children: &str) -> String {
    format!("<stream:features>{children}</stream:features>")
}

/// `<auth/>` for EXTERNAL with this payload.
pub(crate) fn auth(payload: &str) -> String {
    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>{payload}</auth>")
}

pub(crate) fn sasl_failure(condition: &str) -> String {
    format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><{condition}/></failure>")
}

/// A trusted certificate with these dNSNames.
pub(crate) fn certificate(names: &[&str]) -> PeerCertificate {
    PeerCertificate {
        trust: Ok(()),
        dns_names: names.iter().map(|&name| name.into()).collect(),
        srv_names: Vec::new(),
        xmpp_addrs: Vec::new(),
        fingerprint: [7; 32],
    }
}

/// A peer that showed something, but nothing to trust.
pub(crate) fn untrusted(why: Untrusted) -> PeerCertificate {
    PeerCertificate { trust: Err(why), ..certificate(&[REMOTE]) }
}

/// The policy and configuration of the tests: `local.example` and `other.example` are served, `banned.example` may not.
pub(crate) struct House {
    pub(crate) terms: Terms,
    /// A missing `to` is accepted, as it is from a backend.
    pub(crate) takes_nameless: bool,
    local: Domain,
}

impl Rules for House {
    fn admit(&self, _side: Side, from: Option<&Domain>, to: Option<&Domain>) -> Result<Terms, StreamError> {
        let is_local = |name: &Domain| [LOCAL, "other.example"].contains(&name.as_str());
        match to {
            None if self.takes_nameless => {}
            None => return Err(StreamError::peer(Condition::ImproperAddressing, "'to' is missing")),
            Some(to) if !is_local(to) => return Err(StreamError::peer(Condition::HostUnknown, "not served here")),
            Some(_) => {}
        }
        match from {
            Some(from) if is_local(from) => Err(StreamError::peer(Condition::InvalidFrom, "'from' is ours")),
            Some(from) if from.as_str() == "banned.example" => {
                Err(StreamError::peer(Condition::PolicyViolation, "denied-by-partner"))
            }
            _ => Ok(self.terms),
        }
    }

    fn default_local(&self, _side: Side) -> Option<&Domain> {
        Some(&self.local)
    }
}

/// What both machines have in common.
pub(crate) trait Machine {
    fn header(&mut self, h: &Header<'_>, c: &StreamContext, w: &mut World<'_>) -> Result<(), StreamError>;
    fn element(&mut self, e: &Element<'_>, c: &StreamContext, w: &mut World<'_>) -> Result<(), StreamError>;
    fn closed(&mut self, w: &mut World<'_>);
    fn fail(&mut self, error: StreamError, w: &mut World<'_>);
    fn close(&mut self, w: &mut World<'_>);
    fn tls(&mut self, certificate: PeerCertificate, w: &mut World<'_>);
    fn takes_dialback(&self) -> Result<(), StreamError>;
    fn takes_stanzas(&self) -> Result<(), StreamError>;
    fn is_over(&self) -> bool;
}

impl Machine for Receiving {
    fn header(&mut self, h: &Header<'_>, c: &StreamContext, w: &mut World<'_>) -> Result<(), StreamError> {
        self.handle_header(h, c, w)
    }
    fn element(&mut self, e: &Element<'_>, c: &StreamContext, w: &mut World<'_>) -> Result<(), StreamError> {
        self.handle_element(e, c, w)
    }
    fn closed(&mut self, w: &mut World<'_>) {
        self.handle_close(w);
    }
    fn fail(&mut self, error: StreamError, w: &mut World<'_>) {
        Receiving::fail(self, error, w);
    }
    fn close(&mut self, w: &mut World<'_>) {
        Receiving::close(self, w);
    }
    fn tls(&mut self, certificate: PeerCertificate, _w: &mut World<'_>) {
        self.tls_established(certificate);
    }
    fn takes_dialback(&self) -> Result<(), StreamError> {
        Receiving::takes_dialback(self)
    }
    fn takes_stanzas(&self) -> Result<(), StreamError> {
        Receiving::takes_stanzas(self)
    }
    fn is_over(&self) -> bool {
        Receiving::is_over(self)
    }
}

impl Machine for Initiating {
    fn header(&mut self, h: &Header<'_>, c: &StreamContext, w: &mut World<'_>) -> Result<(), StreamError> {
        self.handle_header(h, c, w)
    }
    fn element(&mut self, e: &Element<'_>, c: &StreamContext, w: &mut World<'_>) -> Result<(), StreamError> {
        self.handle_element(e, c, w)
    }
    fn closed(&mut self, w: &mut World<'_>) {
        self.handle_close(w);
    }
    fn fail(&mut self, error: StreamError, w: &mut World<'_>) {
        Initiating::fail(self, error, w);
    }
    fn close(&mut self, w: &mut World<'_>) {
        Initiating::close(self, w);
    }
    fn tls(&mut self, certificate: PeerCertificate, w: &mut World<'_>) {
        self.tls_established(certificate, w);
    }
    fn takes_dialback(&self) -> Result<(), StreamError> {
        Initiating::takes_dialback(self)
    }
    fn takes_stanzas(&self) -> Result<(), StreamError> {
        Err(StreamError::peer(Condition::NotAuthorized, "this stream carries stanzas in one direction"))
    }
    fn is_over(&self) -> bool {
        Initiating::is_over(self)
    }
}

/// A peer, the stream machine that it talks to, and an owner between them that obeys the machine's contract.
pub(crate) struct Peer<M> {
    pub(crate) machine: M,
    pub(crate) house: House,
    scanner: Scanner,
    scratch: Scratch,
    unread: Vec<u8>,
    is_deaf: bool,
    out: Vec<u8>,
    events: VecDeque<StreamEvent>,
    drawn: u128,
    /// Stanzas and dialback elements that the owner was allowed to take.
    pub(crate) taken: Vec<String>,
    /// The error that the machine or the scanner gave, if any.
    pub(crate) error: Option<StreamError>,
}

fn new_scanner() -> Scanner {
    let limits = Limits { depth: 128, attributes: 64, stanza_bytes: 8_192, elements: 32 };
    Scanner::new(limits, Cpu::Scalar)
}

/// A peer that connects to us.
pub(crate) fn connects(terms: Terms) -> Peer<Receiving> {
    Peer::new(terms, Receiving::new(Side::Federation, None))
}

/// A peer that connects to us by direct TLS.
pub(crate) fn connects_encrypted(terms: Terms, certificate: PeerCertificate) -> Peer<Receiving> {
    Peer::new(terms, Receiving::new(Side::Federation, Some(certificate)))
}

/// A peer that has gone through STARTTLS and has heard features again.
pub(crate) fn is_encrypted(terms: Terms, certificate: PeerCertificate) -> Peer<Receiving> {
    let mut peer = connects(terms);
    peer.says(&header(TO_LOCAL)).says(STARTTLS);
    peer.completes_tls(certificate).says(&header(TO_LOCAL));
    peer.hears();
    peer.events.clear();
    peer
}

pub(crate) fn intent(terms: Terms) -> Intent {
    Intent { side: Side::Federation, from: domain(LOCAL), to: domain(REMOTE), terms, dialback_only: false }
}

/// A peer that we connect to, and that has heard our header.
pub(crate) fn is_called(intent: Intent, tls: Option<PeerCertificate>) -> Peer<Initiating> {
    let mut peer = Peer::new(intent.terms, Initiating::new(intent, tls));
    peer.with_world(|machine, world| machine.start(world));
    peer
}

/// A peer that we connect to, after TLS, and that has heard our second header.
pub(crate) fn is_called_encrypted(terms: Terms, certificate: PeerCertificate) -> Peer<Initiating> {
    let mut peer = is_called(intent(terms), None);
    peer.says(&header(RESPONSE)).says(&features(STARTTLS_REQUIRED)).says(PROCEED).completes_tls(certificate);
    peer.hears();
    peer.events.clear();
    peer
}

impl<M: Machine> Peer<M> {
    pub(crate) fn new(terms: Terms, machine: M) -> Self {
        Self {
            machine,
            house: House { terms, takes_nameless: false, local: domain(LOCAL) },
            scanner: new_scanner(),
            scratch: Scratch::default(),
            unread: Vec::new(),
            is_deaf: false,
            out: Vec::new(),
            events: VecDeque::new(),
            drawn: 0,
            taken: Vec::new(),
            error: None,
        }
    }

    pub(crate) fn with_world(&mut self, act: impl FnOnce(&mut M, &mut World<'_>)) {
        let drawn = &mut self.drawn;
        let mut entropy = || {
            *drawn += 1;
            drawn.to_be_bytes()
        };
        let mut world =
            World { out: &mut self.out, events: &mut self.events, rules: &self.house, entropy: &mut entropy };
        act(&mut self.machine, &mut world);
    }

    /// The peer sends `text`, and we read it at once.
    pub(crate) fn says(&mut self, text: &str) -> &mut Self {
        self.says_bytes(text.as_bytes())
    }

    pub(crate) fn says_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        if !self.is_deaf {
            self.unread.extend_from_slice(bytes);
            self.read();
        }
        self
    }

    fn read(&mut self) {
        let unread = std::mem::take(&mut self.unread);
        let mut rest = &unread[..];
        while !self.machine.is_over() && !self.is_deaf {
            let mut scanner = std::mem::replace(&mut self.scanner, new_scanner());
            let mut scratch = std::mem::take(&mut self.scratch);
            let known = self.events.len();
            let step = scanner.scan(&mut scratch, rest);
            let outcome = match step {
                Ok(Step::NeedMore { keep_from }) => {
                    rest = &rest[keep_from..];
                    (self.scanner, self.scratch) = (scanner, scratch);
                    break;
                }
                Ok(Step::Header(header)) => {
                    rest = &rest[header.end..];
                    self.step(|machine, world| machine.header(&header, scanner.context(), world))
                }
                Ok(Step::Element(element)) => {
                    rest = &rest[element.end..];
                    self.element(&element, scanner.context())
                }
                Ok(Step::Close { end }) => {
                    rest = &rest[end..];
                    self.with_world(|machine, world| machine.closed(world));
                    Ok(())
                }
                Err(error) => Err(error.into()),
            };
            (self.scanner, self.scratch) = (scanner, scratch);
            if let Err(error) = outcome {
                self.with_world(|machine, world| machine.fail(error, world));
                self.error = Some(error);
            }
            self.obey(known);
        }
        self.unread = if self.is_deaf { Vec::new() } else { rest.to_vec() };
    }

    fn step<T>(&mut self, act: impl FnOnce(&mut M, &mut World<'_>) -> T) -> T {
        let mut result = None;
        self.with_world(|machine, world| result = Some(act(machine, world)));
        result.unwrap()
    }

    fn element(&mut self, element: &Element<'_>, context: &StreamContext) -> Result<(), StreamError> {
        match element.kind {
            Kind::Message | Kind::Presence | Kind::Iq => self.machine.takes_stanzas()?,
            Kind::DialbackResult | Kind::DialbackVerify => self.machine.takes_dialback()?,
            _ => return self.step(|machine, world| machine.element(element, context, world)),
        }
        self.taken.push(String::from_utf8(element.bytes.to_vec()).unwrap());
        Ok(())
    }

    /// Does what the events since `known` demand of an owner.
    fn obey(&mut self, known: usize) {
        for event in self.events.iter().skip(known) {
            match event {
                StreamEvent::Restart => self.scanner = new_scanner(),
                StreamEvent::StartTls => self.is_deaf = true,
                _ => {}
            }
        }
    }

    /// TLS is negotiated, and what else came in clear is gone.
    pub(crate) fn completes_tls(&mut self, certificate: PeerCertificate) -> &mut Self {
        assert!(self.is_deaf, "no TLS was agreed");
        self.is_deaf = false;
        self.scanner = new_scanner();
        self.with_world(|machine, world| machine.tls(certificate, world));
        self
    }

    /// We close the stream.
    pub(crate) fn is_closed(&mut self) -> &mut Self {
        self.with_world(|machine, world| machine.close(world));
        self
    }

    /// We end the stream with an error of our own.
    pub(crate) fn is_refused(&mut self, error: StreamError) -> &mut Self {
        self.with_world(|machine, world| machine.fail(error, world));
        self
    }

    /// All that we have said since the last time.
    pub(crate) fn hears(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.out)).unwrap()
    }

    /// Whether what has been said and not heard yet contains `text`.
    pub(crate) fn out_contains(&self, text: &str) -> bool {
        String::from_utf8(self.out.clone()).unwrap().contains(text)
    }

    /// The condition of the stream error that we took from the peer, if any.
    pub(crate) fn peer_error(&self) -> Option<Condition> {
        self.events.iter().find_map(|event| match event {
            StreamEvent::PeerError(condition) => Some(*condition),
            _ => None,
        })
    }

    pub(crate) fn next_event(&mut self) -> Option<StreamEvent> {
        self.events.pop_front()
    }

    /// The pair that EXTERNAL has proven, if one of the events so far says so.
    pub(crate) fn proven(&mut self) -> Option<DomainPair> {
        let proven = self.events.iter().find_map(|event| match event {
            StreamEvent::Proven(accepted) => Some(accepted.pair().clone()),
            _ => None,
        });
        self.events.clear();
        proven
    }

    pub(crate) fn is_negotiated(&self) -> bool {
        self.events.iter().any(|event| matches!(event, StreamEvent::Negotiated))
    }

    pub(crate) fn sasl_failures(&self) -> Vec<SaslFailure> {
        let failure = |event: &StreamEvent| match event {
            StreamEvent::SaslFailed(failure) => Some(*failure),
            _ => None,
        };
        self.events.iter().filter_map(failure).collect()
    }

    /// The peer hears a stream error with this condition as the very last thing, after a header.
    #[track_caller]
    pub(crate) fn hears_error(&mut self, condition: &str) {
        let heard = self.hears();
        let error = format!("<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
        let at = heard.find(&error).unwrap_or_else(|| panic!("no {condition} in {heard}"));
        assert!(heard.ends_with("</stream:error></stream:stream>"), "{heard}");
        assert!(!heard[at + 1..].contains("<stream:error>"), "{heard}");
        assert!(self.machine.is_over());
        self.says("<presence from='a@remote.example' to='b@local.example'/></stream:stream>");
        assert_eq!(self.hears(), "", "nothing may follow the end tag");
    }
}
