//! Memory of stanzas whose end has not come, of all streams together.
//!
//! Each stream may keep the beginning of a stanza for as long as it likes, up to the bound of one stanza, and a remote
//! domain may have any number of streams. So what is large is counted, and when it is too much altogether, a stream ends: of
//! the address that holds the most, the one whose stanza has been large for longest. Who holds stanzas back holds the most,
//! however often he finishes some, and a neighbour's avatar on its way is not his; further bytes of the same stanza make it
//! no younger. Backends are ours, and not counted.

use alloc::collections::VecDeque;

use super::Gate;
use super::conn::Conns;
use super::realm::Seeded;
use super::sites::{PerSite, Site};
use crate::event::{ConnId, Face};
use crate::limits;
use crate::stream::{Condition, StreamError};
use crate::time::Timestamp;

/// For the peer and the log.
const TOO_MUCH: StreamError = StreamError::peer(
    Condition::ResourceConstraint,
    "memory is short, and of your stanzas this one has been unfinished for longest",
);
/// Entries of streams that have finished, beyond which, and beyond half of all, they are swept out.
const STALE: usize = 16;

/// What is counted of one stream.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: usize,
    /// Which stanza this is, in the order in which they became large, and where it comes from; none while nothing is counted.
    stanza: Option<(u64, Site)>,
}

/// See the module.
pub(super) struct Unfinished {
    /// In the order of their numbers; those that were finished are among them until they are swept out.
    by_age: VecDeque<(u64, ConnId)>,
    /// Streams that are counted.
    count: usize,
    bytes: usize,
    by_site: PerSite,
    /// Of the stanza that became large last.
    number: u64,
}

impl Unfinished {
    pub(super) fn new(seed: Seeded) -> Self {
        Self { by_age: VecDeque::new(), count: 0, bytes: 0, by_site: PerSite::new(seed), number: 0 }
    }

    /// Counts what a stream from `site` holds now of the stanza that it is in the middle of.
    fn count(&mut self, (id, site): (ConnId, Site), held: &mut Held, bytes: usize) {
        if held.stanza.is_none() {
            self.number += 1;
            held.stanza = Some((self.number, site));
            self.count += 1;
            self.by_age.push_back((self.number, id));
        }
        self.bytes = self.bytes - held.bytes + bytes;
        self.by_site.add(site, bytes);
        self.by_site.remove(site, held.bytes);
        held.bytes = bytes;
    }

    /// The stanza is finished, or the stream is gone.
    pub(super) fn forget(&mut self, held: &mut Held) {
        let Some((_, site)) = held.stanza else { return };
        self.by_site.remove(site, held.bytes);
        self.bytes -= held.bytes;
        self.count -= 1;
        *held = Held::default();
    }

    /// Keeps the queue from growing with stanzas that were finished.
    fn sweep(&mut self, is_held: impl Fn(u64, ConnId) -> bool) {
        if self.by_age.len() > 2 * self.count + STALE {
            self.by_age.retain(|(number, id)| is_held(*number, *id));
        }
    }

    /// Takes the stanza out that has been large for longest, of the site that holds the most.
    fn pop_oldest(&mut self, site_of: impl Fn(u64, ConnId) -> Option<Site>) -> Option<ConnId> {
        let greatest = self.by_site.greatest()?;
        let index = self.by_age.iter().position(|(number, id)| site_of(*number, *id) == Some(greatest))?;
        self.by_age.remove(index).map(|(_, id)| id)
    }
}

impl Gate {
    /// Memory of large stanzas whose end has not come, in bytes; at most [`limits::UNFINISHED_BYTES_PER_SHARD`].
    pub fn unfinished_bytes(&self) -> usize {
        self.unfinished.bytes
    }

    /// A stream keeps the beginning of a stanza: counts it if it is large, and ends streams if that is too much altogether.
    pub(super) fn weigh(&mut self, id: ConnId, now: Timestamp) {
        let Some(conn) = self.conns.get_mut(id).filter(|conn| conn.face != Face::FromBackend) else { return };
        // What the scanner remembers of it has bounds of its own, and is some kilobytes at most.
        let bytes = conn.kept.capacity();
        if bytes <= limits::UNFINISHED_SMALL_BYTES {
            return;
        }
        self.unfinished.count((id, Site::of(conn.address.ip())), &mut conn.held, bytes);
        self.unfinished.sweep(|number, id| site_of(&self.conns, number, id).is_some());
        while self.unfinished.bytes > limits::UNFINISHED_BYTES_PER_SHARD {
            let oldest = self.unfinished.pop_oldest(|number, id| site_of(&self.conns, number, id));
            let Some(oldest) = oldest else { return };
            self.fail(oldest, TOO_MUCH, now);
        }
    }
}

/// Where the stream comes from that is still in the middle of the stanza of this number.
fn site_of(conns: &Conns, number: u64, id: ConnId) -> Option<Site> {
    conns.get(id)?.held.stanza.filter(|(held, _)| *held == number).map(|(_, site)| site)
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn id(index: u32) -> ConnId {
        ConnId { index, generation: 0 }
    }

    fn site(last: u8) -> Site {
        Site::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
    }

    #[test]
    fn queue_does_not_grow_with_stanzas_that_are_finished() {
        let mut unfinished = Unfinished::new(Seeded::new(1));
        let mut slow = Held::default();
        unfinished.count((id(0), site(1)), &mut slow, 100_000);
        let (slow, slow_site) = slow.stanza.expect("it is counted");
        for _ in 0..10_000 {
            let mut held = Held::default();
            unfinished.count((id(1), site(2)), &mut held, 20_000);
            unfinished.count((id(1), site(2)), &mut held, 40_000);
            assert_eq!(unfinished.bytes, 140_000);
            let number = held.stanza.map(|(number, _)| number);
            unfinished.sweep(|n, _| n == slow || Some(n) == number);
            assert!(unfinished.by_age.len() <= 2 * unfinished.count + STALE);
            unfinished.forget(&mut held);
        }
        assert_eq!((unfinished.count, unfinished.bytes), (1, 100_000));
        assert_eq!(unfinished.pop_oldest(|number, _| (number == slow).then_some(slow_site)), Some(id(0)));
    }

    #[test]
    fn oldest_of_the_address_that_holds_most_ends_though_another_is_older() {
        let mut unfinished = Unfinished::new(Seeded::new(1));
        let mut held: [Held; 4] = Default::default();
        for (index, (site, bytes)) in [(1, 250_000), (2, 20_000), (2, 200_000), (2, 131_000)].into_iter().enumerate() {
            let conn = (id(index as u32), self::site(site));
            unfinished.count(conn, &mut held[index], bytes);
        }
        let site_of = |_, id: ConnId| held[id.index as usize].stanza.map(|(_, site)| site);
        assert_eq!(unfinished.pop_oldest(site_of), Some(id(1)));
        let mut ended = core::mem::take(&mut held[1]);
        unfinished.forget(&mut ended);
        let site_of = |_, id: ConnId| held[id.index as usize].stanza.map(|(_, site)| site);
        assert_eq!(unfinished.pop_oldest(site_of), Some(id(2)));
    }
}
