//! A link: the outbound stream towards one target, from the first DNS question to its end.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::Purpose;
use super::sites::Site;
use crate::address::{Domain, DomainPair};
use crate::dialback::{DialbackError, Requests, Verifications};
use crate::discover::{Discovery, Unreachable};
use crate::event::ConnId;
use crate::limits;
use crate::route::bounce::StanzaError;
use crate::route::pair::PairIndex;
use crate::time::Timestamp;

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// Stanzas of one pair to a remote domain.
    Federation(DomainPair),
    /// Dialback verifications only: from our domain to the remote one.
    Verification(DomainPair),
    /// A backend, for all pairs.
    Backend(usize),
}

/// How far a link is.
///
/// ```text
///            wanted              negotiated
///   Idle ────────────▶ Making ────────────────▶ Ready
///   ▲ ▲                  │ nothing is             │ │
///   │ │ time is over     │ left to try            │ │ ended, and something waits: as Idle, or
///   │ └──── BackedOff ◀──┴────────────────────────┼─┘ BackedOff when it would be no use
///   └──────────────────── ended, nothing waits ───┘
/// ```
#[derive(Debug)]
pub(crate) enum LinkState {
    /// No stream, and none wanted.
    Idle,
    /// Looking for a server, connecting, negotiating: the search says what is left.
    Making(Box<Making>),
    /// The stream carries dialback elements or stanzas.
    Ready(ConnId),
    /// Failed not long ago; stanzas are answered at once until then.
    BackedOff(Timestamp),
}

/// A stream in the making.
#[derive(Debug)]
pub(crate) struct Making {
    pub(crate) search: Discovery,
    /// TCP (or direct TLS) attempts under way.
    pub(crate) attempts: Vec<Attempt>,
    /// The attempt that connected and negotiates.
    pub(crate) connected: Option<Attempt>,
    /// The search wants to be asked again at this time.
    pub(crate) wait_until: Option<Timestamp>,
    /// What the last attempt that had connected died of.
    pub(crate) last_failure: Option<Failure>,
}

/// One connection attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) conn: ConnId,
    pub(crate) address: SocketAddr,
    pub(crate) give_up_at: Timestamp,
}

/// Why a link could not be made or kept, as senders and verifiers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For the stanzas that waited.
    pub(crate) error: StanzaError,
    /// The word of log and counter.
    pub(crate) reason: &'static str,
}

impl Failure {
    pub(crate) const fn timeout(reason: &'static str) -> Self {
        Self { error: StanzaError::RemoteServerTimeout, reason }
    }

    pub(crate) const fn not_found(reason: &'static str) -> Self {
        Self { error: StanzaError::RemoteServerNotFound, reason }
    }
}

impl Failure {
    /// What a Receiving Server says when its verification met this. XEP-0220 §2.5.
    pub(crate) fn as_dialback(self) -> DialbackError {
        match (self.error, self.reason) {
            (StanzaError::RemoteServerNotFound, _) => DialbackError::RemoteServerNotFound,
            (_, "connect-failed" | "ssrf-blocked") => DialbackError::RemoteConnectionFailed,
            _ => DialbackError::RemoteServerTimeout,
        }
    }
}

impl From<Unreachable> for Failure {
    fn from(unreachable: Unreachable) -> Self {
        match unreachable {
            Unreachable::NotFound => Self::not_found("dns-not-found"),
            Unreachable::NoAnswer => Self::timeout("dns-no-answer"),
            Unreachable::Forbidden => Self::timeout("ssrf-blocked"),
            Unreachable::Failed => Self::timeout("connect-failed"),
        }
    }
}

/// A question that the DNS has not answered.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) purpose: Purpose,
    /// Links that wait for the answer.
    pub(crate) links: Vec<usize>,
}

/// A `db:result` that waits for our verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The stream that it came on.
    pub(crate) conn: ConnId,
    /// Which of the streams on that connection: see `Conn::epoch`.
    pub(crate) epoch: u32,
    /// Whose place it takes, also when the stream is gone; `None` for backends.
    pub(crate) site: Option<Site>,
    /// When it came.
    pub(crate) since: Timestamp,
}

/// A verification that waits for its link.
#[derive(Debug)]
pub(crate) struct PendingVerification {
    pub(crate) origin: Origin,
    pub(crate) pair: DomainPair,
    pub(crate) id: String,
    pub(crate) key: String,
}

/// One link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) target: Target,
    pub(crate) state: LinkState,
    /// Pairs whose stanzas go out on it: up to all that a shard knows, so nothing walks through them per stanza.
    pub(crate) pairs: BTreeSet<PairIndex>,
    /// Those whose request is not out yet, oldest first. One that is in another state by now is passed over.
    pub(crate) wanted: VecDeque<PairIndex>,
    /// Those whose request is out, and since when, oldest first. One that was answered is passed over.
    pub(crate) asked: VecDeque<(Timestamp, PairIndex)>,
    pub(crate) requests: Requests,
    pub(crate) verifications: Verifications<Origin>,
    /// Verifications that are not asked for yet, oldest first.
    pub(crate) pending: VecDeque<PendingVerification>,
    /// The peer refused SASL EXTERNAL on the last stream: the next one goes by dialback where that is allowed, since some
    /// peers close the stream instead of going on.
    pub(crate) external_failed: bool,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// What it died of last.
    pub(crate) failure: Failure,
    /// Last time that it was of use.
    pub(crate) used_at: Timestamp,
    /// A timer is set for then.
    pub(crate) watched_at: Option<Timestamp>,
}

impl Link {
    pub(crate) fn new(target: Target, now: Timestamp) -> Self {
        Self {
            target,
            state: LinkState::Idle,
            pairs: BTreeSet::new(),
            wanted: VecDeque::new(),
            asked: VecDeque::new(),
            requests: Requests::default(),
            verifications: Verifications::default(),
            pending: VecDeque::new(),
            external_failed: false,
            failures: 0,
            failure: Failure::timeout("connect-failed"),
            used_at: now,
            watched_at: None,
        }
    }

    /// Our domain and the peer's, for a link with a pair of its own.
    pub(crate) fn domains(&self) -> Option<(&Domain, &Domain)> {
        match &self.target {
            Target::Federation(pair) | Target::Verification(pair) => Some((&pair.from, &pair.to)),
            Target::Backend(_) => None,
        }
    }

    /// Pause after the current failure: doubles from [`limits::BACKOFF_FIRST`] to [`limits::BACKOFF_LAST`], and
    /// `jitter` (0 to 255) takes up to a half of it off. A backend is near: it is tried again sooner. RFC 6120 §3.3.
    pub(crate) fn backoff(&self, jitter: u8) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        let last = match self.target {
            Target::Backend(_) => limits::BACKEND_BACKOFF_LAST,
            Target::Federation(_) | Target::Verification(_) => limits::BACKOFF_LAST,
        };
        let full = (limits::BACKOFF_FIRST * 2u32.pow(doublings)).min(last);
        full - full * u32::from(jitter) / 512
    }

    /// Verifications, open or waiting, for streams from one place.
    pub(crate) fn verifications_of(&self, site: Site) -> usize {
        let waiting = self.pending.iter().map(|pending| &pending.origin);
        waiting.chain(self.verifications.origins()).filter(|origin| origin.site == Some(site)).count()
    }

    /// Nothing is queued, asked or open on it.
    pub(crate) fn is_unused(&self) -> bool {
        self.pairs.is_empty() && self.pending.is_empty() && self.verifications.is_empty()
    }
}
