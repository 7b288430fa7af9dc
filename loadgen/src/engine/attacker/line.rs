//! A stream with a blocking socket, as a hostile domain has it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ringgate::stage::endpoint::{Endpoint, Heard};
use rustix::io::Errno;
use socket2::{SockRef, Socket};

use super::waste::Waste;
use crate::engine::scene::{HANDSHAKE, Opening};
use crate::engine::socket;

/// Between two looks whether it is time to end, while the system does not read.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes that the kernel keeps for the system. With more, the kernel would send much of them while the system acknowledges
/// earlier ones: on the system's core, at the system's cost.
const KEPT_BYTES: usize = 64 << 10;

/// Bytes that one system call takes: some 10 µs, for which the engine waits if it wants the core meanwhile.
const WRITE_BYTES: usize = 8 << 10;
/// Records that are sealed before the engine gets the core if it wants it: some 10 µs.
const RECORDS_AT_ONCE: usize = 25;

/// A proven stream, to be written to.
pub(super) struct Line {
    stream: TcpStream,
    endpoint: Endpoint,
    out: Vec<u8>,
}

/// Why nothing more can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The system closed or cut the stream.
    ByThem,
    /// It was time.
    ByUs,
}

impl Line {
    /// Opens it, and proves itself; `None` if it `is_over` before that has come about.
    ///
    /// # Errors
    /// In one line: the system cannot be reached, refuses us, or takes longer than [`HANDSHAKE`].
    pub(super) fn open(opening: Opening, is_over: &dyn Fn() -> bool) -> anyhow::Result<Option<Self>> {
        let Opening { target, source, call, cast } = opening;
        let socket = Socket::from(socket::outbound(source, target)?);
        // A connection that is asked for again waits as long again.
        socket.set_write_timeout(Some(LOOK))?;
        socket.set_read_timeout(Some(LOOK))?;
        let patience = Patience { begin: Instant::now(), is_over };
        while let Err(error) = socket.connect(&target.into()) {
            if !is_pause(&error) {
                return Err(error).context(target.to_string());
            }
            if patience.is_over()? {
                return Ok(None);
            }
        }
        let mut line = Self { stream: socket.into(), endpoint: Endpoint::initiating(call, cast)?, out: Vec::new() };
        if !line.negotiate(&patience)? {
            return Ok(None);
        }
        SockRef::from(&line.stream).set_send_buffer_size(KEPT_BYTES)?;
        Ok(Some(line))
    }

    /// Whether the stream came about before it was time to end.
    fn negotiate(&mut self, patience: &Patience<'_>) -> anyhow::Result<bool> {
        let (mut is_ready, mut buffer) = (false, vec![0; 1 << 14]);
        self.endpoint.start(&mut self.out)?;
        while !is_ready {
            self.stream.write_all(&self.out)?;
            self.out.clear();
            if patience.is_over()? {
                return Ok(false);
            }
            let count = match self.stream.read(&mut buffer) {
                Ok(0) => bail!("the system ended the stream before it was proven"),
                Ok(count) => count,
                Err(error) if is_pause(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            let heard = self.endpoint.receive(&mut buffer[..count], &mut self.out, &mut |heard| {
                is_ready |= matches!(heard, Heard::Ready);
            });
            heard?;
        }
        self.stream.write_all(&self.out)?;
        Ok(true)
    }

    /// Sends one write's worth of `waste`, until `is_over` at most. Returns how many bytes the kernel took, and whether there can
    /// be more.
    ///
    /// A kernel that preempts lazily tells a thread in user space nothing of a wake-up on its core that came from another one:
    /// the engine would wait for the next system call, which is therefore never far.
    pub(super) fn send(&mut self, waste: &mut Waste, is_over: &dyn Fn() -> bool) -> (usize, Result<(), Ended>) {
        self.out.clear();
        for number in 1..=waste.records() {
            if number % RECORDS_AT_ONCE == 0 {
                thread::yield_now();
            }
            if self.endpoint.send(waste.next_record(), &mut self.out).is_err() {
                return (0, Err(Ended::ByThem));
            }
        }
        let mut sent = 0;
        while sent < self.out.len() {
            let end = self.out.len().min(sent + WRITE_BYTES);
            match self.stream.write(&self.out[sent..end]) {
                Ok(count) => sent += count,
                Err(error) if is_pause(&error) && is_over() => return (sent, Err(Ended::ByUs)),
                Err(error) if is_pause(&error) => {}
                Err(_) => return (sent, Err(Ended::ByThem)),
            }
        }
        (sent, Ok(()))
    }
}

/// How long a stream may take to come about.
struct Patience<'a> {
    begin: Instant,
    is_over: &'a dyn Fn() -> bool,
}

impl Patience<'_> {
    /// Whether it is time to end, in which case nobody is to blame.
    ///
    /// # Errors
    /// It has taken longer than [`HANDSHAKE`].
    fn is_over(&self) -> anyhow::Result<bool> {
        let is_over = (self.is_over)();
        if !is_over && self.begin.elapsed() > HANDSHAKE {
            bail!("no stream within {HANDSHAKE:?}");
        }
        Ok(is_over)
    }
}

/// Whether a call took longer than [`LOOK`], or was interrupted.
fn is_pause(error: &io::Error) -> bool {
    let is_connecting = matches!(Errno::from_io_error(error), Some(Errno::INPROGRESS | Errno::ALREADY));
    is_connecting || matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
