//! A gate behind `local.example`, and peers that talk to it through its contract.

use ringgate_proto::address::DomainPair;
use ringgate_proto::discover::{Answer, Egress, Question, RecordKind, Srv};
use ringgate_proto::event::{ConnId, Event};
use ringgate_proto::gate::{
    Backend, Breakage, Envelope, Gate, GateConfig, Input, Listener, LocalDomain, Outgoing, Output, Posted, ShardId,
};
use ringgate_proto::policy::{Policy, Rule};
use ringgate_proto::scan::Cpu;
use ringgate_proto::stream::{PeerCertificate, TlsTerms};
use ringgate_proto::time::Timestamp;

use crate::peer::{
    DIALBACK, LOCAL, PROCEED, REMOTE, RESPONSE, STARTTLS_REQUIRED, auth, certificate, domain, features, header,
};

/// A gate with a clock, and what it wanted.
pub(crate) struct House {
    pub(crate) gate: Gate,
    pub(crate) now: Timestamp,
    pub(crate) outputs: Vec<Output>,
}

impl House {
    pub(crate) fn new(tls: TlsTerms) -> Self {
        Self::first_of(1, tls)
    }

    /// The first of so many shards.
    pub(crate) fn first_of(shards: u16, tls: TlsTerms) -> Self {
        let config = GateConfig {
            shard: ShardId(0),
            shards,
            domains: vec![LocalDomain { name: domain(LOCAL), backend: 0 }],
            backends: vec![Backend { address: "127.0.1.1:5269".parse().unwrap(), starttls: false }],
            policy: Policy { default: Rule { tls, ..Rule::default() }, partners: Vec::new() },
            internal_tls: false,
            egress: Egress::default(),
            stanza_bytes_max: 262_144,
            connections_max: 1_000,
            dialback_secret: b"secret".to_vec(),
            direct_tls: false,
            process_seed: 1,
            shard_seed: [1; 32],
        };
        Self { gate: Gate::new(config, Cpu::Scalar), now: Timestamp::from_nanos(1_000_000_000), outputs: Vec::new() }
    }

    pub(crate) fn handle(&mut self, input: Input) {
        self.gate.handle(input, self.now);
        self.keep_outputs();
    }

    fn keep_outputs(&mut self) {
        while let Some(output) = self.gate.next_output() {
            self.outputs.push(output);
        }
    }

    /// Time passes, and the gate is told whenever it asked to be.
    pub(crate) fn wait(&mut self, seconds: u64) {
        let until = self.now + std::time::Duration::from_secs(seconds);
        while let Some(deadline) = self.gate.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.handle(Input::Timer);
        }
        self.now = until;
    }

    /// Less than the head start of a connection attempt.
    pub(crate) fn wait_briefly(&mut self) {
        self.now = self.now + std::time::Duration::from_millis(10);
    }

    pub(crate) fn says(&mut self, conn: ConnId, text: &str) {
        self.gate.receive(conn, text.as_bytes(), self.now, &mut |_| true);
        self.keep_outputs();
    }

    /// What the gate says on a connection, taken by a shell whose kernel takes everything.
    pub(crate) fn hears(&mut self, conn: ConnId) -> String {
        let text = self.takes(conn);
        self.handle(Input::Flushed { conn });
        text
    }

    /// As [`Self::hears`], but the kernel has not taken it yet.
    pub(crate) fn takes(&mut self, conn: ConnId) -> String {
        String::from_utf8(self.gate.take_outbox(conn, Outgoing::default()).bytes).unwrap()
    }

    pub(crate) fn accepts(&mut self, from: &str) -> Option<ConnId> {
        self.gate.accept(Listener::Public, from.parse().unwrap(), self.now)
    }

    /// A remote server on direct TLS, with a header of these attributes.
    pub(crate) fn connects(&mut self, shown: PeerCertificate, attributes: &str) -> ConnId {
        let conn = self.accepts("192.0.2.1:4000").expect("there is room");
        self.handle(Input::TlsEstablished { conn, peer: shown });
        self.says(conn, &header(attributes));
        conn
    }

    /// `remote.example`, proven by EXTERNAL, after a restart with more attributes in its header.
    pub(crate) fn is_proven(&mut self, more: &str) -> ConnId {
        let attributes = format!("from='{REMOTE}' to='{LOCAL}' version='1.0'");
        let conn = self.connects(certificate(&[REMOTE]), &attributes);
        self.says(conn, &auth("="));
        self.says(conn, &header(&format!("{attributes} {more}")));
        conn
    }

    /// The backend opens a stream to a remote domain and asks to be believed: the connection, and our stream id.
    pub(crate) fn backend_calls(&mut self, target: &str) -> (ConnId, String) {
        let peer = "127.0.1.1:4000".parse().unwrap();
        let conn = self.gate.accept(Listener::Internal, peer, self.now).expect("there is room");
        self.says(conn, &header(&format!("from='{LOCAL}' to='{target}' version='1.0'")));
        let heard = self.hears(conn);
        let id = heard.split(" id='").nth(1).and_then(|rest| rest.split('\'').next()).expect("a stream id").to_owned();
        self.says(conn, &format!("<db:result from='{LOCAL}' to='{target}'>key</db:result>"));
        (conn, id)
    }

    /// The connection that the gate began last and was not asked about yet.
    pub(crate) fn dialled(&mut self) -> Option<ConnId> {
        let at = self.outputs.iter().rposition(|output| matches!(output, Output::Connect { .. }))?;
        match self.outputs.remove(at) {
            Output::Connect { conn, .. } => Some(conn),
            _ => None,
        }
    }

    /// The backend takes the connection that was begun last, and the stream is up to dialback.
    pub(crate) fn backend_answers(&mut self, limits: &str) -> ConnId {
        let conn = self.dialled().expect("the backend is dialled");
        self.handle(Input::Connected { conn });
        self.says(conn, &header("from='local.example' id='of-backend' version='1.0'"));
        self.says(conn, &features(&format!("{DIALBACK}{limits}")));
        conn
    }

    /// The remote server takes the connection that was begun last, over STARTTLS, and offers these features.
    pub(crate) fn remote_answers(&mut self, offered: &str) -> ConnId {
        let conn = self.dialled().expect("the remote server is dialled");
        self.handle(Input::Connected { conn });
        self.says(conn, &(header(RESPONSE) + &features(STARTTLS_REQUIRED)));
        self.says(conn, PROCEED);
        self.hears(conn);
        self.handle(Input::TlsEstablished { conn, peer: certificate(&[REMOTE]) });
        self.hears(conn);
        self.says(conn, &(header(RESPONSE) + &features(offered)));
        conn
    }

    /// Answers every question that was asked with this one host.
    pub(crate) fn resolves_all(&mut self) {
        loop {
            let at = self.outputs.iter().position(|output| matches!(output, Output::Ask(..)));
            let Some(Output::Ask(question, _)) = at.map(|at| self.outputs.remove(at)) else { return };
            let answer = answer(&question);
            self.handle(Input::Answered { question, answer });
        }
    }

    /// No name that was asked for exists.
    pub(crate) fn resolves_none(&mut self) {
        while let Some(at) = self.outputs.iter().position(|output| matches!(output, Output::Ask(..))) {
            if let Output::Ask(question, _) = self.outputs.remove(at) {
                self.handle(Input::Answered { question, answer: Answer::NoSuchName });
            }
        }
    }

    /// Stanzas that another shard sends us.
    pub(crate) fn posts(&mut self, stanzas: impl Iterator<Item = (DomainPair, String)>) {
        let mut envelope = Envelope::default();
        for (pair, stanza) in stanzas {
            envelope.bytes.extend_from_slice(stanza.as_bytes());
            let length = stanza.len() as u32;
            envelope.stanzas.push(Posted { pair, length, received_at: self.now, generated: false });
        }
        self.handle(Input::Post(envelope));
    }

    pub(crate) fn breaks(&mut self, conn: ConnId) {
        self.handle(Input::Broken { conn, breakage: Breakage::Connect, detail: String::new() });
    }

    pub(crate) fn is_closed(&self, id: ConnId) -> bool {
        self.outputs.iter().any(|output| matches!(output, Output::Close { conn, .. } if *conn == id))
    }

    pub(crate) fn has_event(&self, of: impl Fn(&Event) -> bool) -> bool {
        self.outputs.iter().any(|output| matches!(output, Output::Event(event) if of(event)))
    }

    #[track_caller]
    pub(crate) fn balances(&self) {
        for (pair, account) in self.gate.accounts() {
            assert!(account.balances(), "{pair:?}: {account:?}");
        }
    }
}

fn answer(question: &Question) -> Answer {
    match question.kind {
        RecordKind::Srv => {
            let host = |n: u16| Srv { priority: n, weight: 0, port: 5269, target: format!("h{n}.remote.example") };
            Answer::Srv((0..32).map(host).collect())
        }
        RecordKind::A => {
            let number = question.name.bytes().filter(u8::is_ascii_digit).fold(0, |n, b| n * 10 + (b - b'0'));
            Answer::Addresses(vec![[8, 8, 8, number].into()])
        }
        RecordKind::Aaaa => Answer::Addresses(Vec::new()),
    }
}
