//! What a receiving entity knows of its stream in every state, and what it writes by that.

use alloc::string::String;

use crate::address::Domain;
use crate::limits::{REFUSALS_PER_STREAM, SASL_FAILURES, STANZA_BYTES};
use crate::stream::close::Frame;
use crate::stream::features::Offer;
use crate::stream::header::{OurHeader, PeerHeader, stream_id};
use crate::stream::{Condition, PeerCertificate, SaslFailure, Side, StreamError, StreamEvent, Terms, TlsTerms, World};

use super::{Open, State, TLS_REQUIRED};

/// What all states need.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) side: Side,
    pub(super) tls: Option<PeerCertificate>,
    pub(super) stanza_bytes: u32,
    pub(super) frame: Frame,
    pub(super) id: String,
    pub(super) from: Option<Domain>,
    pub(super) to: Option<Domain>,
    /// Whether our header may be from `to`.
    pub(super) is_served: bool,
    /// Whether the peer's header had a version.
    pub(super) is_versioned: bool,
    pub(super) terms: Option<Terms>,
    pub(super) sasl_failures: u8,
    pub(super) refusals: u8,
}

impl Link {
    pub(super) fn new(side: Side, tls: Option<PeerCertificate>) -> Self {
        Self {
            side,
            tls,
            stanza_bytes: STANZA_BYTES,
            frame: Frame::Unopened,
            id: String::new(),
            from: None,
            to: None,
            is_served: false,
            is_versioned: true,
            terms: None,
            sasl_failures: 0,
            refusals: 0,
        }
    }

    /// COMPAT: MongooseIM has no `from` before TLS, jabberd2 in clear neither `from` nor `to`; policy decides.
    pub(super) fn take_addresses(&mut self, peer: &PeerHeader) -> Result<(), StreamError> {
        let (from, to) = (peer.checked_from(), peer.checked_to());
        self.from = from.clone().unwrap_or_default();
        self.to = to.clone().unwrap_or_default();
        to.and(from).map(|_| ())
    }

    /// Whether the peer has any way to prove itself on these terms.
    ///
    /// COMPAT: a header without version is that of a peer from before RFC 3920, which knows dialback only.
    pub(super) fn check_means(&self, terms: Terms) -> Result<(), StreamError> {
        let refuse = |text| Err(StreamError::peer(Condition::PolicyViolation, text));
        let may_start_tls = self.is_versioned && self.tls.is_none() && terms.tls != TlsTerms::None;
        if may_start_tls {
            return Ok(());
        }
        if self.tls.is_none() && terms.tls == TlsTerms::Required {
            return Err(TLS_REQUIRED);
        }
        match (&self.tls, &self.from) {
            _ if terms.dialback => Ok(()),
            _ if !self.is_versioned || !terms.external => refuse("no authentication is possible for this domain"),
            (None, _) => refuse("authentication takes TLS, which is not offered"),
            (Some(_), None) => refuse("'from' is missing, so no certificate can prove it"),
            (Some(certificate), Some(from)) => certificate.proves(from).or_else(|why| refuse(why.as_text())),
        }
    }

    pub(super) fn offer(&self, terms: Terms, is_proven: bool) -> Offer {
        let starttls = match terms.tls {
            TlsTerms::Required => Some(true),
            TlsTerms::Optional => Some(false),
            TlsTerms::None => None,
        };
        if self.tls.is_none() && starttls == Some(true) {
            return Offer { starttls, ..Offer::default() };
        }
        Offer {
            starttls: starttls.filter(|_| self.tls.is_none()),
            external: !is_proven && terms.external && self.proves_from(),
            dialback: terms.dialback,
            max_bytes: Some(self.stanza_bytes),
        }
    }

    /// XEP-0178 §3: EXTERNAL is offered only where it can succeed.
    pub(super) fn proves_from(&self) -> bool {
        match (&self.tls, &self.from) {
            (Some(certificate), Some(from)) => certificate.proves(from).is_ok(),
            _ => false,
        }
    }

    /// RFC 6120 §4.7.1, §4.9.1.3: from the domain that was asked for if it is ours, else from any of ours.
    ///
    /// A peer without version gets none. RFC 6120 §4.7.5.
    pub(super) fn write_header(&mut self, world: &mut World<'_>) {
        self.id = stream_id((world.entropy)());
        let served = self.to.as_ref().filter(|_| self.is_served);
        let from = served.or_else(|| world.rules.default_local(self.side));
        let header = OurHeader {
            from: from.map(Domain::as_str),
            to: self.from.as_ref().map(Domain::as_str),
            id: Some(&self.id),
            version: self.is_versioned,
        };
        header.write(world.out);
        self.frame = Frame::Open;
    }

    /// Answers a SASL attempt that failed; the stream goes on, but not for ever. RFC 6120 §6.4.5.
    pub(super) fn sasl_failed(&mut self, failure: SaslFailure, world: &mut World<'_>) -> Result<State, StreamError> {
        failure.write(world.out);
        world.events.push_back(StreamEvent::SaslFailed(failure));
        self.sasl_failures += 1;
        if self.sasl_failures >= SASL_FAILURES {
            return Err(StreamError::peer(Condition::PolicyViolation, "authentication failed too often"));
        }
        Ok(State::Open(Open { proven: None }))
    }

    /// Answers a request for something that was not offered.
    pub(super) fn refuse(&mut self, answer: &[&str], world: &mut World<'_>) -> Result<(), StreamError> {
        self.refusals += 1;
        if self.refusals > REFUSALS_PER_STREAM {
            return Err(StreamError::peer(Condition::PolicyViolation, "too many requests for features not offered"));
        }
        answer.iter().for_each(|part| world.out.extend_from_slice(part.as_bytes()));
        Ok(())
    }
}
