//! The XMPP federation core of ringgate.
//!
//! Everything about XMPP is decided here: where a stanza ends and whether it is well formed
//! ([`scan`]), how a stream is negotiated ([`stream`]), who has proven which domain ([`dialback`]),
//! who may federate ([`policy`]), where a stanza goes ([`route`]), and how these meet on one shard
//! ([`gate`]). There is no I/O, no clock and no randomness in this crate: bytes, time, entropy, hash
//! seeds and the CPU's features are arguments.
//!
//! # Floors
//!
//! ```text
//! gate                              one shard's brain
//! policy  route  event              decisions, and what is said of them
//! proof                             made from the witnesses of stream and dialback
//! stream  dialback  discover        protocol; they meet only in gate
//! scan  address  ns  limits  time   ground
//! ```
//!
//! Nothing imports upwards; `tests/tidy` keeps it so.
#![no_std]
#![deny(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod address;
pub mod dialback;
pub mod discover;
pub mod event;
pub mod gate;
pub mod limits;
pub mod ns;
pub mod policy;
pub mod proof;
pub mod route;
pub mod scan;
pub mod stream;
pub mod time;
