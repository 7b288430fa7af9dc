//! `login-storm`: many users come online within a short time.
//!
//! A login sends a presence to every remote contact and a probe to every remote contact; each contact's server that has somebody
//! online answers with a presence. The answer is scheduled, not triggered: it departs a fixed time after the login, whether or not the probe has
//! come, so that a slow system does not slow its own load down.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::plan::chance::{Chance, Purpose, Zipf};
use crate::plan::crowd::{Crowd, contacts_at};
use crate::plan::draft::{Draft, STANZA_LEAST, STANZA_MOST, Sides, USERS, presence};
use crate::plan::options::{Basics, Direction, duration, seconds};
use crate::plan::problem::{Problem, within};
use crate::plan::{Class, Contact, Plan, Stanza, StanzaKind};

/// A stretch of a morning: a share of all users logs in within a window.
#[derive(Clone, Debug, Args, Serialize)]
pub struct Options {
    #[command(flatten)]
    #[serde(flatten)]
    pub basics: Basics,
    /// Local users
    #[arg(long, default_value_t = 100_000.0, value_name = "N")]
    pub users: f64,
    /// Share of them that logs in
    #[arg(long, default_value_t = 0.6, value_name = "SHARE")]
    pub share: f64,
    /// Within this time; the run is a stretch of it
    #[arg(long, default_value = "15m", value_parser = duration, value_name = "TIME")]
    #[serde(serialize_with = "seconds")]
    pub window: Duration,
    /// Remote contacts of every user
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub contacts: u32,
    /// Share of the contacts that are online, and answer a probe
    #[arg(long, default_value_t = 1.0, value_name = "SHARE")]
    pub online: f64,
    /// An answer departs so long after the login
    #[arg(long, default_value = "100ms", value_parser = duration, value_name = "TIME")]
    #[serde(serialize_with = "seconds")]
    pub answer_after: Duration,
    /// Remote domains
    #[arg(long, short = 'd', default_value_t = 1_000, value_name = "N")]
    pub domains: u32,
    /// Exponent of the Zipf law by which contacts are spread over domains
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    pub zipf: f64,
    /// Of a presence on the wire
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
        let crowd = Crowd::new(self.basics.seed, 1, Zipf::new(self.domains, self.zipf), Direction::Out);
        let mut choice = draft.chance(Purpose::Senders);
        let times = draft.arrivals(&mut draft.chance(Purpose::Times), self.logins_per_second())?;
        for (at, user) in times.into_iter().zip(0..) {
            let login = Login {
                at,
                user,
                contacts: self.contacts,
                online: self.online,
                answer_after: self.answer_after,
                bytes: self.bytes,
            };
            login.depart(&mut draft, &crowd, &mut choice)?;
        }
        Ok(draft.paced("login-storm", Sides::new(1, self.domains), self))
    }

    fn logins_per_second(&self) -> f64 {
        self.users * self.share / self.window.as_secs_f64()
    }

    fn check(&self) -> Result<(), Problem> {
        self.basics.check()?;
        within("users", self.users, 1.0, USERS)?;
        within("share", self.share, 1e-6, 1.0)?;
        within("window", self.window.as_secs_f64(), 1.0, 86_400.0)?;
        within("contacts", self.contacts, 1, 10_000)?;
        within("online", self.online, 0.0, 1.0)?;
        within("answer-after", self.answer_after.as_secs_f64(), 0.0, 60.0)?;
        within("domains", self.domains, 1, 100_000)?;
        within("zipf", self.zipf, 0.0, 5.0)?;
        within("bytes", self.bytes, STANZA_LEAST, STANZA_MOST)?;
        let run = self.basics.warm_up + self.basics.duration;
        if run > self.window {
            return Err(Problem::Contradiction {
                what: format!("a run of {run:?} is longer than the storm of {:?}", self.window),
                remedy: "take a longer --window or a shorter --duration".to_owned(),
            });
        }
        Ok(())
    }

    /// What the model implies.
    pub fn formula(&self) -> Vec<String> {
        let Self { users, share, contacts, online, .. } = self;
        let (window, logins) = (self.window.as_secs_f64(), self.logins_per_second());
        let stanzas = logins * f64::from(*contacts) * (2.0 + online);
        vec![
            format!("logins/s = users x share / window = {users} x {share} / {window} s = {logins:.1}"),
            format!(
                "stanzas/s = logins/s x contacts x (presence + probe + answers) = {logins:.1} x {contacts} x (1 + 1 + {online}) = {stanzas:.0}"
            ),
            super::shares(&Zipf::new(self.domains, self.zipf)),
        ]
    }
}

/// One user comes online.
pub(super) struct Login {
    pub(super) at: Duration,
    pub(super) user: u32,
    pub(super) contacts: u32,
    pub(super) online: f64,
    pub(super) answer_after: Duration,
    pub(super) bytes: u32,
}

impl Login {
    /// Presences and probes now, answers a little later.
    ///
    /// # Errors
    /// [`Problem::TooLarge`].
    pub(super) fn depart(&self, draft: &mut Draft<'_>, crowd: &Crowd, choice: &mut Chance) -> Result<(), Problem> {
        let (home, parties) = crowd.acquaintance(self.user, self.contacts);
        let contacts = contacts_at(draft, home, &parties)?;
        let sender = draft.sender(self.user, contacts)?;
        draft.depart(self.at, sender, presence(self.bytes), Class::Plain)?;
        draft.depart(self.at, sender, Stanza { kind: StanzaKind::Probe, bytes: STANZA_LEAST }, Class::Plain)?;
        for (party, contact) in parties.iter().zip(0..) {
            if choice.happens(self.online) {
                let lane = draft.lane(*party, home)?;
                let answering = draft.sender(contact, [Contact { lane, user: self.user }])?;
                draft.depart(self.at + self.answer_after, answering, presence(self.bytes), Class::Plain)?;
            }
        }
        Ok(())
    }
}
