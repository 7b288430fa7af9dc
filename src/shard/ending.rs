//! The end of a connection: last bytes, close_notify, FIN, and the peer's FIN, within a bound.

use std::time::Duration;

use ringgate_proto::gate::ConnId;
use ringgate_proto::limits;

use super::Shard;
use super::socket::Phase;
use crate::ring::SocketId;

impl Shard {
    /// The gate has forgotten a connection and leaves its last bytes to us.
    pub(super) fn close(&mut self, conn: ConnId, last: &[u8], abort: bool) {
        let Some(id) = self.sockets.find(conn) else { return };
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if abort || matches!(socket.phase, Phase::Connecting(_)) {
            self.reset(id);
            return self.vanish(id);
        }
        // What is queued before a handshake is over cannot be encrypted, and must not go in clear.
        let sends = matches!(socket.phase, Phase::Open | Phase::Sniffing);
        match socket.tls.as_mut() {
            Some(session) if sends => {
                // A session that cannot send any more has nothing to add either.
                let _ = session.send(last, &mut socket.unsent);
                session.close(&mut socket.unsent);
            }
            None if sends => socket.unsent.extend_from_slice(last),
            _ => {}
        }
        self.begin_closing(id);
    }

    /// From here on the gate does not know the connection.
    pub(super) fn begin_closing(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        socket.phase = Phase::Closing;
        socket.departing = None;
        socket.paused = false;
        let conn = socket.conn;
        self.sockets.forget(conn);
        self.closing.push_back((self.now + limits::CLOSING, id));
        self.touch(id);
        self.drop_backlog(id);
        self.read_on(id);
    }

    /// Once the last bytes are out: FIN; once the peer's has come as well: gone.
    pub(super) fn try_finish(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        if !socket.unsent.is_empty() || self.ring.is_sending(id) {
            return;
        }
        if socket.peer_ended {
            return self.vanish(id);
        }
        if !socket.shut_down {
            socket.shut_down = true;
            if self.ring.shutdown(id).is_err() {
                self.vanish(id);
            }
        }
    }

    /// The peer's end did not come in time, or it does not read: the kernel tells it by a reset.
    pub(super) fn give_up_closing(&mut self, id: SocketId) {
        if self.sockets.get_mut(id).is_some_and(|socket| socket.is_closing()) {
            self.reset(id);
            self.vanish(id);
        }
    }

    /// Lets the descriptor's close send a reset instead of waiting bytes and a FIN.
    fn reset(&mut self, id: SocketId) {
        if let Some(descriptor) = self.ring.descriptor(id) {
            // It only spares the peer a wait; without it the close is an ordinary one.
            let _ = socket2::SockRef::from(&descriptor).set_linger(Some(Duration::ZERO));
        }
    }

    /// Forgets a connection; the ring closes its descriptor.
    pub(super) fn vanish(&mut self, id: SocketId) {
        self.ring.close(id);
        drop(self.take_backlog(id)); // So that it is no longer counted.
        if self.sockets.remove(id).is_some() {
            self.observations.counters.closed += 1;
        }
    }
}
