//! The pairs that a peer has proven on one receiving stream, found by a stanza's bytes.

use alloc::vec::Vec;

use crate::address::Domain;
use crate::proof::DomainVerified;
use crate::route::pair::PairIndex;

/// One proven pair.
#[derive(Debug)]
struct Entry {
    proof: DomainVerified,
    pair: PairIndex,
}

/// At most [`crate::limits::PAIRS_PER_STREAM`] pairs, sorted by their A-labels, and the one that was used last.
///
/// A stream carries one pair nearly always: then a stanza costs two comparisons of its domainparts.
#[derive(Debug, Default)]
pub(crate) struct Proven {
    entries: Vec<Entry>,
    last: usize,
}

/// What a stanza's addresses mean on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The pair is proven.
    Proven(PairIndex),
    /// The sender's domain is, towards another target.
    OtherTarget,
    /// The sender's domain is not.
    Unproven,
}

impl Proven {
    /// Adds a pair; `false` when it was there already.
    pub(crate) fn insert(&mut self, proof: DomainVerified, pair: PairIndex) -> bool {
        match self.entries.binary_search_by(|entry| entry.proof.pair().cmp(proof.pair())) {
            Ok(_) => false,
            Err(at) => {
                self.entries.insert(at, Entry { proof, pair });
                self.last = at;
                true
            }
        }
    }

    /// What domainparts as they are spelt in a stanza mean here.
    pub(crate) fn standing<T: AsRef<[u8]> + ?Sized>(&mut self, from: &T, to: &T) -> Standing {
        let (from, to) = (from.as_ref(), to.as_ref());
        let spells = |entry: &Entry| {
            let pair = entry.proof.pair();
            pair.from.is_spelt(from) && pair.to.is_spelt(to)
        };
        if let Some(entry) = self.entries.get(self.last).filter(|entry| spells(entry)) {
            return Standing::Proven(entry.pair);
        }
        match self.search(from, to) {
            Some(at) => {
                self.last = at;
                Standing::Proven(self.entries[at].pair)
            }
            None if self.sender(from).is_some() => Standing::OtherTarget,
            None => Standing::Unproven,
        }
    }

    /// A proof for the sender's domain towards any target.
    pub(crate) fn sender<T: AsRef<[u8]> + ?Sized>(&self, from: &T) -> Option<&DomainVerified> {
        let from = spelt(from.as_ref())?;
        let at = self.entries.partition_point(|entry| entry.proof.pair().from < from);
        self.entries.get(at).map(|entry| &entry.proof).filter(|proof| proof.pair().from == from)
    }

    fn search(&self, from: &[u8], to: &[u8]) -> Option<usize> {
        let (from, to) = (spelt(from)?, spelt(to)?);
        let order = |entry: &Entry| {
            let pair = entry.proof.pair();
            pair.from.cmp(&from).then_with(|| pair.to.cmp(&to))
        };
        self.entries.binary_search_by(order).ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = PairIndex> + '_ {
        self.entries.iter().map(|entry| entry.pair)
    }
}

/// A domain that is spelt in its own wire form (ASCII case aside), or none.
fn spelt(domainpart: &[u8]) -> Option<Domain> {
    let text = core::str::from_utf8(domainpart).ok()?;
    Domain::parse(text).ok().filter(|domain| domain.is_spelt(domainpart))
}

#[cfg(test)]
mod tests;
