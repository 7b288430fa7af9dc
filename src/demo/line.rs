//! One connection of an embedded server: a blocking socket and its endpoint.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::clock;
use crate::stage::endpoint::{Endpoint, Heard};

/// How long a read may block; then the owner looks whether it has something else to do.
const POLL: Duration = Duration::from_millis(20);
/// From our end to the peer's.
const CLOSING: Duration = Duration::from_secs(2);
/// One read.
const READ_BYTES: usize = 16 << 10;

/// One connection.
pub(super) struct Line {
    tcp: TcpStream,
    endpoint: Endpoint,
    out: Vec<u8>,
}

impl Line {
    pub(super) fn new(tcp: TcpStream, mut endpoint: Endpoint) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(POLL))?;
        let mut out = Vec::new();
        endpoint.start(&mut out).map_err(io::Error::other)?;
        let mut line = Self { tcp, endpoint, out };
        line.flush()?;
        Ok(line)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.endpoint.is_ready()
    }

    /// Waits for bytes, at most [`POLL`], and deals with them; `false` when no more will come.
    pub(super) fn turn(&mut self, sink: &mut dyn FnMut(Heard<'_>)) -> io::Result<bool> {
        let mut buffer = [0; READ_BYTES];
        let count = match self.tcp.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if is_timeout(&error) => return Ok(true),
            Err(error) => return Err(error),
        };
        let result = self.endpoint.receive(&mut buffer[..count], &mut self.out, sink);
        // Also after an error: the peer is told why.
        let flushed = self.flush();
        result.map_err(io::Error::other)?;
        flushed?;
        Ok(!self.endpoint.is_over())
    }

    pub(super) fn send(&mut self, stanzas: &[u8]) -> io::Result<()> {
        self.endpoint.send(stanzas, &mut self.out).map_err(io::Error::other)?;
        self.flush()
    }

    /// Ends our direction, and waits for the peer's end. RFC 6120 §4.4.
    pub(super) fn close(mut self, sink: &mut dyn FnMut(Heard<'_>)) -> io::Result<()> {
        self.endpoint.close(&mut self.out);
        self.flush()?;
        let deadline = clock::now() + CLOSING;
        while !self.endpoint.is_over() && clock::now() < deadline && self.turn(sink)? {}
        // The peer may be gone already; then there is nobody to tell.
        let _ = self.tcp.shutdown(Shutdown::Write);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.tcp.write_all(&self.out);
        self.out.clear();
        result
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
