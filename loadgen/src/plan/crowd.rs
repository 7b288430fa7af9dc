//! Users, where they are at home, and whom they know.

use std::collections::HashMap;

use super::chance::{Chance, Purpose, Zipf};
use super::draft::Draft;
use super::options::Direction;
use super::{Contact, Party, Problem};

/// Users on both sides, whose remote contacts live on the other.
///
/// A user's home and contacts follow from the seed and the user's number alone, so that a plan need only hold those who send.
pub(super) struct Crowd {
    seed: u64,
    locals: u32,
    direction: Direction,
    zipf: Zipf,
    /// Mean of the domains beyond the first in which a local user has contacts; without it each contact is a draw of its own.
    more_domains: Option<f64>,
    senders: HashMap<u32, u32>,
}

impl Crowd {
    /// Users whose stanzas go in a direction; remote ones are spread over domains by `zipf`, local ones evenly.
    pub(super) fn new(seed: u64, locals: u32, zipf: Zipf, direction: Direction) -> Self {
        Self { seed, locals, direction, zipf, more_domains: None, senders: HashMap::new() }
    }

    /// Each local user knows people in `1 + Poisson(mean)` draws of domains.
    pub(super) fn with_domains_per_user(mut self, mean: f64) -> Self {
        self.more_domains = Some(mean);
        self
    }

    /// Index of the sender for all contacts of a user, of whom there are `contacts`.
    ///
    /// # Errors
    /// [`Problem::TooLarge`].
    pub(super) fn sender(&mut self, draft: &mut Draft<'_>, user: u32, contacts: u32) -> Result<u32, Problem> {
        if let Some(sender) = self.senders.get(&user) {
            return Ok(*sender);
        }
        let (home, parties) = self.acquaintance(user, contacts);
        let contacts = contacts_at(draft, home, &parties)?;
        let sender = draft.sender(user, contacts)?;
        self.senders.insert(user, sender);
        Ok(sender)
    }

    /// A user's domain, and the domain of each contact. The contact's user number is its place in this list.
    pub(super) fn acquaintance(&self, user: u32, contacts: u32) -> (Party, Vec<Party>) {
        let mut chance = Chance::new(self.seed, Purpose::Contacts(user));
        if self.is_local(user) {
            let home = Party::Local(user / 2 % self.locals);
            return (home, self.remote_contacts(&mut chance, contacts));
        }
        let home = Party::Remote(self.zipf.draw(&mut chance));
        (home, (0..contacts).map(|_| Party::Local(chance.below(self.locals))).collect())
    }

    fn is_local(&self, user: u32) -> bool {
        match self.direction {
            Direction::Out => true,
            Direction::In => false,
            Direction::Both => user.is_multiple_of(2),
        }
    }

    fn remote_contacts(&self, chance: &mut Chance, contacts: u32) -> Vec<Party> {
        let Some(mean) = self.more_domains else {
            return (0..contacts).map(|_| Party::Remote(self.zipf.draw(chance))).collect();
        };
        let drawn = 1 + chance.poisson(mean);
        let known: Vec<u32> = (0..drawn).map(|_| self.zipf.draw(chance)).collect();
        (0..contacts).map(|_| Party::Remote(known[chance.below(drawn) as usize])).collect()
    }
}

/// The contacts of a user whose home this is, one at each of these domains.
///
/// # Errors
/// [`Problem::TooLarge`].
pub(super) fn contacts_at(draft: &mut Draft<'_>, home: Party, parties: &[Party]) -> Result<Vec<Contact>, Problem> {
    let numbered = parties.iter().zip(0..);
    numbered.map(|(party, user)| Ok(Contact { lane: draft.lane(home, *party)?, user })).collect()
}
