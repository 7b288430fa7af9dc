//! Streams that stay open: opened before the load, a bounded number at once, and proven by a first stanza on every lane.

use std::collections::VecDeque;
use std::time::Duration;

use ringgate::ring::SocketId;
use ringgate::stage::endpoint::Endpoint;

use super::conn::{Conn, Origin, Phase};
use super::visiting::Visits;
use super::{Act, Core};
use crate::engine::scene::{Opening, Scene, Stream};
use crate::engine::socket;
use crate::measure::Series;
use crate::plan::Load;

/// Streams that one core has under way.
const AT_ONCE: usize = 64;
/// Pause before a primer that did not arrive is sent again: a system may bounce what comes before it knows the way.
const PRIME_AGAIN: Duration = Duration::from_secs(1);

/// The streams of a core that stay open, and the lanes on them.
pub(super) struct Links {
    links: Vec<Link>,
    /// By lane: its link; `u32::MAX` for lanes of other cores.
    by_lane: Vec<u32>,
    waiting: VecDeque<u32>,
    under_way: usize,
    ready: usize,
    /// By lane: whether its primer arrived, or nobody waits for it.
    is_primed: Vec<bool>,
    unprimed: usize,
    prime_again: Duration,
    /// What a peer said last to a stream or stanza of ours, to explain why nothing arrives.
    complaint: Option<String>,
}

struct Link {
    stream: Stream,
    conn: Option<SocketId>,
    is_ready: bool,
}

impl Links {
    pub(super) fn new(scene: &Scene, visits: &Visits, core: usize) -> Self {
        let mut streams = scene.streams(core);
        let are_trials = matches!(scene.plan.load, Load::Connecting { .. });
        // Lanes that are opened again and again have no streams that stay; a server has to know its components all the same.
        streams.retain(|stream| match stream {
            Stream::Component(_) => true,
            Stream::Lane(lane) => !are_trials && !visits.are_of(&scene.plan.lanes[*lane as usize]),
        });
        let mut by_lane = vec![u32::MAX; scene.plan.lanes.len()];
        let mut components = std::collections::HashMap::new();
        for (index, stream) in streams.iter().enumerate() {
            match stream {
                Stream::Lane(lane) => by_lane[*lane as usize] = index as u32,
                Stream::Component(number) => drop(components.insert(*number, index as u32)),
            }
        }
        for lane in (0..by_lane.len() as u32).filter(|lane| scene.sender(*lane) == core) {
            if let Stream::Component(number) = scene.stream(lane) {
                by_lane[lane as usize] = components.get(&number).copied().unwrap_or(u32::MAX);
            }
        }
        let is_primed: Vec<bool> = by_lane.iter().map(|link| are_trials || *link == u32::MAX).collect();
        Self {
            waiting: (0..streams.len() as u32).collect(),
            links: streams.into_iter().map(|stream| Link { stream, conn: None, is_ready: false }).collect(),
            by_lane,
            under_way: 0,
            ready: 0,
            unprimed: is_primed.iter().filter(|is_primed| !**is_primed).count(),
            is_primed,
            prime_again: Duration::MAX,
            complaint: None,
        }
    }

    /// The connection that carries a lane's stanzas, if it may now.
    pub(super) fn ready(&self, lane: u32) -> Option<SocketId> {
        let link = self.links.get(*self.by_lane.get(lane as usize)? as usize)?;
        link.conn.filter(|_| link.is_ready)
    }

    /// How many have not come about again, after they were gone.
    pub(super) fn count_under_way(&self) -> usize {
        self.under_way
    }

    /// How many may carry stanzas.
    pub(super) fn count_ready(&self) -> usize {
        self.ready
    }

    pub(super) fn count(&self) -> usize {
        self.links.len()
    }

    /// What a link is.
    pub(super) fn stream(&self, link: u32) -> Stream {
        self.links[link as usize].stream
    }

    /// A peer said what is wrong.
    pub(super) fn complain(&mut self, complaint: String) {
        self.complaint = Some(complaint);
    }

    /// The stream of a link is gone.
    pub(super) fn lose(&mut self, link: u32) {
        let link = &mut self.links[link as usize];
        self.ready -= usize::from(link.is_ready);
        self.under_way -= usize::from(!link.is_ready && link.conn.is_some());
        (link.conn, link.is_ready) = (None, false);
    }

    fn lanes_of(&self, link: u32) -> impl Iterator<Item = u32> + '_ {
        self.by_lane.iter().enumerate().filter(move |(_, other)| **other == link).map(|(lane, _)| lane as u32)
    }

    fn is_open(&self) -> bool {
        self.ready == self.links.len() && self.unprimed == 0
    }
}

impl Core {
    /// Begins.
    pub(super) fn open_streams(&mut self) {
        let tally = &self.shared.tallies[self.number];
        tally.to_open.store(self.links.count() as u64, std::sync::atomic::Ordering::Relaxed);
        self.open_more();
    }

    /// Opens what may be opened now, and notes when all is.
    pub(super) fn open_more(&mut self) {
        while self.links.under_way < AT_ONCE
            && self.may_open_next()
            && let Some(link) = self.links.waiting.pop_front()
        {
            self.open_link(link, self.shared.now());
        }
        if self.act == Act::Opening && self.links.is_open() {
            self.act = Act::Waiting;
            self.shared.count_opened();
        }
    }

    /// Components come first, those of other cores too: a server refuses streams to one that it does not know yet.
    fn may_open_next(&self) -> bool {
        let is_component = |link: &u32| matches!(self.links.stream(*link), Stream::Component(_));
        self.links.waiting.front().is_some_and(is_component)
            || self.shared.components() >= self.scene.components() as usize
    }

    /// Opens a stream that stays; its handshake counts from when it was due.
    pub(super) fn open_link(&mut self, link: u32, due: Duration) {
        let opening = self.scene.opening(self.links.links[link as usize].stream);
        match self.open(opening, Origin::Link(link), due) {
            Ok(id) => {
                self.links.links[link as usize].conn = Some(id);
                self.links.under_way += 1;
            }
            Err(why) => self.shared.fail(why),
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// In one line: no descriptor or port is left, or there is no certificate.
    pub(super) fn open(&mut self, opening: Opening, origin: Origin, since: Duration) -> Result<SocketId, String> {
        let Opening { target, source, call, cast } = opening;
        let (from, to) = (call.from.clone(), call.to.clone());
        let named = |why: String| format!("{} to {} at {target}: {why}", from.as_str(), to.as_str());
        let endpoint = Endpoint::initiating(call, cast).map_err(|broken| named(broken.cause.to_string()))?;
        let socket = socket::outbound(source, target).map_err(|error| named(error.to_string()))?;
        let id = self.ring.connect(socket, target);
        self.conns.insert(Conn::new(id, endpoint, origin, Phase::Connecting, since));
        Ok(id)
    }

    /// TCP is up.
    pub(super) fn connected(&mut self, id: SocketId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.phase = Phase::Negotiating;
        if let Err(broken) = conn.endpoint.start(&mut conn.out) {
            return self.ended(id, &broken.cause.to_string());
        }
        self.ring.receive(id);
        self.touch(id);
    }

    /// A stream that stays may carry stanzas.
    pub(super) fn link_ready(&mut self, link: u32, id: SocketId, since: Duration) {
        self.links.links[link as usize].is_ready = true;
        self.links.ready += 1;
        self.links.under_way -= 1;
        let now = self.shared.now();
        self.recorder.record(Series::Handshake, self.phase(now), now.saturating_sub(since));
        if self.phase(now) == crate::measure::Phase::Measure {
            self.harvest.handshakes += 1;
        }
        if self.act >= Act::Playing {
            self.absence.returned(now);
        }
        let lanes: Vec<u32> = self.links.lanes_of(link).collect();
        for lane in lanes {
            self.tracker.begin_stream(lane, self.tracker.next_number(lane));
            self.schedule.widen(lane);
            if !self.links.is_primed[lane as usize] {
                self.prime(lane, id);
                self.links.prime_again = self.links.prime_again.min(now + PRIME_AGAIN);
            }
        }
        if let Stream::Component(_) = self.links.stream(link) {
            self.shared.count_component();
        }
        let tally = &self.shared.tallies[self.number];
        tally.opened.store(self.links.ready as u64, std::sync::atomic::Ordering::Relaxed);
    }

    /// The primer of a lane arrived.
    pub(super) fn primed(&mut self, lane: u32) {
        if let Some(is_primed) = self.links.is_primed.get_mut(lane as usize).filter(|is_primed| !**is_primed) {
            *is_primed = true;
            self.links.unprimed -= 1;
        }
    }

    /// Sends primers again, and gives up at the end of the connect phase.
    pub(super) fn tick_opening(&mut self) {
        if self.act != Act::Opening {
            return;
        }
        if self.now > self.scene.plan.phases.connect {
            return self.give_up();
        }
        if self.now < self.links.prime_again {
            return;
        }
        self.links.prime_again = self.now + PRIME_AGAIN;
        for lane in 0..self.links.is_primed.len() as u32 {
            if let (false, Some(id)) = (self.links.is_primed[lane as usize], self.links.ready(lane)) {
                self.prime(lane, id);
            }
        }
    }

    fn give_up(&mut self) {
        let patience = self.scene.plan.phases.connect;
        let closed = self.links.links.iter().find(|link| !link.is_ready);
        let lane = self.links.is_primed.iter().position(|is_primed| !is_primed).unwrap_or(0);
        let stream = closed.map_or(Stream::Lane(lane as u32), |link| link.stream);
        let Opening { target, call, .. } = self.scene.opening(stream);
        let what = match closed {
            Some(_) => format!("no stream within {patience:?}"),
            None => format!("the stream is open, but no stanza arrives within {patience:?}"),
        };
        let hint = self.links.complaint.as_ref().map(|complaint| format!(" ({complaint})")).unwrap_or_default();
        let count = self.links.links.len() - self.links.ready;
        let others = if count > 1 { format!("; {count} streams are not open") } else { String::new() };
        self.shared.fail(format!("{} to {} at {target}: {what}{hint}{others}", call.from.as_str(), call.to.as_str()));
    }
}
