//! DNS: a stub resolver for the gate, and an answerer that leads backends to the internal listener.
//!
//! Messages are hickory-proto's; sockets are glommio's. Each shard has its own [`Resolver`] with its own cache; one
//! [`Answerer`] runs on one shard. Nothing here blocks the executor or outlives its deadline.
//!
//! ```text
//! lookup ── cached? ── in flight? ── server 1, 2, … over UDP ── truncated? TCP ── CNAME? again ── cache, answer all
//! ```

mod answerer;
mod cache;
mod exchange;
mod message;
mod resolv_conf;
mod resolver;
mod within;

#[cfg(test)]
mod tests;

pub use answerer::{Answerer, AnswererConfig, INTERNAL_NAME};
pub use resolv_conf::{ResolverConfig, Warning};
pub use resolver::Resolver;

use std::time::Duration;

/// Shortest time for which an answer is kept, whatever its TTL.
pub const LIFETIME_MIN: Duration = Duration::from_secs(5);
/// Longest time for which records are kept, whatever their TTL.
pub const LIFETIME_MAX: Duration = Duration::from_secs(86_400);
/// Longest time for which the absence of records is kept. RFC 2308 §5.
pub const NEGATIVE_LIFETIME_MAX: Duration = Duration::from_secs(300);
/// How long a failure is kept. RFC 9520 §3.2.
pub const FAILURE_LIFETIME: Duration = Duration::from_secs(1);
/// CNAMEs followed for one question; a longer chain, or a loop, is a failure.
pub const CNAMES: usize = 8;
/// Questions under way in one resolver; a further one fails at once.
pub const QUESTIONS_IN_FLIGHT: usize = 1_024;
/// Longest time for one question, servers and attempts and CNAMEs included.
pub const LOOKUP_TIME: Duration = Duration::from_secs(30);
/// Bytes of a UDP message that we ask servers to keep to. DNS flag day 2020.
pub const UDP_PAYLOAD_BYTES: u16 = 1_232;
/// Datagrams that are no answer to our question before we ask over TCP instead: someone is guessing.
pub const FOREIGN_DATAGRAMS: usize = 64;
