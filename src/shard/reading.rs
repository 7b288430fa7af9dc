//! Who is read, when, and how much at a time.
//!
//! At first a connection is read one buffer at a time, each when all of the last is done: until one comes that is not full,
//! and a stranger until it has proven who it is. Then everything is read that comes, until it has to wait: then one buffer
//! at a time again. So of a stranger's bytes at most a buffer waits, and of a stream's what one multishot receive had
//! brought, once; everything else stays in the peer's window.
//!
//! What waits of all connections together has a bound ([`BACKLOG_BYTES`](super::BACKLOG_BYTES)), and every connection is on
//! one side of it:
//!
//! | bytes that wait | read one buffer at a time: new, unproven, or brings much | read as it comes |
//! |---|---|---|
//! | below the bound | read when its last buffer is done | read |
//! | above it, while anybody waits for a turn | not read: what it sends stays in the peer's window; backends are | read |
//! | above twice the bound | not read; if nobody waits for a turn, one per tick | taken in at once, whoever waits, then read one buffer at a time |
//!
//! The last row is for connections that were armed before the bound was reached. So what waits is at most twice the
//! bound, the buffer that went beyond it, and what the ring had for connections that waited already.

use super::Shard;
use super::socket::Phase;
use super::waiting::Line;
use crate::ring::{Buffer, SocketId};

/// Connections that are read on per tick at most: what they bring is counted before the next ones are.
const RELEASED: usize = 32;

impl Shard {
    /// Reads one buffer at a time from now on, until one comes that is not full.
    pub(super) fn read_singly(&mut self, id: SocketId) {
        if let Some(socket) = self.sockets.get_mut(id) {
            socket.reads_singly = true;
            self.ring.stop_receiving(id);
        }
    }

    /// Receives, if anything is to be received now.
    pub(super) fn read_on(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let is_up = !matches!(socket.phase, Phase::Connecting(_));
        // After a FIN there is nothing to read, and a new receive would only say so again. After a close_notify the FIN
        // is still to come, but the gate has been told already.
        let reads = is_up && !socket.paused && !socket.peer_ended && socket.departing.is_none();
        match socket.backlog {
            // It is read on from when that is done.
            Some(_) => self.queue(id),
            None if reads && socket.reads_singly => self.read_once(id),
            None if reads => self.ring.receive(id),
            _ => {}
        }
    }

    /// Receives one buffer, or does so when enough of what waits has been taken in.
    fn read_once(&mut self, id: SocketId) {
        let has_room = !self.waiting.is_full() && !self.waiting.is_overfull();
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if has_room || socket.is_closing() {
            return self.ring.receive_once(id);
        }
        let line = socket.line(&self.gate);
        if line == Line::Backends {
            return self.ring.receive_once(id);
        }
        if !std::mem::replace(&mut socket.unread, true) {
            self.waiting.push_unread(id, line);
        }
    }

    /// Reads those on that were not read, as many as fit.
    pub(super) fn read_unread(&mut self) {
        // What comes while no more is kept is taken in uncut: one at a time.
        let released = if self.waiting.is_overfull() { 1 } else { RELEASED };
        for _ in 0..released {
            if self.waiting.is_full() || self.is_outbound_full() {
                return;
            }
            let Some(id) = self.waiting.pop_unread() else { return };
            if let Some(socket) = self.sockets.get_mut(id) {
                socket.unread = false;
                self.read_on(id);
            }
        }
    }

    /// Bytes came on a connection that takes none: they are thrown away, a buffer at a time if there are many.
    pub(super) fn throw_away(&mut self, id: SocketId, bytes: &Buffer) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if socket.reads_singly {
            self.read_on(id);
        } else if bytes.is_full() {
            self.read_singly(id);
        }
    }
}
