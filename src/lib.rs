//! The shell of ringgate: sockets, TLS, DNS, files, timers around the core in `ringgate-proto`.
//!
//! `ARCHITECTURE.md` is the map.
#![deny(unsafe_code)]

pub mod config;
pub mod ring;
