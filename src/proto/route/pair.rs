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
