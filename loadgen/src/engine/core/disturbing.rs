//! What goes wrong on purpose: a domain that stops reading, or vanishes for a while.

use std::time::Duration;

use ringgate::ring::SocketId;

use super::Core;
use super::conn::{Conn, Origin};
use crate::engine::scene::{Scene, party};
use crate::plan::{Disturbance, Party};

/// The disturbance of a run, as far as it has come.
pub(super) struct Absence {
    planned: Option<Disturbance>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before,
    /// For good.
    Deaf(Party),
    /// Until then.
    Gone(Party, Duration),
    After,
}

impl Absence {
    pub(super) fn new(scene: &Scene) -> Self {
        Self { planned: scene.plan.disturbance, state: State::Before }
    }

    /// When something changes next.
    pub(super) fn next(&self) -> Option<Duration> {
        match self.state {
            State::Gone(_, back) => Some(back),
            _ => None,
        }
    }

    /// Whether a domain has vanished.
    pub(super) fn is_gone(&self, who: Option<Party>) -> bool {
        matches!(self.state, State::Gone(gone, _) if Some(gone) == who)
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
    /// Begins or ends the disturbance if it is time.
    pub(super) fn disturb(&mut self) {
        match (self.absence.state, self.absence.planned) {
            (State::Before, Some(disturbance)) if self.now >= self.schedule.measured_from => match disturbance {
                Disturbance::StopsReading(who) => {
                    self.absence.state = State::Deaf(who);
                    self.of(who).into_iter().for_each(|id| self.deafen(id));
                }
                Disturbance::Vanishes { domain, pause } => {
                    self.absence.state = State::Gone(domain, self.now + pause);
                    self.vanish(domain);
                }
            },
            (State::Gone(_, back), _) if self.now >= back => {
                self.absence.state = State::After;
                self.open_more();
            }
            (State::After, _) => self.open_more(),
            _ => {}
        }
    }

    /// A stream that a peer opened has come about while a domain is disturbed.
    pub(super) fn disturb_new(&mut self, id: SocketId) {
        let Some(who) = self.conns.get(id).and_then(owner) else { return };
        match self.absence.state {
            State::Deaf(deaf) if deaf == who => self.deafen(id),
            State::Gone(gone, _) if gone == who => self.ended(id, "the domain has vanished"),
            _ => {}
        }
    }

    /// Ends all of a domain's connections without a word.
    fn vanish(&mut self, who: Party) {
        self.of(who).into_iter().for_each(|id| self.ended(id, "the domain has vanished"));
    }

    fn of(&self, who: Party) -> Vec<SocketId> {
        self.conns.iter().filter(|conn| owner(conn) == Some(who)).map(|conn| conn.id).collect()
    }

    fn deafen(&mut self, id: SocketId) {
        self.ring.stop_receiving(id);
    }

    /// A stream that stays has ended; whether that is what the disturbance is about. Then it is opened again afterwards.
    pub(super) fn is_wished(&mut self, link: u32, conn: &Conn) -> bool {
        let (from, to) = conn.endpoint.domains();
        let is_wished = [from, to].iter().flatten().any(|domain| self.absence.is_gone(party(domain)));
        if is_wished {
            self.links.reopen(link);
        }
        is_wished
    }
}
