//! Where stanzas wait and what became of them.

/// What became of the stanzas of one pair. At every instant
/// `accepted = delivered + handed_over + bounced + dropped + in_doubt + queued`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Parsed, authorised and taken on, errors that ringgate made included.
    pub accepted: u64,
    /// Of those accepted, made by ringgate.
    pub generated: u64,
    /// Acknowledged by the peer.
    pub delivered: u64,
    /// Given to the kernel for a peer that does not acknowledge, whose stream has not broken since.
    pub handed_over: u64,
    /// Answered with an error.
    pub bounced: u64,
    /// Dropped by a rule (each rule has its counter).
    pub dropped: u64,
    /// Given to the kernel shortly before the stream broke.
    pub in_doubt: u64,
    /// Waiting for a stream or in an outbox.
    pub queued: u64,
}
