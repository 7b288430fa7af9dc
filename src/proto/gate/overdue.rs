//! What links wait for, and what is done when it does not come.

use alloc::vec::Vec;
use core::time::Duration;

use super::Gate;
use super::link::{Failure, LinkState, Origin, Target};
use super::timers::Watch;
use crate::dialback::{DialbackError, Outcome};
use crate::event::ConnId;
use crate::limits;
use crate::route::bounce::StanzaError;
use crate::route::pair::PairState;
use crate::time::Timestamp;

impl Gate {
    /// Sets the timer for the link's earliest deadline.
    pub(super) fn watch_link(&mut self, link: usize) {
        let Some(entry) = self.links.get(link) else { return };
        let asked = entry.verifications.origins().map(|origin| origin.since).min();
        let oldest = asked.into_iter().chain(entry.pending.front().map(|pending| pending.origin.since)).min();
        let mut next: Option<Timestamp> = oldest.map(|oldest| oldest + limits::DIALBACK);
        let mut earlier = |when: Timestamp| next = Some(next.map_or(when, |next| next.min(when)));
        match &entry.state {
            LinkState::Idle => {}
            LinkState::Making(making) => {
                making.wait_until.into_iter().for_each(&mut earlier);
                making.attempts.iter().for_each(|attempt| earlier(attempt.give_up_at));
            }
            // While an answer is awaited, its request has a deadline; an idle time in the past would be due for ever.
            LinkState::Ready(_) if matches!(entry.target, Target::Verification(_)) && entry.is_unused() => {
                earlier(entry.used_at + limits::VERIFICATION_IDLE);
            }
            LinkState::Ready(_) => {}
            LinkState::BackedOff(until) => earlier(*until),
        }
        let first = entry.wanted.front().and_then(|index| self.pairs.get(index.0 as usize));
        if let Some(oldest) = first.and_then(|pair| pair.waiting.oldest()) {
            earlier(oldest + limits::WAITING);
        }
        if let Some((since, _)) = entry.asked.front() {
            earlier(*since + limits::DIALBACK);
        }
        // Never now again: whoever looks at the timers would not come to an end.
        let soon = self.now + Duration::from_millis(1);
        let Some(next) = next.map(|next| next.max(soon)) else { return };
        let entry = &mut self.links[link];
        if entry.watched_at.is_none_or(|watched| next < watched) {
            entry.watched_at = Some(next);
            self.timers.at(next, Watch::Link(link));
        }
    }

    /// Looks what is due on a link.
    pub(super) fn check_link(&mut self, link: usize, now: Timestamp) {
        let Some(entry) = self.links.get_mut(link) else { return };
        if entry.watched_at.is_some_and(|watched| watched > now) {
            return;
        }
        entry.watched_at = None;
        self.check_making(link, now);
        self.check_pairs(link, now);
        self.check_verifications(link, now);
        if let Some(entry) = self.links.get_mut(link) {
            if matches!(entry.state, LinkState::BackedOff(until) if until <= now) {
                entry.state = LinkState::Idle;
                self.forget_link_if_unused(link);
            }
            self.watch_link(link);
        }
    }

    fn check_making(&mut self, link: usize, now: Timestamp) {
        let LinkState::Making(making) = &self.links[link].state else { return };
        let late: Vec<ConnId> =
            making.attempts.iter().filter(|attempt| attempt.give_up_at <= now).map(|attempt| attempt.conn).collect();
        for id in late {
            self.drop_silently(id);
            self.attempt_ended(link, id, Failure::timeout("connect-timeout"), now);
        }
        self.step(link, now);
    }

    /// Pairs that waited too long for a stream, or for an answer.
    fn check_pairs(&mut self, link: usize, now: Timestamp) {
        while let Some(index) = self.links[link].wanted.front().copied() {
            let pair = self.pairs.get_mut(index.0 as usize).filter(|pair| pair.is_wanted_on(link));
            let oldest = pair.as_ref().and_then(|pair| pair.waiting.oldest());
            if oldest.is_some_and(|oldest| oldest + limits::WAITING > now) {
                break;
            }
            let is_late = pair.map(|pair| pair.state = PairState::Idle).is_some();
            self.links[link].wanted.pop_front();
            if is_late {
                self.bounce_waiting(index, StanzaError::RemoteServerTimeout, "no-stream-in-time", now);
            }
        }
        while let Some((since, index)) = self.links[link].asked.front().copied() {
            let LinkState::Ready(id) = self.links[link].state else { break };
            let pair = self.pairs.get(index.0 as usize).filter(|pair| pair.is_asked_on(link, since));
            if pair.is_some() && since + limits::DIALBACK > now {
                break;
            }
            let unanswered = pair.is_some();
            self.links[link].asked.pop_front();
            if unanswered {
                let name = &self.pairs[index.0 as usize].name;
                self.links[link].requests.give_up(name);
                self.pair_denied(link, id, index, Outcome::Error(DialbackError::RemoteServerTimeout), now);
            }
        }
    }

    fn check_verifications(&mut self, link: usize, now: Timestamp) {
        let Some(entry) = self.links.get_mut(link) else { return };
        let is_late = |origin: &Origin| origin.since + limits::DIALBACK <= now;
        let mut late = entry.verifications.give_up(is_late);
        // The search, or the wait for a turn, may go on for much longer than whoever asked may hold a place: the answer is
        // `remote-server-timeout` then, too. XEP-0220 §2.5.
        let count = entry.pending.iter().take_while(|pending| is_late(&pending.origin)).count();
        late.extend(entry.pending.drain(..count).map(|pending| (pending.origin, pending.pair)));
        let has_room = !late.is_empty() && !entry.pending.is_empty();
        for (origin, pair) in late {
            self.verification_failed(origin, &pair, DialbackError::RemoteServerTimeout, now);
        }
        if has_room {
            self.authorise(link, now);
        }
        let Some(entry) = self.links.get(link) else { return };
        let is_idle = entry.is_unused() && entry.used_at + limits::VERIFICATION_IDLE <= now;
        if let (LinkState::Ready(id), Target::Verification(_), true) = (&entry.state, &entry.target, is_idle) {
            let id = *id;
            self.close_stream(id, now);
        }
    }
}
