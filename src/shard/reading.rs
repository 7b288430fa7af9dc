//! Who is read, when, and how much at a time.
//!
//! At first a connection is read one buffer at a time, each when all of the last is done: until one comes that is not full,
//! and a stranger until it has proven who it is. Then everything is read that comes, until it has to wait: then one buffer
//! at a time again. So of a stranger's bytes at most a buffer waits, and of a stream's what one multishot receive had
//! brought, once; everything else stays in the peer's window.
//!
//! There may be any number of strangers that have said nothing yet. So none of them is read before it has said something,
//! and then a few in each tick, in the order in which they did.
//!
//! What waits of all connections together has a bound ([`BACKLOG_BYTES`](super::BACKLOG_BYTES)), and who is read depends on
//! it:
//!
//! | bytes that wait | strangers | streams that are new or bring much | streams that are read as they come |
//! |---|---|---|---|
//! | below the bound | read when they have said something, [`RELEASED`] in a tick | read when the last buffer is done | read |
//! | above it, while anybody waits for a turn | not read: what they say stays in the peer's window | not read; backends are | read |
//! | above twice the bound | not read; if nobody waits for a turn, one of all in a tick | as strangers; backends are read | taken in at once, whoever waits, then read one buffer at a time |
//!
//! Of those that wait to be read, nobody is while other shards are too far behind to be given more.
//!
//! So strangers bring what waits to the bound, and to the buffers that the last tick has released beyond it. The last row
//! is for streams that were armed before the bound was reached: with them it is at most twice the bound, the buffer that
//! went beyond it, and what the ring had for connections that waited already. A tick in which that happens ends when they
//! have taken as long as others get turns in it ([`SERVING`](super::share::SERVING)).

use super::Shard;
use super::waiting::Line;
use crate::ring::{Buffer, SocketId};

/// Connections of the line that are read in one tick: what they bring is counted before the next ones are.
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
        match socket.backlog {
            // It is read on from when that is done.
            Some(_) => self.queue(id),
            None if !socket.takes_bytes() => {}
            None if !socket.reads_singly => self.ring.receive(id),
            None if socket.is_stranger(&self.gate) => self.ring.await_readable(id),
            None => self.read_once(id),
        }
    }

    /// A stranger has said something: it is read when its turn has come.
    pub(super) fn readable(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if socket.is_closing() {
            // What it says is thrown away.
            return self.ring.receive_once(id);
        }
        self.line_up(id);
    }

    /// Receives one buffer, or does so when enough of what waits has been taken in.
    fn read_once(&mut self, id: SocketId) {
        let has_room = !self.waiting.is_full() && !self.waiting.is_overfull();
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if has_room || socket.is_closing() || socket.line(&self.gate) == Line::Backends {
            return self.ring.receive_once(id);
        }
        self.line_up(id);
    }

    /// Reads a buffer of those that wait to be read, of as many as there is room for.
    pub(super) fn read_unread(&mut self) {
        // What comes while no more is kept is taken in uncut: one at a time.
        let released = if self.waiting.is_overfull() { 1 } else { RELEASED };
        for _ in 0..released {
            if self.waiting.is_full() || self.is_outbound_full() {
                return;
            }
            let Some(id) = self.waiting.pop_unread() else { return };
            let Some(socket) = self.sockets.get_mut(id) else { continue };
            socket.is_lined_up = false;
            if socket.backlog.is_none() && socket.takes_bytes() {
                self.ring.receive_once(id);
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
