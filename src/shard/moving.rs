//! A live stream changes shards: the socket, its TLS session, its unsent bytes, and what the gate knows of it.

use ringgate_proto::gate::{ConnId, Input, ShardId};

use super::Shard;
use super::mailbox::{Message, Moving};
use super::socket::{Phase, Socket};
use crate::ring::SocketId;

impl Shard {
    /// Stops reading; the rest follows when the ring has confirmed it.
    pub(super) fn hand_over(&mut self, conn: ConnId, to: ShardId) {
        let Some(id) = self.sockets.find(conn) else { return };
        if let Some(socket) = self.sockets.get_mut(id) {
            socket.departing = Some(to);
            self.try_depart(id);
        }
    }

    /// Sends the stream off as soon as the kernel has nothing of it in flight.
    pub(super) fn try_depart(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let Some(to) = socket.departing.filter(|_| socket.is_open() && socket.backlog.is_none()) else { return };
        if !self.ring.stop_receiving(id) || self.ring.is_sending(id) {
            return;
        }
        socket.departing = None;
        let conn = socket.conn;
        let Some(departed) = self.gate.depart(conn) else {
            // The gate has changed its mind: the stream stays.
            return self.read_on(id);
        };
        let Some(socket) = self.sockets.remove(id) else { return };
        let Some(descriptor) = self.ring.release(id) else { return };
        self.observations.counters.handed_over += 1;
        let moving = Moving {
            socket: descriptor,
            tls: socket.tls,
            unsent: socket.unsent,
            received_at: socket.received_at,
            flushing: socket.flushing,
            peer_ended: socket.peer_ended,
            origin: socket.origin,
            peer: socket.peer,
            departed,
        };
        self.post(to, Message::Adopt(Box::new(moving)));
    }

    /// Takes a stream in, reads on, and lets the gate use what came with it.
    pub(super) fn adopt(&mut self, moving: Moving) {
        self.observations.counters.adopted += 1;
        // A full table closes the connection: the descriptor is dropped.
        let Some(conn) = self.gate.adopt(moving.departed, self.now) else { return };
        let id = self.ring.adopt(moving.socket);
        let mut socket = Socket::new(id, conn, moving.origin, moving.peer, Phase::Open);
        socket.tls = moving.tls;
        socket.unsent = moving.unsent;
        socket.received_at = moving.received_at;
        socket.flushing = moving.flushing;
        socket.peer_ended = moving.peer_ended;
        let sends = !socket.unsent.is_empty();
        self.sockets.insert(socket);
        self.read_on(id);
        if sends {
            self.touch(id);
        }
        self.gate.handle(Input::Adopted { conn }, self.now);
    }
}
