//! One shard's brain: it names connections, owns pairs and routes, and decides everything.
//!
//! # Contract
//!
//! 1. [`Gate::accept`] names an accepted connection.
//! 2. [`Gate::receive`] takes plaintext, [`Gate::handle`] one [`Input`], both the time, which must not run backwards. What
//!    `receive` did not take comes again before anything else of that connection.
//! 3. [`Gate::next_output`] is called until it gives `None`; the shell carries out each output, in order.
//! 4. At the end of a tick: [`Gate::end_tick`], the outputs again, then [`Gate::next_dirty`] until `None`: each
//!    connection's [`Gate::take_outbox`] becomes one run of TLS records and one send. When all of it is with the kernel:
//!    [`Input::Flushed`]. A connection whose earlier bytes are not with the kernel yet is left alone (its outbox grows to
//!    a bound, and its feeders are paused).
//! 5. [`Gate::deadline`] says when [`Input::Timer`] is due at the latest.
//!
//! # Where a rule lives
//!
//! | file | what |
//! |---|---|
//! | `receive` | bytes to scanner to elements |
//! | `driving` | elements to machine; what a machine says |
//! | `unfinished` | what may be kept of stanzas whose end has not come |
//! | `stanzas` | a stanza's addresses, its pair, its way: the data path |
//! | `routing` | pairs, waiting rooms, bounces, envelopes to other shards |
//! | `links` | outbound streams: search, connect, negotiate, retry |
//! | `overdue` | what links wait for, and what when it does not come |
//! | `vouching` | the four cells of dialback, between streams |
//! | `sites` | what strangers hold, per address |
//! | `ending` | errors, closing, broken connections, drain |
//! | `moving` | hand-over of a stream to the shard that owns its remote domain |
//! | `realm` | domains, backends, policy: the streams' rules |

mod conn;
mod driving;
mod ending;
mod ids;
mod io;
mod link;
mod links;
mod machine;
mod moving;
mod overdue;
mod proven;
mod realm;
mod receive;
mod routing;
mod sites;
mod stanzas;
mod timers;
mod unfinished;
mod vouching;

pub use crate::event::ConnId;
pub use io::{Breakage, Envelope, Input, Listener, Outgoing, Output, Posted, Purpose, ShardId, TlsClient};
pub use moving::Departed;
pub use receive::{GoesOn, LOOK_BYTES};

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bumpalo::Bump;
use hashbrown::HashMap;
use slab::Slab;

use crate::address::{Domain, DomainPair};
use crate::dialback::Secret;
use crate::discover::Question;
use crate::event::{Event, Face};
use crate::limits;
use crate::policy::Policy;
use crate::route::Account;
use crate::route::pair::{Pair, PairIndex};
use crate::scan::{Cpu, Scanner, Scratch, StreamContext};
use crate::stream::{Receiving, Side, StreamEvent};
use crate::time::Timestamp;
use conn::{Conn, Conns, Phase};
use ending::DrainPhase;
use ids::Ids;
use link::{Asked, Link, Target};
use machine::Machine;
use realm::{Realm, Seeded};
use sites::{PerSite, Site};
use timers::{Timers, Watch};
use unfinished::Unfinished;

/// Emptied buffers that are kept, and the largest of them.
const SPARE_BUFFERS: usize = 32;
const SPARE_BYTES: usize = 64 << 10;

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
    pub policy: Policy,
    /// Whether the internal listener has a certificate and offers STARTTLS.
    pub internal_tls: bool,
    /// Which addresses may be dialled.
    pub egress: crate::discover::Egress,
    /// Largest stanza, in bytes.
    pub stanza_bytes_max: u32,
    /// Connections at a time, at most [`limits::CONNECTIONS_PER_SHARD`]; further ones are closed at accept, inbound ones at
    /// seven eighths of it.
    pub connections_max: usize,
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
pub struct Gate {
    shard: ShardId,
    realm: Realm,
    cpu: Cpu,
    stanza_bytes_max: u32,
    direct_tls: bool,
    /// For keys that remote servers ask us about.
    public_secret: Secret,
    /// For keys that backends ask us about.
    internal_secret: Secret,
    ids: Ids,
    stream_count: u64,

    conns: Conns,
    /// Public connections whose peer has proven nothing, per address.
    unproven: PerSite,
    pairs: Slab<Pair>,
    pair_of: HashMap<DomainPair, PairIndex, Seeded>,
    links: Slab<Link>,
    link_of: HashMap<Target, usize, Seeded>,
    /// Questions under way.
    asked: HashMap<Question, Asked, Seeded>,
    /// Open verifications of all streams.
    verifying: usize,
    /// Those of public streams, per address.
    verifying_of: PerSite,
    /// Idle pairs are not looked for before.
    make_room_at: Timestamp,
    /// The latest time that was told.
    now: Timestamp,
    /// Bytes in all waiting rooms.
    waiting_bytes: usize,
    unfinished: Unfinished,
    timers: Timers,
    drain: DrainPhase,

    outputs: VecDeque<Output>,
    dirty: VecDeque<ConnId>,
    /// Emptied buffers of outboxes and of unfinished elements, for the next that fill.
    spare: Vec<Vec<u8>>,
    envelopes: Vec<Envelope>,

    /// Working memory of the scanner.
    scratch: Scratch,
    /// Per tick: decoded addresses.
    arena: Bump,
    /// What the machines said during one call.
    stream_events: VecDeque<StreamEvent>,
    /// The context of every header that we write.
    ours: StreamContext,
    /// Reads back stanzas that we serialised, to answer them.
    rereader: Scanner,
}

impl Gate {
    /// A gate without streams. `cpu` is what the scanner may use.
    pub fn new(config: GateConfig, cpu: Cpu) -> Self {
        let seed = Seeded::new(config.process_seed);
        let internal = [b"internal ", config.dialback_secret.as_slice()].concat();
        let mut envelopes = Vec::new();
        envelopes.resize_with(usize::from(config.shards), Envelope::default);
        Self {
            shard: config.shard,
            realm: Realm::new(&config),
            cpu,
            stanza_bytes_max: config.stanza_bytes_max,
            direct_tls: config.direct_tls,
            public_secret: Secret::new(&config.dialback_secret),
            internal_secret: Secret::new(&internal),
            ids: Ids::new(config.shard_seed),
            stream_count: 0,
            conns: Conns::new(config.connections_max),
            unproven: PerSite::new(seed),
            pairs: Slab::new(),
            pair_of: HashMap::with_hasher(seed),
            links: Slab::new(),
            link_of: HashMap::with_hasher(seed),
            asked: HashMap::with_hasher(seed),
            verifying: 0,
            verifying_of: PerSite::new(seed),
            make_room_at: Timestamp::default(),
            now: Timestamp::default(),
            waiting_bytes: 0,
            unfinished: Unfinished::new(seed),
            timers: Timers::default(),
            drain: DrainPhase::Running,
            outputs: VecDeque::new(),
            dirty: VecDeque::new(),
            spare: Vec::new(),
            envelopes,
            scratch: Scratch::default(),
            arena: Bump::new(),
            stream_events: VecDeque::new(),
            ours: StreamContext::ours(),
            rereader: routing::rereader(cpu),
        }
    }

    /// Names an accepted connection; `None` when a bound says that it must be closed at once.
    pub fn accept(&mut self, listener: Listener, peer: SocketAddr, now: Timestamp) -> Option<ConnId> {
        let (face, side) = match listener {
            Listener::Public => (Face::Inbound, Side::Federation),
            Listener::Internal => (Face::FromBackend, Side::Internal),
        };
        let refused = match self.may_accept(face) {
            true if self.is_address_full(face, peer) => Some("too-many-unauthenticated"),
            true => None,
            false => Some("shutdown"),
        };
        let id = if refused.is_none() { self.conns.reserve(face) } else { None };
        let Some(id) = id else {
            let reason = refused.unwrap_or("too-many-connections");
            self.event(Event::ConnectionRefused { address: peer, reason });
            return None;
        };
        let machine = Receiving::new(side, None).with_stanza_bytes(self.stanza_bytes_max);
        self.add_conn(id, face, peer, Machine::Receiving(machine), None, now);
        if face == Face::Inbound {
            self.unproven.add(Site::of(peer.ip()), 1);
        }
        Some(id)
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        self.now = now;
        self.make_room(now);
        match input {
            Input::TlsEstablished { conn, peer } => self.tls_established(conn, peer, now),
            Input::Connected { conn } => self.connected(conn, None, now),
            Input::Eof { conn } => self.eof(conn, now),
            Input::Broken { conn, breakage, detail } => self.broken(conn, breakage, detail, now),
            Input::Flushed { conn } => self.flushed(conn, now),
            Input::Answered { question, answer } => self.answered(&question, &answer, now),
            Input::Post(envelope) => self.take_envelope(&envelope, now),
            Input::Adopted { conn } => self.adopted(conn, now),
            Input::Timer => self.timer(now),
            Input::Drain => self.begin_drain(now),
        }
    }

    /// The next thing to do.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether stanzas wait to be sent: an outbox to be taken, or an envelope for another shard.
    pub fn has_unsent(&self) -> bool {
        !self.dirty.is_empty() || self.envelopes.iter().any(|envelope| !envelope.stanzas.is_empty())
    }

    /// The next connection with something in its outbox.
    pub fn next_dirty(&mut self) -> Option<ConnId> {
        loop {
            let id = self.dirty.pop_front()?;
            if let Some(conn) = self.conns.get_mut(id) {
                conn.is_dirty = false;
                return Some(id);
            }
        }
    }

    /// Takes all of a connection's outbox. The empty buffers of `out` are used again: `bytes` for the next outbox that
    /// fills, whosever it is (an idle connection owns no buffer).
    pub fn take_outbox(&mut self, id: ConnId, mut out: Outgoing) -> Outgoing {
        out.received_at.clear();
        let Some(conn) = self.conns.get_mut(id) else { return out };
        let emptied = core::mem::replace(&mut out.bytes, conn.outbox.take(&mut out.received_at));
        self.recycle(emptied);
        self.unblock_feeders(id);
        out
    }

    /// Keeps a buffer for later, if it is worth it.
    fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && (1..=SPARE_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// When [`Input::Timer`] is due.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Ends a tick: per-tick memory is reset, cross-shard envelopes become outputs.
    pub fn end_tick(&mut self) {
        self.arena.reset();
        if self.is_stopping() {
            self.advance_drain(self.now);
        }
        for (number, envelope) in self.envelopes.iter_mut().enumerate() {
            if !envelope.stanzas.is_empty() {
                let envelope = core::mem::take(envelope);
                self.outputs.push_back(Output::Post { to: ShardId(number as u16), envelope });
            }
        }
    }

    /// Which way a connection goes (for the transit histogram).
    pub fn face(&self, conn: ConnId) -> Option<Face> {
        self.conns.get(conn).map(|conn| conn.face)
    }

    /// Whether a remote server opened it, and has proven no pair on it yet.
    pub fn is_unproven(&self, conn: ConnId) -> bool {
        self.conns.get(conn).is_some_and(|conn| conn.is_unproven)
    }

    /// Connections that exist, attempts included.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// Every pair's account.
    pub fn accounts(&self) -> impl Iterator<Item = (&DomainPair, Account)> {
        self.pairs.iter().map(|(_, pair)| (&pair.name, pair.account))
    }

    fn is_address_full(&self, face: Face, peer: SocketAddr) -> bool {
        face == Face::Inbound && self.unproven.count(Site::of(peer.ip())) >= limits::UNAUTHENTICATED_PER_ADDRESS
    }

    /// Fills a reserved slot and watches its deadline.
    fn add_conn(
        &mut self,
        id: ConnId,
        face: Face,
        address: SocketAddr,
        machine: Machine,
        link: Option<usize>,
        now: Timestamp,
    ) {
        self.stream_count += 1;
        let conn = Conn {
            id,
            face,
            address,
            stream: u64::from(self.shard.0) << 48 | self.stream_count,
            machine,
            phase: Phase::Streaming,
            scanner: conn::fresh_scanner(self.cpu),
            kept: Vec::new(),
            held: Default::default(),
            outbox: Default::default(),
            is_dirty: false,
            link,
            proven: Default::default(),
            verifying: 0,
            epoch: 0,
            stanza_limit: None,
            moved: false,
            blocked_by: Vec::new(),
            feeders: Vec::new(),
            negotiate_by: Some(now + limits::NEGOTIATION),
            close_by: None,
            active_at: now,
            cause: None,
            is_announced: false,
            is_unproven: face == Face::Inbound && link.is_none(),
        };
        self.timers.at(conn.deadline(), Watch::Conn(id));
        self.conns.insert(Box::new(conn));
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn count(&mut self, reason: &'static str) {
        self.event(Event::Refused { reason });
    }

    fn mark_dirty(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if !conn.is_dirty && !conn.outbox.bytes.is_empty() {
            conn.is_dirty = true;
            self.dirty.push_back(id);
        }
    }
}
