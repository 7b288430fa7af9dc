//! From a configuration to running shards, and back to none.

mod observer;

use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use ringgate_proto::discover::{Answer, Question};
use ringgate_proto::event::Event;
use ringgate_proto::gate::{Gate, Listener, ShardId};

use crate::admin;
use crate::config::{Config, Seat};
use crate::dns::{Answerer, AnswererConfig, Resolver, ResolverConfig};
use crate::metrics::{Board, IntervalLog, Ledger, account_text};
use crate::shard::driver::{self, Resolve, Setup, Task};
use crate::shard::probe::{self, Severity};
use crate::shard::{BACKLOG_BYTES, Report, ShardConfig, listen};
use crate::signals::{self, Request};
use crate::tls::Store;
use crate::{cpu, entropy};
use observer::Observer;

/// How often shards publish their figures, when anyone reads them.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Runs the proxy until it is told to stop; the log is set up already.
///
/// # Errors
/// Why it could not start, or had to stop, in a sentence for the operator.
pub fn start(config: Config) -> anyhow::Result<ExitCode> {
    require(&config)?;
    let store = config.store()?;
    let running = launch(&config, store, None)?;
    let handle = running.shards.handle();
    let _watch = signals::watch(move |request| match request {
        Request::Drain => handle.drain(),
        // The operator's second word: streams are left as they are.
        Request::Stop => std::process::exit(1),
    })
    .context("signal handlers")?;
    tracing::info!(public = %running.public, internal = %running.internal, shards = config.shards, "running");
    let reports = running.wait()?;
    print!("{}", account(&reports));
    Ok(ExitCode::SUCCESS)
}

/// Shards at work.
pub struct Running {
    /// The first public listener.
    pub public: SocketAddr,
    /// The internal listener.
    pub internal: SocketAddr,
    shards: driver::Running,
    /// Written until it is dropped.
    _hlog: Option<IntervalLog>,
}

impl Running {
    /// Waits for the shards to end.
    ///
    /// # Errors
    /// Which of them broke, and how.
    pub fn wait(self) -> anyhow::Result<Vec<Report>> {
        Ok(self.shards.wait()?)
    }

    /// Tells the shards to end, and waits for them.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn drain(self) -> anyhow::Result<Vec<Report>> {
        self.shards.handle().drain();
        self.wait()
    }
}

/// Looks whether the machine lets ringgate run.
fn require(config: &Config) -> anyhow::Result<()> {
    let findings = probe::check(&config.wanted());
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Warning) {
        tracing::warn!(key = finding.key, problem = finding.problem, remedy = finding.remedy, "machine");
    }
    match findings.iter().find(|finding| finding.severity == Severity::Error) {
        Some(finding) => bail!("{}: {}; {}", finding.key, finding.problem, finding.remedy),
        None => Ok(()),
    }
}

/// Starts the shards and everything beside them. `tap` gets a copy of every event.
///
/// # Errors
/// An address that cannot be had, a resolver that is not configured, a file that cannot be written.
pub fn launch(config: &Config, store: Store, tap: Option<Sender<Event>>) -> anyhow::Result<Running> {
    let sockets = Sockets::bind(config)?;
    let (public, internal) = (sockets.public, sockets.internal);
    let resolver = resolver_config(config)?;
    let answerer = config.internal.dns.map(|at| answerer(config, at, internal, &resolver)).transpose()?;
    let board = Arc::new(Board::new(config.shards));
    let hlog = config
        .metrics
        .hlog
        .as_ref()
        .map(|path| {
            let log = IntervalLog::start(path, config.metrics.hlog_interval, Arc::clone(&board));
            log.with_context(|| format!("metrics.hlog: {}", path.display()))
        })
        .transpose()?;
    let is_read = hlog.is_some() || config.metrics.listen.is_some();

    let company = Company {
        config: config.clone(),
        store,
        own: sockets.addresses.clone(),
        listeners: Mutex::new(sockets.by_shard),
        resolver,
        board,
        answerer: Mutex::new(answerer),
        tap: Mutex::new(tap),
        process_seed: u64::from_ne_bytes(drawn()),
        secret: drawn(),
    };
    let shards = driver::start(config.shards, move |shard| company.setup(shard))?;
    if is_read {
        publish(shards.handle())?;
    }
    Ok(Running { public, internal, shards, _hlog: hlog })
}

/// Has the shards publish their figures until they have ended.
fn publish(handle: driver::Handle) -> anyhow::Result<()> {
    let work = move || {
        while handle.publish() {
            thread::sleep(PUBLISH_EVERY);
        }
    };
    thread::Builder::new().name("publish".into()).spawn(work).context("a thread for figures")?;
    Ok(())
}

fn drawn<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    entropy::fill(&mut bytes);
    bytes
}

/// The listening sockets of all shards.
struct Sockets {
    public: SocketAddr,
    internal: SocketAddr,
    addresses: Vec<SocketAddr>,
    by_shard: Vec<Vec<(Listener, OwnedFd)>>,
}

impl Sockets {
    fn bind(config: &Config) -> anyhow::Result<Self> {
        let mut by_shard: Vec<Vec<(Listener, OwnedFd)>> = Vec::new();
        by_shard.resize_with(config.shards.into(), Vec::new);
        let mut addresses = Vec::new();
        let public = config.public.listen.iter().map(|at| ("public.listen", Listener::Public, *at));
        let direct = config.public.listen_direct_tls.iter();
        let direct = direct.map(|at| ("public.listen_direct_tls", Listener::Public, *at));
        let internal = ("internal.listen", Listener::Internal, config.internal.listen);
        for (key, listener, at) in public.chain(direct).chain([internal]) {
            let sockets = listen::bind(at, config.shards).with_context(|| format!("{key}: {at}"))?;
            if let Some(first) = sockets.first() {
                addresses.push(listen::local_address(first)?);
            }
            for (shard, socket) in by_shard.iter_mut().zip(sockets) {
                shard.push((listener, socket));
            }
        }
        let (Some(&public), Some(&internal)) = (addresses.first(), addresses.last()) else {
            bail!("there is nothing to listen on");
        };
        Ok(Self { public, internal, addresses, by_shard })
    }
}

fn resolver_config(config: &Config) -> anyhow::Result<ResolverConfig> {
    let (resolver, warnings) = config.resolver().context("dns.servers is empty, and /etc/resolv.conf")?;
    for warning in warnings {
        tracing::warn!(problem = warning, "resolver");
    }
    Ok(resolver)
}

fn answerer(
    config: &Config,
    listen: SocketAddr,
    internal: SocketAddr,
    upstream: &ResolverConfig,
) -> anyhow::Result<Answerer> {
    let local_domains = config.domains.iter().flat_map(|domain| domain.names());
    let local_domains = local_domains.map(|name| name.as_ascii().to_owned()).collect();
    let answerer = AnswererConfig { listen, internal, local_domains, upstream: upstream.clone() };
    Answerer::bind(answerer).with_context(|| format!("internal.dns: {listen}"))
}

/// What the shards are set up from.
struct Company {
    config: Config,
    store: Store,
    /// Where this process listens; with port 0 in the configuration, what the kernel chose.
    own: Vec<SocketAddr>,
    listeners: Mutex<Vec<Vec<(Listener, OwnedFd)>>>,
    resolver: ResolverConfig,
    board: Arc<Board>,
    answerer: Mutex<Option<Answerer>>,
    tap: Mutex<Option<Sender<Event>>>,
    process_seed: u64,
    secret: [u8; 32],
}

impl Company {
    /// Runs on the shard's own thread.
    fn setup(&self, shard: ShardId) -> Result<Setup, String> {
        let seat = Seat { shard, process_seed: self.process_seed, shard_seed: drawn(), drawn_secret: self.secret };
        let mut gate = self.config.gate(&seat);
        gate.egress.own.extend(&self.own);
        let listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(usize::from(shard.0))
            .map(std::mem::take)
            .ok_or_else(|| anyhow!("no listeners for shard {}", shard.0).to_string())?;
        let tap = self.tap.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Setup {
            shard: ShardConfig {
                gate: Gate::new(gate, cpu::detect()),
                tls: Some(self.store.clone()),
                internal_tls: self.config.internal.certificate.is_some(),
                listeners,
                ring: Default::default(),
                backlog_bytes: BACKLOG_BYTES,
                drain_deadline: self.config.shutdown_deadline,
            },
            resolver: std::rc::Rc::new(Resolver::new(self.resolver.clone())),
            observer: Box::new(Observer::new(shard, Arc::clone(&self.board), tap)),
            tasks: if shard == ShardId(0) { self.first_shards_tasks()? } else { Vec::new() },
        })
    }

    /// What runs once per process, on the first shard.
    fn first_shards_tasks(&self) -> Result<Vec<Task>, String> {
        let mut tasks: Vec<Task> = Vec::new();
        if let Some(answerer) = self.answerer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            tasks.push(Box::pin(async move {
                if let Err(error) = answerer.serve().await {
                    tracing::error!(%error, "DNS answerer ended");
                }
            }));
        }
        if let Some(at) = self.config.metrics.listen {
            let listener = admin::Listener::bind(at).map_err(|error| format!("metrics.listen: {at}: {error}"))?;
            tasks.push(Box::pin(admin::serve(listener, Arc::clone(&self.board))));
        }
        Ok(tasks)
    }
}

impl Resolve for Resolver {
    fn lookup<'a>(&'a self, question: &'a Question) -> Pin<Box<dyn Future<Output = Answer> + 'a>> {
        Box::pin(Resolver::lookup(self, question))
    }
}

/// What is printed at shutdown: every pair's account and the transit times.
pub fn account(reports: &[Report]) -> String {
    let mut ledger = Ledger::default();
    let mut transit = crate::shard::Observations::default().transit;
    for report in reports {
        report.accounts.iter().for_each(|(pair, account)| ledger.add(pair, account));
        for (sum, histogram) in transit.iter_mut().zip(&report.observations.transit) {
            sum.add(histogram).expect("all transit histograms have the same bounds");
        }
    }
    account_text(&ledger, &transit)
}
