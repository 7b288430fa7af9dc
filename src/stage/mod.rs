//! What it takes to play XMPP servers around a real one: certificates, a DNS server and the servers' side of a stream.
//!
//! The demo and the load generator are made of these parts. They are no servers to run anywhere else: a peer's domain is
//! believed, for the system that is played with has to prove itself to nobody here.

pub mod authority;
pub mod endpoint;
pub mod zone;
