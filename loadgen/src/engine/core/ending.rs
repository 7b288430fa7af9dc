//! How connections and the run end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ringgate::ring::SocketId;

use super::conn::{Conn, Origin, Phase};
use super::{Act, Core, Harvest, TICK};
use crate::measure::{Phase as RunPhase, Series};

/// How long a peer may take to answer our end.
const FAREWELL: Duration = Duration::from_secs(2);

impl Core {
    /// Ends a stream in an orderly way.
    pub(super) fn close(&mut self, id: SocketId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let was_welcome = matches!(conn.origin, Origin::Accepted(_)) && conn.phase == Phase::Ready;
        self.welcomed -= u64::from(was_welcome);
        conn.phase = Phase::Closing;
        conn.endpoint.close(&mut conn.out);
        self.closing.push_back((self.now + FAREWELL, id));
        self.touch(id);
    }

    /// The peer ends the stream; our end is queued.
    pub(super) fn peer_closed(&mut self, id: SocketId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        match (conn.origin, conn.phase) {
            (Origin::Accepted(_), Phase::Ready) => self.welcomed -= 1,
            (Origin::Accepted(_), _) | (_, Phase::Closing) => {}
            _ => return self.ended(id, "the peer ended the stream"),
        }
        conn.phase = Phase::Closing;
        self.closing.push_back((self.now + FAREWELL, id));
        self.touch(id);
    }

    /// A peer refused us, or broke a rule. It is told, as far as it can be.
    pub(super) fn refused(&mut self, id: SocketId, why: &str) {
        self.links.complain(why.to_owned());
        if let Some(conn) = self.conns.get_mut(id).filter(|conn| !conn.out.is_empty()) {
            // Whether it arrives or not, the connection ends.
            let _ = self.ring.send(id, std::mem::take(&mut conn.out));
        }
        self.ended(id, why);
    }

    /// Everything is said on both sides.
    pub(super) fn may_close(&mut self, id: SocketId) {
        let is_over = |conn: &&Conn| conn.phase == Phase::Closing && conn.endpoint.is_over() && conn.out.is_empty();
        if self.conns.get(id).filter(is_over).is_some() {
            self.conns.remove(id);
            self.ring.close(id);
        }
    }

    /// A connection is gone, or is to be.
    pub(super) fn ended(&mut self, id: SocketId, why: &str) {
        let Some(conn) = self.conns.remove(id) else { return };
        self.ring.close(id);
        for written in &conn.written {
            self.tracker.unsent(written.lane, written.number.into(), &mut self.recorder);
        }
        match conn.origin {
            Origin::Accepted(_) => self.welcomed -= u64::from(conn.phase == Phase::Ready),
            // Its end was our wish, and it says that the peer knows.
            _ if conn.phase == Phase::Closing => {}
            Origin::Trial(lane) => self.trial_ended(lane, id, conn.since, why),
            Origin::Visit(_) => self.visit_ended(id, conn.since, why),
            Origin::Link(link) => self.link_ended(link, &conn, why),
        }
    }

    /// Cuts a connection without a word.
    pub(super) fn vanish(&mut self, id: SocketId) {
        let Some(conn) = self.conns.remove(id) else { return };
        self.ring.close(id);
        self.welcomed -= u64::from(matches!(conn.origin, Origin::Accepted(_)) && conn.phase == Phase::Ready);
        for written in &conn.written {
            self.tracker.unsent(written.lane, written.number.into(), &mut self.recorder);
        }
    }

    fn link_ended(&mut self, link: u32, conn: &Conn, why: &str) {
        self.links.lose(link);
        if self.shared.is_over() || self.is_wished(link, conn) {
            return;
        }
        let (from, to) = conn.endpoint.domains();
        let name = |domain: Option<ringgate_proto::address::Domain>| {
            domain.map_or_else(|| "?".to_owned(), |domain| domain.as_str().to_owned())
        };
        let (from, to) = (name(from), name(to));
        // Messages of the endpoint name the domains themselves.
        let cause = why.strip_prefix(&format!("{from} to {to}: ")).unwrap_or(why);
        match self.act {
            Act::Opening | Act::Waiting => {
                let target = self.scene.opening(self.links.stream(link)).target;
                self.shared.fail(format!("{from} to {to} at {target}: {cause}"));
            }
            _ if conn.phase < Phase::Ready => self.handshake_failed(conn.since, &format!("{from} to {to}: {cause}")),
            _ => self.lost(format!("{from} to {to}: {cause}")),
        }
    }

    /// Counts an established stream that ended although nobody had wished it.
    pub(super) fn lost(&mut self, why: String) {
        self.harvest.lost.0 += 1;
        self.harvest.lost.1.get_or_insert(why);
    }

    /// What is due about ten times a second.
    pub(super) fn tick(&mut self) {
        self.next_tick = self.now + TICK;
        self.tracker.expire(self.now, &mut self.recorder);
        self.recorder.tick(self.now);
        self.schedule.widen_all();
        self.tick_opening();
        self.tick_trials();
        self.tick_visits();
        while let Some((_, id)) = self.closing.pop_front_if(|(due, _)| *due <= self.now) {
            if self.conns.remove(id).is_some() {
                self.ring.close(id);
            }
        }
        while let Some((_, listener)) = self.resting.pop_front_if(|(due, _)| *due <= self.now) {
            self.ring.accept(listener);
        }
        self.publish();
    }

    /// Lets the conductor see how it goes.
    fn publish(&mut self) {
        let tally = &self.shared.tallies[self.number];
        let (warm_up, measured) = (self.tracker.counts(RunPhase::WarmUp), self.tracker.counts(RunPhase::Measure));
        let done = warm_up.arrived + measured.arrived + self.trials_succeeded();
        tally.done.store(done, Ordering::Relaxed);
        tally.missing.store(warm_up.missing + measured.missing, Ordering::Relaxed);
        if std::mem::replace(&mut self.shown_at, self.now.as_secs()) == self.now.as_secs() {
            return;
        }
        let phase = self.phase(self.now.saturating_sub(Duration::from_secs(1)));
        let shown = [Series::Recipient, Series::Transit, Series::Handshake, Series::Neighbour, Series::Stressed];
        let latest = shown.iter().find_map(|series| self.recorder.latest(*series, phase));
        let (p50, p99) =
            latest.map_or((0, 0), |latest| (latest.value_at_quantile(0.5), latest.value_at_quantile(0.99)));
        tally.p50.store(p50, Ordering::Relaxed);
        tally.p99.store(p99, Ordering::Relaxed);
    }

    /// Ends all streams and gives what was recorded.
    pub(super) fn finish(mut self) -> Harvest {
        let now = self.shared.now();
        self.tracker.finish(now, &mut self.recorder);
        if self.shared.cut().is_none() {
            self.fail_unended();
        }
        let ids: Vec<SocketId> = self.conns.iter().map(|conn| conn.id).collect();
        ids.into_iter().for_each(|id| self.close(id));
        self.flush();
        self.harvest.counts = self.tracker.counts(RunPhase::Measure);
        self.harvest.stressed = self.tracker.stressed(RunPhase::Measure);
        self.harvest.back = self.back();
        self.harvest.worked = self.patience.worked();
        self.harvest.intervals = self.recorder.into_intervals(now);
        self.harvest
    }
}
