//! What goes wrong.

use super::net::{Owner, SocketId, Wire};
use super::server::Phase;
use super::world::{Fault, Happening, MS, World};

impl World {
    pub fn fault(&mut self, fault: Fault) {
        self.say(|| format!("FAULT {fault:?}"));
        match fault {
            Fault::Reset(n) => self.with_living(n, |world, socket| world.cut(socket)),
            Fault::Stall(n, ms) => self.with_living(n, |world, socket| world.stall(socket, ms)),
            Fault::Choke(n, ms) => self.with_living(n, |world, socket| {
                world.stall(socket, ms + 1);
                world.after(ms * MS, Happening::Fault(Fault::Cut(socket)));
            }),
            Fault::Cut(socket) => self.cut(socket),
            Fault::Close(n) => {
                if let Some((server, stream)) = self.some_stream(n) {
                    self.with_server(server, |server, ctx| server.close(stream, ctx));
                }
            }
            Fault::HalfClose(n) => {
                if let Some(key) = self.some_stream(n)
                    && let Some(socket) = self.lines.get(&key)
                {
                    self.put(*socket, Wire::Fin);
                }
            }
            Fault::Crash(server) => self.with_server(server, |server, ctx| server.crash(ctx)),
            Fault::Start(server) => self.servers[server].is_up = true,
        }
    }

    fn with_living(&mut self, n: u64, work: impl FnOnce(&mut Self, SocketId)) {
        let is_living = |socket: &SocketId| {
            let entry = &self.sockets[socket.0];
            !entry.is_dead && matches!(entry.owner, Owner::Shard { .. } | Owner::Server { .. })
        };
        let living: Vec<SocketId> = (0..self.sockets.len()).map(SocketId).filter(is_living).collect();
        if !living.is_empty() {
            work(self, living[n as usize % living.len()]);
        }
    }

    fn some_stream(&self, n: u64) -> Option<(usize, usize)> {
        let open = |(key, _): &(&(usize, usize), &SocketId)| {
            self.servers[key.0].streams.get(&key.1).is_some_and(|stream| stream.phase == Phase::Open)
        };
        let all: Vec<(usize, usize)> = self.lines.iter().filter(open).map(|(key, _)| *key).collect();
        (!all.is_empty()).then(|| all[n as usize % all.len()])
    }
}
