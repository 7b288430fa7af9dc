//! Streams that an embedded server opens: for its stanzas, and to verify a dialback key.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use ringgate_proto::address::{Domain, DomainPair};
use ringgate_proto::dialback::{Frame, Outcome, Requests, Verifications};
use ringgate_proto::gate::TlsClient;
use ringgate_proto::scan::{Kind, Step};
use ringgate_proto::stream::{Initiating, Intent, StreamEvent, Terms};

use super::server::Shared;
use super::wire::Wire;
use crate::clock;

/// Negotiation and verification each take at most this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens a stream to `to` and sends what comes from `stanzas` until its senders are gone.
pub(super) fn run(shared: &Shared, to: &Domain, stanzas: &Receiver<Vec<u8>>) -> io::Result<()> {
    let mut caller = Caller::connect(shared, to, false)?;
    caller.negotiate()?;
    if caller.is_dialback {
        caller.request()?;
    }
    loop {
        match stanzas.recv_timeout(Duration::from_millis(50)) {
            Ok(stanza) => {
                caller.out.extend_from_slice(&stanza);
                // Whatever else is there goes with it.
                stanzas.try_iter().for_each(|stanza| caller.out.extend_from_slice(&stanza));
                caller.wire.flush(&mut caller.out)?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return caller.close(),
        }
    }
}

/// Asks the authoritative server of `pair.from` whether `key` is its own. XEP-0220 §2.1.2.
pub(super) fn verify(shared: &Shared, pair: &DomainPair, id: &str, key: &str) -> io::Result<bool> {
    let mut caller = Caller::connect(shared, &pair.from, true)?;
    caller.negotiate()?;
    let mut verifications = Verifications::default();
    if verifications.ask(pair, id, key, (), &mut caller.out).is_some() {
        return Ok(false);
    }
    caller.wire.flush(&mut caller.out)?;
    let answer = caller.until(|frame| verifications.handle_answer(frame))?;
    caller.close()?;
    Ok(answer.1.is_ok())
}

struct Caller<'a> {
    shared: &'a Shared,
    wire: Wire,
    machine: Initiating,
    out: Vec<u8>,
    events: VecDeque<StreamEvent>,
    pair: DomainPair,
    is_ready: bool,
    is_dialback: bool,
}

impl<'a> Caller<'a> {
    fn connect(shared: &'a Shared, to: &Domain, dialback_only: bool) -> io::Result<Self> {
        let from = shared.role.domain.clone();
        let mut wire = Wire::connect(shared.gateway, shared.cpu)?;
        let mut certificate = None;
        if let (Some(store), true) = (&shared.role.store, shared.role.direct_tls) {
            let names = TlsClient { server_name: to.clone(), local: from.clone(), alpn: true };
            wire.secure(store.client(&names, false).map_err(io::Error::other)?, true)?;
            certificate = Some(wait(&mut wire, |wire| Ok(wire.established()))?);
        }
        let terms = Terms { dialback: shared.terms.dialback || dialback_only, ..shared.terms };
        let intent = Intent { side: shared.side(), from: from.clone(), to: to.clone(), terms, dialback_only };
        let machine = Initiating::new(intent, certificate);
        let pair = DomainPair { from, to: to.clone() };
        let (out, events) = (Vec::new(), VecDeque::new());
        Ok(Self { shared, wire, machine, out, events, pair, is_ready: false, is_dialback: false })
    }

    fn negotiate(&mut self) -> io::Result<()> {
        let machine = &mut self.machine;
        self.shared.world(&mut self.out, &mut self.events, |world| machine.start(world));
        self.wire.flush(&mut self.out)?;
        let deadline = clock::now() + PATIENCE;
        while !self.is_ready {
            if clock::now() > deadline || !self.wire.is_open() || self.machine.is_over() {
                return Err(io::Error::other("the stream was not negotiated"));
            }
            self.pump(&mut |_| {})?;
        }
        Ok(())
    }

    /// Asks to be believed, and waits for the answer. XEP-0220 §2.1.1.
    fn request(&mut self) -> io::Result<()> {
        let mut requests = Requests::default();
        let id = self.machine.id().unwrap_or_default().to_owned();
        requests.request(&self.pair, &self.shared.secret, &id, &mut self.out);
        self.wire.flush(&mut self.out)?;
        match self.until(|frame| requests.handle_answer(frame))?.1 {
            Ok(_) => Ok(()),
            Err(Outcome::Invalid) => Err(io::Error::other("dialback was answered invalid")),
            Err(_) => Err(io::Error::other("dialback was answered with an error")),
        }
    }

    /// Reads until a dialback element satisfies `take`.
    fn until<R>(&mut self, mut take: impl FnMut(&Frame) -> Option<R>) -> io::Result<R> {
        let deadline = clock::now() + PATIENCE;
        let mut found = None;
        while found.is_none() {
            if clock::now() > deadline || !self.wire.is_open() {
                return Err(io::Error::other("dialback was not answered"));
            }
            self.pump(&mut |frame| {
                if found.is_none() {
                    found = take(frame);
                }
            })?;
        }
        found.ok_or_else(|| io::Error::other("dialback was not answered"))
    }

    /// One read, and everything that came of it.
    fn pump(&mut self, dialback: &mut dyn FnMut(&Frame)) -> io::Result<()> {
        self.wire.read()?;
        if let Some(peer) = self.wire.established() {
            self.wire.restart();
            let machine = &mut self.machine;
            self.shared.world(&mut self.out, &mut self.events, |world| machine.tls_established(peer, world));
        }
        while self.step(dialback)? {}
        self.wire.flush(&mut self.out)
    }

    fn step(&mut self, dialback: &mut dyn FnMut(&Frame)) -> io::Result<bool> {
        let (shared, machine) = (self.shared, &mut self.machine);
        let (out, events) = (&mut self.out, &mut self.events);
        let taken = self.wire.step(|step, context| match step {
            Step::Header(header) => shared.world(out, events, |world| machine.handle_header(&header, context, world)),
            Step::Close { .. } => {
                shared.world(out, events, |world| machine.handle_close(world));
                Ok(())
            }
            Step::Element(element) => match element.kind {
                Kind::DialbackResult | Kind::DialbackVerify => {
                    Frame::parse(&element, context).map(|frame| dialback(&frame))
                }
                _ => shared.world(out, events, |world| machine.handle_element(&element, context, world)),
            },
            Step::NeedMore { .. } => Ok(()),
        })?;
        match taken {
            None => return Ok(false),
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(io::Error::other(error.text)),
        }
        self.wire.flush(&mut self.out)?;
        while let Some(event) = self.events.pop_front() {
            self.follow(event)?;
        }
        Ok(true)
    }

    fn follow(&mut self, event: StreamEvent) -> io::Result<()> {
        match event {
            StreamEvent::StartTls => {
                let store = self.shared.role.store.as_ref().ok_or(io::ErrorKind::Unsupported)?;
                let (local, server_name) = (self.pair.from.clone(), self.pair.to.clone());
                let names = TlsClient { server_name, local, alpn: false };
                self.wire.secure(store.client(&names, false).map_err(io::Error::other)?, true)?;
            }
            StreamEvent::Restart => self.wire.restart(),
            StreamEvent::Negotiated => {
                self.is_ready = true;
                self.is_dialback = true;
            }
            StreamEvent::Proven(_) => self.is_ready = true,
            StreamEvent::PeerError(condition) => {
                return Err(io::Error::other(format!("the peer answered {}", condition.as_str())));
            }
            StreamEvent::Opened | StreamEvent::SaslFailed(_) | StreamEvent::PeerClosed => {}
        }
        Ok(())
    }

    /// The closing handshake. RFC 6120 §4.4.
    fn close(&mut self) -> io::Result<()> {
        let machine = &mut self.machine;
        self.shared.world(&mut self.out, &mut self.events, |world| machine.close(world));
        self.wire.flush(&mut self.out)?;
        let deadline = clock::now() + Duration::from_secs(2);
        while self.wire.is_open() && !self.machine.is_over() && clock::now() < deadline {
            self.pump(&mut |_| {})?;
        }
        self.wire.shut();
        Ok(())
    }
}

fn wait<R>(wire: &mut Wire, mut ready: impl FnMut(&mut Wire) -> io::Result<Option<R>>) -> io::Result<R> {
    let deadline = clock::now() + PATIENCE;
    loop {
        wire.read()?;
        if let Some(result) = ready(wire)? {
            return Ok(result);
        }
        if clock::now() > deadline || !wire.is_open() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}
