//! One core of the engine: a ring, the connections of its domains, the schedule of its senders.
//!
//! ```text
//!   ┌▶ enter the ring ─▶ completions ─▶ arrivals of other cores ─▶ what is due ─▶ sends ─┐
//!   └───────────── sleep, then spin, until something is due or comes ◀─────────────────────┘
//! ```
//!
//! A departure goes before the completions that are left: what comes in bursts does not make others late.

mod arriving;
mod conn;
mod connecting;
mod departing;
mod disturbing;
mod ending;
mod opening;
mod sending;
mod visiting;
mod waiting;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ringgate::ring::{Completion, EventFd, Ring, RingConfig, SocketId, Wait};

use super::scene::{Scene, Side};
use super::shared::{Arrived, Shared};
use super::stanza::Seen;
use crate::measure::{HANDOVER, Phase, Recorder, Tracker};
use crate::outcome::{Counts, Interval, Sessions};

use conn::Conns;
use connecting::Trials;
use departing::Schedule;
pub(super) use disturbing::Back;

use disturbing::Absence;
use opening::Links;
use visiting::Visits;
use waiting::{Patience, Work};

/// How often a core looks at deadlines and lets others see its figures.
const TICK: Duration = Duration::from_millis(100);

/// What a core needs to begin.
pub(super) struct Seat {
    pub(super) number: usize,
    pub(super) remote: OwnedFd,
    pub(super) backend: OwnedFd,
    /// Bytes that come here wake the core.
    pub(super) bell: OwnedFd,
}

/// What a core leaves behind.
pub(super) struct Harvest {
    pub(super) intervals: Vec<Interval>,
    pub(super) counts: Counts,
    pub(super) stressed: Counts,
    /// Stanzas of any phase whose first arrival was in the measured phase.
    pub(super) carried: u64,
    /// Streams that were open at the end of the connect phase, both ways.
    pub(super) open: u64,
    /// In the measured phase.
    pub(super) handshakes: u64,
    /// Handshakes that failed after the connect phase; the first one's reason.
    pub(super) failed: (u64, Option<String>),
    pub(super) opened: Sessions,
    pub(super) accepted: Sessions,
    /// In the measured phase.
    pub(super) worked: Work,
    /// Established streams that ended although nobody had wished it; the first one's reason.
    pub(super) lost: (u64, Option<String>),
    /// When streams that had vanished on purpose were back.
    pub(super) back: Back,
}

/// How far the core is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Act {
    /// Streams are opened.
    Opening,
    /// All of them are open; the conductor says when it begins.
    Waiting,
    /// The load.
    Playing,
    /// Nothing departs any more; what is on its way may still arrive.
    Draining,
    /// Nothing is on its way.
    Resting,
}

/// One core of the engine.
pub(super) struct Core {
    number: usize,
    scene: Arc<Scene>,
    shared: Arc<Shared>,
    ring: Ring,
    listeners: [(SocketId, Side); 2],
    bell: SocketId,
    conns: Conns,
    links: Links,
    trials: Trials,
    schedule: Schedule,
    absence: Absence,
    visits: Visits,
    tracker: Tracker,
    recorder: Recorder,
    act: Act,
    /// When the current turn began; every reading of bytes looks at the clock anew.
    now: Duration,
    /// When the ring was entered last: all that it has was in memory then. What a departure left over from the turn before
    /// counts from then, too: too late, never too early.
    reaped: Duration,
    next_tick: Duration,
    dirty: Vec<SocketId>,
    /// What a reading of bytes brought.
    seen: Vec<(Seen, u32)>,
    /// For other cores, by core.
    batches: Vec<Vec<Arrived>>,
    /// Buffers for reuse.
    spare: Vec<Vec<u8>>,
    /// Connections that are to be gone by then.
    closing: VecDeque<(Duration, SocketId)>,
    /// Listeners that rest until then, having no descriptors left.
    resting: VecDeque<(Duration, SocketId)>,
    patience: Patience,
    /// Whole seconds of the run when percentiles were last shown.
    shown_at: u64,
    /// Accepted streams that are believed and not closed.
    welcomed: u64,
    harvest: Harvest,
}

impl Core {
    /// Runs a core of the engine until the conductor ends it.
    ///
    /// # Errors
    /// Its ring cannot be made, or broke.
    pub(super) fn run(seat: Seat, scene: Arc<Scene>, shared: Arc<Shared>) -> anyhow::Result<Harvest> {
        let mut core = Self::new(seat, scene, shared).context("the engine's ring")?;
        core.open_streams();
        while !core.shared.is_over() && core.shared.failure().is_none() {
            core.turn().context("the engine's ring")?;
        }
        Ok(core.finish())
    }

    fn new(seat: Seat, scene: Arc<Scene>, shared: Arc<Shared>) -> std::io::Result<Self> {
        // Nobody signals it: the bell is a socket of the ring's.
        let mut ring = Ring::new(&RingConfig::default(), &EventFd::new()?)?;
        let listeners = [(ring.listen(seat.remote), Side::Remote), (ring.listen(seat.backend), Side::Backend)];
        let bell = ring.adopt(seat.bell);
        ring.receive(bell);
        let plan = &scene.plan;
        let length = plan.phases.connect + plan.phases.warm_up + plan.phases.measure + plan.deadline + HANDOVER;
        let now = shared.now();
        let visits = Visits::new(&scene);
        Ok(Self {
            number: seat.number,
            listeners,
            bell,
            ring,
            conns: Conns::default(),
            links: Links::new(&scene, &visits, seat.number),
            trials: Trials::new(&scene, seat.number),
            schedule: Schedule::new(&scene, seat.number),
            absence: Absence::new(&scene),
            visits,
            tracker: Tracker::new(plan.lanes.len(), plan.deadline, plan.mode()),
            recorder: Recorder::new(length),
            act: Act::Opening,
            now,
            reaped: now,
            next_tick: now,
            dirty: Vec::new(),
            seen: Vec::new(),
            batches: std::iter::repeat_with(Vec::new).take(shared.inboxes.len()).collect(),
            spare: Vec::new(),
            closing: VecDeque::new(),
            resting: VecDeque::new(),
            patience: Patience::default(),
            shown_at: 0,
            welcomed: 0,
            harvest: Harvest {
                intervals: Vec::new(),
                counts: Counts::default(),
                stressed: Counts::default(),
                carried: 0,
                open: 0,
                handshakes: 0,
                failed: (0, None),
                opened: Sessions::default(),
                accepted: Sessions::default(),
                worked: Work::default(),
                lost: (0, None),
                back: Back::default(),
            },
            scene,
            shared,
        })
    }

    fn turn(&mut self) -> std::io::Result<()> {
        self.ring.enter(Wait::No)?;
        self.now = self.shared.now();
        self.reaped = self.now;
        while let Some(completion) = self.ring.next() {
            self.complete(completion);
            if self.is_departure_due() {
                break;
            }
        }
        self.take_batches();
        self.play();
        if self.now >= self.next_tick {
            self.tick();
        }
        self.flush();
        self.post_batches();
        self.wait()
    }

    fn complete(&mut self, completion: Completion) {
        match completion {
            Completion::Accepted { listener, socket } => self.accepted(listener, socket),
            Completion::AcceptFailed { listener, .. } => self.resting.push_back((self.now + TICK, listener)),
            Completion::Connected { socket } => self.connected(socket),
            Completion::Received { socket, .. } if socket == self.bell => {}
            Completion::Received { socket, bytes } => self.received(socket, bytes),
            Completion::Eof { socket } => self.ended(socket, "the peer closed the connection"),
            Completion::Stopped { .. } | Completion::Readable { .. } | Completion::Deadline => {}
            Completion::Sent { socket, buffer } => self.sent(socket, buffer),
            Completion::Broken { socket, error } => self.ended(socket, &error.to_string()),
        }
    }

    /// Moves on with the run.
    fn play(&mut self) {
        match self.act {
            Act::Opening => self.open_more(),
            Act::Waiting => self.await_begin(),
            Act::Playing => {
                self.disturb();
                self.end_visits();
                self.depart();
                self.connect_more();
                if self.is_played() {
                    self.act = Act::Draining;
                }
            }
            Act::Draining => {
                self.disturb();
                self.end_visits();
                if self.is_drained() {
                    self.act = Act::Resting;
                    self.shared.count_drained();
                }
            }
            Act::Resting => {}
        }
    }

    fn await_begin(&mut self) {
        let Some(begin) = self.shared.begin() else { return };
        self.schedule.begin_at(begin, &self.scene);
        self.harvest.open = self.links.count_ready() as u64 + self.welcomed;
        self.act = Act::Playing;
    }

    /// Whether nothing more departs or is opened. What was due before the end departs, however late.
    fn is_played(&self) -> bool {
        let end = self.end();
        let is_behind = || self.schedule.next_due(&self.scene).is_some_and(|due| due < end);
        self.trials.are_done() || (self.now >= end && !is_behind())
    }

    /// Whether nothing is awaited any more.
    fn is_drained(&self) -> bool {
        let is_opening = self.trials.are_under_way() || self.visits.are_under_way() || self.links.count_under_way() > 0;
        let is_quiet = self.tracker.outstanding() == 0 && !is_opening;
        is_quiet || self.now >= self.end() + self.scene.patience()
    }

    /// When nothing departs any more.
    fn end(&self) -> Duration {
        self.shared.cut().map_or(self.schedule.end, |cut| cut.min(self.schedule.end))
    }

    /// Of what is due at that time.
    fn phase(&self, due: Duration) -> Phase {
        match self.act {
            Act::Opening | Act::Waiting => Phase::Connect,
            _ => self.schedule.phase(due),
        }
    }
}
