//! A ringgate process of the model: shards with their gates, driven as the gate's contract says, and nothing else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use ringgate_proto::address::{Domain, DomainPair};
use ringgate_proto::discover::{Answer, Egress, Question};
use ringgate_proto::event::ConnId;
use ringgate_proto::gate::{
    Backend, Breakage, Departed, Envelope, Gate, GateConfig, Listener, LocalDomain, ShardId, TlsClient,
};
use ringgate_proto::policy::Policy;
use ringgate_proto::route::Account;
use ringgate_proto::scan::Cpu;

use super::net::SocketId;

/// How a process is set up.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    pub public: SocketAddr,
    pub internal: SocketAddr,
    pub shards: usize,
    /// Domains with the address of their backend.
    pub domains: Vec<(String, SocketAddr)>,
    pub policy: Policy,
    pub direct_tls: bool,
    pub seed: u64,
}

/// What waits for a shard's next tick, beside bytes.
pub enum Inbox {
    Accept { socket: SocketId, listener: Listener, from: SocketAddr },
    Connected(ConnId),
    Broken { conn: ConnId, breakage: Breakage, detail: &'static str },
    Flushed(SocketId),
    Answered(Question, Answer),
    Post(Envelope),
    Adopt(Departed, SocketId),
    Drain,
}

/// What the shell knows of a connection.
#[derive(Clone, Debug)]
pub enum Line {
    Connecting(Option<TlsClient>),
    Socket(SocketId),
}

pub struct Shard {
    pub gate: Gate,
    pub lines: BTreeMap<ConnId, Line>,
    /// Sockets with something to read.
    pub ready: BTreeSet<SocketId>,
    pub inbox: VecDeque<Inbox>,
    pub tick_at: Option<u64>,
    pub wake_at: Option<u64>,
}

pub struct Process {
    pub config: ProcessConfig,
    pub shards: Vec<Shard>,
    /// Counters by the word of the rule.
    pub refused: BTreeMap<String, u64>,
    /// Streams that were announced, and how often their end was.
    pub closed: BTreeMap<u64, u32>,
    /// How often a connection was not read any more, and read again.
    pub pauses: (u64, u64),
    /// Streams that changed shards.
    pub handed_over: u64,
    /// Events in words, for scenarios.
    pub events: Vec<String>,
}

pub fn domain(name: &str) -> Domain {
    Domain::parse(name).expect("a domain of the model")
}

pub fn domain_pair(from: &str, to: &str) -> DomainPair {
    DomainPair { from: domain(from), to: domain(to) }
}

impl Process {
    pub fn new(config: ProcessConfig) -> Self {
        let shards = (0..config.shards).map(|shard| Shard::new(&config, shard)).collect();
        Self {
            config,
            shards,
            refused: BTreeMap::new(),
            closed: BTreeMap::new(),
            pauses: (0, 0),
            handed_over: 0,
            events: Vec::new(),
        }
    }

    /// The account of a pair over all shards.
    pub fn account(&self, from: &str, to: &str) -> Account {
        let name = domain_pair(from, to);
        let mut sum = Account::default();
        let all = self.shards.iter().flat_map(|shard| shard.gate.accounts());
        all.filter(|(pair, _)| **pair == name).for_each(|(_, account)| sum += account);
        sum
    }

    /// The account of all pairs.
    pub fn total(&self) -> Account {
        let mut sum = Account::default();
        self.shards.iter().flat_map(|shard| shard.gate.accounts()).for_each(|(_, account)| sum += account);
        sum
    }

    pub fn count(&self, reason: &str) -> u64 {
        self.refused.get(reason).copied().unwrap_or(0)
    }
}

impl Shard {
    fn new(config: &ProcessConfig, shard: usize) -> Self {
        let mut backends: Vec<Backend> = Vec::new();
        let mut domains = Vec::new();
        for (name, address) in &config.domains {
            let known = backends.iter().position(|backend| backend.address == *address);
            let backend = known.unwrap_or_else(|| {
                backends.push(Backend { address: *address, starttls: false });
                backends.len() - 1
            });
            domains.push(LocalDomain { name: domain(name), backend });
        }
        let mut shard_seed = [shard as u8; 32];
        shard_seed[..8].copy_from_slice(&config.seed.to_be_bytes());
        let config = GateConfig {
            shard: ShardId(shard as u16),
            shards: config.shards as u16,
            domains,
            backends,
            policy: config.policy.clone(),
            internal_tls: false,
            egress: Egress { allow: Vec::new(), own: vec![config.public, config.internal] },
            stanza_bytes_max: 262_144,
            connections_max: ringgate_proto::limits::CONNECTIONS_PER_SHARD,
            dialback_secret: format!("secret of {}", config.public).into_bytes(),
            direct_tls: config.direct_tls,
            process_seed: config.seed,
            shard_seed,
        };
        Self {
            gate: Gate::new(config, Cpu::Scalar),
            lines: BTreeMap::new(),
            ready: BTreeSet::new(),
            inbox: VecDeque::new(),
            tick_at: None,
            wake_at: None,
        }
    }
}
