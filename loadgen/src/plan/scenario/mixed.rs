//! `mixed`: what a community's federation traffic looks like on a usual day: presence changes, logins with their probes and
//! answers, logouts, messages, avatars.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::plan::chance::{Chance, Purpose, Zipf};
use crate::plan::crowd::Crowd;
use crate::plan::draft::{Draft, Sides, presence};
use crate::plan::options::{Basics, Direction};
use crate::plan::problem::{Problem, within};
use crate::plan::{Class, Contact, Plan, Stanza, StanzaKind};

use super::login_storm::Login;

/// Standard deviation of the logarithm of contacts per user: `ln(300 / 25) / 2.326`, from a median of 25 and a 99th percentile of
/// 300.
const SIGMA: f64 = 1.068;

/// Contacts of a user, at most, whatever the log-normal law draws.
const CONTACTS_MOST: f64 = 5_000.0;

/// Bytes of a presence with capabilities and avatar hash, of one that only says unavailable, of a message, of an avatar.
const PRESENCE: u32 = 450;
const UNAVAILABLE: u32 = 200;
const MESSAGE: u32 = 500;
const AVATAR: u32 = 8_000;

/// A usual day: users of both sides change presence, log in and out, chat and fetch avatars.
#[derive(Clone, Debug, Args, Serialize)]
pub struct Options {
    #[command(flatten)]
    #[serde(flatten)]
    pub basics: Basics,
    /// Users of both sides who are online
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub users: u32,
    /// Median of the contacts of a user; log-normal, the 99th percentile is 12 times that
    #[arg(long, default_value_t = 25.0, value_name = "N")]
    pub contacts: f64,
    /// Share of the contacts that are on the other side
    #[arg(long, default_value_t = 0.25, value_name = "SHARE")]
    pub remote: f64,
    /// Presence changes of a user per hour
    #[arg(long, default_value_t = 4.0, value_name = "PER_HOUR")]
    pub changes: f64,
    /// Messages of a user per day, of which the remote share crosses
    #[arg(long, default_value_t = 78.0, value_name = "PER_DAY")]
    pub messages: f64,
    /// Hours that a user stays online; each then logs out, and another one in
    #[arg(long, default_value_t = 8.0, value_name = "HOURS")]
    pub session: f64,
    /// Share of the logins that fetch the avatar of one contact
    #[arg(long, default_value_t = 0.2, value_name = "SHARE")]
    pub avatars: f64,
    /// Remote domains
    #[arg(long, short = 'd', default_value_t = 1_000, value_name = "N")]
    pub domains: u32,
    /// Exponent of the Zipf law by which users are spread over remote domains
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    pub zipf: f64,
}

/// Events a second, of all users.
struct Rates {
    changes: f64,
    messages: f64,
    logins: f64,
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
        let mut crowd = Crowd::new(self.basics.seed, 1, zipf, Direction::Both).with_domains_per_user(1.5);
        let (mut times, mut choice) = (draft.chance(Purpose::Times), draft.chance(Purpose::Senders));
        let rates = self.rates();
        for at in draft.arrivals(&mut times, rates.changes)? {
            let user = choice.below(self.users);
            let sender = crowd.sender(&mut draft, user, self.contacts_of(user))?;
            draft.depart(at, sender, presence(PRESENCE), Class::Plain)?;
        }
        for at in draft.arrivals(&mut times, rates.messages)? {
            self.message(&mut draft, &crowd, &mut choice, at)?;
        }
        for at in draft.arrivals(&mut times, rates.logins)? {
            self.login(&mut draft, &crowd, &mut choice, at)?;
        }
        for at in draft.arrivals(&mut times, rates.logins)? {
            let user = choice.below(self.users);
            let sender = crowd.sender(&mut draft, user, self.contacts_of(user))?;
            draft.depart(at, sender, presence(UNAVAILABLE), Class::Plain)?;
        }
        Ok(draft.paced("mixed", Sides::new(1, self.domains), self))
    }

    fn rates(&self) -> Rates {
        let users = f64::from(self.users);
        Rates {
            changes: users * self.changes / 3_600.0,
            messages: users * self.messages * self.remote / 86_400.0,
            logins: users / (self.session * 3_600.0),
        }
    }

    /// Contacts on the other side of a user; somebody without any changes nothing here.
    fn contacts_of(&self, user: u32) -> u32 {
        // A stream of its own: the one of the user's number draws the contacts' homes.
        let mut chance = Chance::new(!self.basics.seed, Purpose::Contacts(user));
        let contacts = chance.log_normal(self.contacts, SIGMA).clamp(1.0, CONTACTS_MOST) * self.remote;
        // The fraction is a chance of one more, so that rounding does not change the mean.
        contacts as u32 + u32::from(chance.happens(contacts.fract()))
    }

    fn message(&self, draft: &mut Draft<'_>, crowd: &Crowd, choice: &mut Chance, at: Duration) -> Result<(), Problem> {
        let user = choice.below(self.users);
        let (home, parties) = crowd.acquaintance(user, self.contacts_of(user).max(1));
        let contact = choice.below(parties.len() as u32);
        let lane = draft.lane(home, parties[contact as usize])?;
        let sender = draft.sender(user, [Contact { lane, user: contact }])?;
        draft.depart(at, sender, Stanza { kind: StanzaKind::Message, bytes: MESSAGE }, Class::Plain)
    }

    fn login(&self, draft: &mut Draft<'_>, crowd: &Crowd, choice: &mut Chance, at: Duration) -> Result<(), Problem> {
        let user = choice.below(self.users);
        let contacts = self.contacts_of(user);
        let answer_after = Duration::from_millis(100);
        Login { at, user, contacts, online: 1.0, answer_after, bytes: PRESENCE }.depart(draft, crowd, choice)?;
        if contacts > 0 && choice.happens(self.avatars) {
            let (home, parties) = crowd.acquaintance(user, contacts);
            let contact = choice.below(contacts);
            let lane = draft.lane(parties[contact as usize], home)?;
            let sender = draft.sender(contact, [Contact { lane, user }])?;
            let avatar = Stanza { kind: StanzaKind::Avatar, bytes: AVATAR };
            draft.depart(at + 2 * answer_after, sender, avatar, Class::Plain)?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Problem> {
        self.basics.check()?;
        within("users", self.users, 2, 1_000_000_000)?;
        within("contacts", self.contacts, 1.0, 1_000.0)?;
        within("remote", self.remote, 0.001, 1.0)?;
        within("changes", self.changes, 0.001, 1e4)?;
        within("messages", self.messages, 0.001, 1e6)?;
        within("session", self.session, 0.01, 1e3)?;
        within("avatars", self.avatars, 0.0, 1.0)?;
        within("domains", self.domains, 1, 100_000)?;
        within("zipf", self.zipf, 0.0, 5.0)
    }

    /// What the model implies.
    pub fn formula(&self) -> Vec<String> {
        let rates = self.rates();
        let Self { users, contacts, remote, changes, messages, session, .. } = self;
        let all = contacts * libm::exp(SIGMA * SIGMA / 2.0);
        let known = all * remote;
        vec![
            format!(
                "remote contacts = median x e^(sigma^2 / 2) x remote share = {contacts} x e^({SIGMA}^2 / 2) x {remote} = {known:.1}, mean"
            ),
            format!(
                "presence changes: users x contacts x changes/h / 3600 = {users} x {known:.1} x {changes} / 3600 = {:.0} stanzas/s",
                rates.changes * known
            ),
            format!(
                "logins: users / session x contacts x 3 = {users} / {session} h x {known:.1} x 3 = {:.0} stanzas/s; logouts a third of that",
                rates.logins * known * 3.0
            ),
            format!(
                "messages: users x messages/day x remote share / 86400 = {users} x {messages} x {remote} / 86400 = {:.0} stanzas/s",
                rates.messages
            ),
            super::shares(&Zipf::new(self.domains, self.zipf)),
        ]
    }
}
