//! An embedded XMPP server of one domain: just enough of one to federate for real.
//!
//! It speaks s2s over blocking sockets, one thread per stream. What arrives goes to a channel; what is to be sent is routed
//! by its target domain.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringgate_proto::address::Domain;
use ringgate_proto::scan::{Attr, Element, Kind};

use super::line::Line;
use crate::clock;
use crate::stage::endpoint::{Call, Cast, Endpoint, Heard, Proof, Reception, Tls};
use crate::tls::Store;

/// How long a stream may take to be made.
const PATIENCE: Duration = Duration::from_secs(20);

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
struct Shared {
    domain: Domain,
    cast: Arc<Cast>,
    /// How it calls.
    tls: Tls,
    proof: Proof,
    /// Where every other domain is: at ringgate.
    gateway: SocketAddr,
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

    pub(super) fn new(listener: TcpListener, role: Role, gateway: SocketAddr, arrivals: Sender<Arrival>) -> Self {
        let tls = match (&role.store, role.direct_tls) {
            (None, _) => Tls::None,
            (Some(_), false) => Tls::StartTls,
            (Some(_), true) => Tls::Direct,
        };
        let shared = Shared {
            cast: Arc::new(Cast::new(std::slice::from_ref(&role.domain), role.store)),
            domain: role.domain,
            tls,
            proof: if role.external { Proof::External } else { Proof::Dialback },
            gateway,
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
        self.shared.keep(thread::spawn(move || shared.accept(&listener)));
    }

    /// Sends one stanza to another domain; the first one opens a stream.
    pub(super) fn send(&self, to: &Domain, stanza: Vec<u8>) {
        let mut callers = self.shared.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = callers.entry(to.clone()).or_insert_with(|| {
            let (sender, stanzas) = mpsc::channel();
            let (shared, to) = (Arc::clone(&self.shared), to.clone());
            self.shared.keep(thread::spawn(move || {
                if let Err(error) = shared.call(&to, &stanzas) {
                    eprintln!("{}: a stream to {to} failed: {error}", shared.domain);
                }
            }));
            sender
        });
        // A caller that failed has printed why; the report will show what is missing.
        let _ = caller.send(stanza);
    }

    pub(super) fn domain(&self) -> &Domain {
        &self.shared.domain
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
    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn keep(&self, thread: JoinHandle<()>) {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    /// Accepts streams until the server stops, each on a thread of its own.
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while !self.is_stopping() {
            let Ok((tcp, _)) = listener.accept() else {
                thread::sleep(Duration::from_millis(5));
                continue;
            };
            let shared = Arc::clone(self);
            // What a peer does wrong ends its stream and nothing else.
            self.keep(thread::spawn(move || match shared.serve(tcp) {
                Err(error) if !shared.is_stopping() => {
                    eprintln!("{}: an inbound stream failed: {error}", shared.domain);
                }
                _ => {}
            }));
        }
    }

    /// Opens a stream to `to` and sends what comes from `stanzas` until its senders are gone.
    fn call(&self, to: &Domain, stanzas: &Receiver<Vec<u8>>) -> io::Result<()> {
        let (from, to) = (self.domain.clone(), to.clone());
        let call = Call { from, to, tls: self.tls, proof: self.proof.clone() };
        let endpoint = Endpoint::initiating(call, Arc::clone(&self.cast)).map_err(io::Error::other)?;
        let mut line = Line::new(TcpStream::connect_timeout(&self.gateway, PATIENCE)?, endpoint)?;
        let deadline = clock::now() + PATIENCE;
        while !line.is_ready() {
            if !line.turn(&mut |_| {})? || clock::now() > deadline {
                return Err(io::Error::other("the stream was not negotiated"));
            }
        }
        loop {
            match stanzas.recv_timeout(Duration::from_millis(50)) {
                Ok(mut text) => {
                    // Whatever else is there goes with it.
                    stanzas.try_iter().for_each(|stanza| text.extend_from_slice(&stanza));
                    line.send(&text)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return line.close(&mut |_| {}),
            }
        }
    }

    /// Takes the stanzas of a stream that ringgate opened.
    fn serve(&self, tcp: TcpStream) -> io::Result<()> {
        // The listener polls; its connections must not.
        tcp.set_nonblocking(false)?;
        let reception = Reception { tls: Tls::StartTls, offers_external: self.proof == Proof::External };
        let mut line = Line::new(tcp, Endpoint::receiving(reception, Arc::clone(&self.cast)))?;
        let mut sink = |heard: Heard<'_>| {
            if let Heard::Stanza(stanza) = heard {
                self.arrive(stanza);
            }
        };
        while !self.is_stopping() && line.turn(&mut sink)? {}
        line.close(&mut sink)
    }

    fn arrive(&self, stanza: &Element<'_>) {
        let text = |attr: Option<Attr<'_>>| attr.map_or_else(String::new, |attr| attr.to_text());
        let arrival = Arrival {
            at: self.domain.clone(),
            from: text(stanza.from),
            to: text(stanza.to),
            id: text(stanza.id),
            kind: stanza.kind,
            nanos: clock::now().as_nanos(),
        };
        // The demo is over when nobody listens any more.
        let _ = self.arrivals.send(arrival);
    }
}
