//! Streams that are opened to be measured: each lane in turn, a number of them at once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ringgate::ring::SocketId;

use super::Core;
use super::conn::{Conn, Origin, Phase};
use crate::engine::scene::{HANDSHAKE, Scene};
use crate::measure::{Phase as RunPhase, Series};
use crate::plan::Load;

/// The streams that a core opens one after the other.
#[derive(Default)]
pub(super) struct Trials {
    lanes: Vec<u32>,
    next: usize,
    at_once: usize,
    total: Option<u32>,
    close: bool,
    under_way: Vec<SocketId>,
    succeeded: u64,
    /// All of `total` were begun, here or elsewhere.
    is_exhausted: bool,
}

impl Trials {
    pub(super) fn new(scene: &Scene, core: usize) -> Self {
        let Load::Connecting { at_once, total, close } = scene.plan.load else { return Self::default() };
        let lanes: Vec<u32> = (0..scene.plan.lanes.len() as u32).filter(|lane| scene.sender(*lane) == core).collect();
        let cores = (0..scene.places.len())
            .filter(|core| (0..scene.plan.lanes.len() as u32).any(|lane| scene.sender(lane) == *core));
        let at_once = (at_once as usize).div_ceil(cores.count().max(1));
        Self { lanes, at_once, total, close, ..Self::default() }
    }

    /// A limited number of streams, all of which came about or failed.
    pub(super) fn are_done(&self) -> bool {
        self.total.is_some() && (self.is_exhausted || self.lanes.is_empty()) && self.under_way.is_empty()
    }

    pub(super) fn are_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    fn forget(&mut self, id: SocketId) -> bool {
        let place = self.under_way.iter().position(|other| *other == id);
        place.map(|place| self.under_way.swap_remove(place)).is_some()
    }
}

impl Core {
    /// Opens as many as may be under way.
    pub(super) fn connect_more(&mut self) {
        let may = match self.trials.total {
            Some(_) => self.is_measured() && !self.trials.is_exhausted,
            None => self.now < self.end(),
        };
        while may && !self.trials.lanes.is_empty() && self.trials.under_way.len() < self.trials.at_once {
            if let Some(total) = self.trials.total
                && self.shared.begun.fetch_add(1, Ordering::Relaxed) >= total
            {
                self.trials.is_exhausted = true;
                return;
            }
            let lane = self.trials.lanes[self.trials.next % self.trials.lanes.len()];
            self.trials.next += 1;
            let opening = self.scene.opening(self.scene.stream(lane));
            match self.open(opening, Origin::Trial(lane), self.shared.now()) {
                Ok(id) => self.trials.under_way.push(id),
                Err(why) => return self.shared.fail(why),
            }
        }
    }

    /// A stream is authenticated.
    pub(super) fn trial_ready(&mut self, id: SocketId, since: Duration) {
        if !self.trials.forget(id) {
            return;
        }
        let now = self.shared.now();
        self.trials.succeeded += 1;
        self.recorder.record(Series::Handshake, self.phase(since), now.saturating_sub(since));
        if self.phase(now) == RunPhase::Measure && now < self.end() {
            self.harvest.handshakes += 1;
        }
        if self.trials.close {
            self.close(id);
        }
    }

    /// A stream ended; before it was authenticated, that is a failure. One that fails before any succeeded says that there
    /// is nothing to measure.
    pub(super) fn trial_ended(&mut self, lane: u32, id: SocketId, since: Duration, why: &str) {
        if !self.trials.forget(id) {
            return;
        }
        if self.trials.succeeded == 0 {
            let opening = self.scene.opening(self.scene.stream(lane));
            let (from, to) = (opening.call.from.as_str(), opening.call.to.as_str());
            // Messages of the endpoint name the domains themselves.
            let cause = why.strip_prefix(&format!("{from} to {to}: ")).unwrap_or(why);
            return self.shared.fail(format!("{from} to {to} at {}: {cause}", opening.target));
        }
        self.handshake_failed(since, why);
    }

    /// Counts a handshake that failed after the connect phase. It is recorded as what it might have taken at least: one that never ends is
    /// no better than a slow one.
    pub(super) fn handshake_failed(&mut self, since: Duration, why: &str) {
        self.recorder.record(Series::Handshake, self.phase(since), HANDSHAKE);
        self.harvest.failed.0 += 1;
        self.harvest.failed.1.get_or_insert_with(|| why.to_owned());
    }

    /// At the end of a run that was not interrupted, counts the handshakes that have not ended.
    pub(super) fn fail_unended(&mut self) {
        let of = |conn: &Conn| (conn.origin, conn.phase, conn.since);
        let all: Vec<_> = self.conns.iter().map(of).collect();
        for (origin, phase, since) in all {
            if !matches!(origin, Origin::Accepted(_)) && phase < Phase::Ready {
                self.handshake_failed(since, "no stream by the end of the run");
            }
        }
    }

    /// Ends those that take too long.
    pub(super) fn tick_trials(&mut self) {
        let late = |id: &&SocketId| {
            self.conns.get(**id).is_some_and(|conn| conn.phase != Phase::Ready && conn.since + HANDSHAKE < self.now)
        };
        let late: Vec<SocketId> = self.trials.under_way.iter().filter(late).copied().collect();
        for id in late {
            self.ended(id, "no stream within 10 s");
        }
    }

    /// Streams that were authenticated since the begin, for the display.
    pub(super) fn trials_succeeded(&self) -> u64 {
        self.trials.succeeded
    }
}
