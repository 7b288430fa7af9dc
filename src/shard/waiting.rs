//! Who waits: for a turn, or to be read on. Each stands in a line with its like, and the lines take turns.
//!
//! A remote domain may have any number of connections, and bring something on each of them at once. So the bytes that
//! all of a shard's backlogs hold have a bound; `reading` says who is not read above it.
//!
//! A stream that the gate has paused keeps its backlog, and it counts. When only such are left, nobody waits for a turn:
//! the others are read on, else a slow backend would keep everybody out.

use std::collections::VecDeque;

use super::Shard;
use super::share::Backlog;
use crate::ring::SocketId;

/// Memory of what may wait on one shard before who is read one buffer at a time is not read; see `reading`.
pub const BACKLOG_BYTES: usize = 16 << 20;

/// Where a connection waits. Of each kind there may be any number, so that one kind must not keep another waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// From and to our own servers.
    Backends,
    /// Streams of remote domains that have proven something, and what we dial.
    Streams,
    /// See [`Socket::is_stranger`](super::socket::Socket::is_stranger).
    Strangers,
}

/// Connections in a line for each kind, which take turns while somebody stands in them.
#[derive(Default)]
struct Lines {
    lines: [VecDeque<SocketId>; 3],
    next: usize,
}

impl Lines {
    fn is_empty(&self) -> bool {
        self.lines.iter().all(VecDeque::is_empty)
    }

    fn push(&mut self, id: SocketId, line: Line) {
        self.lines[line as usize].push_back(id);
    }

    fn pop(&mut self) -> Option<SocketId> {
        let count = self.lines.len();
        let line =
            (self.next..self.next + count).map(|line| line % count).find(|line| !self.lines[*line].is_empty())?;
        self.next = (line + 1) % count;
        self.lines[line].pop_front()
    }
}

/// See the module.
pub(super) struct Waiting {
    /// Whose bytes wait.
    turns: Lines,
    /// Who waits to be read.
    unread: Lines,
    /// Memory of all backlogs.
    bytes: usize,
    bound: usize,
}

impl Waiting {
    pub(super) fn new(bound: usize) -> Self {
        Self { turns: Lines::default(), unread: Lines::default(), bytes: 0, bound }
    }

    /// Whether nobody's turn is to come.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whether there is anything to do without anything new.
    pub(super) fn is_idle(&self) -> bool {
        self.turns.is_empty() && self.unread.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether those that are read one buffer at a time are not read.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.bound && !self.turns.is_empty()
    }

    /// Whether nothing is kept but behind what a connection keeps already.
    pub(super) fn is_overfull(&self) -> bool {
        self.bytes / 2 >= self.bound
    }

    /// Whose turn is next.
    pub(super) fn pop(&mut self) -> Option<SocketId> {
        self.turns.pop()
    }

    /// Who is read on next.
    pub(super) fn pop_unread(&mut self) -> Option<SocketId> {
        self.unread.pop()
    }
}

impl Shard {
    /// Its turn will come, if it is not among those that wait already.
    pub(super) fn queue(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id).filter(|socket| !socket.paused) else { return };
        if !std::mem::replace(&mut socket.queued, true) {
            self.waiting.turns.push(id, socket.line(&self.gate));
        }
    }

    /// It will be read, if it is not among those that wait for that already.
    pub(super) fn line_up(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if !std::mem::replace(&mut socket.is_lined_up, true) {
            self.waiting.unread.push(id, socket.line(&self.gate));
        }
    }

    /// Gives a connection a backlog; it must have none.
    pub(super) fn keep_backlog(&mut self, id: SocketId, backlog: Box<Backlog>) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        debug_assert!(socket.backlog.is_none(), "bytes that wait are not thrown away");
        self.waiting.bytes += backlog.memory();
        socket.backlog = Some(backlog);
    }

    pub(super) fn take_backlog(&mut self, id: SocketId) -> Option<Box<Backlog>> {
        let backlog = self.sockets.get_mut(id)?.backlog.take()?;
        self.waiting.bytes -= backlog.memory();
        Some(backlog)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::ring::{EventFd, Ring, RingConfig};

    /// Names of four sockets.
    fn ids() -> [SocketId; 4] {
        let mut ring = Ring::new(&RingConfig::default(), &EventFd::new().unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        [(); 4].map(|()| ring.adopt(TcpStream::connect(listener.local_addr().unwrap()).unwrap().into()))
    }

    #[test]
    fn lines_take_turns() {
        let ids = ids();
        let mut lines = Lines::default();
        for (id, line) in ids.into_iter().zip([Line::Strangers, Line::Strangers, Line::Streams, Line::Streams]) {
            lines.push(id, line);
        }
        let first = lines.pop();
        lines.push(ids[2], Line::Backends);
        let rest: Vec<SocketId> = std::iter::from_fn(|| lines.pop()).collect();
        assert_eq!((first, &rest[..]), (Some(ids[2]), &[ids[0], ids[2], ids[3], ids[1]][..]));
        assert!(lines.is_empty());
    }

    #[test]
    fn bytes_that_nobody_takes_in_by_himself_keep_nobody_unread() {
        let ids = ids();
        let mut waiting = Waiting { bytes: 8, ..Waiting::new(8) };
        assert!(!waiting.is_full(), "all of it belongs to paused streams");
        waiting.turns.push(ids[0], Line::Streams);
        assert!(waiting.is_full() && !waiting.is_overfull());
        waiting.bytes = 7;
        assert!(!waiting.is_full());
        waiting.bytes = 16;
        assert!(waiting.is_overfull());
        waiting.pop();
        assert!(waiting.is_overfull(), "paused streams keep no more than that");
    }
}
