//! Outbound streams: search, connect, negotiate, authorise pairs, retry.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::link::{Asked, Attempt, Failure, Link, LinkState, Making, Target};
use super::machine::Machine;
use super::{Gate, Output, Purpose, TlsClient, conn};
use crate::address::Domain;
use crate::dialback::{DialbackError, Outcome};
use crate::discover::{Action, Answer, Discovery, Question, Transport};
use crate::event::{ConnId, Event, Face};
use crate::limits;
use crate::proof::DomainVerified;
use crate::route::bounce::StanzaError;
use crate::route::pair::{PairIndex, PairState, Way};
use crate::stream::{Condition, Initiating, Intent, PeerCertificate, Side, StreamError, Terms, TlsTerms};
use crate::time::Timestamp;

impl Gate {
    /// The link of a target; made if there is none.
    pub(super) fn link_for(&mut self, target: Target, now: Timestamp) -> usize {
        if let Some(link) = self.link_of.get(&target) {
            return *link;
        }
        let link = self.links.insert(Link::new(target.clone(), now));
        self.link_of.insert(target, link);
        link
    }

    /// The link on which a pair's stanzas go out.
    pub(super) fn link_for_pair(&mut self, index: PairIndex, now: Timestamp) -> usize {
        let pair = &self.pairs[index.0 as usize];
        if let Some(link) = pair.link {
            return link;
        }
        let target = match pair.way {
            Way::Remote => Target::Federation(pair.name.clone()),
            Way::Backend(backend) => Target::Backend(backend),
        };
        let link = self.link_for(target, now);
        self.links[link].pairs.insert(index);
        self.pairs[index.0 as usize].link = Some(link);
        link
    }

    /// Some of its pairs were forgotten just now.
    pub(super) fn unlink_forgotten(&mut self, link: usize) {
        if let Some(entry) = self.links.get_mut(link) {
            entry.pairs.retain(|index| self.pairs.contains(index.0 as usize));
            self.forget_link_if_unused(link);
        }
    }

    /// Something waits for this link: begin to make it, or ask for what is new on it.
    pub(super) fn want(&mut self, link: usize, now: Timestamp) {
        match self.links[link].state {
            LinkState::Idle => self.begin(link, now),
            LinkState::BackedOff(until) if until <= now => self.begin(link, now),
            LinkState::BackedOff(_) | LinkState::Making(_) => self.watch_link(link),
            LinkState::Ready(_) => self.authorise(link, now),
        }
    }

    fn begin(&mut self, link: usize, now: Timestamp) {
        let search = match &self.links[link].target {
            Target::Federation(pair) | Target::Verification(pair) => {
                let seed = self.ids.next_u64();
                Discovery::new(&pair.to, seed, self.direct_tls)
            }
            Target::Backend(backend) => Discovery::fixed(self.realm.backends[*backend].address),
        };
        let making = Making { search, attempts: Vec::new(), connected: None, wait_until: None, last_failure: None };
        self.links[link].state = LinkState::Making(Box::new(making));
        self.step(link, now);
    }

    /// Does what the search wants, until it waits.
    pub(super) fn step(&mut self, link: usize, now: Timestamp) {
        loop {
            let LinkState::Making(making) = &mut self.links[link].state else { return };
            if making.connected.is_some() {
                return self.watch_link(link);
            }
            match making.search.next(&self.realm.egress, now) {
                Action::Ask(question) => self.ask(link, question),
                Action::Connect { address, transport } => self.connect(link, address, transport, now),
                Action::Wait(until) => {
                    making.wait_until = until;
                    return self.watch_link(link);
                }
                Action::Exhausted(_) if !making.attempts.is_empty() => {
                    making.wait_until = None;
                    return self.watch_link(link);
                }
                Action::Exhausted(unreachable) => {
                    let failure = making.last_failure.unwrap_or(unreachable.into());
                    return self.link_failed(link, failure, now);
                }
            }
        }
    }

    fn ask(&mut self, link: usize, question: Question) {
        let purpose = match self.links[link].target {
            Target::Verification(_) => Purpose::Verification,
            Target::Federation(_) | Target::Backend(_) => Purpose::Delivery,
        };
        let is_new = !self.asked.contains_key(&question);
        let asked = self.asked.entry(question.clone()).or_insert(Asked { purpose, links: Vec::new() });
        if !asked.links.contains(&link) {
            asked.links.push(link);
        }
        // A delivery does not stand in the line in which a stranger has put the same question before.
        let is_urgent = purpose == Purpose::Delivery && asked.purpose == Purpose::Verification;
        if is_urgent {
            asked.purpose = Purpose::Delivery;
        }
        if is_new || is_urgent {
            self.outputs.push_back(Output::Ask(question, purpose));
        }
    }

    /// The DNS answered.
    pub(super) fn answered(&mut self, question: &Question, answer: &Answer, now: Timestamp) {
        let asked = self.asked.remove(question);
        for link in asked.into_iter().flat_map(|asked| asked.links) {
            let Some(entry) = self.links.get_mut(link) else { continue };
            if let LinkState::Making(making) = &mut entry.state {
                making.search.handle_answer(question, answer);
                self.step(link, now);
            }
        }
    }

    fn connect(&mut self, link: usize, address: core::net::SocketAddr, transport: Transport, now: Timestamp) {
        let face = match self.links[link].target {
            Target::Backend(_) => Face::ToBackend,
            Target::Federation(_) | Target::Verification(_) => Face::Outbound,
        };
        let Some(id) = self.conns.reserve(face) else {
            if let LinkState::Making(making) = &mut self.links[link].state {
                making.search.attempt_failed(address, now);
                making.last_failure = Some(Failure::timeout("too-many-connections"));
            }
            return;
        };
        self.add_conn(id, face, address, Machine::Connecting, Some(link), now);
        let direct_tls = match transport {
            Transport::StartTls => None,
            Transport::DirectTls => self.tls_names(id).map(|names| TlsClient { alpn: true, ..names }),
        };
        if let LinkState::Making(making) = &mut self.links[link].state {
            making.attempts.push(Attempt { conn: id, address, give_up_at: now + limits::CONNECT_TIMEOUT });
        }
        self.outputs.push_back(Output::Connect { conn: id, address, direct_tls });
    }

    /// The names for a TLS handshake that we begin on this connection; `None` where the peer begins it.
    pub(super) fn tls_names(&self, id: ConnId) -> Option<TlsClient> {
        let link = self.links.get(self.conns.get(id)?.link?)?;
        let (local, server_name) = match (&link.target, link.domains()) {
            (Target::Backend(backend), _) => {
                let (remote, local) = self.backend_names(link, *backend)?;
                (remote, local)
            }
            (_, Some((local, remote))) => (local.clone(), remote.clone()),
            (_, None) => return None,
        };
        Some(TlsClient { server_name, local, alpn: false })
    }

    /// The domains in a stream header towards a backend: those of the first pair that goes on it.
    fn backend_names(&self, link: &Link, backend: usize) -> Option<(Domain, Domain)> {
        if let Some(index) = link.wanted.front().or(link.pairs.first()) {
            let pair = &self.pairs[index.0 as usize].name;
            return Some((pair.from.clone(), pair.to.clone()));
        }
        // Only verifications: in the name of the first target, towards the sender that is to be verified.
        let pending = link.pending.front()?;
        debug_assert_eq!(self.realm.backend(&pending.pair.from), Some(backend));
        Some((pending.pair.to.clone(), pending.pair.from.clone()))
    }

    /// An attempt succeeded; the others are given up.
    pub(super) fn connected(&mut self, id: ConnId, tls: Option<PeerCertificate>, now: Timestamp) {
        let Some(link) = self.conns.get(id).and_then(|conn| conn.link) else { return };
        let LinkState::Making(making) = &mut self.links[link].state else { return };
        let Some(at) = making.attempts.iter().position(|attempt| attempt.conn == id) else { return };
        let won = making.attempts.swap_remove(at);
        making.search.attempt_connected(won.address);
        making.connected = Some(won);
        // What the search would have begun then is not begun: a time that has passed would be looked at for ever.
        making.wait_until = None;
        let lost = core::mem::take(&mut making.attempts);
        for attempt in lost {
            self.drop_silently(attempt.conn);
        }
        let Some(intent) = self.intent(link) else {
            return self.fail(id, StreamError::us(Condition::InternalServerError, "nothing waits for the stream"), now);
        };
        if let Some(conn) = self.conns.get_mut(id) {
            conn.machine = Machine::Initiating(Initiating::new(intent, tls));
            conn.negotiate_by = Some(now + limits::NEGOTIATION);
        }
        self.drive(id, now, |machine, _, world| {
            if let Machine::Initiating(machine) = machine {
                machine.start(world);
            }
            Ok(())
        });
    }

    fn intent(&self, link: usize) -> Option<Intent> {
        let link = &self.links[link];
        match &link.target {
            Target::Federation(pair) => {
                let (from, to) = (pair.from.clone(), pair.to.clone());
                let terms = self.realm.terms(&to);
                let external = terms.external && !(terms.dialback && link.external_failed);
                let terms = Terms { external, ..terms };
                Some(Intent { side: Side::Federation, from, to, terms, dialback_only: false })
            }
            Target::Verification(pair) => {
                let (from, to) = (pair.from.clone(), pair.to.clone());
                let terms = Terms { dialback: true, ..self.realm.terms(&to) };
                Some(Intent { side: Side::Federation, from, to, terms, dialback_only: true })
            }
            Target::Backend(backend) => {
                let (from, to) = self.backend_names(link, *backend)?;
                let tls = match self.realm.backends[*backend].starttls {
                    true => TlsTerms::Required,
                    false => TlsTerms::None,
                };
                let terms = Terms { tls, external: false, dialback: true, dialback_first: true };
                Some(Intent { side: Side::Internal, from, to, terms, dialback_only: true })
            }
        }
    }

    /// The stream may carry dialback: pairs are asked for, verifications are sent.
    pub(super) fn link_negotiated(&mut self, id: ConnId, now: Timestamp) {
        let Some(link) = self.make_ready(id, now) else { return };
        self.authorise(link, now);
    }

    /// SASL EXTERNAL succeeded: the link's pair may go out.
    pub(super) fn link_proven(&mut self, id: ConnId, proof: DomainVerified, now: Timestamp) {
        let Some(link) = self.make_ready(id, now) else { return };
        let known = self.pair_of.get(proof.pair()).copied();
        let index = known.filter(|index| self.links[link].pairs.contains(index));
        if let Some(index) = index {
            self.pair_granted(link, id, index, proof, now);
        }
    }

    fn make_ready(&mut self, id: ConnId, now: Timestamp) -> Option<usize> {
        self.announce(id);
        let stanza_bytes_max = self.stanza_bytes_max;
        let conn = self.conns.get_mut(id)?;
        let link = conn.link?;
        conn.negotiate_by = None;
        conn.scanner.set_limits(conn::stanza_limits(stanza_bytes_max));
        if let Machine::Initiating(machine) = &conn.machine {
            conn.stanza_limit = machine.peer_stanza_limit();
        }
        let entry = &mut self.links[link];
        entry.state = LinkState::Ready(id);
        entry.used_at = now;
        Some(link)
    }

    /// Sends what dialback needs on a ready link: a request for each pair that wants to go out, and verifications.
    pub(super) fn authorise(&mut self, link: usize, now: Timestamp) {
        let entry = &mut self.links[link];
        let LinkState::Ready(id) = entry.state else { return };
        let Some(conn) = self.conns.get_mut(id) else { return };
        let Machine::Initiating(machine) = &conn.machine else { return };
        if machine.takes_dialback().is_err() {
            return self.watch_link(link);
        }
        let secret = match entry.target {
            Target::Backend(_) => &self.internal_secret,
            Target::Federation(_) | Target::Verification(_) => &self.public_secret,
        };
        let stream_id = machine.id().unwrap_or_default();
        // Those that find no room are asked for when others have been answered.
        while let Some(index) = entry.wanted.front().filter(|_| !entry.requests.is_full()) {
            let pair = self.pairs.get_mut(index.0 as usize);
            if let Some(pair) = pair.filter(|pair| pair.is_wanted_on(link)) {
                entry.requests.request(&pair.name, secret, stream_id, &mut conn.outbox.bytes);
                pair.state = PairState::Asked(now);
                entry.asked.push_back((now, *index));
            }
            entry.wanted.pop_front();
        }
        let mut refused = Vec::new();
        while let Some(pending) = entry.pending.pop_front_if(|_| !entry.verifications.is_full()) {
            let out = &mut conn.outbox.bytes;
            let back = entry.verifications.ask(&pending.pair, &pending.id, &pending.key, pending.origin, out);
            refused.extend(back.map(|origin| (origin, pending.pair)));
            entry.used_at = now;
        }
        self.mark_dirty(id);
        for (origin, pair) in refused {
            self.verification_failed(origin, &pair, DialbackError::ResourceConstraint, now);
        }
        self.watch_link(link);
    }

    /// The peer takes a pair's stanzas.
    pub(super) fn pair_granted(
        &mut self,
        link: usize,
        id: ConnId,
        index: PairIndex,
        proof: DomainVerified,
        now: Timestamp,
    ) {
        let entry = &mut self.links[link];
        entry.failures = 0;
        let Some(conn) = self.conns.get(id) else { return };
        let (stream, face) = (conn.stream, conn.face);
        let (pair, method) = (proof.pair().clone(), proof.method());
        self.event(Event::PairProven { stream, face, pair, method });
        self.open_pair(index, proof, id, now);
    }

    /// The peer does not take a pair's stanzas. XEP-0220 §2.1.1.
    pub(super) fn pair_denied(&mut self, link: usize, id: ConnId, index: PairIndex, outcome: Outcome, now: Timestamp) {
        let (error, reason) = match outcome {
            Outcome::Valid | Outcome::Invalid => (StanzaError::InternalServerError, "dialback-invalid"),
            Outcome::Error(_) => (StanzaError::RemoteServerTimeout, "dialback-error"),
        };
        if let Some(conn) = self.conns.get(id) {
            let (stream, face, pair) = (conn.stream, conn.face, self.pairs[index.0 as usize].name.clone());
            self.event(Event::PairRefused { stream, face, pair, reason });
        }
        if matches!(self.links[link].target, Target::Federation(_)) {
            // The stream was for this pair alone.
            self.link_failed(link, Failure { error, reason }, now);
            return self.close_stream(id, now);
        }
        self.pairs[index.0 as usize].state = PairState::Idle;
        self.bounce_waiting(index, error, reason, now);
    }

    /// An attempt or a negotiation ended without success: on to the next address.
    pub(super) fn attempt_ended(&mut self, link: usize, id: ConnId, failure: Failure, now: Timestamp) {
        let Some(entry) = self.links.get_mut(link) else { return };
        let LinkState::Making(making) = &mut entry.state else { return };
        let ended = match making.attempts.iter().position(|attempt| attempt.conn == id) {
            Some(at) => Some(making.attempts.swap_remove(at)),
            None if making.connected.is_some_and(|attempt| attempt.conn == id) => making.connected.take(),
            None => None,
        };
        let Some(attempt) = ended else { return };
        making.last_failure = Some(failure);
        making.search.attempt_failed(attempt.address, now);
        let is_last = making.attempts.is_empty() && making.connected.is_none();
        if is_last && matches!(entry.target, Target::Verification(_)) && entry.is_unused() {
            // Nobody waits for it any more: a stranger's list of addresses is not worked through for its own sake.
            return self.link_failed(link, failure, now);
        }
        self.step(link, now);
    }

    /// The link's ready stream ended. What it had not taken is in the waiting rooms again; a new stream is made for it,
    /// unless `failure` says why that is no use.
    pub(super) fn link_down(&mut self, link: usize, failure: Option<Failure>, now: Timestamp) {
        let Some(entry) = self.links.get_mut(link) else { return };
        let young = now.since(entry.used_at) < limits::BACKOFF_FIRST && entry.failures > 0;
        entry.requests = Default::default();
        entry.state = LinkState::Idle;
        let lost = entry.verifications.drain();
        let mut is_wanted = !entry.pending.is_empty();
        let mut waiting = Vec::new();
        for index in &entry.pairs {
            let pair = &mut self.pairs[index.0 as usize];
            let oldest = pair.waiting.oldest();
            pair.state = if oldest.is_some() { PairState::Wanted } else { PairState::Idle };
            waiting.extend(oldest.map(|oldest| (oldest, *index)));
        }
        waiting.sort_unstable();
        is_wanted |= !waiting.is_empty();
        entry.wanted = waiting.into_iter().map(|(_, index)| index).collect();
        entry.asked.clear();
        for (origin, pair) in lost {
            self.verification_failed(origin, &pair, DialbackError::RemoteServerTimeout, now);
        }
        match failure {
            Some(failure) if is_wanted => self.link_failed(link, failure, now),
            None if is_wanted && young => self.link_failed(link, Failure::timeout("stream-broken"), now),
            None if is_wanted => {
                self.links[link].failures += 1;
                self.want(link, now);
            }
            _ => self.forget_link_if_unused(link),
        }
    }

    /// Nothing is left to try: what waits is answered, and the failure is remembered for a while.
    pub(super) fn link_failed(&mut self, link: usize, failure: Failure, now: Timestamp) {
        let jitter = self.ids.next_u8();
        let entry = &mut self.links[link];
        entry.failures += 1;
        entry.failure = failure;
        entry.external_failed = false;
        entry.state = LinkState::BackedOff(now + entry.backoff(jitter));
        entry.requests = Default::default();
        entry.wanted.clear();
        entry.asked.clear();
        let pairs = entry.pairs.clone();
        let pending = core::mem::take(&mut entry.pending);
        let lost = entry.verifications.drain();
        let error = failure.as_dialback();
        let lost = lost.into_iter().chain(pending.into_iter().map(|pending| (pending.origin, pending.pair)));
        for (origin, pair) in lost.collect::<Vec<_>>() {
            self.verification_failed(origin, &pair, error, now);
        }
        for index in pairs {
            let pair = &mut self.pairs[index.0 as usize];
            pair.state = PairState::Idle;
            if !pair.waiting.is_empty() {
                let pair = pair.name.clone();
                self.event(Event::Unreachable { pair, reason: failure.reason });
                self.bounce_waiting(index, failure.error, failure.reason, now);
            }
        }
        self.watch_link(link);
    }

    /// A link that nothing refers to is forgotten (after its back-off, so that the failure is remembered).
    pub(super) fn forget_link_if_unused(&mut self, link: usize) {
        let Some(entry) = self.links.get(link) else { return };
        let is_idle = matches!(entry.state, LinkState::Idle);
        if is_idle && entry.is_unused() && !matches!(entry.target, Target::Backend(_)) {
            let entry = self.links.remove(link);
            self.link_of.remove(&entry.target);
        }
    }
}
