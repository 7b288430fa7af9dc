//! The DNS answerer: the resolver that backends are given, so that their s2s connections come to us.
//!
//! | question | answer |
//! |---|---|
//! | SRV `_xmpp-server._tcp.NAME`, NAME exists or is local | port of the internal listener at [`INTERNAL_NAME`] |
//! | the same, NAME does not exist | NXDOMAIN: what makes a server say `remote-server-not-found` |
//! | the same, nobody knows | SERVFAIL |
//! | SRV `_xmpps-server._tcp.NAME` | no records |
//! | A, AAAA of [`INTERNAL_NAME`] | address of the internal listener |
//! | anything else | asked of the upstream servers byte by byte, and handed back |
//!
//! Whoever reaches the address is answered: the operator binds it to loopback or to a private network.

mod question;
mod reply;
mod serve;

pub use reply::INTERNAL_NAME;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2_glommio::{Domain, Protocol, SockAddr, Socket, Type};

use super::ResolverConfig;

/// Requests over UDP under way; further ones are dropped, and asked again by whoever asked.
pub(super) const REQUESTS: usize = 512;
/// Connections at a time; further ones are closed at accept.
pub(super) const CONNECTIONS: usize = 64;
/// A connection on which no whole request comes, or no answer goes out, for so long is closed.
pub(super) const CONNECTION_IDLE: Duration = Duration::from_secs(10);
/// After this a request is answered with SERVFAIL; whoever asked has stopped waiting or asks again.
pub(super) const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Attempts to find a port that is free for UDP and TCP.
const PORT_ATTEMPTS: usize = 16;

/// What an [`Answerer`] is told.
#[derive(Clone, Debug)]
pub struct AnswererConfig {
    /// Where backends ask; UDP and TCP. Port 0: any that is free for both.
    pub listen: SocketAddr,
    /// Where backends shall connect to: the internal listener.
    pub internal: SocketAddr,
    /// Domains that exist even if the DNS does not know them; A-labels.
    pub local_domains: Vec<String>,
    /// Who knows the real DNS.
    pub upstream: ResolverConfig,
}

/// The DNS answerer, bound to its address.
#[derive(Debug)]
pub struct Answerer {
    config: AnswererConfig,
    udp: Socket,
    /// Bound, not listening: it keeps the port until [`Answerer::serve`] has the executor's listener on it, and after.
    tcp: Socket,
    local_addr: SocketAddr,
}

impl Answerer {
    /// Binds both sockets, so that what is wrong is said at start.
    ///
    /// # Errors
    /// When the address is taken or not ours; `InvalidInput` when the internal listener's address is unspecified or has
    /// no port, or when the only upstream server is the answerer itself.
    pub fn bind(mut config: AnswererConfig) -> io::Result<Self> {
        if config.internal.ip().is_unspecified() || config.internal.port() == 0 {
            return Err(invalid("backends cannot connect to an unspecified address or port"));
        }
        let (udp, tcp, local_addr) = bind_both(config.listen)?;
        config.upstream.servers.retain(|server| !is_same(local_addr, *server));
        if config.upstream.servers.is_empty() {
            return Err(invalid("the upstream DNS server is the answerer itself, or there is none"));
        }
        for domain in &mut config.local_domains {
            *domain = domain.trim_end_matches('.').to_ascii_lowercase();
        }
        Ok(Self { config, udp, tcp, local_addr })
    }

    /// Where it is bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

fn invalid(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

/// Whether asking `server` would be asking ourselves.
fn is_same(listen: SocketAddr, server: SocketAddr) -> bool {
    let reaches =
        |ip: IpAddr| ip == listen.ip() || listen.ip().is_unspecified() && (ip.is_loopback() || ip.is_unspecified());
    server.port() == listen.port() && reaches(server.ip())
}

fn bind_both(listen: SocketAddr) -> io::Result<(Socket, Socket, SocketAddr)> {
    for attempt in 1.. {
        let udp = bound(listen, Type::DGRAM, Protocol::UDP)?;
        let address = udp.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        match bound(address, Type::STREAM, Protocol::TCP) {
            Ok(tcp) => return Ok((udp, tcp, address)),
            Err(_) if listen.port() == 0 && attempt < PORT_ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// The UDP socket has its port alone, so a second answerer is noticed by it. The TCP port is shared with the executor's
/// listener, and with what an earlier process left in FIN_WAIT and TIME_WAIT.
fn bound(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_reuse_port(kind == Type::STREAM)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}
