//! `soak`: steady traffic while streams are opened and ended all the time; nothing of them may stay in the system.
//!
//! The load is carried by domains whose streams stay, and its stanzas are recorded as neighbours'. Beside them other domains come and go, each
//! time for one stanza, which is recorded as stressed: every stanza has one stream that may carry it, so the account is exact.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::plan::chance::{Chance, Purpose};
use crate::plan::draft::{Draft, STANZA_LEAST, STANZA_MOST, Sides, presence};
use crate::plan::options::{Basics, Direction, duration, seconds};
use crate::plan::problem::{Problem, within};
use crate::plan::{Class, Contact, Disturbance, Party, Plan, Stanza, StanzaKind};

/// A lane has its next stream so long after the last, on average: longer than a handshake may take, so that streams of a lane never overlap.
const RETURN: f64 = 30.0;

/// Lanes that streams come and go on, at least: then the time between two of a lane is near its average.
const LANES_LEAST: f64 = 64.0;

/// Messages and presences both ways on streams that stay, while streams of other domains are opened and ended all the time. Memory and
/// descriptors of the system must not grow.
#[derive(Clone, Debug, Args, Serialize)]
#[command(mut_arg("duration", |argument| argument.default_value("20m")))]
#[command(mut_arg("warm_up", |argument| argument.default_value("2m")))]
pub struct Options {
    #[command(flatten)]
    #[serde(flatten)]
    pub basics: Basics,
    /// Remote domains whose streams stay
    #[arg(long, short = 'd', default_value_t = 50, value_name = "N")]
    pub domains: u32,
    /// Stanzas a second on the streams that stay: as many presence changes as messages, half of them each way
    #[arg(long, default_value_t = 20_000.0, value_name = "PER_SECOND")]
    pub rate: f64,
    /// Who gets each presence change
    #[arg(long, short = 'k', default_value_t = 4, value_name = "N")]
    pub contacts: u32,
    /// Streams that are opened a second, by turns from and to other remote domains
    #[arg(long, default_value_t = 50.0, value_name = "PER_SECOND")]
    pub churn: f64,
    /// So long each of them lasts; by turns it is closed as it should be, and cut
    #[arg(long, default_value = "1s", value_parser = duration, value_name = "TIME")]
    #[serde(serialize_with = "seconds")]
    pub stay: Duration,
    /// Of every stanza on the wire
    #[arg(long, default_value_t = 450, value_name = "BYTES")]
    pub bytes: u32,
}

impl Options {
    /// The plan.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn plan(&self) -> Result<Plan, Problem> {
        self.check()?;
        let mut draft = Draft::new(&self.basics);
        let mut times = draft.chance(Purpose::Times);
        self.load(&mut draft, &mut times)?;
        self.visits(&mut draft, &mut times)?;
        let remotes = self.domains + self.visitors();
        let disturbance = Some(Disturbance::ComesAndGoes { domains: self.domains..remotes, stay: self.stay });
        Ok(draft.paced("soak", Sides { disturbance, ..Sides::new(1, remotes) }, self))
    }

    /// What streams that stay carry.
    fn load(&self, draft: &mut Draft<'_>, times: &mut Chance) -> Result<(), Problem> {
        let singles = super::senders(draft, Direction::Both, self.domains)?.concat();
        let crowds =
            (0..self.domains).flat_map(|domain| [Party::Local(0), Party::Remote(domain)].map(|home| (home, domain)));
        let crowds = crowds.map(|(home, domain)| self.crowd(draft, home, domain)).collect::<Result<Vec<u32>, _>>()?;
        let mut choice = draft.chance(Purpose::Senders);
        let message = Stanza { kind: StanzaKind::Message, bytes: self.bytes };
        for (senders, stanza) in [(crowds, presence(self.bytes)), (singles, message)] {
            for at in draft.arrivals(times, self.departures())? {
                let sender = senders[choice.below(senders.len() as u32) as usize];
                draft.depart(at, sender, stanza, Class::Neighbour)?;
            }
        }
        Ok(())
    }

    /// A user with contacts: a local one in as many domains as there are, from this one on; a remote one at the local domain.
    fn crowd(&self, draft: &mut Draft<'_>, home: Party, domain: u32) -> Result<u32, Problem> {
        let contact = |number: u32| {
            let to = match home {
                Party::Local(_) => Party::Remote((domain + number) % self.domains),
                Party::Remote(_) => Party::Local(0),
            };
            Ok(Contact { lane: draft.lane(home, to)?, user: number })
        };
        let contacts = (0..self.contacts).map(contact).collect::<Result<Vec<_>, _>>()?;
        draft.sender(domain, contacts)
    }

    /// Streams that come and go: from the domains in turn, and between two of these to the domain that is half a turn away.
    fn visits(&self, draft: &mut Draft<'_>, times: &mut Chance) -> Result<(), Problem> {
        let visitors = self.visitors();
        let mut senders = Vec::new();
        for number in 0..visitors {
            let (from, to) = (self.domains + number, self.domains + (number + visitors / 2) % visitors);
            for lane in
                [draft.lane(Party::Remote(from), Party::Local(0))?, draft.lane(Party::Local(0), Party::Remote(to))?]
            {
                senders.push(draft.sender(0, [Contact { lane, user: 0 }])?);
            }
        }
        for (at, sender) in draft.arrivals(times, self.churn)?.into_iter().zip(senders.into_iter().cycle()) {
            draft.depart(at, sender, presence(self.bytes), Class::Stressed)?;
        }
        Ok(())
    }

    /// Presence changes a second, and as many messages.
    fn departures(&self) -> f64 {
        self.rate / f64::from(self.contacts + 1)
    }

    /// How many domains come and go, on two lanes each.
    fn visitors(&self) -> u32 {
        ((self.churn * RETURN).max(LANES_LEAST) / 2.0).ceil() as u32
    }

    fn check(&self) -> Result<(), Problem> {
        self.basics.check()?;
        within("domains", self.domains, 1, 50_000)?;
        within("rate", self.rate, 0.01, 1e7)?;
        within("contacts", self.contacts, 1, 10_000)?;
        within("churn", self.churn, 0.01, 3_000.0)?;
        within("stay", self.stay.as_secs_f64(), 0.0, 10.0)?;
        within("bytes", self.bytes, STANZA_LEAST, STANZA_MOST)
    }

    /// What the options imply.
    pub fn formula(&self) -> Vec<String> {
        let Self { rate, contacts, churn, stay, .. } = self;
        let (departures, lanes) = (self.departures(), 2 * self.visitors());
        vec![
            format!(
                "presence changes/s = messages/s = rate / (contacts + 1) = {rate} / ({contacts} + 1) = {departures:.0}"
            ),
            format!(
                "streams that come and go: {churn}/s on {lanes} lanes, each every {:.0} s; {:.0} at once, {stay:?} each",
                f64::from(lanes) / churn,
                churn * stay.as_secs_f64()
            ),
        ]
    }
}
