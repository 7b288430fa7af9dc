//! ringgate in front of one backend, between scripted peers.

use std::future::{Future, ready};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ringgate::ring::RingConfig;
use ringgate::shard::driver::{Observe, Resolve, Running, Setup, Task, start};
use ringgate::shard::observe::Counters;
use ringgate::shard::{BACKLOG_BYTES, Report, Shard, ShardConfig, listen};
use ringgate::tls::{CertifiedKeyFiles, Identity, Roots, Store};
use ringgate_proto::discover::{Answer, Egress, Question, RecordKind, Srv};
use ringgate_proto::event::Event;
use ringgate_proto::gate::{Backend, Gate, GateConfig, Listener, LocalDomain, ShardId};
use ringgate_proto::policy::{Policy, Rule};
use ringgate_proto::stream::TlsTerms;

use crate::peer::domain;

/// The domain behind ringgate.
pub(crate) const INSIDE: &str = "inside.test";
/// Domains opposite.
pub(crate) const REMOTES: [&str; 6] = ["r0.test", "r1.test", "r2.test", "r3.test", "r4.test", "r5.test"];

/// Answers for [`REMOTES`]; nothing else exists.
struct Names {
    port: u16,
}

impl Names {
    fn answer(&self, question: &Question) -> Answer {
        let is_remote = |name: &str| REMOTES.contains(&name);
        match question.kind {
            RecordKind::Srv if question.name.strip_prefix("_xmpp-server._tcp.").is_some_and(is_remote) => {
                let target = "host.test".to_owned();
                Answer::Srv(vec![Srv { priority: 0, weight: 0, port: self.port, target }])
            }
            RecordKind::A if question.name == "host.test" => Answer::Addresses(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]),
            RecordKind::Aaaa if question.name == "host.test" => Answer::Addresses(Vec::new()),
            _ => Answer::NoSuchName,
        }
    }
}

impl Resolve for Names {
    fn lookup<'a>(&'a self, question: &'a Question) -> Pin<Box<dyn Future<Output = Answer> + 'a>> {
        Box::pin(ready(self.answer(question)))
    }
}

pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    /// Where ringgate connects for [`REMOTES`], and for the backend.
    pub(crate) remote: TcpListener,
    pub(crate) backend: TcpListener,
    pub(crate) tls: Store,
    events: Arc<Mutex<Vec<String>>>,
}

impl World {
    /// So many shards, and nothing special.
    pub(crate) fn start(shards: u16) -> Self {
        Self::with(Settings { shards, ..Settings::default() })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let shards = settings.shards;
        let loopback: SocketAddr = "127.0.0.1:0".parse().expect("address");
        let remote = TcpListener::bind(loopback).expect("bind");
        let backend = TcpListener::bind(loopback).expect("bind");
        let (public, public_address) = listeners(loopback, shards);
        let (internal, internal_address) = listeners(loopback, shards);
        let (tls, events) = (store(), Arc::new(Mutex::new(Vec::new())));
        let seats = Seats {
            public,
            internal,
            settings,
            tls: tls.clone(),
            port: remote.local_addr().expect("address").port(),
            backend: backend.local_addr().expect("address"),
            events: Arc::clone(&events),
        };
        let running = start(shards, move |shard| Ok(seats.setup(shard))).expect("start");
        let (public, internal) = (public_address, internal_address);
        Self { running, public, internal, remote, backend, tls, events }
    }

    /// What one shard shows between two ticks.
    pub(crate) fn ask<T: Send + 'static>(&self, shard: u16, look: impl FnOnce(&Shard) -> T + Send + 'static) -> T {
        let (sender, answer) = mpsc::channel();
        assert!(self.running.handle().call(ShardId(shard), move |shard| {
            let _ = sender.send(look(shard));
        }));
        answer.recv().expect("the shard answers")
    }

    /// Counters of all shards, added up by what `pick` makes of one.
    pub(crate) fn count(&self, pick: fn(&Counters) -> u64) -> u64 {
        self.shards().map(|shard| self.ask(shard, move |shard| pick(&shard.observed().counters))).sum()
    }

    fn sum(&self, pick: fn(&Shard) -> usize) -> usize {
        self.shards().map(|shard| self.ask(shard, pick)).sum()
    }

    fn shards(&self) -> std::ops::Range<u16> {
        0..self.running.handle().shards()
    }

    /// Keeps a shard from turning until the returned value is dropped, for five seconds at most: what peers say meanwhile
    /// comes in one tick.
    pub(crate) fn hold(&self, shard: u16) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel();
        let (holds, held) = mpsc::channel();
        assert!(self.running.handle().call(ShardId(shard), move |_| {
            let _ = holds.send(());
            let _ = released.recv_timeout(Duration::from_secs(5));
        }));
        held.recv().expect("the shard is held");
        release
    }

    /// Has so many messages wait for a shard, 64 for each of its ticks: so long, what waits for its turn gets short ones.
    pub(crate) fn post(&self, shard: u16, messages: usize) {
        (0..messages).for_each(|_| assert!(self.running.handle().call(ShardId(shard), |_| {})));
    }

    /// Has a shard meet a bug, between two ticks. Nothing is printed: with `RUST_BACKTRACE` the symbols of this binary would be
    /// looked up on the shard's thread, for seconds if they are not in memory.
    pub(crate) fn panics(&self, shard: u16) {
        let bug = |_: &mut Shard| std::panic::resume_unwind(Box::new("a bug, for this test"));
        assert!(self.running.handle().call(ShardId(shard), bug));
    }

    /// Connections of all shards.
    pub(crate) fn connections(&self) -> usize {
        self.sum(Shard::connections)
    }

    /// Bytes that wait for their turn on all shards.
    pub(crate) fn backlog_bytes(&self) -> usize {
        self.sum(|shard| shard.gauges().backlog_bytes)
    }

    /// Bytes of stanzas whose end has not come, on all shards.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.sum(|shard| shard.gauges().unfinished_bytes)
    }

    /// Waits until `holds`, for five seconds at most.
    pub(crate) fn eventually(&self, holds: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !holds(self) {
            assert!(begin.elapsed() < Duration::from_secs(5), "not in time; events: {:#?}", self.events());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.events.lock().expect("events").clone()
    }

    pub(crate) fn drain(self) -> Vec<Report> {
        self.running.handle().drain();
        self.running.wait().expect("all shards end well")
    }
}

/// Keeps events as text.
struct Events(Arc<Mutex<Vec<String>>>);

impl Observe for Events {
    fn event(&mut self, event: &Event) {
        self.0.lock().expect("events").push(format!("{event:?}"));
    }

    fn publish(&mut self, _: &Shard) {}
}

/// What differs between worlds.
pub(crate) struct Settings {
    pub(crate) shards: u16,
    pub(crate) ring: RingConfig,
    /// Bound of what waits on each shard.
    pub(crate) backlog_bytes: usize,
    /// What remote servers have to use.
    pub(crate) tls: TlsTerms,
    /// What runs beside a shard.
    pub(crate) tasks: Box<dyn Fn(ShardId) -> Vec<Task> + Send + Sync>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shards: 1,
            ring: RingConfig { buffers: 64, ..RingConfig::default() },
            backlog_bytes: BACKLOG_BYTES,
            tls: TlsTerms::Required,
            tasks: Box::new(|_| Vec::new()),
        }
    }
}

/// What each shard's [`Setup`] is made of.
struct Seats {
    public: Mutex<Vec<Option<OwnedFd>>>,
    internal: Mutex<Vec<Option<OwnedFd>>>,
    settings: Settings,
    tls: Store,
    port: u16,
    backend: SocketAddr,
    events: Arc<Mutex<Vec<String>>>,
}

impl Seats {
    fn setup(&self, shard: ShardId) -> Setup {
        let take = |sockets: &Mutex<Vec<Option<OwnedFd>>>| {
            sockets.lock().expect("listeners")[usize::from(shard.0)].take().expect("taken once")
        };
        let listeners = vec![(Listener::Public, take(&self.public)), (Listener::Internal, take(&self.internal))];
        let gate = Gate::new(self.gate_config(shard), ringgate::cpu::detect());
        let events = Arc::clone(&self.events);
        Setup {
            shard: ShardConfig {
                gate,
                tls: Some(self.tls.clone()),
                internal_tls: false,
                listeners,
                ring: self.settings.ring,
                backlog_bytes: self.settings.backlog_bytes,
                drain_deadline: Duration::from_secs(30),
            },
            resolver: Rc::new(Names { port: self.port }),
            observer: Box::new(Events(events)),
            tasks: (self.settings.tasks)(shard),
        }
    }

    fn gate_config(&self, shard: ShardId) -> GateConfig {
        GateConfig {
            shard,
            shards: self.settings.shards,
            domains: vec![LocalDomain { name: domain(INSIDE), backend: 0 }],
            backends: vec![Backend { address: self.backend, starttls: false }],
            policy: Policy { default: Rule { tls: self.settings.tls, ..Rule::default() }, partners: Vec::new() },
            internal_tls: false,
            egress: Egress { allow: vec![(IpAddr::V4(Ipv4Addr::LOCALHOST), 8)], own: Vec::new() },
            stanza_bytes_max: 262_144,
            connections_max: 1_000,
            dialback_secret: b"secret of the tests".to_vec(),
            direct_tls: false,
            process_seed: 7,
            shard_seed: [shard.0 as u8 + 1; 32],
        }
    }
}

fn listeners(address: SocketAddr, shards: u16) -> (Mutex<Vec<Option<OwnedFd>>>, SocketAddr) {
    let sockets = listen::bind(address, shards).expect("bind");
    let address = listen::local_address(&sockets[0]).expect("address");
    (Mutex::new(sockets.into_iter().map(Some).collect()), address)
}

/// One certificate for everyone, from an authority that everyone trusts.
fn store() -> Store {
    let key = KeyPair::generate().expect("key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("certificate").pem();
    let issuer = Issuer::new(params, key);
    let names: Vec<&str> = REMOTES.into_iter().chain([INSIDE]).collect();
    let key = KeyPair::generate().expect("key");
    let names_owned: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate =
        CertificateParams::new(names_owned).expect("names").signed_by(&key, &issuer).expect("certificate");
    let server = CertifiedKeyFiles::memory(format!("{}{}", certificate.pem(), key.serialize_pem()));
    let identity = Identity { domains: names.iter().map(|name| domain(name)).collect(), server, client: None };
    Store::load(vec![identity], Roots::Pem(authority.into_bytes()), None).expect("store")
}
