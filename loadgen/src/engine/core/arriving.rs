//! What comes: connections, bytes, and what other cores have received for us.

use std::os::fd::OwnedFd;

use ringgate::ring::{Buffer, SocketId};
use ringgate::stage::endpoint::{Endpoint, Heard};

use super::Core;
use super::conn::{Conn, Origin, Phase};
use crate::engine::shared::Arrived;
use crate::engine::stanza::{Label, PRIMER, Seen};
use crate::plan::Party;

impl Core {
    pub(super) fn accepted(&mut self, listener: SocketId, socket: OwnedFd) {
        let Some((_, side)) = self.listeners.iter().find(|(id, _)| *id == listener) else { return };
        let (side, (reception, cast)) = (*side, self.scene.reception(*side));
        let id = self.ring.adopt(socket);
        self.ring.receive(id);
        let endpoint = Endpoint::receiving(reception, cast);
        self.conns.insert(Conn::new(id, endpoint, Origin::Accepted(side), Phase::Negotiating, self.now));
    }

    /// Bytes came: decrypts, scans, and judges what is in them. They arrived when the ring had them: how long the engine
    /// takes to judge what others brought in the same moment says nothing of the system.
    pub(super) fn received(&mut self, id: SocketId, mut bytes: Buffer) {
        self.now = self.shared.now();
        let at = self.reaped;
        let Some(conn) = self.conns.get_mut(id) else { return };
        let (mut is_ready, mut is_closed) = (false, false);
        let (seen, book) = (&mut self.seen, &self.scene.book);
        let result = conn.endpoint.receive(&mut bytes, &mut conn.out, &mut |heard| match heard {
            Heard::Stanza(element) => seen.push((book.inspect(element), element.bytes.len() as u32)),
            Heard::Ready => is_ready = true,
            Heard::PeerClosed => is_closed = true,
        });
        drop(bytes);
        let answers = !conn.out.is_empty();
        if let (Phase::Negotiating, Origin::Accepted(side)) = (conn.phase, conn.origin) {
            conn.home = conn.endpoint.domains().1.and_then(|domain| self.scene.home(side, &domain));
        }
        let home = conn.home;
        if answers {
            self.touch(id);
        }
        self.sort(at, id, home);
        if is_ready {
            self.ready(id);
        }
        match result {
            Err(broken) => self.refused(id, &broken.to_string()),
            Ok(()) if is_closed => self.peer_closed(id),
            Ok(()) => {}
        }
    }

    /// A stream may carry stanzas: ours, or the peer's.
    fn ready(&mut self, id: SocketId) {
        let Some(conn) = self.conns.get_mut(id).filter(|conn| conn.phase == Phase::Negotiating) else { return };
        conn.phase = Phase::Ready;
        let (origin, since, is_resumed) = (conn.origin, conn.since, conn.endpoint.is_resumed());
        match origin {
            Origin::Accepted(_) => self.harvest.accepted.count(is_resumed),
            Origin::Link(_) | Origin::Trial(_) | Origin::Visit(_) => self.harvest.opened.count(is_resumed),
        }
        match origin {
            Origin::Accepted(_) => {
                self.welcomed += 1;
                self.disturb_one(id);
            }
            Origin::Link(link) => self.link_ready(link, id, since),
            Origin::Trial(_) => self.trial_ready(id, since),
            Origin::Visit(_) => self.visit_ready(id, since),
        }
    }

    /// Judges what the last reading brought on a stream to `home`, or keeps it for the core of its sender.
    fn sort(&mut self, at: std::time::Duration, id: SocketId, home: Option<Party>) {
        let mut seen = std::mem::take(&mut self.seen);
        for (seen, bytes) in seen.drain(..) {
            let arrived = Arrived { seen, bytes, at };
            if let Seen::Sent(Label { number, .. }) = seen {
                self.visited(id, home, number);
            }
            match seen {
                Seen::Foreign => drop(self.tracker.foreign()),
                Seen::Sent(Label { lane, .. }) if !self.is_at_home(lane, home) => drop(self.tracker.foreign()),
                Seen::Sent(Label { lane, .. }) | Seen::Bounced(Label { lane, .. }) => match self.scene.sender(lane) {
                    core if core == self.number => self.judge(arrived),
                    core => self.batches[core].push(arrived),
                },
            }
        }
        self.seen = seen;
    }

    /// Whether a lane's stanzas may come on a stream to `home`.
    fn is_at_home(&self, lane: u32, home: Option<Party>) -> bool {
        home.is_none_or(|home| self.scene.plan.lanes.get(lane as usize).is_some_and(|lane| lane.to == home))
    }

    fn judge(&mut self, arrived: Arrived) {
        match arrived.seen {
            Seen::Sent(Label { lane, number: PRIMER }) => self.primed(lane),
            Seen::Sent(Label { lane, number }) => {
                let Arrived { bytes, at, .. } = arrived;
                let arrival = self.tracker.arrive(lane, number.into(), bytes, at, &mut self.recorder);
                self.harvest.carried += u64::from(arrival.is_first() && self.is_within_measured(at));
                self.schedule.widen(lane);
            }
            Seen::Bounced(Label { number: PRIMER, .. }) => {
                self.links.complain("it comes back as an error".to_owned());
            }
            Seen::Bounced(Label { lane, number }) => self.tracker.bounced(lane, number.into()),
            Seen::Foreign => drop(self.tracker.foreign()),
        }
    }

    /// Judges what arrived on other cores.
    pub(super) fn take_batches(&mut self) {
        let shared = std::sync::Arc::clone(&self.shared);
        while let Some(mut batch) = shared.inboxes[self.number].take() {
            batch.drain(..).for_each(|arrived| self.judge(arrived));
        }
    }

    /// Leaves other cores what arrived here for them, one batch each.
    pub(super) fn post_batches(&mut self) {
        for (core, batch) in self.batches.iter_mut().enumerate() {
            if batch.is_empty() {
                continue;
            }
            if let Err(back) = self.shared.inboxes[core].post(std::mem::take(batch)) {
                *batch = back;
            }
        }
    }

    /// Whether other cores have no room for what arrived here for them.
    pub(super) fn has_batches(&self) -> bool {
        self.batches.iter().any(|batch| !batch.is_empty())
    }
}
