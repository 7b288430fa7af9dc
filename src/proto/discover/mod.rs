//! Where to connect for a remote domain: SRV order, fallback, Happy Eyeballs, egress rules. Pure.
//!
//! RFC 6120 §3.2, RFC 2782, XEP-0368, RFC 8305.
//!
//! ```text
//!              both SRV answers        addresses, one target after the other        one connected
//! ask services ────────────────► targets ──────────────────────────────► race ────────────────► still
//!      │ no SRV records            ▲  │ none left                         ▲                       │
//!      └── the domain, port 5269 ──┘  └──► exhausted                      └───── it failed ───────┘
//! ```

mod egress;
mod search;
mod services;
mod srv;
mod targets;

#[cfg(test)]
mod tests;

pub use egress::Egress;
pub use search::Discovery;

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::time::Timestamp;

/// What to ask the DNS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// A-labels, no trailing dot.
    pub name: String,
    /// Which records.
    pub kind: RecordKind,
}

/// Which records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Service records. RFC 2782.
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// What the DNS said; the resolver followed CNAMEs and capped the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// SRV records; an empty list is NODATA.
    Srv(Vec<Srv>),
    /// A or AAAA records; an empty list is NODATA.
    Addresses(Vec<IpAddr>),
    /// NXDOMAIN.
    NoSuchName,
    /// SERVFAIL, REFUSED, time-out, CNAME loop: no answer.
    Failed,
}

/// One SRV record. RFC 2782.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower first.
    pub priority: u16,
    /// Share among equals.
    pub weight: u16,
    /// TCP port.
    pub port: u16,
    /// Host name without trailing dot; empty for `.` (no service).
    pub target: String,
}

/// How a stream begins at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// In clear, then STARTTLS.
    StartTls,
    /// TLS from the first byte. XEP-0368.
    DirectTls,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the DNS; the answer comes back by [`Discovery::handle_answer`] with the same question.
    Ask(Question),
    /// Begin a connection attempt; its end comes back by [`Discovery::attempt_failed`], or never if it won.
    Connect {
        /// Where to.
        address: SocketAddr,
        /// How.
        transport: Transport,
    },
    /// Nothing to do before this time (Happy Eyeballs' head start), or before an answer.
    Wait(Option<Timestamp>),
    /// Nothing is left to try.
    Exhausted(Unreachable),
}

/// Why a domain could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreachable {
    /// No such domain, or it says that it has no service (SRV target `.`): `remote-server-not-found`.
    NotFound,
    /// The DNS gave no answer: `remote-server-timeout`.
    NoAnswer,
    /// All addresses are ones we may not dial: `remote-server-timeout`, counted apart.
    Forbidden,
    /// Addresses were tried and failed: `remote-server-timeout`.
    Failed,
}
