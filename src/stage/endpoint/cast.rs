//! Who plays, and how a connection goes.

use std::collections::{HashSet, VecDeque};

use ringgate_proto::address::Domain;
use ringgate_proto::dialback::Secret;
use ringgate_proto::scan::Cpu;
use ringgate_proto::stream::{Condition, Rules, Side, StreamError, StreamEvent, Terms, TlsTerms, World};

use crate::tls::Store;
use crate::{cpu, entropy};

/// What all connections of one side share: its domains, their certificates, the secret of their dialback keys.
pub struct Cast {
    domains: HashSet<Domain>,
    first: Option<Domain>,
    pub(super) store: Option<Store>,
    pub(super) secret: Secret,
    pub(super) cpu: Cpu,
}

impl Cast {
    /// These domains, with a certificate for each in `store`; without one they speak in clear.
    pub fn new(domains: &[Domain], store: Option<Store>) -> Self {
        let mut secret = [0; 32];
        entropy::fill(&mut secret);
        Self {
            domains: domains.iter().cloned().collect(),
            first: domains.first().cloned(),
            store,
            secret: Secret::new(&secret),
            cpu: cpu::detect(),
        }
    }

    /// Whether `domain` is one of ours.
    pub fn plays(&self, domain: &Domain) -> bool {
        self.domains.contains(domain)
    }

    /// Lets a stream machine work with what it may know.
    pub(super) fn world<R>(
        &self,
        terms: Terms,
        out: &mut Vec<u8>,
        events: &mut VecDeque<StreamEvent>,
        work: impl FnOnce(&mut World<'_>) -> R,
    ) -> R {
        let mut draw = || {
            let mut id = [0; 16];
            entropy::fill(&mut id);
            id
        };
        work(&mut World { out, events, rules: &House { cast: self, terms }, entropy: &mut draw })
    }
}

/// The rules of one stream: any peer may come, to any of our domains.
struct House<'a> {
    cast: &'a Cast,
    terms: Terms,
}

impl Rules for House<'_> {
    fn admit(&self, _: Side, _: Option<&Domain>, to: Option<&Domain>) -> Result<Terms, StreamError> {
        match to {
            Some(to) if !self.cast.plays(to) => Err(StreamError::peer(Condition::HostUnknown, "no such host here")),
            _ => Ok(self.terms),
        }
    }

    fn default_local(&self, _: Side) -> Option<&Domain> {
        self.cast.first.as_ref()
    }
}

/// A connection that we open.
#[derive(Clone, Debug)]
pub struct Call {
    /// One of our domains.
    pub from: Domain,
    /// The peer's; for a component the server's, which is only named in errors.
    pub to: Domain,
    /// How it is encrypted.
    pub tls: Tls,
    /// How we prove to be `from`.
    pub proof: Proof,
}

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all; we neither ask for it nor offer it.
    None,
    /// STARTTLS, required. Who connects to us may as well begin with TLS.
    StartTls,
    /// From the first byte, ALPN `xmpp-server`. XEP-0368.
    Direct,
}

/// How we prove who we are, and nothing else is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// SASL EXTERNAL. The peer's certificate must prove the domain, too.
    External,
    /// Dialback: the peer asks a server of ours about the key. XEP-0220.
    Dialback,
    /// As an external component of a server, in clear. XEP-0114.
    Component {
        /// What the server knows of us.
        secret: String,
    },
}

/// A connection that a peer opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reception {
    /// How it is encrypted; nothing is offered without a certificate ([`Cast::new`]).
    pub tls: Tls,
    /// Whether SASL EXTERNAL is offered to a peer whose certificate proves its domain. Dialback is always.
    pub offers_external: bool,
}

/// What is demanded of a stream on which `tls` is possible.
pub(super) fn tls_terms(tls: Tls) -> TlsTerms {
    match tls {
        Tls::None => TlsTerms::None,
        Tls::StartTls | Tls::Direct => TlsTerms::Required,
    }
}
