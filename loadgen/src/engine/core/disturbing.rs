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
    /// How many went, and how many of them are back.
    gone: u64,
    returned: u64,
    /// When the last of these was back.
    last: Duration,
}

/// What became of the streams that vanished on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) enum Back {
    /// None of this core's did.
    #[default]
    NoneWereGone,
    /// The last one was back so long after the first domain might return.
    AllAfter(Duration),
    /// One is not back.
    NotAll,
}

impl Back {
    /// Of two cores.
    pub(in crate::engine) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::NotAll, _) | (_, Self::NotAll) => Self::NotAll,
            (Self::NoneWereGone, some) | (some, Self::NoneWereGone) => some,
            (Self::AllAfter(one), Self::AllAfter(other)) => Self::AllAfter(one.max(other)),
        }
    }

    /// How long it took until all were back.
    pub(in crate::engine) fn all_after(self) -> Option<Duration> {
        match self {
            Self::AllAfter(after) => Some(after),
            Self::NoneWereGone | Self::NotAll => None,
        }
    }
}

impl Absence {
    pub(super) fn new(scene: &Scene) -> Self {
        Self {
            planned: scene.plan.disturbance.clone(),
            since: None,
            returning: BTreeSet::new(),
            gone: 0,
            returned: 0,
            last: Duration::ZERO,
        }
    }

    /// When something changes next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.returning.first().map(|(back, _)| *back)
    }

    /// A stream is open that was not: it has returned.
    pub(super) fn returned(&mut self, at: Duration) {
        self.returned += 1;
        self.last = at;
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
        Origin::Link(_) | Origin::Trial(_) | Origin::Visit(_) => from,
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
            self.absence.gone += 1;
            self.absence.returning.insert((back, link));
        }
        back.is_some()
    }

    /// What became of the streams that vanished.
    pub(super) fn back(&self) -> Back {
        let Absence { planned, since, gone, returned, last, .. } = &self.absence;
        match (planned, since) {
            _ if *gone == 0 => Back::NoneWereGone,
            (Some(Disturbance::Vanishes { pause, .. }), Some(since)) if returned == gone => {
                Back::AllAfter(last.saturating_sub(*since + *pause))
            }
            _ => Back::NotAll,
        }
    }
}
