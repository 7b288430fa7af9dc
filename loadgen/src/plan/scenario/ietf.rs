//! `ietf-basic`, `ietf-wide`, `ietf-peering`, `ietf-xl`: interdomain presence in the steady state, by the models that the IETF's
//! SIMPLE and XMPP groups computed with.
//!
//! Presences a second, both directions together: users x contacts x changes an hour / 3600. Half of the users are local, half
//! remote; every contact is on the other side. How many domains the users live in is this program's assumption, and so is the Zipf law.

use clap::Args;
use serde::Serialize;

use crate::plan::chance::{Purpose, Zipf};
use crate::plan::crowd::Crowd;
use crate::plan::draft::{Draft, STANZA_LEAST, STANZA_MOST, Sides, USERS, presence};
use crate::plan::options::{Basics, Direction};
use crate::plan::problem::{Problem, within};
use crate::plan::{Class, Plan};

/// A published model.
///
/// # Source
/// draft-saintandre-xmpp-presence-analysis and draft-ietf-simple-interdomain-scaling-analysis, as quoted in the XSF's
/// "Presence Scalability" (2007).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// As on the command line.
    pub name: &'static str,
    /// Of both sides.
    pub users: f64,
    /// On the other side, of every user.
    pub contacts: u32,
    /// Presence changes of a user, per hour.
    pub changes: f64,
    /// Of a presence.
    pub bytes: u32,
    /// Remote domains.
    pub domains: u32,
}

/// Two domains.
pub const BASIC: Model =
    Model { name: "ietf-basic", users: 20_000.0, contacts: 4, changes: 3.0, bytes: 450, domains: 1 };
/// Widely distributed.
pub const WIDE: Model =
    Model { name: "ietf-wide", users: 20_000.0, contacts: 20, changes: 3.0, bytes: 450, domains: 1_000 };
/// Peering within one domain's realm.
pub const PEERING: Model =
    Model { name: "ietf-peering", users: 60_000.0, contacts: 10, changes: 3.0, bytes: 450, domains: 1 };
/// Very large peering.
pub const XL: Model =
    Model { name: "ietf-xl", users: 10_000_000.0, contacts: 10, changes: 6.0, bytes: 425, domains: 1 };

/// Interdomain presence by a published model; every number of it can be replaced.
#[derive(Clone, Debug, Args, Serialize)]
pub struct Options {
    #[command(flatten)]
    #[serde(flatten)]
    pub basics: Basics,
    /// Takes so many times the users of the model
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub scale: f64,
    /// Users of both sides, instead of the model's
    #[arg(long, value_name = "N")]
    pub users: Option<f64>,
    /// Contacts on the other side of every user, instead of the model's
    #[arg(long, value_name = "N")]
    pub contacts: Option<u32>,
    /// Presence changes of a user per hour, instead of the model's
    #[arg(long, value_name = "PER_HOUR")]
    pub changes: Option<f64>,
    /// Of a presence on the wire, instead of the model's
    #[arg(long, value_name = "BYTES")]
    pub bytes: Option<u32>,
    /// Remote domains, instead of the model's
    #[arg(long, value_name = "N")]
    pub domains: Option<u32>,
    /// Exponent of the Zipf law by which remote users are spread over domains
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    pub zipf: f64,
}

impl Options {
    /// The plan by a model.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn plan(&self, model: &Model) -> Result<Plan, Problem> {
        let effective = self.effective(model);
        self.check(&effective)?;
        let mut draft = Draft::new(&self.basics);
        let zipf = Zipf::new(effective.domains, self.zipf);
        let mut crowd = Crowd::new(self.basics.seed, 1, zipf, Direction::Both);
        let mut choice = draft.chance(Purpose::Senders);
        let times = draft.arrivals(&mut draft.chance(Purpose::Times), effective.users * effective.changes / 3_600.0)?;
        for at in times {
            // Everyone changes alike: one process whose events pick a user is the same as a process for each user.
            let user = choice.below(effective.users as u32);
            let sender = crowd.sender(&mut draft, user, effective.contacts)?;
            draft.depart(at, sender, presence(effective.bytes), Class::Plain)?;
        }
        Ok(draft.paced(model.name, Sides::new(1, effective.domains), self))
    }

    /// As many users as have so many stanzas a second.
    pub(super) fn set_rate(&mut self, model: &Model, rate: f64) {
        let Model { contacts, changes, .. } = self.effective(model);
        self.users = Some(rate * 3_600.0 / (f64::from(contacts) * changes));
        self.scale = 1.0;
    }

    /// The model with what the options replace.
    fn effective(&self, model: &Model) -> Model {
        Model {
            name: model.name,
            users: (self.users.unwrap_or(model.users) * self.scale).round(),
            contacts: self.contacts.unwrap_or(model.contacts),
            changes: self.changes.unwrap_or(model.changes),
            bytes: self.bytes.unwrap_or(model.bytes),
            domains: self.domains.unwrap_or(model.domains),
        }
    }

    fn check(&self, effective: &Model) -> Result<(), Problem> {
        self.basics.check()?;
        within("scale", self.scale, 1e-6, 1e6)?;
        within("users", effective.users, 2.0, USERS)?;
        within("contacts", effective.contacts, 1, 100_000)?;
        within("changes", effective.changes, 1e-3, 1e6)?;
        within("domains", effective.domains, 1, 100_000)?;
        within("zipf", self.zipf, 0.0, 5.0)?;
        within("bytes", effective.bytes, STANZA_LEAST, STANZA_MOST)
    }

    /// What the model implies.
    pub fn formula(&self, model: &Model) -> Vec<String> {
        let Model { users, contacts, changes, bytes, domains, .. } = self.effective(model);
        let rate = users * f64::from(contacts) * changes / 3_600.0;
        vec![
            format!(
                "stanzas/s = users x contacts x changes/h / 3600 = {users} x {contacts} x {changes} / 3600 = {rate:.0}"
            ),
            format!("bytes/s = {rate:.0} x {bytes} = {:.0} kB/s, both directions", rate * f64::from(bytes) / 1e3),
            super::shares(&Zipf::new(domains, self.zipf)),
        ]
    }
}
