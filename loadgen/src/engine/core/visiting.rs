//! Streams that come and go: each is opened for one departure, carries its stanza, and ends a while after.
//!
//! ```text
//!   departure ──▶ opened ──▶ ready: the stanza is written ──▶ stays ──▶ closed, or cut
//! ```
//!
//! Where the system has streams of its own behind them, to the domain that gets the stanza, that domain ends these in the same way, a while
//! after the stanza came.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use ringgate::ring::SocketId;

use super::Core;
use super::conn::{Origin, Phase, Written};
use crate::engine::scene::{HANDSHAKE, Scene};
use crate::measure::{Phase as RunPhase, Series};
use crate::plan::{Disturbance, Lane, Party, Stanza};
use crate::systems::Attachment;

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// The stream is closed, then the connection.
    Closed,
    /// The connection is gone.
    Cut,
}

/// What a stream is opened for.
struct Visit {
    written: Written,
    stanza: Stanza,
    /// Sender and recipient.
    users: (u32, u32),
}

/// The domains whose streams come and go, and these streams.
#[derive(Default)]
pub(super) struct Visits {
    domains: Range<u32>,
    stay: Duration,
    /// Whether streams that the system opens are ended here: a relay's are those that a sender ends.
    ends_accepted: bool,
    /// Those that are not ready.
    begun: HashMap<SocketId, Visit>,
    /// When the others end, in order.
    leaving: VecDeque<(Duration, SocketId, Manner)>,
}

impl Visits {
    pub(super) fn new(scene: &Scene) -> Self {
        let Some(Disturbance::ComesAndGoes { domains, stay }) = scene.plan.disturbance.clone() else {
            return Self::default();
        };
        let ends_accepted = matches!(scene.attachment, Attachment::Proxy { .. } | Attachment::Server { .. });
        Self { domains, stay, ends_accepted, ..Self::default() }
    }

    /// Whether a lane has no stream that stays.
    pub(super) fn are_of(&self, lane: &Lane) -> bool {
        self.is_visitor(lane.from) || self.is_visitor(lane.to)
    }

    fn is_visitor(&self, party: Party) -> bool {
        matches!(party, Party::Remote(number) if self.domains.contains(&number))
    }

    /// Whether a stream is not ready yet.
    pub(super) fn are_under_way(&self) -> bool {
        !self.begun.is_empty()
    }

    /// When a stream ends next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.leaving.front().map(|(due, ..)| *due)
    }

    /// By turns: every second stanza of a lane.
    fn of_opened(number: u32) -> Manner {
        if number.is_multiple_of(2) { Manner::Closed } else { Manner::Cut }
    }

    /// By turns that differ from [`Self::of_opened`], so that both ends of a lane end in all four ways.
    fn of_accepted(number: u32) -> Manner {
        Self::of_opened(number / 2)
    }
}

impl Core {
    /// Opens a stream for a stanza that has departed.
    pub(super) fn visit(&mut self, written: Written, stanza: Stanza, users: (u32, u32)) {
        let opening = self.scene.opening(self.scene.stream(written.lane));
        match self.open(opening, Origin::Visit(written.lane), written.due) {
            Ok(id) => {
                self.tracker.begin_stream(written.lane, written.number.into());
                self.visits.begun.insert(id, Visit { written, stanza, users });
            }
            Err(why) => self.shared.fail(why),
        }
    }

    /// A stream that was opened for a stanza may carry it.
    pub(super) fn visit_ready(&mut self, id: SocketId, since: Duration) {
        let Some(Visit { written, stanza, users }) = self.visits.begun.remove(&id) else { return };
        let now = self.shared.now();
        self.recorder.record(Series::Handshake, self.phase(since), now.saturating_sub(since));
        if self.phase(now) == RunPhase::Measure && now < self.end() {
            self.harvest.handshakes += 1;
        }
        self.write_to(id, written, stanza, users);
        self.leave(id, Visits::of_opened(written.number));
    }

    /// A stanza came on a stream to one of our domains.
    pub(super) fn visited(&mut self, id: SocketId, home: Option<Party>, number: u32) {
        if self.visits.ends_accepted && home.is_some_and(|home| self.visits.is_visitor(home)) {
            self.leave(id, Visits::of_accepted(number));
        }
    }

    /// Ends a stream after its stay, once.
    fn leave(&mut self, id: SocketId, manner: Manner) {
        if let Some(conn) = self.conns.get_mut(id).filter(|conn| !conn.is_leaving) {
            conn.is_leaving = true;
            self.visits.leaving.push_back((self.now + self.visits.stay, id, manner));
        }
    }

    /// Ends the streams whose time has come.
    pub(super) fn end_visits(&mut self) {
        while let Some((_, id, manner)) = self.visits.leaving.pop_front_if(|(due, ..)| *due <= self.now) {
            if self.conns.get(id).is_none_or(|conn| conn.phase != Phase::Ready) {
                continue;
            }
            match manner {
                Manner::Closed => self.close(id),
                Manner::Cut => self.vanish(id),
            }
        }
    }

    /// A stream that was opened for a stanza ended although nobody had wished it.
    pub(super) fn visit_ended(&mut self, id: SocketId, since: Duration, why: &str) {
        match self.visits.begun.remove(&id) {
            Some(Visit { written, .. }) => {
                self.tracker.unsent(written.lane, written.number.into(), &mut self.recorder);
                self.handshake_failed(since, why);
            }
            None => self.lost(why.to_owned()),
        }
    }

    /// Ends those that take too long.
    pub(super) fn tick_visits(&mut self) {
        let is_late = |id: &&SocketId| self.conns.get(**id).is_some_and(|conn| conn.since + HANDSHAKE < self.now);
        let late: Vec<SocketId> = self.visits.begun.keys().filter(is_late).copied().collect();
        late.into_iter().for_each(|id| self.ended(id, "no stream within 10 s"));
    }
}
