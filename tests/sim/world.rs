//! The world: virtual time, a queue of what happens next, and everything in it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use ringgate_proto::discover::Question;
use ringgate_proto::event::ConnId;
use ringgate_proto::gate::Listener;
use ringgate_proto::time::Timestamp;

use super::dns::Dns;
use super::ledger::{Kind, Ledger, Pair};
use super::net::{Socket, SocketId, Wire};
use super::process::{Inbox, Process, ProcessConfig};
use super::rng::Rng;
use super::script::Step;
use super::server::{Act, Ctx, Server, ServerConfig};

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MS;

/// What happens next.
pub enum Happening {
    Arrive(SocketId, Wire),
    /// The kernel has room again.
    Pump(SocketId),
    Tick {
        process: usize,
        shard: usize,
    },
    Deliver {
        process: usize,
        shard: usize,
        what: Inbox,
    },
    GateConnects {
        process: usize,
        shard: usize,
        conn: ConnId,
        to: SocketAddr,
    },
    ServerConnects {
        server: usize,
        stream: usize,
        to: SocketAddr,
        direct: bool,
    },
    ServerWakes {
        server: usize,
        stream: usize,
    },
    Submit {
        server: usize,
        pair: Pair,
        kind: Kind,
        padding: usize,
    },
    Fault(Fault),
    Script(SocketId, VecDeque<Step>),
}

/// What goes wrong, by itself and not by anybody's will.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The n-th of the living connections (modulo) is reset.
    Reset(u64),
    /// Nothing leaves one end of the n-th connection for so long.
    Stall(u64, u64),
    /// The same, and when it would end the connection is reset.
    Choke(u64, u64),
    /// That reset.
    Cut(SocketId),
    /// The n-th model stream is closed by its server, with end tags.
    Close(u64),
    /// The n-th model stream's server ends its direction without an end tag.
    HalfClose(u64),
    Crash(usize),
    Start(usize),
}

/// Who listens at an address.
#[derive(Clone, Copy, Debug)]
pub enum Ear {
    Process(usize, Listener),
    Server(usize),
    /// A script: accepted sockets are listed.
    Raw,
    /// Packets vanish.
    BlackHole,
}

/// How the network is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub latency_ms: (u64, u64),
    /// Reads give at most so many bytes.
    pub read_bytes: usize,
    pub dns_ms: (u64, u64),
    /// Ticks wait for company up to this long.
    pub tick_us: u64,
}

impl Default for Weather {
    fn default() -> Self {
        Self { latency_ms: (5, 5), read_bytes: 65_536, dns_ms: (3, 3), tick_us: 100 }
    }
}

/// An entry of the queue; the number keeps those of one instant in the order they were made.
struct Entry(u64, u64, Happening);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

pub struct World {
    pub now: u64,
    queue: BinaryHeap<Reverse<Entry>>,
    entries: u64,
    pub rng: Rng,
    pub weather: Weather,
    pub sockets: Vec<Socket>,
    pub ears: BTreeMap<SocketAddr, Ear>,
    pub processes: Vec<Process>,
    pub servers: Vec<Server>,
    /// Sockets of model servers' streams.
    pub lines: BTreeMap<(usize, usize), SocketId>,
    /// Sockets that scripts accepted, oldest first.
    pub accepted: Vec<(SocketAddr, SocketId)>,
    pub dns: Dns,
    pub ledger: Ledger,
    /// Of all that happened: FNV-1a.
    pub trace: u64,
    pub steps: u64,
    pub is_loud: bool,
    /// Every question that a gate asked.
    pub asked: Vec<Question>,
    /// Every address that a gate dialled.
    pub dialled: Vec<SocketAddr>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            // The gate's clock has an origin before the first thing that happens.
            now: 1_000 * SECOND,
            queue: BinaryHeap::new(),
            entries: 0,
            rng: Rng::new(seed),
            weather: Weather::default(),
            sockets: Vec::new(),
            ears: BTreeMap::new(),
            processes: Vec::new(),
            servers: Vec::new(),
            lines: BTreeMap::new(),
            accepted: Vec::new(),
            dns: Dns::default(),
            ledger: Ledger::default(),
            trace: 0xcbf2_9ce4_8422_2325,
            steps: 0,
            is_loud: std::env::var_os("RINGGATE_SIM_TRACE").is_some(),
            asked: Vec::new(),
            dialled: Vec::new(),
        }
    }

    pub fn add_process(&mut self, config: ProcessConfig) -> usize {
        let number = self.processes.len();
        self.ears.insert(config.public, Ear::Process(number, Listener::Public));
        self.ears.insert(config.internal, Ear::Process(number, Listener::Internal));
        for (name, _) in &config.domains {
            self.dns.publish(name, config.public);
        }
        self.processes.push(Process::new(config));
        number
    }

    pub fn add_server(&mut self, config: ServerConfig) -> usize {
        let number = self.servers.len();
        self.ears.insert(config.address, Ear::Server(number));
        if config.smart_host.is_none() {
            config.domains.iter().for_each(|name| self.dns.publish(name, config.address));
        }
        self.servers.push(Server::new(number, config));
        number
    }

    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_nanos(self.now)
    }

    // --- time ---

    pub fn after(&mut self, delay: u64, happening: Happening) {
        self.entries += 1;
        self.queue.push(Reverse(Entry(self.now + delay, self.entries, happening)));
    }

    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time.as_nanos() as u64;
        while self.queue.peek().is_some_and(|Reverse(entry)| entry.0 <= until) {
            let Some(Reverse(Entry(at, _, happening))) = self.queue.pop() else { break };
            self.now = at;
            self.steps += 1;
            self.happen(happening);
        }
        self.now = until;
    }

    pub fn run_secs(&mut self, seconds: u64) {
        self.run_for(Duration::from_secs(seconds));
    }

    fn happen(&mut self, happening: Happening) {
        self.note(&[self.now]);
        match happening {
            Happening::Arrive(socket, wire) => self.arrive(socket, wire),
            Happening::Pump(socket) => self.pump(socket),
            Happening::Tick { process, shard } => self.tick(process, shard),
            Happening::Deliver { process, shard, what } => {
                self.processes[process].shards[shard].inbox.push_back(what);
                self.want_tick(process, shard);
            }
            Happening::GateConnects { process, shard, conn, to } => self.gate_connects(process, shard, conn, to),
            Happening::ServerConnects { server, stream, to, direct } => {
                self.server_connects(server, stream, to, direct)
            }
            Happening::ServerWakes { server, stream } => {
                self.with_server(server, |server, ctx| server.wake(stream, ctx))
            }
            Happening::Submit { server, pair, kind, padding } => {
                self.submit(server, &pair, kind, padding);
            }
            Happening::Fault(fault) => self.fault(fault),
            Happening::Script(socket, steps) => self.script(socket, steps),
        }
    }

    /// Adds to the trace.
    pub fn note(&mut self, numbers: &[u64]) {
        for byte in numbers.iter().flat_map(|number| number.to_le_bytes()) {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    pub fn note_text(&mut self, text: &str) {
        for byte in text.bytes() {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    pub fn say(&self, text: impl FnOnce() -> String) {
        if self.is_loud {
            let now = self.now - 1_000 * SECOND;
            println!("{:>4}.{:06} {}", now / SECOND, now % SECOND / 1_000, text());
        }
    }

    // --- users ---

    /// A user's stanza, now; its number in the ledger.
    pub fn submit(&mut self, server: usize, pair: &Pair, kind: Kind, padding: usize) -> usize {
        let (number, stanza) = self.ledger.issue(pair, kind, padding);
        if !self.servers[server].is_up {
            self.ledger.records[number].kept = true;
            return number;
        }
        self.with_server(server, |server, ctx| server.submit(pair, number, stanza, ctx));
        number
    }

    /// Lets a model server work, then does what it wants done.
    pub fn with_server(&mut self, server: usize, work: impl FnOnce(&mut Server, &mut Ctx<'_>)) {
        let mut acts = Vec::new();
        let mut ctx = Ctx { acts: &mut acts, ledger: &mut self.ledger, dns: &self.dns };
        work(&mut self.servers[server], &mut ctx);
        acts.into_iter().for_each(|act| self.act(server, act));
    }

    fn act(&mut self, server: usize, act: Act) {
        match act {
            Act::Connect { stream, to, direct } => {
                let delay = self.latency();
                self.after(delay, Happening::ServerConnects { server, stream, to, direct });
            }
            Act::Send { stream, text } => {
                self.say(|| format!("server {server}/{stream} says {text}"));
                if let Some(socket) = self.lines.get(&(server, stream)) {
                    self.send(*socket, text.into_bytes());
                }
            }
            Act::BeginTls { stream, sni } => {
                let certificate = self.servers[server].config.certificate();
                if let Some(socket) = self.lines.get(&(server, stream)) {
                    self.begin_tls(*socket, sni, certificate);
                }
            }
            Act::Fin { stream } => {
                if let Some(socket) = self.lines.remove(&(server, stream)) {
                    self.close(socket, Wire::Fin);
                }
            }
            Act::Reset { stream } => {
                if let Some(socket) = self.lines.remove(&(server, stream)) {
                    self.close(socket, Wire::Reset);
                }
            }
            Act::Wake { stream, after_ms } => {
                self.after(after_ms * MS, Happening::ServerWakes { server, stream });
            }
        }
    }
}
