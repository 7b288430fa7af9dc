//! Systems under test: how each is set up, started alone on its cores, watched and ended.
//!
//! Each is a function from a [`Setup`] to a [`Running`]. What has to be installed for it is a [`install::Need`].

use std::net::SocketAddr;
use std::path::Path;

use ringgate::stage::authority::Authority;
use ringgate_proto::address::Domain;

use crate::plan::Transport;

pub mod ejabberd;
pub mod install;
pub mod process;
pub mod prosody;
pub mod xmpp_proxy;

/// What a system is set up for.
pub struct Setup<'a> {
    /// An existing directory of its own, for its configuration, certificates, logs and spool.
    pub scratch: &'a Path,
    /// Cores that it may use, and that it is told to use all of.
    pub cores: &'a [usize],
    /// Domains that it serves, relays for, or hosts as components; at least one.
    pub locals: &'a [Domain],
    /// Whom everyone in the run trusts.
    pub authority: &'a Authority,
    /// Where it looks for remote domains.
    pub dns: SocketAddr,
    /// Where it finds the backends of the local domains.
    pub backend: SocketAddr,
    /// How streams between servers are made.
    pub transport: Transport,
}

/// A system that takes streams; ended when dropped.
pub struct Running {
    /// As on the command line.
    pub name: &'static str,
    /// As its package or it itself says.
    pub version: String,
    /// How the engine reaches it.
    pub attachment: Attachment,
    /// All its processes; `None` when there is nothing between the engine's two sides.
    pub process: Option<process::Process>,
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
    /// None: senders connect to receivers, as the DNS says.
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
    ringgate::entropy::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn server_name() -> Domain {
    Domain::parse(SERVER_NAME).expect("letters and a dot")
}
