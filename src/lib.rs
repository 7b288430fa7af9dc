//! The shell of ringgate: sockets, TLS, DNS, files, timers around the core in `ringgate-proto`.
//!
//! `ARCHITECTURE.md` is the map.
#![deny(unsafe_code)]

pub mod admin;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cpu;
pub mod demo;
pub mod dns;
pub mod entropy;
pub mod log;
pub mod metrics;
pub mod ring;
pub mod run;
pub mod shard;
pub mod signals;
pub mod stage;
pub mod tls;
