//! The shell of ringgate: sockets, TLS, DNS, files, timers around the core in `ringgate-proto`.
#![deny(unsafe_code)]

pub mod ring;
