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

/// How to have fewer of them.
const FEWER_DEPARTURES: &str = "lower the rate or shorten --duration";

/// Contacts of all senders of a plan, at most: they are held in memory, 8 bytes each.
pub(super) const CONTACTS: u64 = 100_000_000;

/// How to have fewer of them.
const FEWER_CONTACTS: &str = "take fewer users or contacts, or shorten --duration";

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
    contacts: u64,
    departures: Vec<Departure>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(basics: &'a Basics) -> Self {
        let (lanes, numbers) = (Vec::new(), HashMap::new());
        Self { basics, lanes, numbers, senders: Vec::new(), contacts: 0, departures: Vec::new() }
    }

    /// Choices for a purpose.
    pub(super) fn chance(&self, purpose: Purpose) -> Chance {
        Chance::new(self.basics.seed, purpose)
    }

    /// Index of a lane, which is added if it is new.
    ///
    /// # Errors
    /// [`Problem::TooLarge`].
    pub(super) fn lane(&mut self, from: Party, to: Party) -> Result<u32, Problem> {
        let lane = Lane { from, to };
        if let Some(number) = self.numbers.get(&lane) {
            return Ok(*number);
        }
        let number = self.lanes.len() as u32;
        at_most("streams", u64::from(number) + 1, LANES, "take fewer domains")?;
        self.lanes.push(lane);
        self.numbers.insert(lane, number);
        Ok(number)
    }

    /// Adds a sender and gives its index.
    ///
    /// # Errors
    /// [`Problem::TooLarge`].
    pub(super) fn sender(&mut self, user: u32, contacts: impl Into<Box<[Contact]>>) -> Result<u32, Problem> {
        let mut contacts = contacts.into();
        contacts.sort_by_key(|contact: &Contact| contact.lane);
        self.contacts += contacts.len() as u64;
        at_most("contacts", self.contacts, CONTACTS, FEWER_CONTACTS)?;
        self.senders.push(Sender { user, contacts });
        Ok(self.senders.len() as u32 - 1)
    }

    /// Refuses as many senders with so many contacts each, before they are drawn.
    ///
    /// # Errors
    /// [`Problem::TooLarge`].
    pub(super) fn may_hold(senders: u32, contacts: u32) -> Result<(), Problem> {
        at_most("contacts", u64::from(senders) * u64::from(contacts), CONTACTS, FEWER_CONTACTS)
    }

    /// Adds a departure, if it lies within the run and the sender has contacts: to nobody, nothing departs.
    ///
    /// # Errors
    /// [`Problem::TooLarge`].
    pub(super) fn depart(&mut self, at: Duration, sender: u32, stanza: Stanza, class: Class) -> Result<(), Problem> {
        if at < self.length() && !self.senders[sender as usize].contacts.is_empty() {
            at_most("departures", self.departures.len() as u64 + 1, DEPARTURES, FEWER_DEPARTURES)?;
            self.departures.push(Departure { at, sender, stanza, class });
        }
        Ok(())
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
        at_most("departures", (per_second * seconds) as u64, DEPARTURES, FEWER_DEPARTURES)?;
        let mut instants = Vec::new();
        let mut at = chance.gap(per_second);
        while at < seconds {
            instants.push(Duration::from_nanos((at * 1e9) as u64));
            at += chance.gap(per_second);
        }
        Ok(instants)
    }

    /// A plan by timetable.
    pub(super) fn paced(mut self, scenario: &'static str, sides: Sides, options: &impl Serialize) -> Plan {
        let mut departures = std::mem::take(&mut self.departures);
        departures.sort_by_key(|departure| departure.at);
        self.finish(scenario, sides, Load::Paced(Timetable::new(departures)), options)
    }

    /// A plan of any load.
    pub(super) fn finish(self, scenario: &'static str, sides: Sides, load: Load, options: &impl Serialize) -> Plan {
        Plan {
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
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::options::defaults;

    #[test]
    fn each_part_of_a_plan_has_a_limit() {
        let basics = defaults();
        let mut draft = Draft::new(&basics);
        let contact = Contact { lane: 0, user: 0 };
        draft.contacts = CONTACTS - 1;
        let sender = draft.sender(1, [contact]).expect("the last contact");
        let problem = draft.sender(2, [contact]).expect_err("one more").to_string();
        assert!(problem.starts_with("the plan has 100000001 contacts, the limit is 100000000: "), "{problem}");
        for number in 0..LANES as u32 {
            draft.lane(Party::Local(0), Party::Remote(number)).expect("a lane");
        }
        let problem = draft.lane(Party::Local(1), Party::Remote(0)).expect_err("one more").to_string();
        assert_eq!(problem, "the plan has 200001 streams, the limit is 200000: take fewer domains");
        assert_eq!(draft.lane(Party::Local(0), Party::Remote(7)), Ok(7), "a known one is no further one");
        draft.depart(Duration::ZERO, sender, presence(450), Class::Plain).expect("a departure");
        assert_eq!(draft.departures.len(), 1);
    }
}
