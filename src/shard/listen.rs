//! Sockets and their options: listeners that share a port between shards, and outbound ones.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// Connections that wait for accept, per shard and listener.
const BACKLOG: i32 = 4_096;
/// Unacknowledged bytes break a connection after this long: the bound of what is "in doubt".
const USER_TIMEOUT: Duration = ringgate_proto::limits::IN_DOUBT;
/// Silence before the first keep-alive probe.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(120);
/// Between two keep-alive probes.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);

/// A listening socket for each of `shards` on one address; the kernel spreads connections over them.
///
/// With port 0 the first one chooses, the others follow. `[::]` takes IPv4 connections too. Accepted connections
/// inherit the options.
///
/// # Errors
/// `bind(2)`'s: the port is taken by another process, or needs a privilege; the address is not ours.
pub fn bind(address: SocketAddr, shards: u16) -> io::Result<Vec<OwnedFd>> {
    let mut address = address;
    let mut sockets = Vec::with_capacity(shards.into());
    for _ in 0..shards {
        let socket = bind_one(address)?;
        address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        sockets.push(socket);
    }
    // Listening begins when all are bound: a connection must not be given to a shard that may never be.
    sockets.iter().try_for_each(|socket| socket.listen(BACKLOG))?;
    Ok(sockets.into_iter().map(OwnedFd::from).collect())
}

fn bind_one(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    set_stream_options(&socket)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A socket to connect to `address` with.
///
/// # Errors
/// The process has no descriptors left, or the kernel lacks the address family.
pub fn outbound(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    set_stream_options(&socket)?;
    Ok(socket.into())
}

/// Sends without delay (a tick is one send), and notices a dead peer.
fn set_stream_options(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY))?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

/// The address a listening socket is bound to.
///
/// # Errors
/// `getsockname(2)`'s.
pub fn local_address(socket: &OwnedFd) -> io::Result<SocketAddr> {
    socket2::SockRef::from(socket).local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn shards_share_the_port_that_the_first_one_got() {
        let sockets = bind("127.0.0.1:0".parse().expect("address"), 3).expect("bind");
        let addresses: Vec<_> = sockets.iter().map(|s| local_address(s).expect("address")).collect();
        assert_ne!(addresses[0].port(), 0);
        assert!(addresses.iter().all(|address| *address == addresses[0]));
        TcpStream::connect(addresses[0]).expect("connect");
    }

    #[test]
    fn accepted_connections_inherit_the_options() {
        let listener = bind("[::1]:0".parse().expect("address"), 1).expect("bind").remove(0);
        let listener = TcpListener::from(listener);
        let _near = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
        let accepted = Socket::from(listener.accept().expect("accept").0);
        assert!(accepted.tcp_nodelay().expect("TCP_NODELAY"));
        assert!(accepted.keepalive().expect("SO_KEEPALIVE"));
        assert_eq!(accepted.tcp_user_timeout().expect("TCP_USER_TIMEOUT"), Some(USER_TIMEOUT));
    }

    #[test]
    fn port_of_another_process_is_an_error() {
        let other = TcpListener::bind("127.0.0.1:0").expect("bind");
        let error = bind(other.local_addr().expect("address"), 1).expect_err("taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
