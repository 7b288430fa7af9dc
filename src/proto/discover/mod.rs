//! Where to connect for a remote domain: SRV order, fallback, Happy Eyeballs, egress rules. Pure.
//!
//! RFC 6120 §3.2, RFC 2782, XEP-0368, RFC 8305.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::address::Domain;
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

/// Addresses that a stranger's DNS may not make us dial.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    /// Networks allowed although they are loopback, link-local, private, multicast, documentation… (address, prefix length).
    pub allow: Vec<(IpAddr, u8)>,
    /// Our own listeners; refused always.
    pub own: Vec<SocketAddr>,
}

impl Egress {
    /// Whether `address` may be dialled.
    pub fn permits(&self, address: SocketAddr) -> bool {
        let _ = address;
        unimplemented!()
    }
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

/// The search for one domain's server: ask, connect, fall back, in the order of the records.
///
/// Driven: call [`Self::next`] until it gives [`Action::Wait`]; feed answers, failures and time; call it again.
#[derive(Debug)]
pub struct Discovery {}

impl Discovery {
    /// Begins for `domain`. `seed` decides the weighted order; `direct_tls` whether `_xmpps-server` is asked for.
    pub fn new(domain: &Domain, seed: u64, direct_tls: bool) -> Self {
        let _ = (domain, seed, direct_tls);
        unimplemented!()
    }
    /// A search that has exactly one place to look (a backend).
    pub fn fixed(address: SocketAddr) -> Self {
        let _ = address;
        unimplemented!()
    }
    /// The DNS answered.
    pub fn handle_answer(&mut self, question: &Question, answer: &Answer) {
        let _ = (question, answer);
        unimplemented!()
    }
    /// An attempt failed: at connect, or later before the stream was of use.
    pub fn attempt_failed(&mut self, address: SocketAddr, now: Timestamp) {
        let _ = (address, now);
        unimplemented!()
    }
    /// An attempt connected: no further attempts are begun until it fails.
    pub fn attempt_connected(&mut self, address: SocketAddr) {
        let _ = address;
        unimplemented!()
    }
    /// What to do next.
    pub fn next(&mut self, egress: &Egress, now: Timestamp) -> Action {
        let _ = (egress, now);
        unimplemented!()
    }
}
