//! An embedded XMPP server of one domain: just enough of one to federate for real.
//!
//! It speaks s2s with the core's own stream machines over blocking sockets, one thread per stream. What arrives goes to
//! a channel; what is to be sent is routed by its target domain.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringgate_proto::address::{Domain, DomainPair};
use ringgate_proto::dialback::{Frame, FrameBody, FrameKind, Outcome, Secret, answer_verification};
use ringgate_proto::gate::Listener;
use ringgate_proto::scan::{Cpu, Element, Kind, Step, StreamContext};
use ringgate_proto::stream::{Condition, Receiving, Rules, Side, StreamError, StreamEvent, Terms, TlsTerms, World};

use super::calling;
use super::wire::Wire;
use crate::tls::Store;
use crate::{clock, entropy};

/// What a server is.
pub(super) struct Role {
    pub(super) domain: Domain,
    /// Its certificates; `None` for a backend, which speaks in clear.
    pub(super) store: Option<Store>,
    /// SASL EXTERNAL, or dialback alone.
    pub(super) external: bool,
    /// It calls with TLS from the first byte.
    pub(super) direct_tls: bool,
}

/// A stanza that arrived.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) at: Domain,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Nanoseconds on the process's clock.
    pub(super) nanos: u64,
}

/// What all threads of a server share.
pub(super) struct Shared {
    pub(super) role: Role,
    pub(super) secret: Secret,
    pub(super) terms: Terms,
    /// Where every other domain is: at ringgate.
    pub(super) gateway: SocketAddr,
    pub(super) cpu: Cpu,
    arrivals: Sender<Arrival>,
    stop: AtomicBool,
    callers: Mutex<HashMap<Domain, Sender<Vec<u8>>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A running server; ends when it is stopped.
pub(super) struct Server {
    shared: Arc<Shared>,
    listener: Option<TcpListener>,
}

impl Server {
    /// Takes a port; nobody is served before [`Self::start`].
    pub(super) fn bind() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    pub(super) fn new(
        listener: TcpListener,
        role: Role,
        gateway: SocketAddr,
        cpu: Cpu,
        arrivals: Sender<Arrival>,
    ) -> Self {
        let tls = if role.store.is_some() { TlsTerms::Required } else { TlsTerms::None };
        let terms = Terms {
            tls,
            external: role.external,
            dialback: !role.external || tls == TlsTerms::None,
            dialback_first: false,
        };
        let mut secret = [0; 32];
        entropy::fill(&mut secret);
        let shared = Shared {
            role,
            secret: Secret::new(&secret),
            terms,
            gateway,
            cpu,
            arrivals,
            stop: AtomicBool::new(false),
            callers: Mutex::default(),
            threads: Mutex::default(),
        };
        Self { shared: Arc::new(shared), listener: Some(listener) }
    }

    /// Accepts streams from now on.
    pub(super) fn start(&mut self) {
        let Some(listener) = self.listener.take() else { return };
        let shared = Arc::clone(&self.shared);
        self.shared.keep(thread::spawn(move || {
            while !shared.is_stopping() {
                match listener.accept() {
                    Ok((tcp, _)) => {
                        let of_stream = Arc::clone(&shared);
                        shared.keep(thread::spawn(move || serve(&of_stream, tcp)));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        }));
    }

    /// Sends one stanza to another domain; the first one opens a stream.
    pub(super) fn send(&self, to: &Domain, stanza: Vec<u8>) {
        let mut callers = self.shared.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = callers.entry(to.clone()).or_insert_with(|| {
            let (sender, stanzas) = mpsc::channel();
            let (shared, to) = (Arc::clone(&self.shared), to.clone());
            self.shared.keep(thread::spawn(move || call(&shared, &to, &stanzas)));
            sender
        });
        // A caller that failed has printed why; the report will show what is missing.
        let _ = caller.send(stanza);
    }

    pub(super) fn domain(&self) -> &Domain {
        &self.shared.role.domain
    }

    /// Closes all streams and waits for their threads.
    pub(super) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.callers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        loop {
            let thread = self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(thread) = thread else { return };
            // A panic of the thread has been printed.
            let _ = thread.join();
        }
    }
}

impl Shared {
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn side(&self) -> Side {
        if self.role.store.is_some() { Side::Federation } else { Side::Internal }
    }

    fn keep(&self, thread: JoinHandle<()>) {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    /// Lets a machine work with what it may know.
    pub(super) fn world<R>(
        &self,
        out: &mut Vec<u8>,
        events: &mut VecDeque<StreamEvent>,
        work: impl FnOnce(&mut World<'_>) -> R,
    ) -> R {
        let mut draw = || {
            let mut id = [0; 16];
            entropy::fill(&mut id);
            id
        };
        work(&mut World { out, events, rules: self, entropy: &mut draw })
    }
}

impl Rules for Shared {
    fn admit(&self, _: Side, _: Option<&Domain>, to: Option<&Domain>) -> Result<Terms, StreamError> {
        match to {
            Some(to) if *to != self.role.domain => Err(StreamError::peer(Condition::HostUnknown, "no such host here")),
            _ => Ok(self.terms),
        }
    }

    fn default_local(&self, _: Side) -> Option<&Domain> {
        Some(&self.role.domain)
    }
}

fn call(shared: &Arc<Shared>, to: &Domain, stanzas: &Receiver<Vec<u8>>) {
    if let Err(error) = calling::run(shared, to, stanzas) {
        eprintln!("{}: stream to {to} failed: {error}", shared.role.domain);
    }
}

fn serve(shared: &Arc<Shared>, tcp: TcpStream) {
    // The listener polls; its connections must not. What a peer does wrong ends its stream and nothing else.
    let served = tcp.set_nonblocking(false).and_then(|()| Wire::new(tcp, shared.cpu)).and_then(|wire| {
        let machine = Receiving::new(shared.side(), None);
        Inbound { shared, wire, machine, out: Vec::new(), events: VecDeque::new(), proven: Vec::new() }.run()
    });
    if let Err(error) = served
        && !shared.is_stopping()
    {
        eprintln!("{}: an inbound stream failed: {error}", shared.role.domain);
    }
}

/// A stream that ringgate opened.
struct Inbound<'a> {
    shared: &'a Arc<Shared>,
    wire: Wire,
    machine: Receiving,
    out: Vec<u8>,
    events: VecDeque<StreamEvent>,
    proven: Vec<DomainPair>,
}

impl Inbound<'_> {
    fn run(mut self) -> io::Result<()> {
        if let Some(store) = self.direct_tls()? {
            self.wire.secure(store.server(Listener::Public, Some(&self.shared.role.domain)), false)?;
        }
        let mut is_direct = true;
        while self.wire.is_open() && !self.machine.is_over() {
            self.wire.read()?;
            if let Some(peer) = self.wire.established() {
                match is_direct {
                    true => self.machine = Receiving::new(self.shared.side(), Some(peer)),
                    false => {
                        self.wire.restart();
                        self.machine.tls_established(peer);
                    }
                }
            }
            while self.step()? {
                is_direct = false;
            }
            if self.shared.is_stopping() {
                let machine = &mut self.machine;
                self.shared.world(&mut self.out, &mut self.events, |world| machine.close(world));
            }
            self.wire.flush(&mut self.out)?;
        }
        self.wire.shut();
        Ok(())
    }

    fn direct_tls(&self) -> io::Result<Option<Store>> {
        let Some(store) = &self.shared.role.store else { return Ok(None) };
        loop {
            match self.wire.begins_with_tls()? {
                Some(true) => return Ok(Some(store.clone())),
                Some(false) => return Ok(None),
                None if self.shared.is_stopping() => return Ok(None),
                None => {}
            }
        }
    }

    fn step(&mut self) -> io::Result<bool> {
        let (shared, machine, proven) = (self.shared, &mut self.machine, &mut self.proven);
        let (out, events) = (&mut self.out, &mut self.events);
        let taken = self.wire.step(|step, context| match step {
            Step::Header(header) => shared.world(out, events, |world| machine.handle_header(&header, context, world)),
            Step::Close { .. } => {
                shared.world(out, events, |world| machine.handle_close(world));
                Ok(())
            }
            Step::Element(element) => match element.kind {
                Kind::Message | Kind::Presence | Kind::Iq => arrive(shared, &element),
                Kind::DialbackResult | Kind::DialbackVerify => {
                    dialback(shared, machine, &element, context, proven, out)
                }
                _ => shared.world(out, events, |world| machine.handle_element(&element, context, world)),
            },
            Step::NeedMore { .. } => Ok(()),
        })?;
        match taken {
            None => return Ok(false),
            Some(Ok(())) => {}
            Some(Err(error)) => {
                let (machine, out, events) = (&mut self.machine, &mut self.out, &mut self.events);
                self.shared.world(out, events, |world| machine.fail(error, world));
            }
        }
        self.wire.flush(&mut self.out)?;
        while let Some(event) = self.events.pop_front() {
            match event {
                StreamEvent::StartTls => {
                    let store = self.shared.role.store.as_ref().ok_or(io::ErrorKind::Unsupported)?;
                    self.wire.secure(store.server(Listener::Public, Some(&self.shared.role.domain)), false)?;
                }
                StreamEvent::Restart => self.wire.restart(),
                _ => {}
            }
        }
        Ok(true)
    }
}

fn arrive(shared: &Shared, element: &Element<'_>) -> Result<(), StreamError> {
    let text = |attr: Option<ringgate_proto::scan::Attr<'_>>| {
        attr.map_or(String::new(), |attr| String::from_utf8_lossy(attr.raw).into_owned())
    };
    let arrival = Arrival {
        at: shared.role.domain.clone(),
        from: text(element.from),
        to: text(element.to),
        id: text(element.id),
        kind: element.kind,
        nanos: clock::now().as_nanos(),
    };
    // The demo is over when nobody listens any more.
    let _ = shared.arrivals.send(arrival);
    Ok(())
}

fn dialback(
    shared: &Arc<Shared>,
    machine: &Receiving,
    element: &Element<'_>,
    context: &StreamContext,
    proven: &mut Vec<DomainPair>,
    out: &mut Vec<u8>,
) -> Result<(), StreamError> {
    machine.takes_dialback()?;
    let frame = Frame::parse(element, context)?;
    match (frame.kind, &frame.body) {
        (FrameKind::Verify, FrameBody::Request(_)) => {
            let serves = frame.pair.to == shared.role.domain;
            answer_verification(&frame, &shared.secret, serves).write(out);
        }
        (FrameKind::Result, FrameBody::Request(key)) => {
            let is_valid = calling::verify(shared, &frame.pair, machine.id(), key).unwrap_or(false);
            let outcome = if is_valid { Outcome::Valid } else { Outcome::Invalid };
            if is_valid {
                proven.push(frame.pair.clone());
            }
            frame.answer(outcome).write(out);
        }
        (_, FrameBody::Answer(_)) => {}
    }
    Ok(())
}
