//! The four cells of dialback between streams. XEP-0220.
//!
//! On the federation side a remote server asks us to believe it ([`Gate::receive_request`], verified over a link of its
//! own to the authoritative server) or whether a key is ours ([`Gate::answer_verification`]). On the internal side the
//! same two questions come from backends: their domain is verified at their own configured address, and the keys they
//! ask about are those with which we vouch for remote domains.

use alloc::string::String;

use super::link::{LinkState, Origin, PendingVerification, Target};
use super::machine::Machine;
use super::sites::Site;
use super::{Gate, conn};
use crate::address::DomainPair;
use crate::dialback::{self, DialbackError, DialbackValid, Frame, FrameBody, FrameKind, Outcome};
use crate::event::{ConnId, Event, Face};
use crate::limits;
use crate::proof::DomainVerified;
use crate::scan::Element;
use crate::stream::TlsTerms;
use crate::time::Timestamp;

impl Gate {
    /// A `db:result` or `db:verify` came.
    pub(super) fn dialback(&mut self, id: ConnId, element: &Element<'_>, now: Timestamp) {
        let Some(conn) = self.conns.get(id) else { return };
        let (welcome, is_receiving) = match &conn.machine {
            Machine::Receiving(machine) => (machine.takes_dialback(), true),
            Machine::Initiating(machine) => (machine.takes_dialback(), false),
            Machine::Connecting => return,
        };
        let frame = welcome.and_then(|()| Frame::parse(element, conn.scanner.context()));
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return self.fail(id, error, now),
        };
        self.announce(id);
        match (is_receiving, frame.kind, &frame.body) {
            (true, FrameKind::Result, FrameBody::Request(key)) => {
                let key = key.clone();
                self.receive_request(id, frame.pair, key, now);
            }
            (true, FrameKind::Verify, FrameBody::Request(_)) => self.answer_verification(id, &frame, now),
            (false, FrameKind::Result, FrameBody::Answer(_)) => self.take_result(id, &frame, now),
            (false, FrameKind::Verify, FrameBody::Answer(_)) => self.take_verification(id, &frame, now),
            // An answer that nobody asked for here (CVE-2012-3525 and its family), or a request on a stream that we
            // opened: XEP-0220 §2.1.1, §2.1.2 have it matched with a request over the same stream, so it is dropped.
            (true, _, FrameBody::Answer(_)) | (false, _, FrameBody::Request(_)) => {
                self.count("unsolicited-dialback");
            }
        }
    }

    // --- Receiving Server ---

    /// A peer asks to be believed: XEP-0220 §2.2.1.
    fn receive_request(&mut self, id: ConnId, pair: DomainPair, key: String, now: Timestamp) {
        if let Err((error, reason)) = self.may_verify(id, &pair) {
            return self.refuse_pair(id, &pair, Outcome::Error(error), reason, now);
        }
        let Some(conn) = self.conns.get_mut(id) else { return };
        let Machine::Receiving(machine) = &conn.machine else { return };
        let stream_id = String::from(machine.id());
        let origin = Origin { conn: id, epoch: conn.epoch, site: site_of(conn), since: now };
        let target = match (conn.face, self.realm.backend(&pair.from)) {
            (Face::FromBackend, Some(backend)) => Target::Backend(backend),
            _ => Target::Verification(pair.reversed()),
        };
        conn.verifying += 1;
        self.verifying += 1;
        origin.site.into_iter().for_each(|site| self.verifying_of.add(site, 1));
        let link = self.link_for(target, now);
        let entry = &mut self.links[link];
        if let LinkState::BackedOff(until) = entry.state
            && until > now
        {
            let error = entry.failure.as_dialback();
            return self.verification_failed(origin, &pair, error, now);
        }
        entry.pending.push_back(PendingVerification { origin, pair, id: stream_id, key });
        self.want(link, now);
    }

    /// Whether a request is worth a verification; if not, the error and the word of the counter.
    fn may_verify(&self, id: ConnId, pair: &DomainPair) -> Result<(), (DialbackError, &'static str)> {
        let Some(conn) = self.conns.get(id) else { return Err((DialbackError::Other, "gone")) };
        if self.is_stopping() {
            return Err((DialbackError::ResourceConstraint, "shutdown"));
        }
        if pair.from == pair.to {
            return Err((DialbackError::NotAcceptable, "sender-is-target"));
        }
        match conn.face {
            Face::FromBackend if !self.realm.is_local(&pair.from) => {
                return Err((DialbackError::Forbidden, "sender-not-local"));
            }
            Face::FromBackend => {}
            _ => self.may_verify_remote(conn, pair)?,
        }
        let is_over_bound = conn.verifying >= limits::VERIFICATIONS_PER_STREAM
            || conn.verifying + conn.proven.len() >= limits::PAIRS_PER_STREAM
            || self.verifying >= limits::VERIFICATIONS_PER_SHARD
            || site_of(conn).is_some_and(|site| self.is_stranger_over_bound(site, pair));
        let has_no_place = self.is_full() && !self.pair_of.contains_key(pair);
        if is_over_bound || has_no_place {
            return Err((DialbackError::ResourceConstraint, "too-many-verifications"));
        }
        Ok(())
    }

    /// Whether those at `site` have to wait: for others, for backends, or for what they asked about this pair before.
    fn is_stranger_over_bound(&self, site: Site, pair: &DomainPair) -> bool {
        let link = self.link_of.get(&Target::Verification(pair.reversed())).and_then(|link| self.links.get(*link));
        self.verifying >= limits::INBOUND_VERIFICATIONS_PER_SHARD
            || self.verifying_of.count(site) >= limits::VERIFICATIONS_PER_ADDRESS
            || link.is_some_and(|link| link.verifications_of(site) >= limits::VERIFICATIONS_PER_LINK_AND_ADDRESS)
    }

    fn may_verify_remote(&self, conn: &conn::Conn, pair: &DomainPair) -> Result<(), (DialbackError, &'static str)> {
        if !self.realm.is_local(&pair.to) {
            return Err((DialbackError::ItemNotFound, "target-not-local"));
        }
        if self.realm.is_local(&pair.from) {
            return Err((DialbackError::Forbidden, "sender-is-ours"));
        }
        if let Some(reason) = self.realm.refusal(pair) {
            return Err((DialbackError::PolicyViolation, reason.as_str()));
        }
        // The stream was admitted before its peer had a name, or for another domain.
        let terms = self.realm.terms(&pair.from);
        if terms.tls == TlsTerms::Required && !conn.machine.is_encrypted() {
            return Err((DialbackError::PolicyViolation, "tls-required"));
        }
        if !terms.dialback {
            return Err((DialbackError::NotAuthorized, "dialback-not-allowed"));
        }
        Ok(())
    }

    /// The authoritative server answered. XEP-0220 §2.1.2.
    fn take_verification(&mut self, id: ConnId, frame: &Frame, now: Timestamp) {
        let Some(link) = self.conns.get(id).and_then(|conn| conn.link) else { return };
        let entry = &mut self.links[link];
        let Some((origin, verdict)) = entry.verifications.handle_answer(frame) else {
            return self.count("unsolicited-dialback");
        };
        entry.used_at = now;
        entry.failures = 0;
        match verdict {
            Ok(witness) => self.verification_succeeded(origin, witness, now),
            // The frame goes from the authoritative server to us: the sender to be believed is its `from`.
            Err(Outcome::Invalid | Outcome::Valid) => self.verification_invalid(origin, &frame.pair, now),
            Err(Outcome::Error(_)) => {
                self.verification_failed(origin, &frame.pair, DialbackError::RemoteServerNotFound, now);
            }
        }
        match self.links.get(link) {
            // There is room for another request; answers are told apart by their addresses and id: XEP-0220 §2.1.2.
            Some(entry) if !entry.pending.is_empty() => self.authorise(link, now),
            _ => self.watch_link(link),
        }
    }

    fn verification_succeeded(&mut self, origin: Origin, witness: DialbackValid, now: Timestamp) {
        if !self.settle(origin) {
            return;
        }
        let pair = witness.pair().clone();
        self.answer_result(origin.conn, &pair, Outcome::Valid);
        self.prove(origin.conn, DomainVerified::from(witness), now);
    }

    /// XEP-0220 §2.2.1: a wrong key for the only pair ends the stream; beside proven pairs it is an error of its own.
    fn verification_invalid(&mut self, origin: Origin, pair: &DomainPair, now: Timestamp) {
        if !self.settle(origin) {
            return;
        }
        let is_alone = self.conns.get(origin.conn).is_some_and(|conn| conn.proven.is_empty() && conn.verifying == 0);
        let outcome = if is_alone { Outcome::Invalid } else { Outcome::Error(DialbackError::Forbidden) };
        self.refuse_pair(origin.conn, pair, outcome, "dialback-invalid", now);
        if is_alone {
            self.close_stream(origin.conn, now);
        }
    }

    /// No verdict could be had.
    pub(super) fn verification_failed(
        &mut self,
        origin: Origin,
        pair: &DomainPair,
        error: DialbackError,
        now: Timestamp,
    ) {
        if self.settle(origin) {
            self.refuse_pair(origin.conn, pair, Outcome::Error(error), "verification-failed", now);
        }
    }

    /// One open verification less; whether its stream still is what it was.
    fn settle(&mut self, origin: Origin) -> bool {
        self.verifying = self.verifying.saturating_sub(1);
        origin.site.into_iter().for_each(|site| self.verifying_of.remove(site, 1));
        let Some(conn) = self.conns.get_mut(origin.conn) else { return false };
        conn.verifying = conn.verifying.saturating_sub(1);
        conn.epoch == origin.epoch
    }

    fn refuse_pair(&mut self, id: ConnId, pair: &DomainPair, outcome: Outcome, reason: &'static str, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.active_at = now;
        let (stream, face) = (conn.stream, conn.face);
        self.event(Event::PairRefused { stream, face, pair: pair.clone(), reason });
        self.answer_result(id, pair, outcome);
    }

    /// `pair` is that of the request: the answer goes the other way.
    fn answer_result(&mut self, id: ConnId, pair: &DomainPair, outcome: Outcome) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let body = FrameBody::Answer(outcome);
        Frame { pair: pair.reversed(), kind: FrameKind::Result, id: None, body }.write(&mut conn.outbox.bytes);
        self.mark_dirty(id);
    }

    /// A peer has proven a pair on its stream: its stanzas are taken from now on.
    pub(super) fn prove(&mut self, id: ConnId, proof: DomainVerified, now: Timestamp) {
        let (pair, method) = (proof.pair().clone(), proof.method());
        let index = self.pair_index(pair.clone(), now);
        let stanza_bytes_max = self.stanza_bytes_max;
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.negotiate_by = None;
        conn.scanner.set_limits(conn::stanza_limits(stanza_bytes_max));
        if conn.proven.insert(proof, index) {
            self.pairs[index.0 as usize].proven_by += 1;
        }
        let (stream, face, address) = (conn.stream, conn.face, conn.address);
        if core::mem::take(&mut conn.is_unproven) {
            self.unproven.remove(Site::of(address.ip()), 1);
        }
        self.event(Event::PairProven { stream, face, pair, method });
    }

    // --- Authoritative Server ---

    /// A server asks whether a key is ours. XEP-0220 §2.2.2.
    fn answer_verification(&mut self, id: ConnId, frame: &Frame, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let (secret, serves) = match conn.face {
            Face::FromBackend => (&self.internal_secret, true),
            _ => (&self.public_secret, self.realm.is_local(&frame.pair.to)),
        };
        let answer = dialback::answer_verification(frame, secret, serves);
        answer.write(&mut conn.outbox.bytes);
        // COMPAT: jabberd2 2.7.0, Prosody 0.12: a stream may carry nothing but verifications for a long time. Who asks
        // about keys that we have given to nobody gets no more time.
        if answer.body == FrameBody::Answer(Outcome::Valid) && conn.negotiate_by.is_some() {
            conn.negotiate_by = Some(now + limits::NEGOTIATION);
        }
        self.mark_dirty(id);
    }

    // --- Initiating Server ---

    /// The receiving server answered our request. XEP-0220 §2.1.1.
    fn take_result(&mut self, id: ConnId, frame: &Frame, now: Timestamp) {
        let Some(link) = self.conns.get(id).and_then(|conn| conn.link) else { return };
        let Some((name, verdict)) = self.links[link].requests.handle_answer(frame) else {
            return self.count("unsolicited-dialback");
        };
        let Some(index) = self.pair_of.get(&name).copied() else { return };
        match verdict {
            Ok(witness) => self.pair_granted(link, id, index, DomainVerified::from(witness), now),
            Err(outcome) => self.pair_denied(link, id, index, outcome, now),
        }
        // There is room for another request.
        if self.links.get(link).is_some_and(|entry| !entry.wanted.is_empty()) {
            self.authorise(link, now);
        }
    }
}

/// Whose place a verification for this stream takes; backends have places of their own.
fn site_of(conn: &conn::Conn) -> Option<Site> {
    (conn.face == Face::Inbound).then(|| Site::of(conn.address.ip()))
}
