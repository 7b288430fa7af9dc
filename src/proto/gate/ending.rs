//! How streams end: errors, the closing handshake, broken connections, deadlines, and the drain.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::conn::Conn;
use super::link::{Failure, LinkState};
use super::machine::Machine;
use super::proven::Proven;
use super::sites::Site;
use super::timers::Watch;
use super::{Breakage, Gate, Output};
use crate::event::{CloseCause, ConnId, Event, Face};
use crate::limits;
use crate::route::bounce::StanzaError;
use crate::route::pair::{PairIndex, PairState, Way};
use crate::route::waiting::Parked;
use crate::stream::{Blame, Condition, StreamError};
use crate::time::Timestamp;

/// How far a stop is. Each phase ends when its streams are gone, at the latest at its time.
///
/// ```text
/// Running ──Drain──▶ Receiving ──▶ Sending ──▶ Backends ──▶ Done
///                    no new        the rest    answers to
///                    stanzas       is answered our servers
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DrainPhase {
    /// No stop was asked for.
    Running,
    /// Peers' streams are being closed; what they still send is taken.
    Receiving(Timestamp),
    /// Waiting stanzas were answered; streams to remote servers are being closed.
    Sending(Timestamp),
    /// Streams to backends are being closed.
    Backends(Timestamp),
    /// No stream is left.
    Done,
}

impl Gate {
    // --- one stream ---

    /// Ends a stream with an error. RFC 6120 §4.9.1.1.
    pub(super) fn fail(&mut self, id: ConnId, error: StreamError, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if !conn.machine.is_over() {
            conn.cause = Some(CloseCause::SentError(error.condition, error.text));
        }
        self.let_work(id, |machine, _, world| machine.fail(error, world));
        self.stream_events.clear();
        let failure = match (error.blame, error.text) {
            (_, "tls-required") => Failure::timeout("tls-stripped"),
            (Blame::Peer, _) => Failure::timeout("negotiation-failed"),
            (Blame::Us, _) => Failure::timeout("internal-failure"),
        };
        self.release(id, Ending::Broken(failure), true, now);
    }

    /// Begins the closing handshake. RFC 6120 §4.4.
    pub(super) fn close_stream(&mut self, id: ConnId, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.close_by.is_some() {
            return;
        }
        if matches!(conn.machine, Machine::Connecting) {
            return self.drop_silently(id);
        }
        let by = now + limits::CLOSING;
        conn.close_by = Some(by);
        conn.cause.get_or_insert(CloseCause::Clean);
        self.timers.at(by, Watch::Conn(id));
        self.detach(id, now);
        self.drive(id, now, |machine, _, world| {
            machine.close(world);
            Ok(())
        });
    }

    /// A stream that is being closed serves its link no longer: new stanzas make a new one.
    fn detach(&mut self, id: ConnId, now: Timestamp) {
        let Some(link) = self.conns.get_mut(id).and_then(|conn| conn.link.take()) else { return };
        match &self.links[link].state {
            LinkState::Ready(ready) if *ready == id => self.link_down(link, None, now),
            LinkState::Making(_) => self.attempt_ended(link, id, Failure::timeout("stream-closed"), now),
            _ => {}
        }
    }

    /// The peer closed a stream of ours, or ended it with an error (`failure`).
    pub(super) fn link_closed(&mut self, id: ConnId, failure: Option<Failure>, now: Timestamp) {
        match failure {
            // What is in the outbox still goes out before our end tag; the peer reads until then.
            None => self.detach(id, now),
            Some(failure) => self.release(id, Ending::Broken(failure), true, now),
        }
    }

    /// Both end tags are out.
    pub(super) fn finish_if_over(&mut self, id: ConnId, now: Timestamp) {
        let Some(conn) = self.conns.get(id) else { return };
        if conn.machine.is_over() {
            self.release(id, Ending::Clean, true, now);
        }
    }

    /// The peer ended its direction without an end tag.
    pub(super) fn eof(&mut self, id: ConnId, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.close_by.is_none() {
            conn.cause = Some(CloseCause::Broken(String::from("closed without an end tag")));
        }
        self.release(id, Ending::Broken(Failure::timeout("stream-broken")), true, now);
    }

    /// The connection is gone; the shell has forgotten it.
    pub(super) fn broken(&mut self, id: ConnId, breakage: Breakage, detail: String, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let (cause, reason) = match breakage {
            Breakage::Connect => (CloseCause::Broken(detail), "connect-failed"),
            Breakage::Tls => (CloseCause::Tls(detail), "tls-failed"),
            Breakage::Network => (CloseCause::Broken(detail), "stream-broken"),
        };
        conn.cause = Some(cause);
        self.release(id, Ending::Broken(Failure::timeout(reason)), false, now);
    }

    /// An attempt that is not wanted any more.
    pub(super) fn drop_silently(&mut self, id: ConnId) {
        if self.take_out(id).is_some() {
            self.outputs.push_back(Output::Close { conn: id, last: Vec::new(), abort: true });
        }
    }

    /// What was taken from a connection's outbox is with the kernel.
    pub(super) fn flushed(&mut self, id: ConnId, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        for (pair, count) in conn.outbox.take_in_flight() {
            self.pairs[pair.0 as usize].hand_over(u64::from(count), now);
        }
        self.mark_dirty(id);
    }

    /// Takes a connection out of the table; what it held is no longer counted. The only way out.
    pub(super) fn take_out(&mut self, id: ConnId) -> Option<Box<Conn>> {
        let mut conn = self.conns.remove(id)?;
        self.unfinished.forget(&mut conn.held);
        Some(conn)
    }

    /// Forgets a connection and settles everything that depends on it.
    fn release(&mut self, id: ConnId, ending: Ending, tell_shell: bool, now: Timestamp) {
        let Some(mut conn) = self.take_out(id) else { return };
        // What the kernel has not taken must not arrive after what the next stream carries. Order per pair, RFC 6120 §10.1.
        let says_error = matches!(conn.cause, Some(CloseCause::SentError(..)));
        let abort = matches!(ending, Ending::Broken(_)) && !says_error && conn.outbox.has_in_flight();
        let last = match ending {
            Ending::Clean => self.settle_clean(&mut conn, now),
            Ending::Broken(_) => self.settle_broken(&mut conn, now),
        };
        self.forget_proofs(&conn.proven);
        if conn.is_unproven {
            self.unproven.remove(Site::of(conn.address.ip()), 1);
        }
        let feeders = core::mem::take(&mut conn.feeders);
        self.resume(feeders, id);
        self.announce_end(&conn);
        if tell_shell {
            self.outputs.push_back(Output::Close { conn: id, last, abort });
        }
        if let (Some(link), Ending::Broken(failure)) = (conn.link, ending) {
            self.link_lost(link, id, &conn, failure, now);
        } else if let Some(link) = conn.link {
            self.link_down(link, None, now);
        }
    }

    fn link_lost(&mut self, link: usize, id: ConnId, conn: &Conn, failure: Failure, now: Timestamp) {
        let Some(entry) = self.links.get(link) else { return };
        match entry.state {
            LinkState::Ready(ready) if ready == id => {
                // A peer that is only going away is worth another stream; one that knows no such host is not.
                let is_final = match &conn.cause {
                    Some(CloseCause::PeerError(condition)) => !matches!(
                        condition,
                        Condition::Reset | Condition::SeeOtherHost | Condition::SystemShutdown | Condition::Conflict
                    ),
                    Some(CloseCause::SentError(..)) => true,
                    _ => false,
                };
                self.link_down(link, is_final.then_some(failure), now);
            }
            LinkState::Making(_) => self.attempt_ended(link, id, failure, now),
            _ => {}
        }
    }

    /// All that was queued goes out with the end tag.
    fn settle_clean(&mut self, conn: &mut Conn, now: Timestamp) -> Vec<u8> {
        let last = conn.outbox.take(&mut Vec::new());
        for (pair, count) in conn.outbox.take_in_flight() {
            self.pairs[pair.0 as usize].hand_over(u64::from(count), now);
        }
        last
    }

    /// What the kernel may have is in doubt; what it cannot have goes back to the waiting rooms, in front.
    fn settle_broken(&mut self, conn: &mut Conn, now: Timestamp) -> Vec<u8> {
        for (pair, count) in conn.outbox.take_in_flight() {
            self.pairs[pair.0 as usize].break_off(u64::from(count), now);
        }
        let (unsent, last) = conn.outbox.give_back();
        for (index, parked) in unsent.into_iter().rev() {
            self.put_back(index, parked);
        }
        let open: Vec<PairIndex> = match conn.link.and_then(|link| self.links.get(link)) {
            Some(link) => link.pairs.iter().copied().collect(),
            None => Vec::new(),
        };
        for index in open {
            let pair = &mut self.pairs[index.0 as usize];
            if matches!(pair.state, PairState::Open(_, id) if id == conn.id) {
                pair.break_off(0, now);
            }
        }
        last
    }

    fn put_back(&mut self, index: PairIndex, parked: Parked) {
        self.waiting_bytes += parked.bytes.len();
        self.pairs[index.0 as usize].waiting.put_back(parked);
    }

    fn announce_end(&mut self, conn: &Conn) {
        if matches!(conn.machine, Machine::Connecting) && conn.cause.is_none() {
            return;
        }
        let remote = conn.names().1.cloned();
        let cause = conn.cause.clone().unwrap_or(CloseCause::Clean);
        self.event(Event::StreamClosed { stream: conn.stream, face: conn.face, remote, cause });
    }

    /// A stream that proved these pairs is gone, or begins anew.
    pub(super) fn forget_proofs(&mut self, proven: &Proven) {
        for index in proven.pairs() {
            self.pairs[index.0 as usize].proven_by -= 1;
        }
    }

    // --- deadlines ---

    /// Time passed.
    pub(super) fn timer(&mut self, now: Timestamp) {
        while let Some(watch) = self.timers.pop_due(now) {
            match watch {
                Watch::Conn(id) => self.check_conn(id, now),
                Watch::Link(link) => self.check_link(link, now),
                Watch::Drain => {}
            }
        }
        self.advance_drain(now);
    }

    fn check_conn(&mut self, id: ConnId, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let is_due = |by: Option<Timestamp>| by.is_some_and(|by| by <= now);
        if is_due(conn.close_by) {
            conn.cause = Some(CloseCause::ClosingTimeout);
            return self.release(id, Ending::Broken(Failure::timeout("stream-broken")), true, now);
        }
        if is_due(conn.negotiate_by) && !matches!(conn.machine, Machine::Connecting) {
            // RFC 6120 §4.9.3.4. One absolute deadline: single bytes do not extend it.
            return self.fail(id, StreamError::peer(Condition::ConnectionTimeout, "negotiation took too long"), now);
        }
        if conn.active_at + limits::IDLE <= now {
            conn.cause = Some(CloseCause::Idle);
            return self.close_stream(id, now);
        }
        let next = conn.deadline().min(now + limits::LOOK_AGAIN).max(now + core::time::Duration::from_millis(1));
        self.timers.at(next, Watch::Conn(id));
    }

    // --- the drain ---

    /// Stops: peers' streams first, so that what they have sent still finds its way.
    pub(super) fn begin_drain(&mut self, now: Timestamp) {
        if self.drain != DrainPhase::Running {
            return;
        }
        self.enter_phase(DrainPhase::Receiving(now + limits::CLOSING), now);
        for id in self.conns.ids() {
            let is_receiving = self.conns.get(id).is_some_and(|conn| matches!(conn.machine, Machine::Receiving(_)));
            if is_receiving {
                self.close_for_drain(id, now);
            }
        }
        self.advance_drain(now);
    }

    fn enter_phase(&mut self, phase: DrainPhase, now: Timestamp) {
        self.drain = phase;
        self.timers.at(now + limits::CLOSING, Watch::Drain);
    }

    fn close_for_drain(&mut self, id: ConnId, now: Timestamp) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.cause.get_or_insert(CloseCause::Shutdown);
        }
        self.close_stream(id, now);
    }

    /// Goes to the next phase when this one's streams are gone.
    pub(super) fn advance_drain(&mut self, now: Timestamp) {
        match self.drain {
            DrainPhase::Receiving(until) if until <= now || !self.has_face(&[Face::Inbound, Face::FromBackend]) => {
                self.enter_phase(DrainPhase::Sending(now + limits::CLOSING), now);
                self.answer_all_waiting(now);
                self.close_faces(&[Face::Outbound], now);
                self.advance_drain(now);
            }
            DrainPhase::Sending(until)
                if until <= now || !(self.has_face(&[Face::Outbound]) || self.owes_backends()) =>
            {
                self.enter_phase(DrainPhase::Backends(now + limits::CLOSING), now);
                self.answer_all_waiting(now);
                self.close_faces(&[Face::ToBackend, Face::FromBackend], now);
                self.advance_drain(now);
            }
            DrainPhase::Backends(until) if until <= now || self.conns.len() == 0 => {
                for id in self.conns.ids() {
                    self.release(id, Ending::Broken(Failure::timeout("shutdown")), true, now);
                }
                self.answer_all_waiting(now);
                self.drain = DrainPhase::Done;
                self.close_accounts();
            }
            _ => {}
        }
    }

    fn has_face(&self, faces: &[Face]) -> bool {
        faces.iter().any(|face| self.conns.count_of(*face) > 0)
    }

    fn close_faces(&mut self, faces: &[Face], now: Timestamp) {
        for id in self.conns.ids() {
            if self.conns.get(id).is_some_and(|conn| faces.contains(&conn.face)) {
                self.close_for_drain(id, now);
            }
        }
    }

    fn answer_all_waiting(&mut self, now: Timestamp) {
        let waiting: Vec<usize> =
            self.pairs.iter().filter(|(_, pair)| !pair.waiting.is_empty()).map(|(key, _)| key).collect();
        for key in waiting {
            self.bounce_waiting(PairIndex(key as u32), StanzaError::RemoteServerTimeout, "shutdown", now);
        }
    }

    fn close_accounts(&mut self) {
        let closed: Vec<Event> = self
            .pairs
            .iter()
            .map(|(_, pair)| Event::PairClosed { pair: pair.name.clone(), account: pair.account })
            .collect();
        closed.into_iter().for_each(|event| self.event(event));
    }

    /// Whether a stop has gone too far for new streams that way.
    pub(super) fn makes_no_streams(&self, way: Way) -> bool {
        match self.drain {
            DrainPhase::Running | DrainPhase::Receiving(_) => false,
            // Our own users are still told what became of their stanzas.
            DrainPhase::Sending(_) => way == Way::Remote,
            DrainPhase::Backends(_) | DrainPhase::Done => true,
        }
    }

    /// Whether a stop was asked for.
    pub(super) fn is_stopping(&self) -> bool {
        self.drain != DrainPhase::Running
    }

    /// Whether something still waits for a backend.
    fn owes_backends(&self) -> bool {
        self.pairs.iter().any(|(_, pair)| matches!(pair.way, Way::Backend(_)) && !pair.waiting.is_empty())
    }

    /// Whether a connection from this listener may still come in. Backends verify our keys until the last answer is out.
    pub(super) fn may_accept(&self, face: Face) -> bool {
        match self.drain {
            DrainPhase::Running => true,
            DrainPhase::Receiving(_) | DrainPhase::Sending(_) => face == Face::FromBackend,
            DrainPhase::Backends(_) | DrainPhase::Done => false,
        }
    }

    /// After `Drain`: whether all streams are gone.
    pub fn is_drained(&self) -> bool {
        self.drain == DrainPhase::Done
    }
}

/// How a connection leaves the gate.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// With both end tags.
    Clean,
    /// Otherwise; why, as far as waiting stanzas are concerned.
    Broken(Failure),
}
