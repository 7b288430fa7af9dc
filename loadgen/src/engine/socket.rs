//! Sockets of the engine and their options.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait for accept: a storm of them must not be slowed down by its target's players.
const BACKLOG: i32 = 4_096;

/// A listener, and its address; on loopback and a port that was free, unless an address of IPv4 is asked for.
///
/// # Errors
/// No descriptor or no port is left, or somebody listens there.
pub(super) fn listener(address: Option<SocketAddr>) -> io::Result<(OwnedFd, SocketAddr)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    // Connections of an earlier run may still be remembered there.
    socket.set_reuse_address(address.is_some())?;
    socket.bind(&address.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).into())?;
    socket.listen(BACKLOG)?;
    let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    Ok((socket.into(), address))
}

/// A socket to connect to `target` with, from `source` if that is of the same family. A blocking one, as the ring wants it.
///
/// # Errors
/// No descriptor or no port is left, or `source` is not an address of this machine.
pub(super) fn outbound(source: SocketAddr, target: SocketAddr) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if source.is_ipv4() == target.is_ipv4() && !source.ip().is_unspecified() {
        // Ports of connections that ended a moment ago may be taken again.
        socket.set_reuse_address(true)?;
        socket.bind(&source.into())?;
    }
    Ok(socket.into())
}
