//! Where shards leave their figures and others read them.

use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;
use ringgate_proto::route::Account;

use super::tally::{Tally, add};
use crate::shard::observe::{Counters, Gauges, Observations, Traffic};

/// One shard's figures at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Sums of its events.
    pub tally: Tally,
    /// Sums of its own doings.
    pub counters: Counters,
    /// Bytes by face, in the order of `shard::observe::FACES`.
    pub traffic: [Traffic; 4],
    /// Nanoseconds from receive to send by the face that the stanza left on, in the same order.
    pub transit: [Histogram<u64>; 4],
    /// Sum of the accounts of all pairs, forgotten ones included.
    pub account: Account,
    /// What the shard had.
    pub gauges: Gauges,
}

impl Snapshot {
    /// What a shard knows now. `live` are the accounts of the pairs that it remembers.
    pub fn take(
        tally: &Tally,
        observations: &Observations,
        live: impl Iterator<Item = Account>,
        gauges: Gauges,
    ) -> Self {
        let mut account = tally.forgotten;
        live.for_each(|pair| add(&mut account, &pair));
        Self {
            tally: tally.clone(),
            counters: observations.counters,
            traffic: observations.traffic,
            transit: observations.transit.clone(),
            account,
            gauges,
        }
    }
}

/// One place per shard.
#[derive(Debug)]
pub struct Board {
    places: Vec<Mutex<Option<Arc<Snapshot>>>>,
}

impl Board {
    /// An empty board for that many shards.
    pub fn new(shards: u16) -> Self {
        Self { places: (0..shards).map(|_| Mutex::new(None)).collect() }
    }

    /// Puts a shard's figures in the place of its earlier ones.
    ///
    /// Blocks for at most the copy of a pointer by a reader. For once per second, outside the handling of stanzas. A
    /// shard that the board has no place for is ignored.
    pub fn publish(&self, shard: u16, snapshot: Snapshot) {
        let Some(place) = self.places.get(usize::from(shard)) else { return };
        let earlier = place.lock().unwrap_or_else(PoisonError::into_inner).replace(Arc::new(snapshot));
        drop(earlier); // Not while the lock is held: the last owner frees half a megabyte of histograms.
    }

    /// The latest figures of each shard that has published any, with the shard's number.
    pub fn read(&self) -> Vec<(u16, Arc<Snapshot>)> {
        let latest =
            |place: &Mutex<Option<Arc<Snapshot>>>| place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (0..).zip(&self.places).filter_map(|(shard, place)| Some((shard, latest(place)?))).collect()
    }

    /// Transit times of all shards together, by face.
    pub fn transit(&self) -> [Histogram<u64>; 4] {
        let mut sums = Observations::default().transit;
        for (_, snapshot) in self.read() {
            for (sum, histogram) in sums.iter_mut().zip(&snapshot.transit) {
                sum.add(histogram).expect("all transit histograms have the same bounds");
            }
        }
        sums
    }
}
