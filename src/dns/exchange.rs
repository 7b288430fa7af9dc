//! One question to one server: UDP, and TCP where UDP does not do.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpStream, UdpSocket};
use socket2_glommio::{Domain, Protocol, SockAddr, Socket, Type};

use super::FOREIGN_DATAGRAMS;

/// Bytes of a datagram that are read; the rest is cut off, and the message then does not parse.
const DATAGRAM_BYTES: usize = 4_096;

/// What the caller makes of a message that came over UDP.
pub(super) enum Verdict<T> {
    /// It is what was waited for.
    Take(T),
    /// It is not; wait on.
    Ignore,
    /// Ask again over TCP.
    OverTcp,
}

/// Sends `query` from a fresh port chosen by the kernel, and hands every datagram that the server sends to that port to
/// `judge`. `None`: the answer must be fetched over TCP.
///
/// # Errors
/// When the network or the server's host refuses. Without a deadline: the caller sets one.
pub(super) async fn over_udp<T>(
    server: SocketAddr,
    query: &[u8],
    mut judge: impl FnMut(&[u8]) -> Verdict<T>,
) -> io::Result<Option<T>> {
    let socket = connected(server)?;
    socket.send(query).await?;
    let mut buffer = vec![0; DATAGRAM_BYTES];
    for _ in 0..FOREIGN_DATAGRAMS {
        let length = socket.recv(&mut buffer).await?;
        match judge(&buffer[..length]) {
            Verdict::Take(value) => return Ok(Some(value)),
            Verdict::Ignore => {}
            Verdict::OverTcp => return Ok(None),
        }
    }
    Ok(None)
}

/// glommio's own `bind` sets `SO_REUSEPORT`, which lets two shards share a port and steal each other's answers.
fn connected(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = Socket::new(Domain::for_address(server), Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&SockAddr::from(SocketAddr::new(any, 0)))?;
    socket.connect(&SockAddr::from(server))?; // sets the peer; nothing is sent, nothing blocks
    Ok(UdpSocket::from(socket))
}

/// Sends `query` over a connection of its own and reads one message.
///
/// # Errors
/// When the network or the server refuses or hangs up. Without a deadline: the caller sets one.
pub(super) async fn over_tcp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write_message(&mut stream, query).await?;
    read_message(&mut stream).await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Writes a message with its length in front. RFC 1035 §4.2.2.
///
/// # Errors
/// When the connection breaks, or the message is longer than 65,535 bytes.
pub(super) async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut framed = Vec::with_capacity(2 + message.len());
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    stream.write_all(&framed).await
}

/// Reads a message with its length in front; `None` when the peer hung up before one began.
///
/// # Errors
/// When the connection breaks, also in the middle of a message.
pub(super) async fn read_message(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 2];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}
