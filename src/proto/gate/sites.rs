//! What strangers hold, by where they come from.

use core::net::{IpAddr, Ipv6Addr};

use hashbrown::HashMap;

use super::realm::Seeded;

/// Counts per site; nothing is kept for a site that holds nothing.
pub(super) struct PerSite(HashMap<Site, usize, Seeded>);

/// Whom the bounds per address count: an IPv4 address, or the /64 in which one host has as many IPv6 addresses as it
/// likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Site(IpAddr);

impl Site {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
            v4 => v4,
        })
    }
}

impl PerSite {
    pub(super) fn new(seed: Seeded) -> Self {
        Self(HashMap::with_hasher(seed))
    }

    pub(super) fn count(&self, site: Site) -> usize {
        self.0.get(&site).copied().unwrap_or(0)
    }

    /// So many more.
    pub(super) fn add(&mut self, site: Site, count: usize) {
        *self.0.entry(site).or_insert(0) += count;
    }

    /// So many less of what [`Self::add`] counted.
    pub(super) fn remove(&mut self, site: Site, count: usize) {
        let Some(counted) = self.0.get_mut(&site) else { return };
        *counted -= count;
        if *counted == 0 {
            self.0.remove(&site);
        }
    }

    /// Which holds the most; any of several. It looks at all of them.
    pub(super) fn greatest(&self) -> Option<Site> {
        self.0.iter().max_by_key(|(_, count)| **count).map(|(site, _)| *site)
    }
}
