//! What is recorded, and under which name.

use serde::{Deserialize, Serialize};

/// What a histogram is of; all are in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Series {
    /// Scheduled time to arrival, for each recipient.
    Recipient,
    /// Scheduled time to the first arrival of a fan-out.
    First,
    /// Scheduled time to the median arrival of a fan-out: the `ceil(k/2)`-th of `k`.
    Median,
    /// Scheduled time to the last arrival of a fan-out: its completion.
    Last,
    /// From the first to the last arrival of a fan-out.
    Skew,
    /// As [`Self::Recipient`], of the domain under stress.
    Stressed,
    /// As [`Self::Recipient`], of all other domains while one is under stress.
    Neighbour,
    /// Closed loop: from writing a stanza to its arrival. No latency that a user would see: a slow system is asked less.
    Transit,
    /// Scheduled time of a departure until its first stanza is offered to its socket: how late the generator is.
    SendLag,
    /// Scheduled time until a stanza is offered to its socket, for each recipient: the send lag, and the time that a server
    /// takes to write a fan-out to all its streams.
    Offered,
    /// From `connect` to the stream that may carry stanzas.
    Handshake,
    /// How late a thread that only sleeps 1 ms at a time wakes up, on the generator's core.
    Hiccup,
}

impl Series {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All, in order of their declaration.
    pub const ALL: [Self; 12] = [
        Self::Recipient,
        Self::First,
        Self::Median,
        Self::Last,
        Self::Skew,
        Self::Stressed,
        Self::Neighbour,
        Self::Transit,
        Self::SendLag,
        Self::Offered,
        Self::Handshake,
        Self::Hiccup,
    ];

    /// Its name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::First => "first",
            Self::Median => "median",
            Self::Last => "last",
            Self::Skew => "skew",
            Self::Stressed => "stressed",
            Self::Neighbour => "neighbour",
            Self::Transit => "transit",
            Self::SendLag => "send-lag",
            Self::Offered => "offered",
            Self::Handshake => "handshake",
            Self::Hiccup => "hiccup",
        }
    }
}

/// Part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Streams are opened.
    Connect,
    /// Stanzas flow; nothing of it is a figure.
    WarmUp,
    /// Where the figures come from. A stanza belongs to the phase of its scheduled time.
    Measure,
}

impl Phase {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All, in order of time.
    pub const ALL: [Self; 3] = [Self::Connect, Self::WarmUp, Self::Measure];

    /// Its name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::WarmUp => "warm-up",
            Self::Measure => "measure",
        }
    }
}
