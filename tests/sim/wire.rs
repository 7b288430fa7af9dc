//! What the virtual network does: connections come about, bytes travel, connections end.

use std::net::SocketAddr;

use ringgate_proto::gate::{Breakage, Input, Listener};
use ringgate_proto::stream::PeerCertificate;

use super::net::{Flush, Hello, Owner, Socket, SocketId, Tls, WINDOW, Wire};
use super::process::{Inbox, Line};
use super::world::{Ear, Happening, MS, World};

impl World {
    pub fn latency(&mut self) -> u64 {
        let (low, high) = self.weather.latency_ms;
        self.rng.between(low * 1_000, high * 1_000) * 1_000
    }

    /// Two ends of a new connection: the caller's, the listener's.
    fn pair_of_sockets(&mut self, client: Owner) -> (SocketId, SocketId) {
        let (a, b) = (SocketId(self.sockets.len()), SocketId(self.sockets.len() + 1));
        self.sockets.push(Socket::new(client, b, true));
        self.sockets.push(Socket::new(Owner::Accepting, a, false));
        (a, b)
    }

    /// Someone connects: `None` when nobody listens there, or packets vanish (then nothing is heard of it again).
    fn dial(&mut self, client: Owner, from: SocketAddr, to: SocketAddr) -> Result<SocketId, Dead> {
        let ear = *self.ears.get(&to).ok_or(Dead::Refused)?;
        match ear {
            Ear::BlackHole => return Err(Dead::Vanished),
            Ear::Server(server) if !self.servers[server].is_up => return Err(Dead::Refused),
            _ => {}
        }
        let (ours, theirs) = self.pair_of_sockets(client);
        match ear {
            Ear::Process(process, listener) => self.knock(process, listener, theirs, from),
            Ear::Server(server) => {
                let stream = self.servers[server].add_stream(false, "", "");
                self.sockets[theirs.0].owner = Owner::Server { server, stream };
                self.lines.insert((server, stream), theirs);
            }
            Ear::Raw => {
                self.sockets[theirs.0].owner = Owner::Raw;
                self.accepted.push((to, theirs));
            }
            Ear::BlackHole => {}
        }
        Ok(ours)
    }

    fn knock(&mut self, process: usize, listener: Listener, socket: SocketId, from: SocketAddr) {
        let shard = self.rng.below(self.processes[process].shards.len() as u64) as usize;
        let what = Inbox::Accept { socket, listener, from };
        self.processes[process].shards[shard].inbox.push_back(what);
        self.want_tick(process, shard);
    }

    pub fn gate_connects(&mut self, process: usize, shard: usize, conn: ringgate_proto::event::ConnId, to: SocketAddr) {
        let Some(Line::Connecting(direct)) = self.processes[process].shards[shard].lines.get(&conn).cloned() else {
            return;
        };
        let from = self.processes[process].config.public;
        let inbox = match self.dial(Owner::Shard { process, shard, conn }, from, to) {
            Err(Dead::Vanished) => return,
            Err(Dead::Refused) => {
                self.processes[process].shards[shard].lines.remove(&conn);
                Inbox::Broken { conn, breakage: Breakage::Connect, detail: "refused" }
            }
            Ok(socket) => {
                let inside = self.processes[process].config.domains.iter().any(|(_, backend)| *backend == to);
                self.sockets[socket.0].is_inside = inside;
                self.processes[process].shards[shard].lines.insert(conn, Line::Socket(socket));
                if let Some(client) = direct {
                    let certificate = self.certificate_of(process, client.local.as_ascii());
                    return self.begin_tls(socket, Some(client.server_name.as_ascii().into()), certificate);
                }
                Inbox::Connected(conn)
            }
        };
        self.processes[process].shards[shard].inbox.push_back(inbox);
        self.want_tick(process, shard);
    }

    pub fn server_connects(&mut self, server: usize, stream: usize, to: SocketAddr, direct: bool) {
        if !self.servers[server].streams.contains_key(&stream) {
            return;
        }
        let from = self.servers[server].config.address;
        match self.dial(Owner::Server { server, stream }, from, to) {
            Err(Dead::Vanished) => {}
            Err(Dead::Refused) => self.with_server(server, |server, ctx| server.gone(stream, false, ctx)),
            Ok(socket) => {
                self.lines.insert((server, stream), socket);
                if direct {
                    let sni = Some(self.servers[server].streams[&stream].remote.clone());
                    let certificate = self.servers[server].config.certificate();
                    return self.begin_tls(socket, sni, certificate);
                }
                self.with_server(server, |server, ctx| server.connected(stream, None, ctx));
            }
        }
    }

    /// A script connects.
    pub fn raw_connect(&mut self, to: SocketAddr) -> SocketId {
        let from = "11.66.6.6:50000".parse().expect("an address");
        self.dial(Owner::Raw, from, to).unwrap_or_else(|_| panic!("nobody listens at {to}"))
    }

    // --- sending ---

    pub fn send(&mut self, socket: SocketId, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            let wire = self.sockets[socket.0].wrap(bytes);
            self.put(socket, wire);
        }
    }

    /// Our half of a handshake: at once as a client, when the peer's has come as a server.
    pub fn begin_tls(&mut self, socket: SocketId, sni: Option<String>, certificate: PeerCertificate) {
        let entry = &mut self.sockets[socket.0];
        entry.tls = if sni.is_some() { Tls::Client } else { Tls::Server };
        if sni.is_some() {
            self.put(socket, Wire::Hello(Box::new(Hello { sni, certificate })));
        }
        self.rouse(socket);
    }

    pub fn put(&mut self, socket: SocketId, wire: Wire) {
        if !self.sockets[socket.0].is_dead {
            self.sockets[socket.0].tx.push_back(wire);
            self.pump(socket);
        }
    }

    /// The owner is done with the connection: what is queued still goes out, then `last`.
    pub fn close(&mut self, socket: SocketId, last: Wire) {
        self.sockets[socket.0].owner = Owner::Gone;
        if matches!(last, Wire::Reset) {
            self.sockets[socket.0].tx.clear();
        }
        self.put(socket, last);
        self.rouse(socket);
    }

    /// Gives the kernel as much as it takes.
    pub fn pump(&mut self, socket: SocketId) {
        loop {
            let entry = &mut self.sockets[socket.0];
            if self.now < entry.stalled_until || entry.in_flight >= WINDOW {
                return;
            }
            let Some(mut wire) = entry.tx.pop_front() else { break };
            if let Some(front) = wire.split(WINDOW - entry.in_flight) {
                entry.tx.push_front(wire);
                wire = front;
            }
            entry.in_flight += wire.len();
            let (peer, earliest) = (entry.peer, entry.last_arrival);
            let at = (self.now + self.latency()).max(earliest + 1_000);
            self.sockets[socket.0].last_arrival = at;
            self.after(at - self.now, Happening::Arrive(peer, wire));
        }
        let entry = &mut self.sockets[socket.0];
        if let (Flush::Wanted, Owner::Shard { process, shard, .. }) = (entry.flush, entry.owner) {
            entry.flush = Flush::Told;
            self.after(50_000, Happening::Deliver { process, shard, what: Inbox::Flushed(socket) });
        }
    }

    /// The network itself ends a connection: both ends notice at once, and what was on its way is lost.
    pub fn cut(&mut self, socket: SocketId) {
        for end in [socket, self.sockets[socket.0].peer] {
            self.arrive(end, Wire::Reset);
        }
    }

    // --- receiving ---

    pub fn arrive(&mut self, socket: SocketId, wire: Wire) {
        self.note(&[socket.0 as u64, wire.len() as u64]);
        let entry = &mut self.sockets[socket.0];
        if entry.is_dead {
            return;
        }
        if matches!(wire, Wire::Reset) {
            entry.is_dead = true;
            entry.rx.clear();
            entry.tx.clear();
        }
        self.sockets[socket.0].rx.push_back(wire);
        self.rouse(socket);
    }

    /// Lets the owner read.
    pub fn rouse(&mut self, socket: SocketId) {
        match self.sockets[socket.0].owner {
            Owner::Shard { process, shard, .. } => {
                self.processes[process].shards[shard].ready.insert(socket);
                self.want_tick(process, shard);
            }
            Owner::Server { server, stream } => self.server_reads(socket, server, stream),
            Owner::Raw => self.raw_reads(socket),
            Owner::Gone => {
                while let Some(wire) = self.take(socket) {
                    drop(wire);
                }
            }
            Owner::Accepting | Owner::Moving => {}
        }
    }

    /// Reads once; the peer's window opens by as much.
    pub fn take(&mut self, socket: SocketId) -> Option<Wire> {
        let most = self.weather.read_bytes;
        let most = if most < 1_000 { 1 + self.rng.below(most as u64) as usize } else { most };
        let entry = &mut self.sockets[socket.0];
        let mut wire = entry.rx.pop_front()?;
        if let Some(front) = wire.split(most) {
            entry.rx.push_front(wire);
            wire = front;
        }
        let peer = entry.peer;
        self.sockets[peer.0].in_flight -= wire.len();
        if wire.len() > 0 {
            self.pump(peer);
        }
        Some(wire)
    }

    fn server_reads(&mut self, socket: SocketId, server: usize, stream: usize) {
        while matches!(self.sockets[socket.0].owner, Owner::Server { .. }) {
            let Some(wire) = self.take(socket) else { return };
            let tls = self.sockets[socket.0].tls;
            match (wire, tls) {
                (Wire::Clear(bytes), Tls::No) | (Wire::Cipher(bytes), Tls::Up) => {
                    self.with_server(server, |server, ctx| server.heard(stream, &bytes, ctx));
                }
                (Wire::Hello(hello), Tls::No | Tls::Client | Tls::Server) => {
                    let certificate = self.servers[server].config.certificate();
                    self.finish_tls(socket, certificate);
                    self.with_server(server, |server, ctx| server.secured(stream, hello.certificate, ctx));
                }
                (Wire::Fin, _) => {
                    self.lines.remove(&(server, stream));
                    self.with_server(server, |server, ctx| server.gone(stream, false, ctx));
                    return self.close(socket, Wire::Fin);
                }
                (Wire::Reset | Wire::Clear(_) | Wire::Cipher(_) | Wire::Hello(_), _) => {
                    self.lines.remove(&(server, stream));
                    self.with_server(server, |server, ctx| server.gone(stream, false, ctx));
                    return self.close(socket, Wire::Reset);
                }
            }
        }
    }

    /// The peer's half has come.
    pub fn finish_tls(&mut self, socket: SocketId, own: PeerCertificate) {
        if self.sockets[socket.0].tls != Tls::Client {
            self.put(socket, Wire::Hello(Box::new(Hello { sni: None, certificate: own })));
        }
        self.sockets[socket.0].tls = Tls::Up;
    }

    fn raw_reads(&mut self, socket: SocketId) {
        while let Some(wire) = self.take(socket) {
            let heard = match wire {
                Wire::Clear(bytes) | Wire::Cipher(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Wire::Hello(hello) => {
                    // The script's own half is sent by its `secure`.
                    if self.sockets[socket.0].tls == Tls::Client {
                        self.sockets[socket.0].tls = Tls::Up;
                    }
                    format!("[TLS {}]", hello.sni.unwrap_or_default())
                }
                Wire::Fin => "[FIN]".into(),
                Wire::Reset => "[RESET]".into(),
            };
            self.say(|| format!("script {} hears {heard}", socket.0));
            self.sockets[socket.0].heard.push_str(&heard);
        }
    }

    // --- what a shard reads ---

    /// Reads once from a socket of a shard, and tells its gate.
    pub fn shard_reads(&mut self, process: usize, shard: usize, socket: SocketId) {
        let Owner::Shard { conn, .. } = self.sockets[socket.0].owner else { return };
        let is_reset = self.sockets[socket.0].is_dead;
        if self.sockets[socket.0].paused && !is_reset {
            return;
        }
        let Some(wire) = self.take(socket) else { return };
        let (tls, has_read) = (self.sockets[socket.0].tls, self.sockets[socket.0].has_read);
        self.sockets[socket.0].has_read = true;
        let now = self.timestamp();
        match (wire, tls) {
            (Wire::Clear(bytes), Tls::No) | (Wire::Cipher(bytes), Tls::Up) => {
                let (gate, rng) = (&mut self.processes[process].shards[shard].gate, &mut self.rng);
                let mut taken = 0;
                while taken < bytes.len() {
                    taken += gate.receive(conn, &bytes[taken..], now, &mut |_| rng.percent(50));
                }
            }
            (Wire::Hello(hello), _) if tls != Tls::Up && (tls != Tls::No || !has_read) => {
                let sni = hello.sni.as_deref().unwrap_or_default();
                let own = self.certificate_of(process, sni);
                self.finish_tls(socket, own);
                let input = Input::TlsEstablished { conn, peer: hello.certificate };
                self.processes[process].shards[shard].gate.handle(input, now);
            }
            (Wire::Fin, _) => self.processes[process].shards[shard].gate.handle(Input::Eof { conn }, now),
            (Wire::Reset, _) => self.shard_broken(process, shard, socket, Breakage::Network),
            (Wire::Clear(_) | Wire::Cipher(_) | Wire::Hello(_), _) => {
                self.shard_broken(process, shard, socket, Breakage::Tls);
            }
        }
        self.carry_out(process, shard);
        if !self.sockets[socket.0].rx.is_empty() {
            self.rouse(socket);
        }
    }

    fn shard_broken(&mut self, process: usize, shard: usize, socket: SocketId, breakage: Breakage) {
        let Owner::Shard { conn, .. } = self.sockets[socket.0].owner else { return };
        self.processes[process].shards[shard].lines.remove(&conn);
        self.close(socket, Wire::Reset);
        let now = self.timestamp();
        let input = Input::Broken { conn, breakage, detail: "in the model".into() };
        self.processes[process].shards[shard].gate.handle(input, now);
    }

    /// A certificate for one of a process' domains; for the first when there is no such.
    pub fn certificate_of(&self, process: usize, name: &str) -> PeerCertificate {
        let domains = &self.processes[process].config.domains;
        let known = domains.iter().find(|(own, _)| own == name).or(domains.first());
        PeerCertificate {
            trust: Ok(()),
            dns_names: known.map(|(own, _)| own.clone()).into_iter().collect(),
            srv_names: Vec::new(),
            xmpp_addrs: Vec::new(),
            fingerprint: [9; 32],
        }
    }

    /// A tick soon.
    pub fn want_tick(&mut self, process: usize, shard: usize) {
        let delay = 1_000 + self.rng.below(self.weather.tick_us + 1) * 1_000;
        let at = self.now + delay;
        let entry = &mut self.processes[process].shards[shard];
        if entry.tick_at.is_none_or(|tick| at < tick) {
            entry.tick_at = Some(at);
            self.after(delay, Happening::Tick { process, shard });
        }
    }

    /// Ends a stall.
    pub fn stall(&mut self, socket: SocketId, ms: u64) {
        self.sockets[socket.0].stalled_until = self.now + ms * MS;
        self.after(ms * MS, Happening::Pump(socket));
    }
}

/// Why there is no connection.
#[derive(Debug)]
enum Dead {
    Refused,
    Vanished,
}
