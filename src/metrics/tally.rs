//! Events as numbers: the only place that turns the one into the other.

use std::collections::BTreeMap;

use ringgate_proto::event::{CloseCause, Event, Face};
use ringgate_proto::proof::Method;
use ringgate_proto::route::Account;

use crate::log::{cause_word, condition_word, sasl_word};

/// Sums of one shard's events since it began; none of them ever falls.
///
/// The keys are words that the program knows (conditions, reasons), so that no peer can make a map grow.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Streams whose headers were exchanged.
    pub streams_opened: BTreeMap<Face, u64>,
    /// Streams that ended, by cause.
    pub streams_closed: BTreeMap<(Face, &'static str), u64>,
    /// Stream errors, by who sent them and condition.
    pub stream_errors: BTreeMap<(&'static str, String), u64>,
    /// Pairs proven.
    pub pairs_proven: BTreeMap<(Face, Method), u64>,
    /// Pairs refused, by reason.
    pub pairs_refused: BTreeMap<(Face, &'static str), u64>,
    /// SASL EXTERNAL failures, by condition.
    pub external_failed: BTreeMap<(Face, String), u64>,
    /// Remote domains not reached, by reason.
    pub unreachable: BTreeMap<&'static str, u64>,
    /// Connections refused at accept, by bound.
    pub connections_refused: BTreeMap<&'static str, u64>,
    /// Rules applied to stanzas and elements.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Sum of the accounts of pairs that were forgotten.
    pub forgotten: Account,
}

impl Tally {
    /// Counts one event.
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::StreamOpened { face, .. } => count(&mut self.streams_opened, *face),
            Event::PairProven { face, method, .. } => count(&mut self.pairs_proven, (*face, *method)),
            Event::PairRefused { face, reason, .. } => count(&mut self.pairs_refused, (*face, *reason)),
            Event::SaslFailed { face, failure, .. } => count(&mut self.external_failed, (*face, sasl_word(*failure))),
            Event::StreamClosed { face, cause, .. } => self.fold_close(*face, cause),
            Event::Unreachable { reason, .. } => count(&mut self.unreachable, *reason),
            Event::ConnectionRefused { reason, .. } => count(&mut self.connections_refused, *reason),
            Event::PairClosed { account, .. } => add(&mut self.forgotten, account),
            Event::Refused { reason } => count(&mut self.refusals, *reason),
        }
    }

    fn fold_close(&mut self, face: Face, cause: &CloseCause) {
        count(&mut self.streams_closed, (face, cause_word(cause)));
        match cause {
            CloseCause::SentError(condition, _) => {
                count(&mut self.stream_errors, ("us", condition_word(*condition)));
            }
            CloseCause::PeerError(condition) => count(&mut self.stream_errors, ("peer", condition_word(*condition))),
            CloseCause::Clean
            | CloseCause::Broken(_)
            | CloseCause::Tls(_)
            | CloseCause::Idle
            | CloseCause::Shutdown
            | CloseCause::ClosingTimeout => {}
        }
    }

    /// Adds another shard's sums.
    pub fn merge(&mut self, other: &Self) {
        merge(&mut self.streams_opened, &other.streams_opened);
        merge(&mut self.streams_closed, &other.streams_closed);
        merge(&mut self.stream_errors, &other.stream_errors);
        merge(&mut self.pairs_proven, &other.pairs_proven);
        merge(&mut self.pairs_refused, &other.pairs_refused);
        merge(&mut self.external_failed, &other.external_failed);
        merge(&mut self.unreachable, &other.unreachable);
        merge(&mut self.connections_refused, &other.connections_refused);
        merge(&mut self.refusals, &other.refusals);
        add(&mut self.forgotten, &other.forgotten);
    }
}

fn count<K: Ord>(map: &mut BTreeMap<K, u64>, key: K) {
    *map.entry(key).or_insert(0) += 1;
}

fn merge<K: Ord + Clone>(map: &mut BTreeMap<K, u64>, other: &BTreeMap<K, u64>) {
    for (key, value) in other {
        *map.entry(key.clone()).or_insert(0) += value;
    }
}

/// Adds `other` to `sum`, field by field.
pub(super) fn add(sum: &mut Account, other: &Account) {
    let Account { accepted, generated, delivered, handed_over, bounced, dropped, in_doubt, queued } = *other;
    sum.accepted += accepted;
    sum.generated += generated;
    sum.delivered += delivered;
    sum.handed_over += handed_over;
    sum.bounced += bounced;
    sum.dropped += dropped;
    sum.in_doubt += in_doubt;
    sum.queued += queued;
}

#[cfg(test)]
mod tests {
    use ringgate_proto::stream::Condition;

    use super::*;

    #[test]
    fn every_kind_of_close_is_counted_under_its_cause_and_errors_under_their_condition() {
        let mut tally = Tally::default();
        let causes = [
            CloseCause::Clean,
            CloseCause::Clean,
            CloseCause::SentError(Condition::PolicyViolation, "too big"),
            CloseCause::PeerError(Condition::HostUnknown),
        ];
        for cause in causes {
            tally.fold(&Event::StreamClosed { stream: 1, face: Face::Inbound, remote: None, cause });
        }
        let closed = tally.streams_closed.iter().map(|((_, cause), n)| (*cause, *n)).collect::<Vec<_>>();
        assert_eq!(closed, [("clean", 2), ("peer-error", 1), ("sent-error", 1)]);
        assert_eq!(tally.stream_errors[&("us", "policy-violation".to_owned())], 1);
        assert_eq!(tally.stream_errors[&("peer", "host-unknown".to_owned())], 1);
    }

    #[test]
    fn merged_tallies_are_the_sum() {
        let mut tally = Tally::default();
        tally.fold(&Event::Refused { reason: "a" });
        let mut other = Tally::default();
        other.fold(&Event::Refused { reason: "a" });
        other.fold(&Event::Refused { reason: "b" });
        tally.merge(&other);
        assert_eq!(tally.refusals, BTreeMap::from([("a", 2), ("b", 1)]));
    }
}
