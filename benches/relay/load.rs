//! The generator: origins, the echoing backend and the places of return of one system, in one epoll loop.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use ringgate::tls::{Session, Store};
use ringgate_proto::address::Domain;
use ringgate_proto::gate::{Listener, TlsClient};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::LANES;
use crate::stanzas::{self, HOME, Label, Set, Way};
use crate::stream::{Negotiation, Role};
use crate::wire::Wire;

/// How long the streams may take to be made, and the last stanzas to come back.
const PATIENCE: Duration = Duration::from_secs(20);
/// Read at once at most.
const READ_BYTES: usize = 64 << 10;
/// Events of listeners; connections count from 0.
const LISTENER: u64 = 1 << 32;

/// How stanzas are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// Stanzas of one lane that are on their way at most.
    pub(crate) window: u64,
    /// Stanzas in one record, on both ends.
    pub(crate) per_record: u64,
    /// Stanzas per second over all lanes, at random times; without it, as fast as they come back.
    pub(crate) rate: Option<u32>,
}

/// What is measured from outside while the load runs.
pub(crate) struct Counted {
    /// Round trips in the time measured.
    pub(crate) round_trips: u64,
    pub(crate) time: Duration,
    /// From when a stanza was due until it was back, in nanoseconds; with a rate only.
    pub(crate) latency: Histogram<u64>,
}

struct Conn {
    wire: Wire,
    role: Role,
    negotiation: Negotiation,
    /// Stanzas to be sent at the end of the turn, and where each ends.
    plain: Vec<u8>,
    ends: Vec<usize>,
    is_dirty: bool,
}

#[derive(Default)]
struct Lane {
    origin: usize,
    reply: Option<usize>,
    sent: u64,
    echoed: u64,
    returned: u64,
    due: VecDeque<Instant>,
}

/// The certificates of the generator's two sides.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) remote: Store,
    pub(crate) backend: Store,
}

/// One system under test, as the generator sees it.
pub(crate) struct Field {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    stores: Stores,
    listeners: Vec<(TcpListener, Role)>,
    conns: Vec<Option<Conn>>,
    lanes: Vec<Lane>,
    dirty: Vec<usize>,
    blocked: Vec<usize>,
    scratch: Vec<u8>,
    returned: u64,
    latency: Histogram<u64>,
}

impl Field {
    pub(crate) fn new(stores: Stores, listeners: Vec<(TcpListener, Role)>) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (index, (listener, _)) in listeners.iter().enumerate() {
            listener.set_nonblocking(true)?;
            epoll::add(&epoll, listener, epoll::EventData::new_u64(LISTENER + index as u64), epoll::EventFlags::IN)?;
        }
        let mut lanes = Vec::new();
        lanes.resize_with(LANES, Lane::default);
        Ok(Self {
            epoll,
            events: Vec::with_capacity(512),
            stores,
            listeners,
            conns: Vec::new(),
            lanes,
            dirty: Vec::new(),
            blocked: Vec::new(),
            scratch: vec![0; READ_BYTES],
            returned: 0,
            latency: Histogram::new_with_bounds(1, 60_000_000_000, 3)?,
        })
    }

    /// Opens the lanes through ringgate: per lane one stream from its remote server, and one from the backend.
    pub(crate) fn open_streams(&mut self, public: SocketAddr, internal: SocketAddr, set: &Set) -> anyhow::Result<()> {
        for lane in 0..LANES {
            let (remote, home) = (parse(&stanzas::domain(lane))?, parse(HOME)?);
            let names = TlsClient { server_name: home.clone(), local: remote.clone(), alpn: false };
            self.lanes[lane].origin =
                self.open(public, self.stores.remote.client(&names, false)?, Role::Origin(lane))?;
            let names = TlsClient { server_name: remote, local: home, alpn: false };
            let reply = self.open(internal, self.stores.backend.client(&names, false)?, Role::Reply(lane))?;
            self.lanes[lane].reply = Some(reply);
        }
        let deadline = Instant::now() + PATIENCE;
        while !self.opened().all(|conn| conn.negotiation.is_ready()) {
            ensure!(Instant::now() < deadline, "the streams were not negotiated");
            self.turn(set, None, Some(Duration::from_millis(50)))?;
        }
        Ok(())
    }

    /// Opens the lanes through HAProxy: per lane one connection.
    pub(crate) fn open_connections(&mut self, proxy: SocketAddr) -> anyhow::Result<()> {
        for lane in 0..LANES {
            let names = TlsClient { server_name: parse(HOME)?, local: parse(&stanzas::domain(lane))?, alpn: false };
            let session = self.stores.remote.client(&names, false)?;
            self.lanes[lane].origin = self.open(proxy, session, Role::PlainClient)?;
        }
        Ok(())
    }

    /// Runs for `warm_up`, then for `time`, and calls `edge` at both ends of the latter; then waits until everything is back.
    pub(crate) fn run(
        &mut self,
        set: &Set,
        mode: Mode,
        warm_up: Duration,
        time: Duration,
        mut edge: impl FnMut(),
    ) -> anyhow::Result<Counted> {
        let begin = Instant::now() + warm_up;
        self.drive(set, mode, begin)?;
        self.latency.reset();
        let (before, start) = (self.returned, Instant::now());
        edge();
        self.drive(set, mode, start + time)?;
        edge();
        let counted =
            Counted { round_trips: self.returned - before, time: start.elapsed(), latency: self.latency.clone() };
        let deadline = Instant::now() + PATIENCE;
        while self.lanes.iter().any(|lane| lane.returned < lane.sent) {
            ensure!(Instant::now() < deadline, "stanzas are missing");
            self.turn(set, None, Some(Duration::from_millis(50)))?;
        }
        Ok(counted)
    }

    fn drive(&mut self, set: &Set, mode: Mode, until: Instant) -> anyhow::Result<()> {
        match mode.rate {
            None => {
                (0..LANES).for_each(|lane| self.refill(lane, set, mode));
                self.flush(mode)?;
                while Instant::now() < until {
                    self.turn(set, Some(mode), Some(Duration::from_millis(50)))?;
                }
            }
            Some(rate) => self.drive_by_clock(set, mode, rate, until)?,
        }
        Ok(())
    }

    /// Poisson arrivals, whatever comes back.
    fn drive_by_clock(&mut self, set: &Set, mode: Mode, rate: u32, until: Instant) -> anyhow::Result<()> {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let (mut due, mut lane) = (Instant::now(), 0);
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            while due <= now {
                lane = (lane + 1) % LANES;
                self.lanes[lane].due.push_back(due);
                self.send(lane, set);
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let uniform = ((seed >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
                due += Duration::from_secs_f64(-uniform.min(1.0).ln() / f64::from(rate));
            }
            self.flush(mode)?;
            self.turn(set, Some(mode), Some(due.min(until).saturating_duration_since(Instant::now())))?;
        }
    }

    /// Waits for events and deals with them; without a mode, no new stanzas are sent.
    fn turn(&mut self, set: &Set, mode: Option<Mode>, wait: Option<Duration>) -> anyhow::Result<()> {
        let wait = wait.map(|wait| Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() });
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), wait.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let closed_loop = mode.filter(|mode| mode.rate.is_none());
        for at in 0..self.events.len() {
            let name = self.events[at].data.u64();
            match name.checked_sub(LISTENER) {
                Some(listener) => self.accept(listener as usize)?,
                None => self.receive(name as usize, set, closed_loop)?,
            }
        }
        self.flush(mode.unwrap_or(Mode { window: 0, per_record: 1, rate: None }))
    }

    fn accept(&mut self, listener: usize) -> anyhow::Result<()> {
        let (socket, role) = match self.listeners[listener].0.accept() {
            Ok((socket, _)) => (socket, self.listeners[listener].1),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut wire = Wire::new(socket)?;
        match role {
            Role::Return => wire.secure(self.stores.remote.server(Listener::Public, None))?,
            Role::PlainServer => wire.secure(self.stores.backend.server(Listener::Public, None))?,
            Role::Backend | Role::Origin(_) | Role::Reply(_) | Role::PlainClient => {}
        }
        self.insert(wire, role).map(drop)
    }

    fn open(&mut self, address: SocketAddr, session: Session, role: Role) -> anyhow::Result<usize> {
        let mut wire = Wire::connect(address).with_context(|| address.to_string())?;
        wire.secure(session)?;
        let deadline = Instant::now() + PATIENCE;
        while !wire.is_secure() {
            ensure!(Instant::now() < deadline, "TLS with {address} did not come about");
            ensure!(wire.read(&mut self.scratch)?, "{address} closed the connection during the handshake");
        }
        Negotiation::new(role).start(&mut wire)?;
        self.insert(wire, role)
    }

    fn insert(&mut self, wire: Wire, role: Role) -> anyhow::Result<usize> {
        let name = self.conns.len();
        epoll::add(&self.epoll, &wire.socket, epoll::EventData::new_u64(name as u64), epoll::EventFlags::IN)?;
        let negotiation = Negotiation::new(role);
        let conn = Conn { wire, role, negotiation, plain: Vec::new(), ends: Vec::new(), is_dirty: false };
        self.conns.push(Some(conn));
        Ok(name)
    }

    fn opened(&self) -> impl Iterator<Item = &Conn> {
        self.conns.iter().flatten().filter(|conn| matches!(conn.role, Role::Origin(_) | Role::Reply(_)))
    }

    fn receive(&mut self, name: usize, set: &Set, mode: Option<Mode>) -> anyhow::Result<()> {
        let Some(conn) = self.conns.get_mut(name).and_then(Option::as_mut) else { return Ok(()) };
        let is_open = conn.wire.read(&mut self.scratch).with_context(|| format!("{:?}", conn.role))?;
        if conn.wire.is_secure() || !conn.wire.has_begun_tls() {
            let store = if conn.role == Role::Backend { &self.stores.backend } else { &self.stores.remote };
            conn.negotiation.step(&mut conn.wire, store)?;
        }
        let role = conn.role;
        if conn.negotiation.is_ready() {
            let mut text = std::mem::take(&mut conn.wire.text);
            let used = self.stanzas(name, role, &text, set, mode)?;
            text.drain(..used);
            if let Some(conn) = &mut self.conns[name] {
                conn.wire.text = text;
                if conn.wire.text.starts_with(b"<db:") {
                    conn.negotiation.resume();
                    conn.negotiation.step(&mut conn.wire, &self.stores.backend)?;
                }
            }
        }
        if !is_open {
            ensure!(
                role == Role::Backend && self.conns[name].as_ref().is_some_and(|conn| !conn.negotiation.is_ready()),
                "{role:?}: the connection was closed"
            );
            self.conns[name] = None;
        }
        Ok(())
    }

    /// Deals with complete stanzas; returns how many bytes they were.
    fn stanzas(
        &mut self,
        name: usize,
        role: Role,
        text: &[u8],
        set: &Set,
        mode: Option<Mode>,
    ) -> anyhow::Result<usize> {
        let way = match role {
            Role::Backend | Role::PlainServer => Way::There,
            Role::Return | Role::PlainClient => Way::Back,
            Role::Origin(_) | Role::Reply(_) if text.is_empty() => return Ok(0),
            Role::Origin(_) | Role::Reply(_) => bail!("{role:?}: {}", String::from_utf8_lossy(text)),
        };
        let mut used = 0;
        while used < text.len() && !text[used..].starts_with(b"<db:") {
            let stanza = set.read(way, &text[used..]).map_err(anyhow::Error::msg)?;
            let Some((label, length)) = stanza else { break };
            used += length;
            match way {
                Way::There => self.echo(name, role, label, set)?,
                Way::Back => self.take_back(label, set, mode)?,
            }
        }
        Ok(used)
    }

    fn echo(&mut self, name: usize, role: Role, label: Label, set: &Set) -> anyhow::Result<()> {
        let lane = &mut self.lanes[label.lane];
        ensure!(lane.echoed == label.number, "lane {}: {} came, {} was due", label.lane, label.number, lane.echoed);
        lane.echoed += 1;
        if role == Role::PlainServer {
            lane.reply = Some(name);
        }
        let reply = lane.reply.context("a stanza of a lane without a way back")?;
        self.push(reply, Way::Back, label, set);
        Ok(())
    }

    fn take_back(&mut self, label: Label, set: &Set, mode: Option<Mode>) -> anyhow::Result<()> {
        let lane = &mut self.lanes[label.lane];
        ensure!(lane.returned == label.number, "lane {}: {} came, {} was due", label.lane, label.number, lane.returned);
        lane.returned += 1;
        self.returned += 1;
        if let Some(due) = lane.due.pop_front() {
            self.latency.saturating_record(due.elapsed().as_nanos() as u64);
        }
        if let Some(mode) = mode {
            self.refill(label.lane, set, mode);
        }
        Ok(())
    }

    fn refill(&mut self, lane: usize, set: &Set, mode: Mode) {
        while self.lanes[lane].sent - self.lanes[lane].returned + mode.per_record <= mode.window {
            (0..mode.per_record).for_each(|_| self.send(lane, set));
        }
    }

    fn send(&mut self, lane: usize, set: &Set) {
        let number = self.lanes[lane].sent;
        self.lanes[lane].sent += 1;
        self.push(self.lanes[lane].origin, Way::There, Label { lane, number }, set);
    }

    fn push(&mut self, name: usize, way: Way, label: Label, set: &Set) {
        let Some(conn) = self.conns[name].as_mut() else { return };
        set.write(way, label, &mut conn.plain);
        conn.ends.push(conn.plain.len());
        if !conn.is_dirty {
            conn.is_dirty = true;
            self.dirty.push(name);
        }
    }

    /// The end of a turn: records, and one send per connection.
    fn flush(&mut self, mode: Mode) -> anyhow::Result<()> {
        let again = std::mem::take(&mut self.blocked);
        for name in again.into_iter().chain(std::mem::take(&mut self.dirty)) {
            let Some(conn) = self.conns[name].as_mut() else { continue };
            if mode.per_record > 1 {
                conn.wire.write(&conn.plain)?;
            } else {
                let mut start = 0;
                for end in &conn.ends {
                    conn.wire.write(&conn.plain[start..*end])?;
                    start = *end;
                }
            }
            conn.plain.clear();
            conn.ends.clear();
            conn.is_dirty = false;
            conn.wire.flush().with_context(|| format!("{:?}", conn.role))?;
            if conn.wire.is_blocked() {
                self.blocked.push(name);
            }
        }
        Ok(())
    }
}

fn parse(name: &str) -> anyhow::Result<Domain> {
    Domain::parse(name).map_err(|error| anyhow::anyhow!("{name}: {error:?}"))
}
