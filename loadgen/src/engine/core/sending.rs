//! One run of records and one send for each connection that has something: at the end of a turn, and of each stream's part of a fan-out.

use ringgate::ring::{Sent, SocketId};

use super::Core;
use super::conn::{Origin, Phase as ConnPhase, Written};
use crate::measure::Series;
use crate::plan::Load;

/// Buffers that are kept for reuse, and the largest of them.
const SPARE_BUFFERS: usize = 64;
const SPARE_BYTES: usize = 256 << 10;

impl Core {
    /// Notes that a connection has something to send.
    pub(super) fn touch(&mut self, id: SocketId) {
        if let Some(conn) = self.conns.get_mut(id).filter(|conn| !conn.is_dirty) {
            conn.is_dirty = true;
            self.dirty.push(id);
        }
    }

    pub(super) fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            if let Some(conn) = self.conns.get_mut(id) {
                conn.is_dirty = false;
                self.offer(id);
                self.transmit(id);
            }
        }
        // Whatever was touched meanwhile (a connection that broke) comes with the next turn.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    /// Encrypts and sends what a connection has, unless the ring still sends.
    fn transmit(&mut self, id: SocketId) {
        if self.ring.is_sending(id) {
            return;
        }
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.phase == ConnPhase::Connecting {
            return;
        }
        if conn.out.capacity() == 0 {
            conn.out = self.spare.pop().unwrap_or_default();
        }
        if let Err(broken) = conn.seal() {
            return self.ended(id, &broken.cause.to_string());
        }
        if conn.out.is_empty() {
            let empty = std::mem::take(&mut conn.out);
            self.recycle(empty);
            return self.may_close(id);
        }
        let out = std::mem::take(&mut conn.out);
        match self.ring.send(id, out) {
            Sent::Done(buffer) => {
                self.recycle(buffer);
                self.may_close(id);
            }
            Sent::Pending => {}
            Sent::Busy(bytes) => conn.out = bytes,
            Sent::Failed(error) => self.ended(id, &error.to_string()),
        }
    }

    /// The ring has sent what it had to keep.
    pub(super) fn sent(&mut self, id: SocketId, buffer: Vec<u8>) {
        self.recycle(buffer);
        self.may_close(id);
        self.touch(id);
    }

    /// Records how late the stanzas of a connection are offered to its socket. That is where the generator's part ends: that
    /// the kernel is slow, or has no room because the peer does not read, is part of what is measured.
    fn offer(&mut self, id: SocketId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let offered = &conn.written[conn.offered..];
        // What had to wait for its stream says nothing of the generator.
        let had_a_stream = !matches!(conn.origin, Origin::Visit(_));
        if !had_a_stream || !matches!(self.scene.plan.load, Load::Paced(_)) || offered.is_empty() {
            return;
        }
        let now = self.shared.now();
        for Written { due, is_first, .. } in offered {
            let phase = self.schedule.phase(*due);
            let late = now.saturating_sub(*due);
            self.recorder.record(Series::Offered, phase, late);
            if *is_first {
                self.recorder.record(Series::SendLag, phase, late);
            }
        }
        conn.offered = conn.written.len();
    }

    fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && buffer.capacity() <= SPARE_BYTES {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}
