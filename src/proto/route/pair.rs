//! One direction between two domains: its link, its waiting room, its account.

use super::account::{Account, Recent};
use super::waiting::WaitingRoom;
use crate::address::DomainPair;
use crate::event::ConnId;
use crate::policy::Reason;
use crate::proof::DomainVerified;
use crate::time::Timestamp;

/// A pair's number on its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PairIndex(pub(crate) u32);

/// Which way a pair's stanzas leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To a remote domain, on a stream of this pair alone.
    Remote,
    /// To the backend with this number, on a stream that pairs share.
    Backend(usize),
}

/// Whether the pair's stanzas may go out on its link now.
///
/// ```text
/// Idle ──stanza──▶ Wanted ──db:result──▶ Asked ──valid──▶ Open
///   ▲                │                     │                │
///   └────────────────┴──refused, lost──────┴────────────────┘
/// ```
#[derive(Debug)]
pub(crate) enum PairState {
    /// Nothing to send, or no link.
    Idle,
    /// The link is being made.
    Wanted,
    /// The link is there; the pair's `db:result` is out since then.
    Asked(Timestamp),
    /// Proven on this connection of the link.
    Open(DomainVerified, ConnId),
}

/// One direction between two domains.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) name: DomainPair,
    pub(crate) way: Way,
    /// Its stanzas are written by another shard; here it is only known to be proven.
    pub(crate) is_elsewhere: bool,
    /// Stanzas of this pair are refused by policy.
    pub(crate) refused: Option<Reason>,
    /// Number of the link that carries it, or will.
    pub(crate) link: Option<usize>,
    pub(crate) state: PairState,
    pub(crate) waiting: WaitingRoom,
    pub(crate) account: Account,
    pub(crate) recent: Recent,
    /// Last stanza; idle pairs make room for new ones in this order.
    pub(crate) used_at: Timestamp,
    /// Streams that proved this pair towards us and still stand.
    pub(crate) proven_by: u32,
}

impl Pair {
    pub(crate) fn new(name: DomainPair, way: Way, refused: Option<Reason>, now: Timestamp) -> Self {
        Self {
            name,
            way,
            is_elsewhere: false,
            refused,
            link: None,
            state: PairState::Idle,
            waiting: WaitingRoom::default(),
            account: Account::default(),
            recent: Recent::default(),
            used_at: now,
            proven_by: 0,
        }
    }

    /// Whether nothing refers to it and nothing is queued: it may be forgotten.
    pub(crate) fn is_idle(&self) -> bool {
        self.account.queued == 0 && self.proven_by == 0 && matches!(self.state, PairState::Idle)
    }

    /// Whether its request is to go out on this link.
    pub(crate) fn is_wanted_on(&self, link: usize) -> bool {
        self.link == Some(link) && matches!(self.state, PairState::Wanted)
    }

    /// Whether its request went out on this link at that time and was not answered.
    pub(crate) fn is_asked_on(&self, link: usize, at: Timestamp) -> bool {
        self.link == Some(link) && matches!(self.state, PairState::Asked(since) if since == at)
    }

    /// A stanza was taken on.
    pub(crate) fn accept(&mut self, generated: bool, now: Timestamp) {
        self.account.accepted += 1;
        self.account.generated += u64::from(generated);
        self.account.queued += 1;
        self.used_at = now;
    }

    /// The kernel took `count` of the queued stanzas.
    pub(crate) fn hand_over(&mut self, count: u64, now: Timestamp) {
        self.account.queued -= count;
        self.account.handed_over += count;
        self.recent.add(count, now);
    }

    /// The stream broke with `in_flight` stanzas half given to the kernel; those of late are in doubt too.
    pub(crate) fn break_off(&mut self, in_flight: u64, now: Timestamp) {
        let recent = self.recent.take(now).min(self.account.handed_over);
        self.account.queued -= in_flight;
        self.account.handed_over -= recent;
        self.account.in_doubt += in_flight + recent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Domain;
    use crate::limits;

    const START: Timestamp = Timestamp::from_nanos(1_000_000_000_000);

    fn pair() -> Pair {
        let domain = |name| Domain::parse(name).expect("a domain");
        let name = DomainPair { from: domain("a.example"), to: domain("b.example") };
        Pair::new(name, Way::Remote, None, START)
    }

    fn accepted(count: u64) -> Pair {
        let mut pair = pair();
        (0..count).for_each(|_| pair.accept(false, START));
        pair
    }

    #[test]
    fn accepted_stanzas_are_queued_and_ours_are_told_apart() {
        let mut pair = pair();
        pair.accept(false, START + limits::IDLE);
        pair.accept(true, START + limits::IDLE * 2);
        let Account { accepted, generated, queued, .. } = pair.account;
        assert_eq!((accepted, generated, queued), (2, 1, 2));
        assert_eq!(pair.used_at, START + limits::IDLE * 2);
        assert!(pair.account.balances());
    }

    #[test]
    fn broken_stream_puts_in_doubt_what_is_in_flight_and_what_was_handed_over_lately() {
        let mut pair = accepted(10);
        pair.hand_over(3, START);
        pair.hand_over(4, START + limits::IN_DOUBT * 2);
        pair.break_off(2, START + limits::IN_DOUBT * 2);
        let Account { handed_over, in_doubt, queued, .. } = pair.account;
        assert_eq!((handed_over, in_doubt, queued), (3, 6, 1));
        assert!(pair.account.balances());
    }

    #[test]
    fn stanzas_are_put_in_doubt_once() {
        let mut pair = accepted(4);
        pair.hand_over(3, START);
        pair.break_off(1, START);
        pair.break_off(0, START);
        assert_eq!((pair.account.handed_over, pair.account.in_doubt), (0, 4));
        assert!(pair.account.balances());
    }

    #[test]
    fn pair_may_be_forgotten_only_when_nothing_refers_to_it() {
        assert!(pair().is_idle());
        assert!(!accepted(1).is_idle());
        let proven = Pair { proven_by: 1, ..pair() };
        let wanted = Pair { state: PairState::Wanted, ..pair() };
        let asked = Pair { state: PairState::Asked(START), ..pair() };
        for busy in [proven, wanted, asked] {
            assert!(!busy.is_idle(), "{busy:?}");
        }
    }
}
