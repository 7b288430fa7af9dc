//! A plan in the making.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use super::chance::{Chance, Purpose};
use super::options::Basics;
use super::problem::{Problem, at_most};
use super::{Class, Contact, Departure, Disturbance, Lane, Load, Party, Plan, Sender, Stanza, StanzaKind, Timetable};

/// Lanes of a plan, at most: each is a connection with both ends in the generator, and as many in the system under test; Linux lets
/// a process have 1,048,576 descriptors.
pub(super) const LANES: u64 = 200_000;

/// Departures of a plan, at most: they are held in memory, 32 bytes each.
pub(super) const DEPARTURES: u64 = 20_000_000;

/// Users of a side, at most: they are numbered by 32 bits.
pub(super) const USERS: f64 = 4e9;

/// Bytes of a stanza, at least: two addresses, an id and what surrounds them.
pub(super) const STANZA_LEAST: u32 = 200;

/// And at most; servers refuse much larger ones.
pub(super) const STANZA_MOST: u32 = 65_536;

/// Collects lanes, senders and departures.
pub(super) struct Draft<'a> {
    basics: &'a Basics,
    lanes: Vec<Lane>,
    numbers: HashMap<Lane, u32>,
    senders: Vec<Sender>,
    departures: Vec<Departure>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(basics: &'a Basics) -> Self {
        Self { basics, lanes: Vec::new(), numbers: HashMap::new(), senders: Vec::new(), departures: Vec::new() }
    }

    /// Choices for a purpose.
    pub(super) fn chance(&self, purpose: Purpose) -> Chance {
        Chance::new(self.basics.seed, purpose)
    }

    /// Index of a lane, which is added if it is new.
    pub(super) fn lane(&mut self, from: Party, to: Party) -> u32 {
        let lane = Lane { from, to };
        *self.numbers.entry(lane).or_insert_with(|| {
            self.lanes.push(lane);
            self.lanes.len() as u32 - 1
        })
    }

    /// Adds a sender and gives its index.
    pub(super) fn sender(&mut self, user: u32, contacts: impl Into<Box<[Contact]>>) -> u32 {
        self.senders.push(Sender { user, contacts: contacts.into() });
        self.senders.len() as u32 - 1
    }

    /// Adds a departure, if it lies within the run.
    pub(super) fn depart(&mut self, at: Duration, sender: u32, stanza: Stanza, class: Class) {
        if at < self.length() {
            self.departures.push(Departure { at, sender, stanza, class });
        }
    }

    /// Warm-up and measured phase together.
    pub(super) fn length(&self) -> Duration {
        self.basics.warm_up + self.basics.duration
    }

    /// Instants of a Poisson process of so many events a second, over warm-up and measured phase.
    ///
    /// # Errors
    /// [`Problem::TooLarge`] if they are more than a plan holds.
    pub(super) fn arrivals(&self, chance: &mut Chance, per_second: f64) -> Result<Vec<Duration>, Problem> {
        let seconds = self.length().as_secs_f64();
        at_most("departures", (per_second * seconds) as u64, DEPARTURES, "lower the rate or shorten --duration")?;
        let mut instants = Vec::new();
        let mut at = chance.gap(per_second);
        while at < seconds {
            instants.push(Duration::from_nanos((at * 1e9) as u64));
            at += chance.gap(per_second);
        }
        Ok(instants)
    }

    /// A plan by timetable.
    ///
    /// # Errors
    /// [`Problem::TooLarge`].
    pub(super) fn paced(
        mut self,
        scenario: &'static str,
        sides: Sides,
        options: &impl Serialize,
    ) -> Result<Plan, Problem> {
        at_most("departures", self.departures.len() as u64, DEPARTURES, "lower the rate or shorten --duration")?;
        let mut departures = std::mem::take(&mut self.departures);
        departures.sort_by_key(|departure| departure.at);
        self.finish(scenario, sides, Load::Paced(Timetable::new(departures)), options)
    }

    /// A plan of any load.
    ///
    /// # Errors
    /// [`Problem::TooLarge`].
    pub(super) fn finish(
        self,
        scenario: &'static str,
        sides: Sides,
        load: Load,
        options: &impl Serialize,
    ) -> Result<Plan, Problem> {
        at_most("streams", self.lanes.len() as u64, LANES, "take fewer domains")?;
        Ok(Plan {
            scenario,
            seed: self.basics.seed,
            locals: sides.locals,
            remotes: sides.remotes,
            transport: self.basics.transport(),
            lanes: self.lanes,
            senders: self.senders,
            load,
            phases: self.basics.phases(),
            deadline: self.basics.deadline,
            disturbance: sides.disturbance,
            slo: self.basics.slo(),
            options: serde_json::to_value(options).unwrap_or_default(),
        })
    }
}

/// Who takes part, and what goes wrong.
#[derive(Clone, Debug)]
pub(super) struct Sides {
    pub(super) locals: u32,
    pub(super) remotes: u32,
    pub(super) disturbance: Option<Disturbance>,
}

impl Sides {
    pub(super) fn new(locals: u32, remotes: u32) -> Self {
        Self { locals, remotes, disturbance: None }
    }
}

/// A presence of this size.
pub(super) fn presence(bytes: u32) -> Stanza {
    Stanza { kind: StanzaKind::Presence, bytes }
}
