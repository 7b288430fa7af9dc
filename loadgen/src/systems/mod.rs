//! Systems under test: how each is set up, started alone on its cores, watched and ended.

//!
//! [`start`] makes a [`System`] run in a [`Setting`]: it writes its configuration, starts its program and waits until it
//! listens. What comes back, [`Under`], says how the engine reaches it, and ends it when dropped.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ::ringgate::stage::authority::Authority;
use anyhow::Context;
use ringgate_proto::address::Domain;

use crate::engine::SystemWatch;
use crate::measure::processor;
use crate::outcome::Shards;
use crate::plan::Transport;
use attach::Attached;
use install::Need;
use process::Process;
use scratch::{Folder, Scratch};

pub mod attach;
mod direct;
mod ejabberd;
mod family;
mod haproxy;
pub mod install;
mod memory;
pub mod ports;
pub mod priority;
pub mod process;
mod prosody;
pub mod ringgate;
mod scrape;
pub mod scratch;
mod spawner;
mod xmpp_proxy;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum System {
    /// ringgate, this build or another.
    Ringgate,
    /// HAProxy in tcp mode.
    Haproxy,
    /// Nothing between senders and receivers: what the generator and the machine cost.
    Direct,
    /// Not even streams: the TLS records and sends of what departs, alone. See [`crate::bare`].
    Bare,
    /// xmpp-proxy.
    XmppProxy,
    /// Prosody as the thing that relays.
    Prosody,
    /// ejabberd as the thing that relays.
    Ejabberd,
}

impl System {
    /// What has to be installed for it, if it is another's program.
    pub fn need(self) -> Option<&'static Need> {
        match self {
            Self::Ringgate | Self::Direct | Self::Bare => None,
            Self::Haproxy => Some(&haproxy::NEEDS),
            Self::XmppProxy => Some(&xmpp_proxy::NEEDS),
            Self::Prosody => Some(&prosody::NEEDS),
            Self::Ejabberd => Some(&ejabberd::NEEDS),
        }
    }

    /// All of them, in the order of tables.
    pub const ALL: [Self; 7] =
        [Self::Ringgate, Self::Haproxy, Self::Direct, Self::Bare, Self::XmppProxy, Self::Prosody, Self::Ejabberd];

    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ringgate => "ringgate",
            Self::Haproxy => "haproxy",
            Self::Direct => "direct",
            Self::Bare => "bare",
            Self::XmppProxy => "xmpp-proxy",
            Self::Prosody => "prosody",
            Self::Ejabberd => "ejabberd",
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a [`System`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no system {name:?}; there are {}", System::ALL.map(System::name).join(", "))]
pub struct UnknownSystem {
    name: String,
}

impl FromStr for System {
    type Err = UnknownSystem;

    fn from_str(name: &str) -> Result<Self, UnknownSystem> {
        let system = Self::ALL.into_iter().find(|system| system.name() == name);
        system.ok_or_else(|| UnknownSystem { name: name.to_owned() })
    }
}

/// What a system is set up for.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// Domains that it serves, relays for, or hosts as components; at least one.
    pub locals: &'a [Domain],
    /// Where it finds the backends: the local domain of index `i` is at index `i` modulo their number. At least one.
    pub backends: &'a [SocketAddr],
    /// Whom everyone in the run trusts.
    pub authority: &'a Authority,
    /// Where it looks for remote domains.
    pub dns: SocketAddr,
    /// How streams between servers are made.
    pub transport: Transport,
    /// Cores that it may use, and that it is told to use all of; at least one.
    pub cores: &'a [usize],
    /// For its configuration, certificates, logs and spool.
    pub scratch: &'a Scratch,
    /// What to start where there is a choice.
    pub programs: &'a Programs,
}

impl Setting<'_> {
    /// The local domains, each with the address of its backend.
    pub fn served(&self) -> impl Iterator<Item = (&Domain, SocketAddr)> {
        self.locals.iter().zip(self.backends.iter().copied().cycle())
    }

    /// Writes `root.pem` and, below `certificates/`, a certificate with its key for each local domain.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub fn write_certificates(&self, folder: &Folder) -> anyhow::Result<Certificates> {
        let root = folder.write("root.pem", self.authority.root_pem())?;
        let sign = |domain: &Domain| {
            let name = format!("certificates/{}.pem", domain.as_ascii());
            folder.write(&name, &self.authority.sign(std::slice::from_ref(domain))?)
        };
        let certificates = self.locals.iter().map(sign).collect::<anyhow::Result<_>>()?;
        Ok(Certificates { root, folder: folder.path().join("certificates"), certificates })
    }
}

/// Files of a system.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// What everyone trusts.
    pub root: PathBuf,
    /// Where the other ones are, and nothing else.
    pub folder: PathBuf,
    /// Certificate and key in one file per local domain, in their order.
    pub certificates: Vec<PathBuf>,
}

/// What to start where there is a choice.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// loadgen itself, which is a ringgate, too; `None`: the running program.
    pub own: Option<PathBuf>,
    /// Another build of ringgate than loadgen's own.
    pub ringgate: Option<PathBuf>,
    /// Shards of ringgate; `None`: one per core.
    pub shards: Option<u16>,
}

/// A system under test, ended when dropped.
#[derive(Debug)]
pub struct Under {
    /// As on the command line.
    pub name: String,
    /// As it says itself.
    pub version: String,
    /// How the engine reaches it.
    pub attachment: Attachment,
    processes: Vec<Process>,
    /// What runs already, instead of processes of ours.
    attached: Option<Attached>,
    /// Where ringgate serves its figures, if they are wanted.
    metrics: Option<SocketAddr>,
}

impl Under {
    /// Its processes, now.
    pub fn pids(&self) -> Vec<u32> {
        let own = self.processes.iter().flat_map(Process::pids);
        own.chain(self.attached.iter().flat_map(Attached::pids)).collect()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// A process of it has ended; with the last lines of its log.
    pub fn check(&self) -> anyhow::Result<()> {
        self.processes.iter().try_for_each(Process::check)?;
        self.attached.iter().try_for_each(Attached::check)
    }

    /// The cores that it works on, if it chose them itself.
    pub fn own_cores(&self) -> Option<Vec<usize>> {
        self.attached.as_ref().map(Attached::cores)
    }

    /// What has passed between its shards so far, if it serves its figures. Takes a second or two.
    ///
    /// # Errors
    /// It does not say.
    pub fn shards(&self) -> anyhow::Result<Option<Shards>> {
        self.metrics.map(scrape::shards).transpose().context("ringgate's metrics")
    }

    /// Ends it and waits until it is gone, as dropping it does.
    pub fn stop(self) {}
}

impl SystemWatch for Under {
    /// Zero if there is no process. Of threads and processes that have ended, too, but only to 10 ms.
    fn processor(&self) -> Duration {
        self.pids().into_iter().map(processor::of_process).sum()
    }

    fn resident_bytes(&self) -> u64 {
        self.pids().into_iter().map(memory::resident_bytes).sum()
    }

    fn descriptors(&self) -> u64 {
        self.pids().into_iter().map(memory::descriptors).sum()
    }
}

/// Starts a system and waits until it listens.
///
/// # Errors
/// It is not installed, or does not start; with the last lines of its log.
pub fn start(system: System, setting: &Setting<'_>) -> anyhow::Result<Under> {
    let folder = setting.scratch.folder(system.name())?;
    let started = match system {
        System::Ringgate => ringgate::start(setting, &folder),
        System::Haproxy => haproxy::start(setting, &folder),
        System::Direct | System::Bare => Ok(direct::start(system)),
        System::XmppProxy => xmpp_proxy::start(setting, &folder),
        System::Prosody => prosody::start(setting, &folder),
        System::Ejabberd => ejabberd::start(setting, &folder),
    };
    started.with_context(|| format!("system {system}"))
}

/// How the streams of a run reach a system, and how it reaches the engine.
#[derive(Clone, Debug)]
pub enum Attachment {
    /// A federation proxy. Remote domains and the system find each other as the DNS says; the local domains' backends
    /// connect to `internal` for every remote domain, and are connected to by the system.
    Proxy {
        /// Streams of remote domains, STARTTLS.
        public: SocketAddr,
        /// The same, TLS from the first byte.
        public_direct_tls: SocketAddr,
        /// Streams of the backends.
        internal: SocketAddr,
    },
    /// A server, with the local domains as external components (XEP-0114). Remote domains and the system find each other
    /// as the DNS says.
    Server {
        /// Streams of remote domains, STARTTLS.
        public: SocketAddr,
        /// The same, TLS from the first byte, if it can.
        public_direct_tls: Option<SocketAddr>,
        /// Streams of components.
        component: SocketAddr,
        /// What components prove themselves with.
        secret: String,
    },
    /// A relay that does not route: each lane has a connection of its own to `entry`, which appears at the engine's
    /// backend listener.
    Relay {
        /// Where senders connect.
        entry: SocketAddr,
        /// How senders speak to it.
        entry_tls: RelayTls,
        /// How it speaks to the receiver.
        exit_tls: RelayTls,
    },
    /// None: senders connect to receivers, as the DNS says; or there are no streams at all.
    Direct,
}

/// TLS of one side of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayTls {
    /// In clear.
    None,
    /// From the first byte, ALPN `xmpp-server`.
    Direct,
    /// STARTTLS.
    StartTls,
}

/// The name of a server itself; its users and services are of no interest.
const SERVER_NAME: &str = "server.test";

/// A new secret for components: 128 bits in hexadecimal.
fn secret() -> String {
    let mut bytes = [0; 16];
    ::ringgate::entropy::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn server_name() -> Domain {
    Domain::parse(SERVER_NAME).expect("letters and a dot")
}
