//! One blocking connection of an embedded server: socket, TLS, scanner.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ringgate_proto::limits;
use ringgate_proto::scan::{Cpu, Limits, Scanner, Scratch, Step, StreamContext};
use ringgate_proto::stream::PeerCertificate;

use crate::tls::{Received, Session};

/// How long a read may block; then the owner looks whether it has something else to do.
const POLL: Duration = Duration::from_millis(20);
/// One read.
const READ_BYTES: usize = 16 << 10;

/// One connection; bytes in, steps out.
pub(super) struct Wire {
    tcp: TcpStream,
    tls: Option<Session>,
    scanner: Scanner,
    scratch: Scratch,
    plain: Vec<u8>,
    established: Option<PeerCertificate>,
    cpu: Cpu,
    is_open: bool,
}

impl Wire {
    pub(super) fn new(tcp: TcpStream, cpu: Cpu) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(POLL))?;
        Ok(Self {
            tcp,
            tls: None,
            scanner: scanner(cpu),
            scratch: Scratch::default(),
            plain: Vec::new(),
            established: None,
            cpu,
            is_open: true,
        })
    }

    pub(super) fn connect(address: SocketAddr, cpu: Cpu) -> io::Result<Self> {
        Self::new(TcpStream::connect_timeout(&address, Duration::from_secs(5))?, cpu)
    }

    /// Takes over with TLS from the next byte on; a client sends its first flight.
    pub(super) fn secure(&mut self, mut session: Session, is_client: bool) -> io::Result<()> {
        let mut out = Vec::new();
        if is_client {
            session.start(&mut out).map_err(io::Error::other)?;
        }
        self.plain.clear();
        self.tls = Some(session);
        self.tcp.write_all(&out)
    }

    /// The peer's certificate, once, when the handshake has ended.
    pub(super) fn established(&mut self) -> Option<PeerCertificate> {
        self.established.take()
    }

    /// A new stream begins on the connection. RFC 6120 §4.3.3.
    pub(super) fn restart(&mut self) {
        self.scanner = scanner(self.cpu);
    }

    /// Whether the first byte that came is that of a TLS handshake; `None` when none has come yet.
    pub(super) fn begins_with_tls(&self) -> io::Result<Option<bool>> {
        let mut first = [0; 1];
        match self.tcp.peek(&mut first) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(Some(first[0] == 0x16)),
            Err(error) if is_timeout(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for bytes, at most [`POLL`].
    pub(super) fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_BYTES];
        let count = match self.tcp.read(&mut buffer) {
            Ok(0) => {
                self.is_open = false;
                return Ok(());
            }
            Ok(count) => count,
            Err(error) if is_timeout(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(session) = &mut self.tls else {
            self.plain.extend_from_slice(&buffer[..count]);
            return Ok(());
        };
        let (plain, established, mut out) = (&mut self.plain, &mut self.established, Vec::new());
        let result = session.receive(&mut buffer[..count], &mut out, &mut |received| match received {
            Received::Established(peer) => *established = Some(peer),
            Received::Plaintext(bytes) => plain.extend_from_slice(bytes),
        });
        self.tcp.write_all(&out)?;
        self.is_open &= !result.map_err(io::Error::other)?.closed;
        Ok(())
    }

    /// Hands what the scanner finds next to `take`; `false` when nothing is complete.
    pub(super) fn step<R>(&mut self, take: impl FnOnce(Step<'_>, &StreamContext) -> R) -> io::Result<Option<R>> {
        let step = self.scanner.scan(&mut self.scratch, &self.plain);
        let step = step.map_err(|error| io::Error::other(format!("the peer broke rule {:?}", error.rule)))?;
        let used = match &step {
            Step::Header(header) => header.end,
            Step::Element(element) => element.end,
            Step::Close { end } => *end,
            Step::NeedMore { keep_from } => *keep_from,
        };
        let result = match step {
            Step::NeedMore { .. } => None,
            step => Some(take(step, self.scanner.context())),
        };
        self.plain.drain(..used);
        Ok(result)
    }

    /// Sends what has been queued.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        match &mut self.tls {
            Some(session) => {
                let mut records = Vec::new();
                session.send(out, &mut records).map_err(io::Error::other)?;
                self.tcp.write_all(&records)?;
            }
            None => self.tcp.write_all(out)?,
        }
        out.clear();
        Ok(())
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Ends our direction.
    pub(super) fn shut(&mut self) {
        let mut out = Vec::new();
        if let Some(session) = &mut self.tls {
            session.close(&mut out);
        }
        // The peer may be gone already; then there is nobody to tell.
        let _ = self.tcp.write_all(&out);
        let _ = self.tcp.shutdown(std::net::Shutdown::Write);
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn scanner(cpu: Cpu) -> Scanner {
    let limits = Limits {
        depth: limits::STANZA_DEPTH,
        attributes: limits::ELEMENT_ATTRIBUTES,
        stanza_bytes: limits::STANZA_BYTES,
        elements: limits::STANZA_ELEMENTS,
    };
    Scanner::new(limits, cpu)
}
