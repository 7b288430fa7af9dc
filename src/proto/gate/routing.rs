//! Pairs and their waiting rooms, bounces, and stanzas from other shards.

use alloc::vec::Vec;

use super::link::LinkState;
use super::stanzas::TOO_LARGE;
use super::{Envelope, Gate, Posted};
use crate::address::DomainPair;
use crate::event::{ConnId, Event};
use crate::limits;
use crate::proof::DomainVerified;
use crate::route::bounce::{self, StanzaError};
use crate::route::pair::{Pair, PairIndex, PairState, Way};
use crate::route::waiting::Parked;
use crate::scan::{Cpu, Scanner, Scratch, Step};
use crate::time::Timestamp;

/// A header with the bindings of every header that we write.
const OUR_BINDINGS: &[u8] = b"<stream:stream xmlns='jabber:server' \
    xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' version='1.0'>";

/// A scanner that stands where a stanza of one of our streams may come.
pub(super) fn rereader(cpu: Cpu) -> Scanner {
    // A splice may have made the stanza longer than the operator's bound; it was judged before.
    let mut scanner = Scanner::new(super::conn::stanza_limits(u32::MAX), cpu);
    let header = scanner.scan(&mut Scratch::default(), OUR_BINDINGS);
    debug_assert!(matches!(header, Ok(Step::Header(_))), "our own header is well formed");
    scanner
}

impl Gate {
    /// The number of a pair; made if there is none.
    pub(super) fn pair_index(&mut self, name: DomainPair, now: Timestamp) -> PairIndex {
        if let Some(index) = self.pair_of.get(&name) {
            return *index;
        }
        let (way, refused) = (self.realm.way(&name), self.realm.refusal(&name));
        let is_elsewhere = self.is_elsewhere(&name);
        let pair = Pair { is_elsewhere, ..Pair::new(name.clone(), way, refused, now) };
        let index = PairIndex(self.pairs.insert(pair) as u32);
        self.pair_of.insert(name, index);
        index
    }

    /// Makes room in a full table: the sixteenth of the idle pairs that were used longest ago.
    ///
    /// Only between two inputs, when nobody holds the number of an idle pair; and not all the time, since a table full of
    /// pairs in use costs a look at each of them.
    pub(super) fn make_room(&mut self, now: Timestamp) {
        if !self.is_full() || now < self.make_room_at {
            return;
        }
        self.make_room_at = now + limits::PAIRS_SWEEP;
        let mut idle: Vec<(Timestamp, usize)> =
            self.pairs.iter().filter(|(_, pair)| pair.is_idle()).map(|(key, pair)| (pair.used_at, key)).collect();
        idle.sort_unstable();
        let mut links = Vec::new();
        for (_, key) in idle.into_iter().take(limits::PAIRS_PER_SHARD / 16) {
            let pair = self.pairs.remove(key);
            self.pair_of.remove(&pair.name);
            links.extend(pair.link);
            self.event(Event::PairClosed { pair: pair.name, account: pair.account });
        }
        links.sort_unstable();
        links.dedup();
        links.into_iter().for_each(|link| self.unlink_forgotten(link));
    }

    /// Whether no stranger's new pair is taken on. Pairs of our own users' making, and one for each stream that proves
    /// itself by certificate, still are.
    pub(super) fn is_full(&self) -> bool {
        self.pairs.len() >= limits::PAIRS_PER_SHARD
    }

    /// A stanza of a pair without an open stream: it waits, and a stream is made.
    pub(super) fn park(&mut self, index: PairIndex, parked: Parked, now: Timestamp) {
        let link = self.link_for_pair(index, now);
        if let LinkState::BackedOff(until) = self.links[link].state
            && until > now
        {
            let failure = self.links[link].failure;
            return self.bounce(index, &parked.bytes, failure.error, failure.reason, now);
        }
        let way = self.pairs[index.0 as usize].way;
        if self.makes_no_streams(way) && !matches!(self.links[link].state, LinkState::Ready(_)) {
            return self.bounce(index, &parked.bytes, StanzaError::RemoteServerTimeout, "shutdown", now);
        }
        let size = parked.bytes.len();
        let pair = &mut self.pairs[index.0 as usize];
        let pushed = match self.waiting_bytes + size > limits::WAITING_BYTES_PER_SHARD {
            true => Err(parked),
            false => pair.waiting.push(parked),
        };
        if let Err(parked) = pushed {
            return self.bounce(index, &parked.bytes, StanzaError::ResourceConstraint, "waiting-room-full", now);
        }
        self.waiting_bytes += size;
        if matches!(pair.state, PairState::Idle) {
            pair.state = PairState::Wanted;
            self.links[link].wanted.push_back(index);
        }
        self.want(link, now);
    }

    /// The pair's stream is ready for stanzas: what waits goes out, in order.
    pub(super) fn open_pair(&mut self, index: PairIndex, proof: DomainVerified, id: ConnId, now: Timestamp) {
        debug_assert_eq!(proof.pair(), &self.pairs[index.0 as usize].name, "a proof is for its own pair");
        let Some(conn) = self.conns.get_mut(id) else { return };
        let pair = &mut self.pairs[index.0 as usize];
        pair.state = PairState::Open(proof, id);
        self.waiting_bytes -= pair.waiting.bytes();
        let mut too_large = Vec::new();
        while let Some(parked) = pair.waiting.pop() {
            if conn.stanza_limit.is_some_and(|limit| parked.bytes.len() > limit as usize) {
                too_large.push(parked);
                continue;
            }
            let start = conn.outbox.bytes.len();
            conn.outbox.bytes.extend_from_slice(&parked.bytes);
            conn.outbox.mark(index, start, parked.received_at, parked.generated);
        }
        self.mark_dirty(id);
        for parked in too_large {
            self.bounce(index, &parked.bytes, StanzaError::PolicyViolation, TOO_LARGE, now);
        }
    }

    /// Answers all that waits for a pair.
    pub(super) fn bounce_waiting(&mut self, index: PairIndex, error: StanzaError, text: &'static str, now: Timestamp) {
        // Only what waits now: an answer may bring new stanzas to other pairs, never to this one.
        let pair = &mut self.pairs[index.0 as usize];
        self.waiting_bytes -= pair.waiting.bytes();
        let mut waiting = core::mem::take(&mut pair.waiting);
        while let Some(parked) = waiting.pop() {
            self.bounce(index, &parked.bytes, error, text, now);
        }
    }

    /// Answers a queued stanza with an error from its target to its sender; errors and results are dropped and counted.
    pub(super) fn bounce(
        &mut self,
        index: PairIndex,
        stanza: &[u8],
        error: StanzaError,
        text: &'static str,
        now: Timestamp,
    ) {
        let mut answer = Vec::new();
        match self.rereader.scan(&mut self.scratch, stanza) {
            Ok(Step::Element(ref element)) => bounce::write_error(element, error, text, &mut answer),
            _ => self.rereader = rereader(self.cpu),
        }
        self.give_back(index, &answer, error, now);
    }

    /// Sends the error that a stanza on our hands was answered with; empty: it could not be, and is dropped and counted.
    pub(super) fn give_back(&mut self, index: PairIndex, answer: &[u8], error: StanzaError, now: Timestamp) {
        let pair = &mut self.pairs[index.0 as usize];
        pair.account.queued -= 1;
        if answer.is_empty() {
            pair.account.dropped += 1;
            return self.count("undeliverable-error-or-result");
        }
        pair.account.bounced += 1;
        let back = pair.name.reversed();
        self.count(error.as_str());
        self.send_generated(back, answer, now);
    }

    /// Sends a stanza of our own making.
    fn send_generated(&mut self, name: DomainPair, stanza: &[u8], now: Timestamp) {
        if self.is_elsewhere(&name) {
            let owner = self.realm.owner(&name.to);
            let envelope = &mut self.envelopes[usize::from(owner.0)];
            envelope.bytes.extend_from_slice(stanza);
            let length = stanza.len() as u32;
            return envelope.stanzas.push(Posted { pair: name, length, received_at: now, generated: true });
        }
        let index = self.pair_index(name, now);
        self.enqueue(index, Parked::new(stanza, now, true), now);
    }

    /// Another shard's stanzas for pairs that are ours.
    pub(super) fn take_envelope(&mut self, envelope: &Envelope, now: Timestamp) {
        let mut rest = envelope.bytes.as_slice();
        for posted in &envelope.stanzas {
            let Some((stanza, tail)) = rest.split_at_checked(posted.length as usize) else { return };
            rest = tail;
            let index = self.pair_index(posted.pair.clone(), now);
            self.enqueue(index, Parked::new(stanza, posted.received_at, posted.generated), now);
        }
    }

    /// Takes on a serialised stanza.
    fn enqueue(&mut self, index: PairIndex, parked: Parked, now: Timestamp) {
        let pair = &mut self.pairs[index.0 as usize];
        pair.accept(parked.generated, now);
        // Our own answer to our own side is no traffic with a partner: no policy is about it.
        let is_inner = parked.generated && matches!(pair.way, Way::Backend(_));
        if let (Some(reason), false) = (pair.refused, is_inner) {
            return self.bounce(index, &parked.bytes, StanzaError::NotAllowed, reason.as_str(), now);
        }
        let PairState::Open(_, id) = pair.state else {
            return self.park(index, parked, now);
        };
        let Some(conn) = self.conns.get_mut(id) else {
            return self.park(index, parked, now);
        };
        if conn.outbox.bytes.len() > limits::OUTBOX_HARD_BYTES {
            return self.bounce(index, &parked.bytes, StanzaError::ResourceConstraint, "outbox-full", now);
        }
        if conn.stanza_limit.is_some_and(|limit| parked.bytes.len() > limit as usize) {
            return self.bounce(index, &parked.bytes, StanzaError::PolicyViolation, TOO_LARGE, now);
        }
        let start = conn.outbox.bytes.len();
        conn.outbox.bytes.extend_from_slice(&parked.bytes);
        conn.outbox.mark(index, start, parked.received_at, parked.generated);
        conn.active_at = now;
        self.mark_dirty(id);
    }

    /// Stops reading `source` until the outbox of `target` has emptied.
    pub(super) fn block(&mut self, source: ConnId, target: ConnId) {
        let Some((from, to)) = self.conns.get_two(source, target) else { return };
        // One outbox is fed by thousands, but few of those that one stream feeds are full.
        if from.blocked_by.contains(&target) {
            return;
        }
        to.feeders.push(source);
        from.blocked_by.push(target);
        if from.blocked_by.len() == 1 {
            self.outputs.push_back(super::Output::Pause(source));
        }
    }

    /// The outbox of `target` was taken or is gone: its feeders are read again.
    pub(super) fn unblock_feeders(&mut self, target: ConnId) {
        let Some(conn) = self.conns.get_mut(target) else { return };
        let feeders = core::mem::take(&mut conn.feeders);
        self.resume(feeders, target);
    }

    /// This outbox is no longer full for any of these.
    pub(super) fn resume(&mut self, feeders: Vec<ConnId>, target: ConnId) {
        for feeder in feeders {
            let Some(conn) = self.conns.get_mut(feeder) else { continue };
            conn.blocked_by.retain(|blocking| *blocking != target);
            if conn.blocked_by.is_empty() {
                self.outputs.push_back(super::Output::Resume(feeder));
            }
        }
    }
}
