//! What became of the stanzas of one pair.

use core::ops::AddAssign;

use crate::limits;
use crate::time::Timestamp;

/// What became of the stanzas of one pair. At every instant
/// `accepted = delivered + handed_over + bounced + dropped + in_doubt + queued`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Parsed, authorised and taken on, errors that ringgate made included.
    pub accepted: u64,
    /// Of those accepted, made by ringgate.
    pub generated: u64,
    /// Acknowledged by the peer (XEP-0198); always 0 as long as ringgate does not negotiate it.
    pub delivered: u64,
    /// Given to the kernel for a peer that does not acknowledge, and its stream did not break within
    /// [`limits::IN_DOUBT`].
    pub handed_over: u64,
    /// Answered with an error.
    pub bounced: u64,
    /// Dropped by a rule (each rule has its counter).
    pub dropped: u64,
    /// Given to the kernel shortly before the stream broke, or half given.
    pub in_doubt: u64,
    /// Waiting for a stream, or in an outbox.
    pub queued: u64,
}

impl Account {
    /// Whether the sum holds.
    pub fn balances(&self) -> bool {
        self.accepted == self.delivered + self.handed_over + self.bounced + self.dropped + self.in_doubt + self.queued
    }
}

impl AddAssign for Account {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.generated += other.generated;
        self.delivered += other.delivered;
        self.handed_over += other.handed_over;
        self.bounced += other.bounced;
        self.dropped += other.dropped;
        self.in_doubt += other.in_doubt;
        self.queued += other.queued;
    }
}

/// How many stanzas were handed over lately: those that a broken stream puts in doubt.
///
/// The TCP user time-out ends a connection whose bytes are not acknowledged within [`limits::IN_DOUBT`]; so what was
/// written longer ago had reached the peer's kernel. Two slices make the window between one and two such times.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recent {
    slice_began: Timestamp,
    current: u64,
    previous: u64,
}

impl Recent {
    /// `count` stanzas were given to the kernel.
    pub(crate) fn add(&mut self, count: u64, now: Timestamp) {
        self.turn(now);
        self.current += count;
    }

    /// Those of the window; it starts anew.
    pub(crate) fn take(&mut self, now: Timestamp) -> u64 {
        self.turn(now);
        let count = self.current + self.previous;
        *self = Self::default();
        count
    }

    fn turn(&mut self, now: Timestamp) {
        let age = now.since(self.slice_began);
        if age < limits::IN_DOUBT {
            return;
        }
        self.previous = if age < 2 * limits::IN_DOUBT { self.current } else { 0 };
        self.current = 0;
        self.slice_began = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_written_within_the_window_are_in_doubt() {
        let mut recent = Recent::default();
        let start = Timestamp::from_nanos(1) + limits::IN_DOUBT * 10;
        recent.add(3, start);
        recent.add(2, start + limits::IN_DOUBT / 2);
        assert_eq!(recent.take(start + limits::IN_DOUBT), 5);
    }

    #[test]
    fn stanzas_written_long_before_are_not_in_doubt() {
        let mut recent = Recent::default();
        let start = Timestamp::from_nanos(1) + limits::IN_DOUBT * 10;
        recent.add(3, start);
        assert_eq!(recent.take(start + limits::IN_DOUBT * 2), 0);
    }

    fn each_once() -> Account {
        Account {
            accepted: 32,
            generated: 64,
            delivered: 1,
            handed_over: 2,
            bounced: 4,
            dropped: 8,
            in_doubt: 16,
            queued: 1,
        }
    }

    #[test]
    fn account_balances_only_with_every_term() {
        assert!(each_once().balances());
        let change: [fn(&mut Account); 7] = [
            |a| a.accepted += 1,
            |a| a.delivered += 1,
            |a| a.handed_over += 1,
            |a| a.bounced += 1,
            |a| a.dropped += 1,
            |a| a.in_doubt += 1,
            |a| a.queued += 1,
        ];
        for change in change {
            let mut account = each_once();
            change(&mut account);
            assert!(!account.balances(), "{account:?}");
        }
    }

    #[test]
    fn sum_of_accounts_is_the_sum_of_every_term() {
        let mut sum = each_once();
        sum += each_once();
        let twice = Account {
            accepted: 64,
            generated: 128,
            delivered: 2,
            handed_over: 4,
            bounced: 8,
            dropped: 16,
            in_doubt: 32,
            queued: 2,
        };
        assert_eq!(sum, twice);
    }
}
