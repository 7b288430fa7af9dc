//! One shard's brain: it names connections, owns pairs and routes, and decides everything.
//!
//! # Contract
//!
//! 1. [`Gate::accept`] names an accepted connection.
//! 2. [`Gate::handle`] takes one [`Input`] and the time, which must not run backwards.
//! 3. [`Gate::next_output`] is called until it gives `None`; the shell carries out each output, in order.
//! 4. At the end of a tick [`Gate::next_dirty`] is called until `None`; each connection's [`Gate::take_outbox`] becomes
//!    one run of TLS records and one send. When all of it is with the kernel: [`Input::Flushed`]. A connection whose
//!    earlier bytes are not with the kernel yet is left alone (its outbox grows to a bound, and its feeders are paused).
//! 5. [`Gate::deadline`] says when [`Input::Timer`] is due at the latest.

mod io;

pub use io::{Breakage, ConnId, Envelope, Input, Listener, Outgoing, Output, Posted, ShardId, TlsClient};

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::address::{Domain, DomainPair};
use crate::event::Face;
use crate::route::Account;
use crate::time::Timestamp;

/// What a gate is told once.
#[derive(Clone, Debug)]
pub struct GateConfig {
    /// This shard.
    pub shard: ShardId,
    /// How many there are.
    pub shards: u16,
    /// Every domain that is served, subdomains included.
    pub domains: Vec<LocalDomain>,
    /// The backends that they name.
    pub backends: Vec<Backend>,
    /// Who may federate, and how.
    pub policy: crate::policy::Policy,
    /// Whether the internal listener has a certificate and offers STARTTLS.
    pub internal_tls: bool,
    /// Which addresses may be dialled.
    pub egress: crate::discover::Egress,
    /// Largest stanza, in bytes.
    pub stanza_bytes_max: u32,
    /// Secret of the keys shown to remote servers; the same on every shard and host of a cluster.
    pub dialback_secret: Vec<u8>,
    /// Ask for `_xmpps-server` too. XEP-0368.
    pub direct_tls: bool,
    /// For shard numbers and map hashes: the same on every shard of a process.
    pub process_seed: u64,
    /// For ids, jitter and weights: of this shard alone.
    pub shard_seed: [u8; 32],
}

/// A domain behind us.
#[derive(Clone, Debug)]
pub struct LocalDomain {
    /// Its name.
    pub name: Domain,
    /// Index into [`GateConfig::backends`].
    pub backend: usize,
}

/// A server behind us.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Where its s2s port is.
    pub address: SocketAddr,
    /// Begin TLS when it offers STARTTLS (no name is checked: dialback vouches).
    pub starttls: bool,
}

/// One shard's brain; see the module.
pub struct Gate {}

/// A stream on its way to another shard.
pub struct Departed(pub(crate) Box<()>);

impl Gate {
    /// A gate without streams. `cpu` is what the scanner may use.
    pub fn new(config: GateConfig, cpu: crate::scan::Cpu) -> Self {
        let _ = (config, cpu);
        unimplemented!()
    }
    /// Names an accepted connection; `None` when a bound says that it must be closed at once.
    pub fn accept(&mut self, listener: Listener, peer: SocketAddr, now: Timestamp) -> Option<ConnId> {
        let _ = (listener, peer, now);
        unimplemented!()
    }
    /// Takes one input.
    pub fn handle(&mut self, input: Input<'_>, now: Timestamp) {
        let _ = (input, now);
        unimplemented!()
    }
    /// The next thing to do.
    pub fn next_output(&mut self) -> Option<Output> {
        unimplemented!()
    }
    /// The next connection with something in its outbox.
    pub fn next_dirty(&mut self) -> Option<ConnId> {
        unimplemented!()
    }
    /// Takes all of a connection's outbox; `out` is an empty buffer that takes its place.
    pub fn take_outbox(&mut self, conn: ConnId, out: Outgoing) -> Outgoing {
        let _ = (conn, out);
        unimplemented!()
    }
    /// When `Input::Timer` is due.
    pub fn deadline(&self) -> Option<Timestamp> {
        unimplemented!()
    }
    /// Ends a tick: per-tick memory is reset, cross-shard envelopes become outputs.
    pub fn end_tick(&mut self) {
        unimplemented!()
    }
    /// Takes a stream out, after [`Output::HandOver`]; bytes that were read but not used go with it.
    pub fn depart(&mut self, conn: ConnId) -> Option<Departed> {
        let _ = conn;
        unimplemented!()
    }
    /// Takes a stream in and names its connection here; follow with `Input::Adopted`.
    pub fn adopt(&mut self, departed: Departed, now: Timestamp) -> ConnId {
        let _ = (departed, now);
        unimplemented!()
    }
    /// Which way a connection goes (for the transit histogram).
    pub fn face(&self, conn: ConnId) -> Option<Face> {
        let _ = conn;
        unimplemented!()
    }
    /// After `Drain`: whether all streams are gone.
    pub fn is_drained(&self) -> bool {
        unimplemented!()
    }
    /// Every pair's account.
    pub fn accounts(&self) -> impl Iterator<Item = (&DomainPair, Account)> {
        core::iter::empty()
    }
}
