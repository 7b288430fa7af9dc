//! One whole gate between peers that the test plays: remote servers, backends, the DNS and the clock.
//!
//! Nothing sleeps: time passes by [`Town::passes`], from deadline to deadline. Names, headers and certificates are those
//! of [`crate::peer`]: `local.example` and `other.example` are served, everything else is remote.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ringgate_proto::address::{Domain, DomainPair};
use ringgate_proto::discover::{Answer, Egress, Question, RecordKind, Srv};
use ringgate_proto::event::{CloseCause, ConnId, Event};
use ringgate_proto::gate::{
    Backend, Breakage, Gate, GateConfig, Input, Listener, LocalDomain, Outgoing, Output, Purpose, ShardId,
};
use ringgate_proto::policy::{Policy, Rule};
use ringgate_proto::route::Account;
use ringgate_proto::scan::Cpu;
use ringgate_proto::stream::{PeerCertificate, TlsTerms};
use ringgate_proto::time::Timestamp;

use crate::peer::{
    DIALBACK, EXTERNAL, LOCAL, PROCEED, REMOTE, RESPONSE, STARTTLS, STARTTLS_REQUIRED, SUCCESS, TO_LOCAL, auth,
    certificate, domain, features, header,
};

/// Where the backend of both local domains is.
pub(crate) const BACKEND: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 15269);
/// Where `remote.example` is, once [`Town::knows_remote`] has said so.
pub(crate) const REMOTE_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)), 5269);
/// A stanza of the peer that is in order.
pub(crate) const HELLO: &str =
    "<message from='a@remote.example/x' to='b@local.example' id='m1'><body>hello</body></message>";

/// What a peer sees of one connection.
#[derive(Default)]
pub(crate) struct Line {
    heard: Vec<u8>,
    /// The gate wants TLS from the next byte on.
    pub(crate) secures: bool,
    /// The gate has ended the connection.
    pub(crate) is_closed: bool,
    pub(crate) is_paused: bool,
}

/// A connection that the gate wants to make.
pub(crate) struct Call {
    pub(crate) conn: ConnId,
    pub(crate) address: SocketAddr,
}

pub(crate) struct Town {
    pub(crate) gate: Gate,
    pub(crate) now: Timestamp,
    /// The DNS; a name that is missing does not exist.
    pub(crate) dns: HashMap<(String, RecordKind), Answer>,
    /// Questions are never answered.
    pub(crate) dns_is_silent: bool,
    pub(crate) asked: Vec<(Question, Purpose)>,
    pub(crate) lines: HashMap<ConnId, Line>,
    pub(crate) calls: VecDeque<Call>,
    pub(crate) events: Vec<Event>,
}

pub(crate) fn policy(tls: TlsTerms) -> Policy {
    Policy { default: Rule { tls, ..Rule::default() }, partners: Vec::new() }
}

impl Town {
    /// Everyone may federate, TLS required, EXTERNAL then dialback.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with_policy(policy: Policy) -> Self {
        Self::with(|config| config.policy = policy)
    }

    pub(crate) fn with(change: impl FnOnce(&mut GateConfig)) -> Self {
        Self::scanning_with(Cpu::Scalar, change)
    }

    pub(crate) fn scanning_with(cpu: Cpu, change: impl FnOnce(&mut GateConfig)) -> Self {
        let local = |name| LocalDomain { name: domain(name), backend: 0 };
        let mut config = GateConfig {
            shard: ShardId(0),
            shards: 1,
            domains: vec![local(LOCAL), local("other.example")],
            backends: vec![Backend { address: BACKEND, starttls: false }],
            policy: policy(TlsTerms::Required),
            internal_tls: false,
            egress: Egress::default(),
            stanza_bytes_max: 262_144,
            connections_max: 50_000,
            dialback_secret: b"secret of the town".to_vec(),
            direct_tls: false,
            process_seed: 7,
            shard_seed: [7; 32],
        };
        change(&mut config);
        Self {
            gate: Gate::new(config, cpu),
            now: Timestamp::from_nanos(1_000_000_000),
            dns: HashMap::new(),
            dns_is_silent: false,
            asked: Vec::new(),
            lines: HashMap::new(),
            calls: VecDeque::new(),
            events: Vec::new(),
        }
    }

    /// `remote.example` has a server at [`REMOTE_ADDRESS`].
    pub(crate) fn knows_remote(&mut self) {
        self.knows(REMOTE, REMOTE_ADDRESS);
    }

    /// Another server for the domain, to be tried after those that it has.
    pub(crate) fn adds_target(&mut self, name: &str, at: SocketAddr) {
        let host = format!("host-{}.{name}", at.ip());
        let Some(Answer::Srv(records)) = self.dns.get_mut(&(format!("_xmpp-server._tcp.{name}"), RecordKind::Srv))
        else {
            panic!("the domain has no server yet");
        };
        let priority = records.len() as u16;
        records.push(Srv { priority, weight: 0, port: at.port(), target: host.clone() });
        self.dns.insert((host.clone(), RecordKind::A), Answer::Addresses(vec![at.ip()]));
        self.dns.insert((host, RecordKind::Aaaa), Answer::Addresses(vec![]));
    }

    pub(crate) fn knows(&mut self, name: &str, at: SocketAddr) {
        let service = format!("_xmpp-server._tcp.{name}");
        let srv = Srv { priority: 0, weight: 0, port: at.port(), target: format!("host.{name}") };
        self.dns.insert((service, RecordKind::Srv), Answer::Srv(vec![srv]));
        self.dns.insert((format!("host.{name}"), RecordKind::A), Answer::Addresses(vec![at.ip()]));
        self.dns.insert((format!("host.{name}"), RecordKind::Aaaa), Answer::Addresses(vec![]));
    }

    // --- the shell ---

    pub(crate) fn gives(&mut self, input: Input) {
        self.gate.handle(input, self.now);
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..100_000 {
            while let Some(output) = self.gate.next_output() {
                self.carry_out(output);
            }
            self.gate.end_tick();
            let Some(conn) = self.gate.next_dirty() else { return };
            let taken = self.gate.take_outbox(conn, Outgoing::default());
            self.line(conn).heard.extend_from_slice(&taken.bytes);
            self.gate.handle(Input::Flushed { conn }, self.now);
        }
        panic!("the gate does not come to rest");
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect { conn, address, .. } => {
                self.lines.insert(conn, Line::default());
                self.calls.push_back(Call { conn, address });
            }
            Output::StartTls { conn, .. } => {
                let taken = self.gate.take_outbox(conn, Outgoing::default());
                let line = self.line(conn);
                line.heard.extend_from_slice(&taken.bytes);
                line.secures = true;
                self.gate.handle(Input::Flushed { conn }, self.now);
            }
            Output::Ask(question, purpose) => {
                self.asked.push((question.clone(), purpose));
                if !self.dns_is_silent {
                    let key = (question.name.clone(), question.kind);
                    let answer = self.dns.get(&key).cloned().unwrap_or(Answer::NoSuchName);
                    self.gate.handle(Input::Answered { question, answer }, self.now);
                }
            }
            Output::Close { conn, last, .. } => {
                self.calls.retain(|call| call.conn != conn);
                let line = self.line(conn);
                line.heard.extend_from_slice(&last);
                line.is_closed = true;
            }
            Output::Pause(conn) => self.line(conn).is_paused = true,
            Output::Resume(conn) => self.line(conn).is_paused = false,
            Output::HandOver { .. } | Output::Post { .. } => panic!("there is only one shard"),
            Output::Event(event) => self.events.push(event),
        }
    }

    pub(crate) fn line(&mut self, conn: ConnId) -> &mut Line {
        self.lines.get_mut(&conn).expect("a connection of this town")
    }

    /// Lets this much time pass, deadline by deadline.
    pub(crate) fn passes(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.gate.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.gives(Input::Timer);
        }
        self.now = end;
        self.gives(Input::Timer);
    }

    // --- peers ---

    /// A connection to the public listener from `address`.
    pub(crate) fn connects_from(&mut self, address: SocketAddr) -> Option<ConnId> {
        let conn = self.gate.accept(Listener::Public, address, self.now);
        conn.iter().for_each(|conn| {
            self.lines.insert(*conn, Line::default());
        });
        self.settle();
        conn
    }

    pub(crate) fn connects(&mut self) -> ConnId {
        self.connects_from(REMOTE_ADDRESS).expect("there is room")
    }

    /// A backend connects to the internal listener.
    pub(crate) fn backend_connects(&mut self) -> ConnId {
        let conn = self.gate.accept(Listener::Internal, BACKEND, self.now).expect("there is room");
        self.lines.insert(conn, Line::default());
        conn
    }

    pub(crate) fn says(&mut self, conn: ConnId, text: &str) {
        self.says_bytes(conn, text.as_bytes());
    }

    pub(crate) fn says_bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        self.gate.receive(conn, bytes, self.now, &mut |_| true);
        self.settle();
    }

    pub(crate) fn completes_tls(&mut self, conn: ConnId, peer: PeerCertificate) {
        assert!(std::mem::take(&mut self.line(conn).secures), "no TLS was agreed");
        self.gives(Input::TlsEstablished { conn, peer });
    }

    pub(crate) fn resets(&mut self, conn: ConnId) {
        self.line(conn).is_closed = true;
        self.gives(Input::Broken { conn, breakage: Breakage::Network, detail: "reset".into() });
    }

    /// All that the peer has heard since the last time.
    pub(crate) fn hears(&mut self, conn: ConnId) -> String {
        String::from_utf8(std::mem::take(&mut self.line(conn).heard)).unwrap()
    }

    /// What the peer has heard, without taking it.
    pub(crate) fn heard(&mut self, conn: ConnId) -> &[u8] {
        &self.line(conn).heard
    }

    /// A stream that has gone through STARTTLS with this certificate and has heard the features after it.
    pub(crate) fn encrypted_with(&mut self, attributes: &str, peer: PeerCertificate) -> ConnId {
        let conn = self.connects();
        self.secures(conn, attributes, peer);
        conn
    }

    /// A new connection's way through STARTTLS.
    fn secures(&mut self, conn: ConnId, attributes: &str, peer: PeerCertificate) {
        self.says(conn, &header(attributes));
        self.says(conn, STARTTLS);
        self.completes_tls(conn, peer);
        self.says(conn, &header(attributes));
    }

    /// As [`Self::encrypted_with`], with a certificate that proves nothing: dialback is what remains.
    pub(crate) fn encrypted(&mut self) -> ConnId {
        let conn = self.encrypted_with(TO_LOCAL, certificate(&["someone.example"]));
        self.hears(conn);
        conn
    }

    /// As [`Self::encrypted`], from another address.
    pub(crate) fn encrypted_from(&mut self, address: SocketAddr) -> ConnId {
        let conn = self.connects_from(address).expect("there is room");
        self.secures(conn, TO_LOCAL, certificate(&["someone.example"]));
        self.hears(conn);
        conn
    }

    /// A stream from `remote.example` to `local.example` that SASL EXTERNAL has proven.
    pub(crate) fn proven(&mut self) -> ConnId {
        let conn = self.encrypted_with(TO_LOCAL, certificate(&[REMOTE]));
        self.says(conn, &auth("="));
        self.says(conn, &header(TO_LOCAL));
        let heard = self.hears(conn);
        assert!(heard.contains("<success"), "{heard}");
        conn
    }

    /// A town in which stanzas of the remote server reach the backend, on these two connections.
    pub(crate) fn inbound() -> (Self, ConnId, ConnId) {
        let mut town = Self::new();
        let conn = town.proven();
        town.says(conn, HELLO);
        let backend = town.backend_takes();
        town.hears(backend);
        (town, conn, backend)
    }

    /// Takes the next connection that the gate wants to make, which must be to `address`.
    pub(crate) fn next_call(&mut self, address: SocketAddr) -> Call {
        let call = self.calls.pop_front().expect("the gate calls");
        assert_eq!(call.address, address);
        call
    }

    pub(crate) fn takes_call(&mut self, address: SocketAddr) -> ConnId {
        let call = self.next_call(address);
        self.gives(Input::Connected { conn: call.conn });
        call.conn
    }

    pub(crate) fn refuses_call(&mut self, address: SocketAddr) {
        let Call { conn, .. } = self.next_call(address);
        self.line(conn).is_closed = true;
        self.gives(Input::Broken { conn, breakage: Breakage::Connect, detail: "refused".into() });
    }

    /// The backend takes ringgate's call and everything that is asked of it, until it is asked nothing more.
    pub(crate) fn backend_takes(&mut self) -> ConnId {
        let conn = self.takes_call(BACKEND);
        self.hears(conn);
        self.says(conn, &header("from='local.example' to='remote.example' id='backend-id' version='1.0'"));
        self.says(conn, &features(DIALBACK));
        self.grants(conn);
        conn
    }

    /// The peer at the other end of an outbound stream says `valid` to every dialback request that it has heard.
    pub(crate) fn grants(&mut self, conn: ConnId) {
        self.answers_dialback(conn, "type='valid'/>");
    }

    /// Answers every `db:result` and `db:verify` heard on `conn`; what was heard is gone.
    pub(crate) fn answers_dialback(&mut self, conn: ConnId, rest: &str) {
        let heard = self.hears(conn);
        for request in heard.split("<db:").skip(1) {
            let (from, to) = (attr(request, "from"), attr(request, "to"));
            let id = attr(request, "id").map_or(String::new(), |id| format!("id='{id}' "));
            let (Some(from), Some(to)) = (from, to) else { continue };
            let name = request.split([' ', '/']).next().unwrap();
            self.says(conn, &format!("<db:{name} from='{to}' to='{from}' {id}{rest}"));
        }
    }

    /// The remote server takes ringgate's call, negotiates TLS and takes EXTERNAL.
    pub(crate) fn remote_takes(&mut self) -> ConnId {
        let conn = self.remote_negotiates(EXTERNAL);
        self.says(conn, SUCCESS);
        self.says(conn, &header(RESPONSE));
        self.says(conn, &features(""));
        conn
    }

    /// The remote server takes the call and STARTTLS, and shows these features then.
    pub(crate) fn remote_negotiates(&mut self, after_tls: &str) -> ConnId {
        let conn = self.takes_call(REMOTE_ADDRESS);
        self.says(conn, &header(RESPONSE));
        self.says(conn, &features(STARTTLS_REQUIRED));
        self.says(conn, PROCEED);
        self.completes_tls(conn, certificate(&[REMOTE]));
        self.says(conn, &header(RESPONSE));
        self.says(conn, &features(after_tls));
        conn
    }

    /// The backend's stream to ringgate from `local.example`, proven towards `remote.example`. Its call in the other
    /// direction, on which ringgate verified it, is the second of the two.
    pub(crate) fn backend_calls(&mut self) -> (ConnId, ConnId) {
        let conn = self.backend_connects();
        self.says(conn, &header("from='local.example' to='remote.example' version='1.0'"));
        self.says(conn, "<db:result from='local.example' to='remote.example'>some-key</db:result>");
        let back = self.backend_takes();
        self.grants(back);
        let heard = self.hears(conn);
        assert!(heard.contains("<db:result from='remote.example' to='local.example' type='valid'/>"), "{heard}");
        (conn, back)
    }

    // --- what came of it ---

    /// The peer hears a stream error as the last thing, after a header, and the connection is ended.
    #[track_caller]
    pub(crate) fn ends_with(&mut self, conn: ConnId, condition: &str) {
        let heard = self.hears(conn);
        let error = format!("<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
        assert!(heard.contains(&error), "no {condition} in {heard}");
        assert!(heard.ends_with("</stream:error></stream:stream>"), "{heard}");
        assert!(self.line(conn).is_closed, "the connection goes on");
    }

    #[track_caller]
    pub(crate) fn goes_on(&mut self, conn: ConnId) {
        assert!(!self.line(conn).is_closed, "the connection ended: {}", self.hears(conn));
    }

    pub(crate) fn account(&self, from: &str, to: &str) -> Account {
        let name = DomainPair { from: domain(from), to: domain(to) };
        let found = self.gate.accounts().find(|(pair, _)| **pair == name);
        let account = found.map(|(_, account)| account).unwrap_or_default();
        assert!(account.balances(), "{account:?}");
        account
    }

    /// How often a rule was applied.
    pub(crate) fn count(&self, word: &str) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Refused { reason } if *reason == word)).count()
    }

    /// Why a pair was not proven, in the order of the events.
    pub(crate) fn refusals(&self) -> Vec<&'static str> {
        let reason = |event: &Event| match event {
            Event::PairRefused { reason, .. } => Some(*reason),
            _ => None,
        };
        self.events.iter().filter_map(reason).collect()
    }

    pub(crate) fn causes(&self) -> Vec<CloseCause> {
        let cause = |event: &Event| match event {
            Event::StreamClosed { cause, .. } => Some(cause.clone()),
            _ => None,
        };
        self.events.iter().filter_map(cause).collect()
    }

    pub(crate) fn proven_domains(&self) -> Vec<Domain> {
        let sender = |event: &Event| match event {
            Event::PairProven { pair, .. } => Some(pair.from.clone()),
            _ => None,
        };
        self.events.iter().filter_map(sender).collect()
    }
}

/// The value of an attribute in a tag as we write it.
pub(crate) fn attr<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let tag = tag.split('>').next()?;
    let (_, rest) = tag.split_once(&format!(" {name}='"))?;
    rest.split_once('\'').map(|(value, _)| value)
}
