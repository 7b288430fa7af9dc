//! A shard's tick, as the gate's contract prescribes it.

use ringgate_proto::event::{ConnId, Event};
use ringgate_proto::gate::{Breakage, Input, Listener, Outgoing, Output};

use super::net::{Flush, Owner, SocketId, Tls, Wire};
use super::process::{Inbox, Line, Shard};
use super::world::{Happening, World};

impl World {
    pub fn tick(&mut self, process: usize, shard: usize) {
        if self.processes[process].shards[shard].tick_at != Some(self.now) {
            return;
        }
        self.shard(process, shard).tick_at = None;
        let inbox = std::mem::take(&mut self.shard(process, shard).inbox);
        for what in inbox {
            self.take_in(process, shard, what);
        }
        for socket in std::mem::take(&mut self.shard(process, shard).ready) {
            self.shard_reads(process, shard, socket);
        }
        let now = self.timestamp();
        if self.shard(process, shard).gate.deadline().is_some_and(|deadline| deadline <= now) {
            self.shard(process, shard).gate.handle(Input::Timer, now);
            self.carry_out(process, shard);
        }
        self.shard(process, shard).gate.end_tick();
        self.carry_out(process, shard);
        while let Some(conn) = self.shard(process, shard).gate.next_dirty() {
            self.flush(process, shard, conn);
        }
        self.carry_out(process, shard);
        self.check_gate(process, shard);
        self.set_alarm(process, shard);
    }

    fn shard(&mut self, process: usize, shard: usize) -> &mut Shard {
        &mut self.processes[process].shards[shard]
    }

    fn set_alarm(&mut self, process: usize, shard: usize) {
        let Some(deadline) = self.shard(process, shard).gate.deadline() else { return };
        let at = deadline.as_nanos().max(self.now + 1_000);
        if self.shard(process, shard).tick_at.is_none_or(|tick| at < tick) {
            self.shard(process, shard).tick_at = Some(at);
            self.after(at - self.now, Happening::Tick { process, shard });
        }
    }

    fn take_in(&mut self, process: usize, shard: usize, what: Inbox) {
        let now = self.timestamp();
        let gate = &mut self.processes[process].shards[shard].gate;
        match what {
            Inbox::Accept { socket, listener, from } => self.accept(process, shard, socket, listener, from),
            Inbox::Connected(conn) => gate.handle(Input::Connected { conn }, now),
            Inbox::Broken { conn, breakage, detail } => {
                gate.handle(Input::Broken { conn, breakage, detail: detail.into() }, now);
            }
            Inbox::Flushed(socket) => {
                let owner = self.sockets[socket.0].owner;
                if matches!(owner, Owner::Shard { shard: other, .. } if other == shard) {
                    let Owner::Shard { conn, .. } = owner else { return };
                    self.sockets[socket.0].flush = Flush::Done;
                    gate.handle(Input::Flushed { conn }, now);
                } else {
                    // It has moved since, or is about to: its new owner is told.
                    self.sockets[socket.0].flush = Flush::Wanted;
                    self.pump(socket);
                }
            }
            Inbox::Answered(question, answer) => gate.handle(Input::Answered { question, answer }, now),
            Inbox::Post(envelope) => gate.handle(Input::Post(envelope), now),
            Inbox::Drain => gate.handle(Input::Drain, now),
            Inbox::Adopt(departed, socket) => match gate.adopt(departed, now) {
                None => self.close(socket, Wire::Reset),
                Some(conn) => {
                    self.own(process, shard, conn, socket);
                    self.shard(process, shard).gate.handle(Input::Adopted { conn }, now);
                    self.pump(socket);
                }
            },
        }
        self.carry_out(process, shard);
    }

    fn own(&mut self, process: usize, shard: usize, conn: ConnId, socket: SocketId) {
        self.sockets[socket.0].owner = Owner::Shard { process, shard, conn };
        let before = self.shard(process, shard).lines.insert(conn, Line::Socket(socket));
        assert!(before.is_none(), "{conn:?} names two connections");
        self.shard(process, shard).ready.insert(socket);
    }

    fn accept(
        &mut self,
        process: usize,
        shard: usize,
        socket: SocketId,
        listener: Listener,
        from: std::net::SocketAddr,
    ) {
        let now = self.timestamp();
        match self.shard(process, shard).gate.accept(listener, from, now) {
            Some(conn) => {
                self.sockets[socket.0].is_inside = listener == Listener::Internal;
                self.own(process, shard, conn, socket);
            }
            None => self.close(socket, Wire::Reset),
        }
    }

    /// One record run and one send, unless the last one is still with us.
    fn flush(&mut self, process: usize, shard: usize, conn: ConnId) {
        let Some(Line::Socket(socket)) = self.shard(process, shard).lines.get(&conn).cloned() else { return };
        if self.sockets[socket.0].flush != Flush::Done {
            return;
        }
        let outgoing = self.shard(process, shard).gate.take_outbox(conn, Outgoing::default());
        self.write(process, socket, outgoing.bytes);
    }

    /// Writes what a gate wants written, and watches what goes out in clear.
    fn write(&mut self, process: usize, socket: SocketId, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        self.say(|| format!("gate {process} on {} says {}", socket.0, String::from_utf8_lossy(&bytes)));
        self.note_text(&String::from_utf8_lossy(&bytes));
        if self.sockets[socket.0].tls == Tls::No && !self.sockets[socket.0].is_inside {
            self.check_clear(process, &bytes);
        }
        self.sockets[socket.0].flush = Flush::Wanted;
        self.send(socket, bytes);
    }

    /// Does what the gate says, in order.
    pub fn carry_out(&mut self, process: usize, shard: usize) {
        while let Some(output) = self.shard(process, shard).gate.next_output() {
            self.output(process, shard, output);
        }
    }

    fn output(&mut self, process: usize, shard: usize, output: Output) {
        match output {
            Output::Connect { conn, address, direct_tls } => {
                self.dialled.push(address);
                self.shard(process, shard).lines.insert(conn, Line::Connecting(direct_tls));
                let delay = self.latency();
                self.after(delay, Happening::GateConnects { process, shard, conn, to: address });
            }
            Output::StartTls { conn, client, default_domain: _ } => {
                let Some(Line::Socket(socket)) = self.shard(process, shard).lines.get(&conn).cloned() else { return };
                let outgoing = self.shard(process, shard).gate.take_outbox(conn, Outgoing::default());
                self.write(process, socket, outgoing.bytes);
                while matches!(self.sockets[socket.0].rx.front(), Some(Wire::Clear(_))) {
                    self.take(socket);
                }
                let local = client.as_ref().map(|client| client.local.as_ascii().to_owned()).unwrap_or_default();
                let sni = client.map(|client| client.server_name.as_ascii().to_owned());
                let certificate = self.certificate_of(process, &local);
                self.begin_tls(socket, sni, certificate);
            }
            Output::Ask(question, _) => {
                self.asked.push(question.clone());
                let answer = self.dns.answer(&question, self.now);
                let (low, high) = self.weather.dns_ms;
                let delay = self.rng.between(low, high) * 1_000_000;
                let what = Inbox::Answered(question, answer);
                self.after(delay, Happening::Deliver { process, shard, what });
            }
            Output::Close { conn, last, abort } => self.close_line(process, shard, conn, last, abort),
            Output::Pause(conn) => self.pause(process, shard, conn, true),
            Output::Resume(conn) => self.pause(process, shard, conn, false),
            Output::HandOver { conn, to } => {
                let Some(departed) = self.shard(process, shard).gate.depart(conn) else { return };
                let Some(Line::Socket(socket)) = self.shard(process, shard).lines.remove(&conn) else {
                    panic!("{conn:?} departs without a socket");
                };
                self.processes[process].handed_over += 1;
                self.sockets[socket.0].owner = Owner::Moving;
                self.sockets[socket.0].paused = false;
                let what = Inbox::Adopt(departed, socket);
                let delay = 10_000 + self.rng.below(100) * 1_000;
                self.after(delay, Happening::Deliver { process, shard: usize::from(to.0), what });
            }
            Output::Post { to, envelope } => {
                // A mailbox keeps its order.
                let what = Inbox::Post(envelope);
                self.after(20_000, Happening::Deliver { process, shard: usize::from(to.0), what });
            }
            Output::Event(event) => self.event(process, event),
        }
    }

    fn close_line(&mut self, process: usize, shard: usize, conn: ConnId, last: Vec<u8>, abort: bool) {
        match self.shard(process, shard).lines.remove(&conn) {
            Some(Line::Socket(socket)) => {
                if abort {
                    return self.close(socket, Wire::Reset);
                }
                if matches!(self.sockets[socket.0].tls, Tls::No | Tls::Up) {
                    self.write(process, socket, last);
                }
                self.close(socket, Wire::Fin);
            }
            Some(Line::Connecting(_)) => {}
            None => panic!("the gate closes {conn:?}, which the shell does not know"),
        }
    }

    fn pause(&mut self, process: usize, shard: usize, conn: ConnId, paused: bool) {
        let Some(Line::Socket(socket)) = self.shard(process, shard).lines.get(&conn).cloned() else { return };
        self.sockets[socket.0].paused = paused;
        let (pauses, resumes) = &mut self.processes[process].pauses;
        *if paused { pauses } else { resumes } += 1;
        self.say(|| format!("gate {process} {} {}", if paused { "pauses" } else { "resumes" }, socket.0));
        self.rouse(socket);
    }

    fn event(&mut self, process: usize, event: Event) {
        self.say(|| format!("gate {process}: {event:?}"));
        let words = format!("{event:?}");
        self.note_text(&words);
        let entry = &mut self.processes[process];
        match &event {
            Event::Refused { reason } => *entry.refused.entry(reason.to_string()).or_default() += 1,
            Event::StreamClosed { stream, .. } => *entry.closed.entry(*stream).or_default() += 1,
            Event::StreamOpened { stream, .. } => {
                entry.closed.entry(*stream).or_default();
            }
            _ => {}
        }
        entry.events.push(words);
    }

    /// The gate's process is told to stop.
    pub fn drain(&mut self, process: usize) {
        for shard in 0..self.processes[process].shards.len() {
            self.shard(process, shard).inbox.push_back(Inbox::Drain);
            self.want_tick(process, shard);
        }
    }

    /// A connection of a gate breaks by itself.
    pub fn break_line(&mut self, process: usize, shard: usize, conn: ConnId) {
        let what = Inbox::Broken { conn, breakage: Breakage::Network, detail: "broken" };
        self.after(0, Happening::Deliver { process, shard, what });
    }
}
