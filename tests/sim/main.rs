//! Whole gates on a virtual network: two ringgate processes with their shards, backends behind them, remote servers
//! and strangers before them, DNS and clock, all from one seed.
//!
//! `cargo test -p ringgate-proto --test sim` runs the named scenarios and some hundred seeds. A seed that fails prints how
//! to run it alone; `RINGGATE_SIM_TRACE=1` shows everything that is said.
#![allow(unreachable_pub, reason = "one binary: pub is for the other files")]
#![allow(dead_code, reason = "what only some scenarios need")]

mod attacks;
mod check;
mod dns;
mod faults;
mod ledger;
mod net;
mod process;
mod rng;
mod script;
mod seeds;
mod server;
mod shell;
mod talk;
mod towns;
mod wire;
mod world;
mod xml;

mod scenarios;
