//! What a run will do, from a seed, before anything happens: who sends what to whom, when, and how that is measured.
//!
//! A plan is the same on every machine for the same scenario, options and seed.

use std::ops::Range;
use std::time::Duration;

use crate::measure::{Mode, Series};

pub use attack::Attack;
pub use bisect::Bisect;
pub use explain::Tally;
pub(crate) use options::duration;
pub use options::{Basics, Direction, defaults};
pub use problem::Problem;
pub use scenario::Scenario;
/// When stanzas depart, in order. See `timetable`.
pub use timetable::Timetable;

mod attack;
pub mod bisect;
mod chance;
mod crowd;
mod draft;
mod explain;
mod objective;
mod options;
mod problem;
pub mod scenario;
mod timetable;

/// Between two looks at what a system holds, and so many looks at least in a measured phase.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS: u32 = 200;

/// Bytes that wait for one peer that does not read, at most: while there are more, nothing is written for it.
pub const WAITING_BYTES: usize = 64 << 20;

/// A domain of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    /// A domain served behind the system under test; its number is below [`Plan::locals`].
    Local(u32),
    /// A domain on the other side; its number, by popularity, is below [`Plan::remotes`].
    Remote(u32),
}

/// A domain pair in one direction. One party is local, the other is remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    /// The sender's domain.
    pub from: Party,
    /// The recipient's domain.
    pub to: Party,
}

/// One recipient of a presence change or message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Index in [`Plan::lanes`].
    pub lane: u32,
    /// Number of the user at the lane's `to`; its localpart is `u` and this number.
    pub user: u32,
}

/// A user who sends, and everyone who then gets a stanza.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Number of the user at the `from` of all its lanes; its localpart is `u` and this number.
    pub user: u32,
    /// In the order in which they are written: those of a lane together, so that each stream can be offered its stanzas as
    /// soon as they are written.
    pub contacts: Box<[Contact]>,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stanza {
    /// Of which kind.
    pub kind: StanzaKind,
    /// Bytes of the whole stanza as the sender's server writes it, at least what its addresses and id need; filled up with
    /// what such stanzas carry (entity capabilities and an avatar's hash, or a body).
    pub bytes: u32,
}

/// Kinds of stanzas that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StanzaKind {
    /// `<presence/>` with a status.
    Presence,
    /// `<presence type='probe'/>`; `bytes` does not matter.
    Probe,
    /// `<message type='chat'/>` with a body.
    Message,
    /// `<iq type='result'/>` with base64 data, as avatars are sent.
    Avatar,
}

/// One departure of an open loop: all contacts of a sender are due a stanza at the same instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Departure {
    /// Since the begin of the warm-up.
    pub at: Duration,
    /// Index in [`Plan::senders`].
    pub sender: u32,
    /// What each contact gets.
    pub stanza: Stanza,
    /// Under which name its arrivals are recorded.
    pub class: Class,
}

/// Which arrivals are recorded together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// What the scenario is about.
    Plain,
    /// Of the domain that is under stress (`hot-domain`, `slow-peer`), or whose streams come and go (`soak`).
    Stressed,
    /// Of all other domains meanwhile.
    Neighbour,
}

/// How stanzas (or connections) come about.
#[derive(Clone, Debug)]
pub enum Load {
    /// Open loop: [`Timetable`] says when, whatever happens.
    Paced(Timetable),
    /// Closed loop, to find what a system can do at most: each lane has up to `window` stanzas on their way, written
    /// `per_record` to a TLS record. Senders have one contact each, one sender per lane.
    Saturating {
        /// Stanzas on their way per lane, at most.
        window: u32,
        /// Written at once, into one record; divides `window`.
        per_record: u32,
        /// What is sent.
        stanza: Stanza,
    },
    /// Streams are opened, authenticated, and closed again; lanes are taken in turn.
    Connecting {
        /// Under way at once.
        at_once: u32,
        /// Stop after so many; `None`: when the measured phase ends.
        total: Option<u32>,
        /// Closed again once authenticated; otherwise they stay.
        close: bool,
    },
    /// All streams are open and nothing is sent.
    Idle,
}

/// How long the parts of a run take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// Until all streams are open, at most.
    pub connect: Duration,
    /// Recorded apart, and not part of any figure.
    pub warm_up: Duration,
    /// Where the figures come from.
    pub measure: Duration,
}

/// How streams between servers are made, on the side of the remote domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// TLS from the first byte (XEP-0368) instead of STARTTLS.
    pub direct_tls: bool,
    /// Dialback (XEP-0220) instead of SASL EXTERNAL.
    pub dialback: bool,
    /// TLS between the system and the local domains' backends, too.
    pub inside_tls: bool,
    /// TLS sessions may be resumed; otherwise every handshake is a full one.
    pub resumption: bool,
}

/// Something that goes wrong on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// This remote domain stops reading when the measured phase begins.
    StopsReading(Party),
    /// All streams of these remote domains vanish when the measured phase begins. The `n`-th of `count` domains opens its streams again
    /// `pause + over * n / count` after that.
    Vanishes {
        /// Who: numbers of remote domains.
        domains: Range<u32>,
        /// How long the first is gone.
        pause: Duration,
        /// Over which time they return, evenly; zero: all at once.
        over: Duration,
    },
    /// This remote domain attacks from the begin of the warm-up until nothing departs any more, beside the streams that it has.
    Attacks {
        /// Who.
        from: Party,
        /// In which way.
        how: Attack,
    },
    /// These remote domains have no streams that stay: each departure to or from them opens one, which carries it and then ends.
    ComesAndGoes {
        /// Who: numbers of remote domains. Departures of the same lane lie further apart than a stream lasts.
        domains: Range<u32>,
        /// From when a stream may carry stanzas until it ends; by turns it is closed as it should be, and cut.
        stay: Duration,
    },
}

/// What has to hold for exit code 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slo {
    /// The 99th percentile of the scenario's main series.
    pub p99: Option<Duration>,
    /// Its 99.9th.
    pub p999: Option<Duration>,
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// As on the command line.
    pub scenario: &'static str,
    /// Of every random choice.
    pub seed: u64,
    /// How many local domains.
    pub locals: u32,
    /// How many remote domains.
    pub remotes: u32,
    /// On the remote side.
    pub transport: Transport,
    /// All domain pairs that stanzas cross, or could: each has its stream, whether or not somebody sends.
    pub lanes: Vec<Lane>,
    /// Everyone who sends.
    pub senders: Vec<Sender>,
    /// How stanzas come about.
    pub load: Load,
    /// How long.
    pub phases: Phases,
    /// A recipient that got nothing for so long after the scheduled time is missing.
    pub deadline: Duration,
    /// What goes wrong on purpose.
    pub disturbance: Option<Disturbance>,
    /// What has to hold.
    pub slo: Slo,
    /// All options, for the record.
    pub options: serde_json::Value,
}

impl Plan {
    /// The series that the scenario is about: objectives and the bound of the send lag refer to it. None when nothing is timed.
    ///
    /// The last arrival of a fan-out for `fanout`; the neighbours when a domain is under stress; else each recipient, the transit of a closed loop,
    /// or the handshakes.
    pub fn main_series(&self) -> Option<Series> {
        match &self.load {
            Load::Idle => None,
            Load::Connecting { .. } => Some(Series::Handshake),
            Load::Saturating { .. } => Some(Series::Transit),
            Load::Paced(_) if self.scenario == "fanout" => Some(Series::Last),
            Load::Paced(timetable) => {
                let is_neighbour = |departure: &Departure| departure.class == Class::Neighbour;
                let has_neighbours = timetable.departures().iter().any(is_neighbour);
                Some(if has_neighbours { Series::Neighbour } else { Series::Recipient })
            }
        }
    }

    /// How often the system's memory and descriptors are looked at: where streams come and go, of which nothing may stay.
    pub fn look_every(&self) -> Option<Duration> {
        let comes_and_goes = matches!(self.disturbance, Some(Disturbance::ComesAndGoes { .. }));
        comes_and_goes.then(|| (self.phases.measure / LOOKS).min(LOOK))
    }

    /// How arrivals are recorded. Fan-outs are, if anybody has more than one contact, or if they are what the scenario is about.
    pub fn mode(&self) -> Mode {
        match self.load {
            Load::Saturating { .. } => Mode::Closed,
            _ => {
                let has_several = self.senders.iter().any(|sender| sender.contacts.len() > 1);
                Mode::Open { fan_outs: has_several || self.main_series() == Some(Series::Last) }
            }
        }
    }
}
