//! What goes wrong on purpose: a domain that stops reading, or vanishes for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use ringgate::ring::SocketId;

use super::Core;
use super::conn::{Conn, Origin};
use crate::engine::scene::{Scene, party};
use crate::plan::{Disturbance, Party};

/// The disturbance of a run, as far as it has come.
pub(super) struct Absence {
    planned: Option<Disturbance>,
    /// When it began.
    since: Option<Duration>,
    /// Streams that are gone, and when each is to be opened again.
    returning: BTreeSet<(Duration, u32)>,
}

impl Absence {
    pub(super) fn new(scene: &Scene) -> Self {
        Self { planned: scene.plan.disturbance.clone(), since: None, returning: BTreeSet::new() }
    }

    /// When something changes next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.returning.first().map(|(back, _)| *back)
    }

    /// When a domain that vanished is back; `None`: it never vanished.
    fn back(&self, who: Party) -> Option<Duration> {
        let (Some(Disturbance::Vanishes { domains, pause, over }), Some(since)) = (&self.planned, self.since) else {
            return None;
        };
        let Party::Remote(number) = who else { return None };
        let count = domains.end.saturating_sub(domains.start).max(1);
        let spread = || *over * (number - domains.start) / count;
        domains.contains(&number).then(|| since + *pause + spread())
    }

    /// Whether a domain does not read any more.
    fn is_deaf(&self, who: Party) -> bool {
        self.since.is_some() && self.planned == Some(Disturbance::StopsReading(who))
    }
}

/// The domain of ours that a connection belongs to, as far as it was said.
fn owner(conn: &Conn) -> Option<Party> {
    let (from, to) = conn.endpoint.domains();
    match conn.origin {
        Origin::Accepted(_) => to,
        Origin::Link(_) | Origin::Trial(_) => from,
    }
    .as_ref()
    .and_then(party)
}

impl Core {
    /// Begins the disturbance, and ends what is over, if it is time.
    pub(super) fn disturb(&mut self) {
        if self.absence.planned.is_some() && self.absence.since.is_none() && self.now >= self.schedule.measured_from {
            self.absence.since = Some(self.now);
            let all: Vec<SocketId> = self.conns.iter().map(|conn| conn.id).collect();
            all.into_iter().for_each(|id| self.disturb_one(id));
        }
        while let Some((back, link)) = self.absence.returning.first().copied().filter(|(back, _)| *back <= self.now) {
            self.absence.returning.pop_first();
            self.open_link(link, back);
        }
    }

    /// Does to a connection what is done to its domain now.
    pub(super) fn disturb_one(&mut self, id: SocketId) {
        let Some(who) = self.conns.get(id).and_then(owner) else { return };
        if self.absence.is_deaf(who) {
            self.ring.stop_receiving(id);
        }
        if self.absence.back(who).is_some_and(|back| self.now < back) {
            self.ended(id, "the domain has vanished");
        }
    }

    /// A stream that stays has ended; whether that is what the disturbance is about. Then it is opened again afterwards.
    pub(super) fn is_wished(&mut self, link: u32, conn: &Conn) -> bool {
        let (from, to) = conn.endpoint.domains();
        let parties = [from, to].into_iter().flatten().filter_map(|domain| party(&domain));
        let back = parties.filter_map(|party| self.absence.back(party)).max().filter(|back| self.now < *back);
        if let Some(back) = back {
            self.absence.returning.insert((back, link));
        }
        back.is_some()
    }
}
