//! The whole program in a process of its own, on real sockets, against scripted peers.

mod figures;
mod handover;
mod server;
mod shutdown;
mod transport;
mod wire;
mod world;
