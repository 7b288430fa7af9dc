//! The data path: a stanza's addresses, its proven pair, its way out.

use bumpalo::Bump;

use super::conn::Conn;
use super::machine::Machine;
use super::proven::Standing;
use super::{Gate, Posted};
use crate::address::{AddressError, Domain, DomainPair, Jid};
use crate::event::{ConnId, Face};
use crate::limits;
use crate::route::bounce::{self, StanzaError};
use crate::route::pair::{PairIndex, PairState, Way};
use crate::route::waiting::Parked;
use crate::scan::{self, Attr, Element, Kind};
use crate::stream::{Condition, StreamError};
use crate::time::Timestamp;

/// What is to be done with a stanza after its stream and its addresses were looked at.
enum Judgement {
    /// Goes its way.
    Forward(PairIndex),
    /// From a backend's proven domain to a target that this stream did not name: see [`Gate::widen`].
    Widen(DomainPair),
    /// Answered with an error; its pair is proven.
    Answer(PairIndex, StanzaError, &'static str),
    /// Dropped and counted under this word.
    Drop(&'static str),
    /// Ends the stream.
    Fail(StreamError),
}

impl Gate {
    /// Takes one stanza from a stream.
    pub(super) fn stanza(&mut self, id: ConnId, element: &Element<'_>, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        match judge(conn, element, &self.arena) {
            Judgement::Forward(pair) => self.forward(id, pair, element, now),
            Judgement::Widen(pair) => self.widen(id, pair, element, now),
            Judgement::Answer(pair, error, text) => self.answer(pair, element, error, text, now),
            Judgement::Drop(reason) => self.count(reason),
            Judgement::Fail(error) => self.fail(id, error, now),
        }
    }

    /// COMPAT: Prosody 0.12: sends the answers to a multiplexed domain on its stream to the connection's *first* domain.
    /// On the internal side a stanza therefore goes by its `to`; only its `from` must be proven on the stream.
    fn widen(&mut self, id: ConnId, name: DomainPair, element: &Element<'_>, now: Timestamp) {
        let Some(conn) = self.conns.get(id) else { return };
        let Some(proof) = conn.proven.sender(name.from.as_str()).map(|proof| proof.towards(&name.to)) else { return };
        if self.is_elsewhere(&name) {
            return self.post(&name, id, element, now);
        }
        let pair = self.pair_index(name, now);
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.proven.len() < limits::PAIRS_PER_STREAM && conn.proven.insert(proof, pair) {
            self.pairs[pair.0 as usize].proven_by += 1;
        }
        self.forward(id, pair, element, now);
    }

    /// Appends a proven stanza to its pair's stream, or lets it wait for one.
    fn forward(&mut self, source: ConnId, index: PairIndex, element: &Element<'_>, now: Timestamp) {
        let pair = &mut self.pairs[index.0 as usize];
        if pair.is_elsewhere {
            let name = pair.name.clone();
            return self.post(&name, source, element, now);
        }
        pair.accept(false, now);
        if let Some(reason) = pair.refused {
            return self.refuse(index, element, StanzaError::NotAllowed, reason.as_str(), now);
        }
        let PairState::Open(proof, target) = &pair.state else {
            return self.park_element(source, index, element, now);
        };
        debug_assert_eq!(proof.pair(), &pair.name, "a proof is for its own pair");
        let target = *target;
        let Some((from, to)) = self.conns.get_two(source, target) else {
            return self.park_element(source, index, element, now);
        };
        if to.outbox.bytes.capacity() == 0 {
            to.outbox.bytes = self.spare.pop().unwrap_or_default();
        }
        let start = to.outbox.bytes.len();
        // Every stream that feeds it may add one stanza before it is stopped; there may be thousands.
        if start > limits::OUTBOX_MOST_BYTES {
            self.block(source, target);
            return self.refuse(index, element, StanzaError::ResourceConstraint, "outbox-full", now);
        }
        scan::forward(element, from.scanner.context(), &self.ours, &mut to.outbox.bytes);
        // What counts is what the peer would have to take, the splice included.
        if to.stanza_limit.is_some_and(|limit| to.outbox.bytes.len() - start > limit as usize) {
            to.outbox.bytes.truncate(start);
            return self.refuse(index, element, StanzaError::PolicyViolation, TOO_LARGE, now);
        }
        to.outbox.mark(index, start, now, false);
        to.active_at = now;
        let is_full = to.outbox.bytes.len() > limits::OUTBOX_HIGH_BYTES;
        self.mark_dirty(target);
        if is_full {
            self.block(source, target);
        }
    }

    /// The pair is proven, but its stream is not there yet.
    fn park_element(&mut self, source: ConnId, index: PairIndex, element: &Element<'_>, now: Timestamp) {
        let bytes = self.serialise(source, element);
        self.park(index, Parked::new(&bytes, now, false), now);
    }

    /// Takes a stanza on and answers it with an error at once.
    fn answer(
        &mut self,
        index: PairIndex,
        element: &Element<'_>,
        error: StanzaError,
        text: &'static str,
        now: Timestamp,
    ) {
        self.pairs[index.0 as usize].accept(false, now);
        self.refuse(index, element, error, text, now);
    }

    fn refuse(
        &mut self,
        index: PairIndex,
        element: &Element<'_>,
        error: StanzaError,
        text: &'static str,
        now: Timestamp,
    ) {
        let mut answer = alloc::vec::Vec::new();
        bounce::write_error(element, error, text, &mut answer);
        self.give_back(index, &answer, error, now);
    }

    /// The stanza as it will stand on any of our streams.
    fn serialise(&self, source: ConnId, element: &Element<'_>) -> alloc::vec::Vec<u8> {
        let mut bytes = alloc::vec::Vec::with_capacity(element.bytes.len() + SPLICE_BYTES);
        if let Some(conn) = self.conns.get(source) {
            scan::forward(element, conn.scanner.context(), &self.ours, &mut bytes);
        }
        bytes
    }

    /// Adds a stanza to this tick's envelope for the shard that owns its remote domain.
    fn post(&mut self, name: &DomainPair, source: ConnId, element: &Element<'_>, now: Timestamp) {
        let owner = self.realm.owner(&name.to);
        let Some(conn) = self.conns.get(source) else { return };
        let envelope = &mut self.envelopes[usize::from(owner.0)];
        let start = envelope.bytes.len();
        scan::forward(element, conn.scanner.context(), &self.ours, &mut envelope.bytes);
        let length = (envelope.bytes.len() - start) as u32;
        envelope.stanzas.push(Posted { pair: name.clone(), length, received_at: now, generated: false });
    }

    /// Whether a pair's stanzas are written by another shard.
    pub(super) fn is_elsewhere(&self, name: &DomainPair) -> bool {
        self.realm.way(name) == Way::Remote && self.realm.owner(&name.to) != self.shard
    }
}

/// Told to the sender of a stanza that the target's server would end the stream for. XEP-0478 §3.
pub(super) const TOO_LARGE: &str = "the stanza is larger than the remote server takes";
/// Room for a typical splice.
const SPLICE_BYTES: usize = 64;

/// Looks at a stanza without touching anything but the stream's memory of the pair used last.
fn judge(conn: &mut Conn, element: &Element<'_>, arena: &Bump) -> Judgement {
    let Machine::Receiving(machine) = &conn.machine else {
        // RFC 6120 §4.5: a server's stream is one-way unless both agreed otherwise (XEP-0288); we never do.
        return fail(Condition::NotAuthorized, "stanzas are not taken on a stream that we opened");
    };
    if let Err(error) = machine.takes_stanzas() {
        return Judgement::Fail(error);
    }
    // RFC 6120 §8.1.1.2, §8.1.2.2.
    let (Some(from), Some(to)) = (element.from, element.to) else {
        return fail(Condition::ImproperAddressing, "a stanza between servers has from and to");
    };
    let (from, to) = (from.decoded(arena), to.decoded(arena));
    let (sender, target) = (Jid::split(from), Jid::split(to));
    let standing = conn.proven.standing(domainpart(from, &sender), domainpart(to, &target));
    match standing {
        Standing::Proven(pair) => match (sender, target) {
            (Ok(_), Ok(_)) if lacks_id(element) => {
                Judgement::Answer(pair, StanzaError::BadRequest, "an iq request has an id")
            }
            (Ok(_), Ok(_)) => Judgement::Forward(pair),
            // ADR-08: the backend would refuse it as well; the stream goes on.
            (Ok(_), Err(_)) => Judgement::Answer(pair, StanzaError::JidMalformed, "the target is no address"),
            (Err(_), _) => fail(Condition::ImproperAddressing, "a stanza's from is no address"),
        },
        Standing::OtherTarget if conn.face == Face::FromBackend => widened(from, to, &sender, &target),
        Standing::OtherTarget | Standing::Unproven if malformed(&sender) || malformed(&target) => {
            fail(Condition::ImproperAddressing, "a stanza's address is none")
        }
        Standing::OtherTarget => fail(Condition::NotAuthorized, "the sender is not proven towards that domain"),
        // RFC 6120 §4.9.3.9, §8.1.2.2.
        Standing::Unproven => fail(Condition::InvalidFrom, "the sender's domain is not proven on this stream"),
    }
}

fn widened(
    from: &[u8],
    to: &[u8],
    sender: &Result<Jid<'_>, AddressError>,
    target: &Result<Jid<'_>, AddressError>,
) -> Judgement {
    let domain = |part| core::str::from_utf8(part).ok().and_then(|part| Domain::parse(part).ok());
    let domains = (domain(domainpart(from, sender)), domain(domainpart(to, target)));
    match (domains, sender, target) {
        ((Some(from), Some(to)), Ok(_), Ok(_)) if from != to => Judgement::Widen(DomainPair { from, to }),
        // There is no domain in whose name the backend could be told.
        _ => Judgement::Drop("jid-malformed"),
    }
}

/// RFC 6120 §8.2.3: a get or set without an id cannot be answered.
fn lacks_id(element: &Element<'_>) -> bool {
    let is_request = |ty: Attr<'_>| ty.is("get") || ty.is("set");
    element.kind == Kind::Iq && element.id.is_none_or(|id| id.raw.is_empty()) && element.ty.is_some_and(is_request)
}

/// The domainpart, also of an address whose other parts are malformed.
fn domainpart<'a>(address: &'a [u8], jid: &Result<Jid<'a>, AddressError>) -> &'a [u8] {
    match jid {
        Ok(jid) => jid.domain,
        Err(_) => {
            let bare = address.split(|byte| *byte == b'/').next().unwrap_or_default();
            bare.iter().position(|byte| *byte == b'@').map_or(bare, |at| &bare[at + 1..])
        }
    }
}

fn malformed(jid: &Result<Jid<'_>, AddressError>) -> bool {
    jid.is_err()
}

fn fail(condition: Condition, text: &'static str) -> Judgement {
    Judgement::Fail(StreamError::peer(condition, text))
}
