//! A model of an XMPP server, written from the RFCs and not from the gate: it accepts and opens s2s streams, proves itself
//! by EXTERNAL or dialback, verifies others, multiplexes pairs on one stream if it likes, and keeps the books of its users.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use ringgate_proto::stream::{PeerCertificate, Untrusted};

use super::dns::Dns;
use super::ledger::{Ledger, Pair};
use super::xml::Reader;

/// What a server insists on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    Never,
    Offered,
    Required,
}

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub domains: Vec<String>,
    pub address: SocketAddr,
    /// Connections to every other domain go there (a backend), not where the DNS says.
    pub smart_host: Option<SocketAddr>,
    pub tls: TlsMode,
    /// Its certificate is one that everybody trusts.
    pub trusted: bool,
    pub external: bool,
    /// Further pairs go on a stream that is there already.
    pub multiplexes: bool,
    /// Direct TLS on its outbound connections.
    pub direct: bool,
    /// Answers every dialback request so, whatever the verification says.
    pub verdict: Option<&'static str>,
    /// Says this on every stream that it accepted, after its features.
    pub mischief: Option<String>,
}

impl ServerConfig {
    pub fn backend(domains: &[&str], address: SocketAddr, gate: SocketAddr) -> Self {
        let smart_host = Some(gate);
        Self { smart_host, tls: TlsMode::Never, trusted: false, external: false, ..Self::remote(domains, address) }
    }

    pub fn remote(domains: &[&str], address: SocketAddr) -> Self {
        Self {
            domains: domains.iter().map(|domain| domain.to_string()).collect(),
            address,
            smart_host: None,
            tls: TlsMode::Required,
            trusted: true,
            external: true,
            multiplexes: false,
            direct: false,
            verdict: None,
            mischief: None,
        }
    }

    pub fn dialback_only(domains: &[&str], address: SocketAddr) -> Self {
        Self { trusted: false, external: false, ..Self::remote(domains, address) }
    }

    pub fn certificate(&self) -> PeerCertificate {
        PeerCertificate {
            trust: if self.trusted { Ok(()) } else { Err(Untrusted::SelfSigned) },
            dns_names: self.domains.clone(),
            srv_names: Vec::new(),
            xmpp_addrs: Vec::new(),
            fingerprint: [7; 32],
        }
    }
}

/// What a server wants done.
#[derive(Clone, Debug)]
pub enum Act {
    Connect {
        stream: usize,
        to: SocketAddr,
        direct: bool,
    },
    Send {
        stream: usize,
        text: String,
    },
    /// What was sent before goes out in clear.
    BeginTls {
        stream: usize,
        sni: Option<String>,
    },
    /// Our direction ends, and the connection is forgotten.
    Fin {
        stream: usize,
    },
    Reset {
        stream: usize,
    },
    Wake {
        stream: usize,
        after_ms: u64,
    },
}

/// What a server works with during one call.
pub struct Ctx<'a> {
    pub acts: &'a mut Vec<Act>,
    pub ledger: &'a mut Ledger,
    pub dns: &'a Dns,
}

impl Ctx<'_> {
    pub fn send(&mut self, stream: usize, text: impl Into<String>) {
        self.acts.push(Act::Send { stream, text: text.into() });
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Connecting,
    Header,
    Features,
    Proceed,
    Tls,
    Auth,
    Open,
    /// Our end tag is out.
    Closing,
}

#[derive(Clone, Debug)]
pub struct Verification {
    pub pair: Pair,
    pub id: String,
    pub key: String,
    pub origin: usize,
}

#[derive(Debug)]
pub struct Stream {
    pub is_out: bool,
    pub local: String,
    pub remote: String,
    pub reader: Reader,
    pub certificate: Option<PeerCertificate>,
    pub id: String,
    pub phase: Phase,
    /// EXTERNAL succeeded.
    pub is_authenticated: bool,
    /// In: pairs that the peer proved. Out: pairs that the peer takes.
    pub proven: BTreeSet<Pair>,
    pub asked: BTreeSet<Pair>,
    /// Out: pairs that wait for it or use it.
    pub pairs: BTreeSet<Pair>,
    pub verifications: Vec<Verification>,
    /// Stanzas written on it.
    pub sent: Vec<usize>,
}

#[derive(Debug, Default)]
pub struct Outbound {
    pub waiting: VecDeque<(usize, String)>,
    pub stream: Option<usize>,
}

/// The server.
#[derive(Debug)]
pub struct Server {
    pub number: usize,
    pub config: ServerConfig,
    pub is_up: bool,
    pub streams: BTreeMap<usize, Stream>,
    pub next_stream: usize,
    pub out: BTreeMap<Pair, Outbound>,
    pub secret: u64,
}

impl Server {
    pub fn new(number: usize, config: ServerConfig) -> Self {
        Self {
            number,
            config,
            is_up: true,
            streams: BTreeMap::new(),
            next_stream: 0,
            out: BTreeMap::new(),
            secret: number as u64 + 77,
        }
    }

    pub fn serves(&self, domain: &str) -> bool {
        self.config.domains.iter().any(|own| own == domain)
    }

    /// A key of its own making.
    pub fn key(&self, receiving: &str, originating: &str, id: &str) -> String {
        let mut hasher = DefaultHasher::new();
        (self.secret, receiving, originating, id).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    pub fn add_stream(&mut self, is_out: bool, local: &str, remote: &str) -> usize {
        let number = self.next_stream;
        self.next_stream += 1;
        let stream = Stream {
            is_out,
            local: local.into(),
            remote: remote.into(),
            reader: Reader::default(),
            certificate: None,
            id: format!("id-{}-{number}", self.number),
            phase: if is_out { Phase::Connecting } else { Phase::Header },
            is_authenticated: false,
            proven: BTreeSet::new(),
            asked: BTreeSet::new(),
            pairs: BTreeSet::new(),
            verifications: Vec::new(),
            sent: Vec::new(),
        };
        self.streams.insert(number, stream);
        number
    }

    fn lookup(&self, domain: &str, dns: &Dns) -> Option<SocketAddr> {
        self.config.smart_host.or_else(|| dns.first(domain))
    }

    /// A user's stanza.
    pub fn submit(&mut self, pair: &Pair, number: usize, stanza: String, ctx: &mut Ctx<'_>) {
        let out = self.out.entry(pair.clone()).or_default();
        if let Some(stream) = out.stream.filter(|stream| self.streams[stream].proven.contains(pair)) {
            return self.write(stream, number, &stanza, ctx);
        }
        out.waiting.push_back((number, stanza));
        if out.stream.is_none() {
            self.find_stream(pair, ctx);
        }
    }

    /// A stanza on the stream that another pair of the same sender uses (Prosody's habit).
    pub fn submit_on(&mut self, other: &Pair, number: usize, stanza: &str, ctx: &mut Ctx<'_>) {
        let stream = self.out[other].stream.expect("the other pair has a stream");
        self.write(stream, number, stanza, ctx);
    }

    fn write(&mut self, stream: usize, number: usize, stanza: &str, ctx: &mut Ctx<'_>) {
        let entry = self.streams.get_mut(&stream).expect("a pair's stream exists");
        entry.sent.push(number);
        ctx.ledger.records[number].stream = Some((self.number, stream));
        ctx.send(stream, stanza);
    }

    fn find_stream(&mut self, pair: &Pair, ctx: &mut Ctx<'_>) {
        let Some(to) = self.lookup(&pair.1, ctx.dns) else { return self.give_up(pair, ctx) };
        let usable = |stream: &&usize| {
            let entry = &self.streams[*stream];
            let is_near = self.config.smart_host.is_some() || entry.remote == pair.1;
            entry.is_out && entry.phase != Phase::Closing && !entry.pairs.is_empty() && is_near
        };
        let shared = self.streams.keys().find(usable).copied().filter(|_| self.config.multiplexes);
        let stream = match shared {
            Some(stream) => stream,
            None => self.connect(&pair.0, &pair.1, to, ctx),
        };
        self.streams.get_mut(&stream).expect("just found").pairs.insert(pair.clone());
        self.out.get_mut(pair).expect("it waits").stream = Some(stream);
        if self.streams[&stream].phase == Phase::Open {
            self.ask_for_all(stream, ctx);
        }
    }

    fn connect(&mut self, local: &str, remote: &str, to: SocketAddr, ctx: &mut Ctx<'_>) -> usize {
        let stream = self.add_stream(true, local, remote);
        ctx.acts.push(Act::Connect { stream, to, direct: self.config.direct });
        ctx.acts.push(Act::Wake { stream, after_ms: 100_000 });
        stream
    }

    /// Stanzas that cannot go out: their users are told.
    fn give_up(&mut self, pair: &Pair, ctx: &mut Ctx<'_>) {
        let Some(out) = self.out.get_mut(pair) else { return };
        out.stream = None;
        for (number, _) in out.waiting.drain(..) {
            ctx.ledger.records[number].kept = true;
        }
    }

    /// Sends what dialback needs on an open outbound stream.
    pub fn ask_for_all(&mut self, stream: usize, ctx: &mut Ctx<'_>) {
        let entry = &self.streams[&stream];
        let new = entry.pairs.difference(&entry.proven).filter(|pair| !entry.asked.contains(*pair));
        for pair in new.cloned().collect::<Vec<_>>() {
            let key = self.key(&pair.1, &pair.0, &self.streams[&stream].id);
            ctx.send(stream, format!("<db:result from='{}' to='{}'>{key}</db:result>", pair.0, pair.1));
            self.streams.get_mut(&stream).expect("it is open").asked.insert(pair);
        }
        for open in &self.streams[&stream].verifications {
            let Verification { pair: (from, to), id, key, .. } = open;
            ctx.send(stream, format!("<db:verify from='{to}' to='{from}' id='{id}'>{key}</db:verify>"));
        }
    }

    /// The peer takes a pair's stanzas.
    pub fn granted(&mut self, stream: usize, pair: &Pair, ctx: &mut Ctx<'_>) {
        self.streams.get_mut(&stream).expect("it answered").proven.insert(pair.clone());
        let Some(out) = self.out.get_mut(pair).filter(|out| out.stream == Some(stream)) else { return };
        for (number, stanza) in std::mem::take(&mut out.waiting) {
            self.write(stream, number, &stanza, ctx);
        }
    }

    /// The peer does not.
    pub fn denied(&mut self, stream: usize, pair: &Pair, ctx: &mut Ctx<'_>) {
        self.streams.get_mut(&stream).expect("it answered").pairs.remove(pair);
        self.give_up(pair, ctx);
    }

    /// Someone wants to be believed: asks the authoritative server.
    pub fn verify(&mut self, origin: usize, pair: Pair, key: String, ctx: &mut Ctx<'_>) {
        let id = self.streams[&origin].id.clone();
        let Some(to) = self.lookup(&pair.0, ctx.dns) else {
            return self.answer_result(origin, &pair, "error", ctx);
        };
        let stream = self.connect(&pair.1, &pair.0, to, ctx);
        let entry = self.streams.get_mut(&stream).expect("just made");
        entry.verifications.push(Verification { pair, id, key, origin });
    }

    pub fn answer_result(&mut self, origin: usize, pair: &Pair, verdict: &str, ctx: &mut Ctx<'_>) {
        let Some(entry) = self.streams.get_mut(&origin) else { return };
        if entry.phase == Phase::Closing {
            return;
        }
        let verdict = self.config.verdict.unwrap_or(verdict);
        if verdict == "valid" {
            entry.proven.insert(pair.clone());
        }
        ctx.send(origin, format!("<db:result from='{}' to='{}' type='{verdict}'/>", pair.1, pair.0));
    }

    // --- endings ---

    /// Begins the closing handshake.
    pub fn close(&mut self, stream: usize, ctx: &mut Ctx<'_>) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        if entry.phase != Phase::Open {
            return self.abort(stream, ctx);
        }
        entry.phase = Phase::Closing;
        ctx.send(stream, "</stream:stream>");
        ctx.acts.push(Act::Wake { stream, after_ms: 20_000 });
        self.detach(stream, true, ctx);
    }

    pub fn abort(&mut self, stream: usize, ctx: &mut Ctx<'_>) {
        ctx.acts.push(Act::Reset { stream });
        self.gone(stream, false, ctx);
    }

    /// The connection is no more. `clean`: both end tags were exchanged.
    pub fn gone(&mut self, stream: usize, clean: bool, ctx: &mut Ctx<'_>) {
        self.detach(stream, clean, ctx);
        let Some(entry) = self.streams.remove(&stream) else { return };
        if !clean {
            entry.sent.iter().for_each(|number| ctx.ledger.records[*number].at_risk = true);
        }
    }

    /// Nothing more goes out on this stream.
    fn detach(&mut self, stream: usize, may_retry: bool, ctx: &mut Ctx<'_>) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        let was_open = matches!(entry.phase, Phase::Open | Phase::Closing);
        let pairs = std::mem::take(&mut entry.pairs);
        let lost = std::mem::take(&mut entry.verifications);
        entry.proven = if entry.is_out { BTreeSet::new() } else { std::mem::take(&mut entry.proven) };
        for pair in pairs {
            let out = self.out.get_mut(&pair).expect("pairs on a stream are known");
            out.stream = None;
            if out.waiting.is_empty() {
                continue;
            }
            if may_retry && was_open { self.find_stream(&pair, ctx) } else { self.give_up(&pair, ctx) }
        }
        for open in lost {
            self.answer_result(open.origin, &open.pair, "error", ctx);
        }
    }

    /// Time for what should have happened by now.
    pub fn wake(&mut self, stream: usize, ctx: &mut Ctx<'_>) {
        let Some(entry) = self.streams.get(&stream) else { return };
        let is_late = entry.phase != Phase::Open || !entry.asked.is_empty() || !entry.verifications.is_empty();
        if is_late {
            self.abort(stream, ctx);
        }
    }

    /// The process dies: what waited and what was written is lost or not, who knows.
    pub fn crash(&mut self, ctx: &mut Ctx<'_>) {
        self.is_up = false;
        for stream in self.streams.keys().copied().collect::<Vec<_>>() {
            ctx.acts.push(Act::Reset { stream });
        }
        for entry in std::mem::take(&mut self.streams).into_values() {
            entry.sent.iter().for_each(|number| ctx.ledger.records[*number].at_risk = true);
        }
        for out in std::mem::take(&mut self.out).into_values() {
            out.waiting.iter().for_each(|(number, _)| ctx.ledger.records[*number].kept = true);
        }
    }
}
