//! The order of SRV records. RFC 2782, with `_xmpps-server` and `_xmpp-server` as one set (XEP-0368 §3).

use alloc::string::String;
use alloc::vec::Vec;

use super::{Srv, Transport};
use crate::limits;

/// A host to look up, and what to do with its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) transport: Transport,
}

/// Orders both services' records by priority, and records of one priority at random by weight.
///
/// Of each service the [`limits::SRV_RECORDS`] records with the lowest priorities are used, and as many of the result.
pub(super) fn order(direct: Vec<Srv>, starttls: Vec<Srv>, seed: u64) -> Vec<Target> {
    let mut records = capped(direct, Transport::DirectTls);
    records.extend(capped(starttls, Transport::StartTls));
    records.sort_by_key(|(record, _)| record.priority);
    let mut random = Random(seed);
    let mut ordered: Vec<Target> = Vec::with_capacity(records.len());
    for equals in records.chunk_by(|(a, _), (b, _)| a.priority == b.priority) {
        for (record, transport) in shuffled(equals.to_vec(), &mut random) {
            let target = Target { host: record.target, port: record.port, transport };
            if !ordered.contains(&target) {
                ordered.push(target);
            }
        }
    }
    ordered.truncate(limits::SRV_RECORDS);
    ordered
}

fn capped(mut records: Vec<Srv>, transport: Transport) -> Vec<(Srv, Transport)> {
    records.sort_by_key(|record| record.priority);
    records.truncate(limits::SRV_RECORDS);
    records.into_iter().map(|record| (record, transport)).collect()
}

/// Draws one record after the other: with the weightless ones in front, the first whose running sum of weights
/// reaches a number between 0 and the sum of all, both included. RFC 2782, "Weight".
fn shuffled(mut records: Vec<(Srv, Transport)>, random: &mut Random) -> Vec<(Srv, Transport)> {
    let mut drawn = Vec::with_capacity(records.len());
    // Weightless records are all drawn at the same place; turning them makes each of them as likely.
    records.sort_by_key(|(record, _)| record.weight != 0);
    while !records.is_empty() {
        let weightless = records.iter().take_while(|(record, _)| record.weight == 0).count();
        if weightless > 1 {
            let turn = random.up_to(weightless as u64 - 1) as usize;
            records[..weightless].rotate_left(turn);
        }
        let sum: u64 = records.iter().map(|(record, _)| u64::from(record.weight)).sum();
        let mark = random.up_to(sum);
        let mut running = 0;
        let at = records.iter().position(|(record, _)| {
            running += u64::from(record.weight);
            running >= mark
        });
        drawn.push(records.remove(at.unwrap_or(0)));
    }
    drawn
}

/// SplitMix64: enough to share load, and the same everywhere for one seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `most`, both included.
    fn up_to(&mut self, most: u64) -> u64 {
        ((u128::from(self.next()) * (u128::from(most) + 1)) >> 64) as u64
    }
}
