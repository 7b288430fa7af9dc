//! Systems under test: how each is set up, started alone on its cores, watched and ended.

use std::net::SocketAddr;

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
