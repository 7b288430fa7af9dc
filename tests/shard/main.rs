//! Whole shards on real sockets: glommio executors, data rings, gates and TLS, against scripted peers on the loopback.
//! Peers block with a five-second time-out, so that a test that hangs fails.

mod across;
mod allocations;
mod beside;
mod bound;
mod broken;
mod ends;
mod flow;
mod peer;
mod probes;
mod reading;
mod scripts;
mod share;
mod storm;
mod world;
