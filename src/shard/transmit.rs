//! Outboxes to TLS records to sends: one of each per destination and tick.

use ringgate_proto::gate::{Input, Outgoing};

use super::Shard;
use super::observe::face_index;
use super::share::End;
use super::socket::{Phase, TlsRole};
use crate::clock;
use crate::ring::{Sent, SocketId};

/// Plaintext of one TLS record at most. RFC 8446 §5.1.
const RECORD_BYTES: usize = 1 << 14;
/// Buffers kept for reuse, and the largest of them.
const SPARE_BUFFERS: usize = 32;
const SPARE_BYTES: usize = 64 << 10;
/// Room for times of receipt that a connection keeps while it is idle.
const KEPT_TIMES: usize = 32;

impl Shard {
    /// Takes every outbox that can be taken, and sends. `true` if there was anything.
    pub(super) fn flush(&mut self) -> bool {
        let mut any = false;
        while let Some(conn) = self.gate.next_dirty() {
            any = true;
            if let Some(id) = self.sockets.find(conn) {
                self.take_outbox(id);
            }
        }
        while let Some(id) = self.touched.pop() {
            any = true;
            if let Some(socket) = self.sockets.get_mut(id) {
                socket.touched = false;
                self.transmit(id);
            }
        }
        any
    }

    /// Notes that a connection has bytes to send when the shard settles.
    pub(super) fn touch(&mut self, id: SocketId) {
        if let Some(socket) = self.sockets.get_mut(id).filter(|socket| !socket.touched) {
            socket.touched = true;
            self.touched.push(id);
        }
    }

    /// Takes the outbox if earlier bytes are with the kernel; else it is taken when they are.
    pub(super) fn take_outbox(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let takes = matches!(socket.phase, Phase::Open | Phase::Clearing(_)) && !socket.is_broken();
        if !takes || socket.flushing || self.ring.is_sending(id) {
            socket.dirty = true;
            return;
        }
        socket.dirty = false;
        let reused = Outgoing {
            bytes: self.spare.pop().unwrap_or_default(),
            received_at: std::mem::take(&mut self.received_at),
        };
        let outgoing = self.gate.take_outbox(socket.conn, reused);
        socket.received_at.extend_from_slice(&outgoing.received_at);
        self.received_at = outgoing.received_at;
        if outgoing.bytes.is_empty() {
            return;
        }
        socket.flushing = true;
        self.observations.counters.flushes += 1;
        let Some(session) = socket.tls.as_mut() else {
            if socket.unsent.is_empty() {
                socket.unsent = outgoing.bytes;
            } else {
                socket.unsent.extend_from_slice(&outgoing.bytes);
            }
            return self.touch(id);
        };
        if socket.unsent.capacity() == 0 {
            socket.unsent = self.spare.pop().unwrap_or_default();
        }
        self.observations.counters.records += outgoing.bytes.len().div_ceil(RECORD_BYTES) as u64;
        let sealed = session.send(&outgoing.bytes, &mut socket.unsent);
        self.recycle(outgoing.bytes);
        match sealed {
            Ok(()) => self.touch(id),
            Err(error) => self.over(id, End::Tls(error.to_string())),
        }
    }

    /// Takes the outbox that could not be taken before.
    pub(super) fn retake(&mut self, id: SocketId) {
        if self.sockets.get_mut(id).is_some_and(|socket| socket.dirty) {
            self.take_outbox(id);
        }
    }

    /// Sends what is unsent, unless the ring still sends.
    pub(super) fn transmit(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if matches!(socket.phase, Phase::Connecting(_)) || socket.is_broken() || self.ring.is_sending(id) {
            return;
        }
        if socket.unsent.is_empty() {
            return self.sent(id);
        }
        let bytes = std::mem::take(&mut socket.unsent);
        if let Some(face) = self.gate.face(socket.conn) {
            self.observations.traffic[face_index(face)].bytes_out += bytes.len() as u64;
        }
        match self.ring.send(id, bytes) {
            Sent::Done(buffer) => {
                self.recycle(buffer);
                self.sent(id);
            }
            Sent::Pending => self.observations.counters.blocked_sends += 1,
            Sent::Busy(bytes) => socket.unsent = bytes,
            Sent::Failed(error) => self.over(id, End::Broken(error)),
        }
    }

    /// The ring has nothing more to send: sends what has gathered, or does what waited for it.
    pub(super) fn sent(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if socket.is_broken() || self.ring.is_sending(id) {
            return;
        }
        if !socket.unsent.is_empty() {
            return self.touch(id);
        }
        let conn = socket.conn;
        if socket.flushing {
            socket.flushing = false;
            let mut received_at = std::mem::take(&mut socket.received_at);
            if !socket.is_closing() {
                self.flushed(conn, &received_at);
            }
            if received_at.capacity() <= KEPT_TIMES
                && let Some(socket) = self.sockets.get_mut(id)
            {
                received_at.clear();
                socket.received_at = received_at;
            }
        }
        self.retake(id);
        let Some(socket) = self.sockets.get_mut(id).filter(|socket| socket.unsent.is_empty()) else { return };
        match &mut socket.phase {
            Phase::Clearing(role) => {
                let role = std::mem::replace(role, TlsRole::Server(None));
                self.begin_tls(id, &role);
            }
            Phase::Closing => self.try_finish(id),
            _ => self.try_depart(id),
        }
    }

    /// Everything of an outbox is with the kernel.
    fn flushed(&mut self, conn: ringgate_proto::gate::ConnId, received_at: &[ringgate_proto::time::Timestamp]) {
        if !received_at.is_empty()
            && let Some(face) = self.gate.face(conn)
        {
            self.observations.record_transit(face, received_at, clock::now());
        }
        self.gate.handle(Input::Flushed { conn }, self.now);
    }

    /// Keeps a buffer for later, if it is worth it.
    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && (1..=SPARE_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}
