//! `fanout`: one presence change to many remote contacts, and when the first, the median and the last of them gets it.

use clap::Args;
use serde::Serialize;

use crate::plan::chance::{Purpose, Zipf};
use crate::plan::crowd::Crowd;
use crate::plan::draft::{Draft, STANZA_LEAST, STANZA_MOST, Sides, presence};
use crate::plan::options::{Basics, Direction};
use crate::plan::problem::{Problem, within};
use crate::plan::{Class, Plan};

/// One presence change to many contacts, spread over domains by a Zipf law.
///
/// The defaults give a minute's run on two cores with samples for p99.99 of the recipients and p99 of the completion.
#[derive(Clone, Debug, Args, Serialize)]
pub struct Options {
    #[command(flatten)]
    #[serde(flatten)]
    pub basics: Basics,
    /// Contacts on the other side of every user
    #[arg(long, short = 'k', default_value_t = 100, value_name = "N")]
    pub contacts: u32,
    /// Remote domains
    #[arg(long, short = 'd', default_value_t = 20, value_name = "N")]
    pub domains: u32,
    /// Local domains
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub locals: u32,
    /// Presence changes a second
    #[arg(long, default_value_t = 350.0, value_name = "PER_SECOND")]
    pub rate: f64,
    /// Exponent of the Zipf law by which contacts are spread over domains; 0: evenly
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    pub zipf: f64,
    /// Different users who change their presence
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub users: u32,
    /// Of a presence on the wire
    #[arg(long, default_value_t = 450, value_name = "BYTES")]
    pub bytes: u32,
    /// Whose presence changes: of local users (out), of remote ones (in)
    #[arg(long, value_enum, default_value_t = Direction::Out)]
    pub direction: Direction,
}

impl Options {
    /// The plan.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn plan(&self) -> Result<Plan, Problem> {
        self.check()?;
        let mut draft = Draft::new(&self.basics);
        let zipf = Zipf::new(self.domains, self.zipf);
        let mut crowd = Crowd::new(self.basics.seed, self.locals, zipf, self.direction);
        let senders = (0..self.users).map(|user| crowd.sender(&mut draft, user, self.contacts));
        let senders = senders.collect::<Result<Vec<u32>, _>>()?;
        let mut choice = draft.chance(Purpose::Senders);
        let times = draft.arrivals(&mut draft.chance(Purpose::Times), self.rate)?;
        for at in times {
            let sender = senders[choice.below(self.users) as usize];
            draft.depart(at, sender, presence(self.bytes), Class::Plain)?;
        }
        Ok(draft.paced("fanout", Sides::new(self.locals, self.domains), self))
    }

    fn check(&self) -> Result<(), Problem> {
        self.basics.check()?;
        within("contacts", self.contacts, 1, 100_000)?;
        within("locals", self.locals, 1, 1_000)?;
        within("domains", self.domains, 1, 100_000)?;
        within("rate", self.rate, 0.01, 1e6)?;
        within("zipf", self.zipf, 0.0, 5.0)?;
        within("users", self.users, 1, 1_000_000)?;
        Draft::may_hold(self.users, self.contacts)?;
        within("bytes", self.bytes, STANZA_LEAST, STANZA_MOST)?;
        if self.direction == Direction::Out && self.domains > self.contacts {
            return Err(Problem::Contradiction {
                what: format!("{} contacts cannot be spread over {} domains", self.contacts, self.domains),
                remedy: format!("take at most --domains {}", self.contacts),
            });
        }
        Ok(())
    }

    /// What the model implies.
    pub fn formula(&self) -> Vec<String> {
        let zipf = Zipf::new(self.domains, self.zipf);
        let Self { rate, contacts, domains, .. } = self;
        let mut lines = vec![format!(
            "stanzas/s = changes/s x contacts = {rate} x {contacts} = {:.0}",
            rate * f64::from(*contacts)
        )];
        if self.direction == Direction::Out {
            let distinct = zipf.distinct(self.contacts);
            lines.push(format!(
                "domains met by one change = sum over {domains} ranks of 1 - (1 - share)^{contacts} = {distinct:.1}"
            ));
        }
        lines.push(super::shares(&zipf));
        lines
    }
}
