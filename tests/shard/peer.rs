//! A scripted peer: a blocking socket, perhaps with TLS, that says and expects text.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ringgate::tls::{Received, Session, Store};
use ringgate_proto::address::Domain;
use ringgate_proto::gate::{Listener, TlsClient};

pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    tls: Option<Session>,
    /// Plaintext that nobody expected yet.
    heard: Vec<u8>,
    closed: bool,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).expect("connect"))
    }

    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("SO_RCVTIMEO");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        Self { stream, tls: None, heard: Vec::new(), closed: false }
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.try_say(text).expect("write");
    }

    pub(crate) fn try_say(&mut self, text: &str) -> std::io::Result<()> {
        if self.tls.is_none() {
            return self.stream.write_all(text.as_bytes());
        }
        let out = self.sealed(text);
        self.stream.write_all(&out)
    }

    /// Records of TLS, to be written by hand.
    pub(crate) fn sealed(&mut self, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        self.tls.as_mut().expect("a session").send(text.as_bytes(), &mut out).expect("TLS");
        out
    }

    /// The record of a close_notify.
    pub(crate) fn farewell(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.tls.as_mut().expect("a session").close(&mut out);
        out
    }

    /// Reads once. `false` at the end.
    fn hear(&mut self) -> bool {
        let mut buffer = vec![0; 1 << 16];
        let count = match self.stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&self.heard)),
        };
        let Some(session) = &mut self.tls else {
            self.heard.extend_from_slice(&buffer[..count]);
            return count > 0;
        };
        let (mut out, heard) = (Vec::new(), &mut self.heard);
        let progress = session
            .receive(&mut buffer[..count], &mut out, &mut |received| {
                if let Received::Plaintext(bytes) = received {
                    heard.extend_from_slice(bytes);
                }
            })
            .expect("TLS");
        self.closed |= progress.closed;
        if !out.is_empty() {
            self.stream.write_all(&out).expect("write");
        }
        count > 0 && !self.closed
    }

    /// Everything up to and including `needle`, within the time-out.
    pub(crate) fn expect(&mut self, needle: &str) -> String {
        let mut from = 0;
        loop {
            let found = self.heard[from..].windows(needle.len()).position(|window| window == needle.as_bytes());
            if let Some(at) = found {
                let rest = self.heard.split_off(from + at + needle.len());
                let text = std::mem::replace(&mut self.heard, rest);
                return String::from_utf8(text).expect("UTF-8");
            }
            from = self.heard.len().saturating_sub(needle.len());
            assert!(self.hear(), "ended before {needle:?}, after {:?}", String::from_utf8_lossy(&self.heard));
        }
    }

    /// Everything until the end.
    pub(crate) fn expect_end(&mut self) -> String {
        while self.hear() {}
        String::from_utf8(std::mem::take(&mut self.heard)).expect("UTF-8")
    }

    pub(crate) fn begin_tls(&mut self, session: Session) {
        self.start_tls(session);
        self.finish_tls();
    }

    /// Sends the first message of a handshake.
    pub(crate) fn start_tls(&mut self, session: Session) {
        let mut session = session;
        let mut out = Vec::new();
        session.start(&mut out).expect("TLS");
        self.stream.write_all(&out).expect("write");
        self.tls = Some(session);
    }

    /// Waits for the end of the handshake.
    pub(crate) fn finish_tls(&mut self) {
        while !self.tls.as_ref().is_some_and(Session::is_established) {
            assert!(self.hear(), "ended in the handshake");
        }
    }

    /// TLS as a client that wants `name`.
    pub(crate) fn tls_to(&mut self, store: &Store, local: &str, name: &str) {
        self.begin_tls(client(store, local, name));
    }

    /// TLS as a server.
    pub(crate) fn tls_from(&mut self, store: &Store) {
        self.begin_tls(store.server(Listener::Public, None));
    }
}

/// The session of a client that wants `name`.
pub(crate) fn client(store: &Store, local: &str, name: &str) -> Session {
    let names = TlsClient { server_name: domain(name), local: domain(local), alpn: false };
    store.client(&names, false).expect("client")
}

pub(crate) fn domain(name: &str) -> Domain {
    Domain::parse(name).expect("domain")
}
