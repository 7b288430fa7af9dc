//! One blocking connection of a peer: text over a socket, in clear or under TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ringgate::tls::{Received, Session, Store};
use ringgate_proto::address::Domain;
use ringgate_proto::gate::TlsClient;

use super::world::{LOCAL, PATIENCE};

pub(crate) const NAMESPACES: &str =
    "xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' xmlns:db='jabber:server:dialback'";
pub(crate) const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
pub(crate) const AUTH: &str = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>";

pub(crate) fn header(from: &str, to: &str) -> String {
    format!("<?xml version='1.0'?><stream:stream {NAMESPACES} from='{from}' to='{to}' version='1.0'>")
}

pub(crate) fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

pub(crate) struct Wire {
    pub(crate) tcp: TcpStream,
    tls: Option<Session>,
    pub(crate) heard: String,
    is_established: bool,
    is_over: bool,
}

impl Wire {
    pub(crate) fn connect(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).unwrap())
    }

    pub(crate) fn over(tcp: TcpStream) -> Self {
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Self { tcp, tls: None, heard: String::new(), is_established: false, is_over: false }
    }

    /// A stream of `from` to `local.example` that SASL EXTERNAL has proven.
    pub(crate) fn authenticated(to: SocketAddr, from: &str, store: &Store) -> Self {
        let mut wire = Self::encrypted(to, from, store);
        wire.hears("EXTERNAL");
        wire.says(AUTH);
        wire.hears("<success ");
        wire.says(&header(from, LOCAL));
        wire.hears("</stream:features>");
        wire
    }

    /// After STARTTLS and the second header.
    pub(crate) fn encrypted(to: SocketAddr, from: &str, store: &Store) -> Self {
        let mut wire = Self::connect(to);
        wire.says(&header(from, LOCAL));
        wire.hears("</stream:features>");
        wire.says(STARTTLS);
        wire.hears("<proceed ");
        let names = TlsClient { server_name: domain(LOCAL), local: domain(from), alpn: false };
        wire.secure(store.client(&names, false).unwrap(), true);
        wire.says(&header(from, LOCAL));
        wire
    }

    /// TLS from the next byte on; waits for the end of the handshake.
    pub(crate) fn secure(&mut self, mut session: Session, is_client: bool) {
        let mut out = Vec::new();
        if is_client {
            session.start(&mut out).unwrap();
        }
        self.tls = Some(session);
        self.tcp.write_all(&out).unwrap();
        let end = Instant::now() + PATIENCE;
        while !self.is_established && !self.is_over {
            self.read();
            assert!(Instant::now() < end, "the handshake does not end");
        }
    }

    pub(crate) fn is_resumed(&self) -> Option<bool> {
        self.tls.as_ref()?.is_resumed()
    }

    /// Gives up in silence when the peer is gone: what was heard tells.
    pub(crate) fn says(&mut self, text: &str) {
        let mut records = Vec::new();
        let bytes = match &mut self.tls {
            Some(session) => match session.send(text.as_bytes(), &mut records) {
                Ok(()) => &records[..],
                Err(_) => return,
            },
            None => text.as_bytes(),
        };
        let _ = self.tcp.write_all(bytes);
    }

    /// Waits until `text` was heard; gives what came up to its end, and forgets that.
    #[track_caller]
    pub(crate) fn hears(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.heard.find(text) {
                let rest = self.heard.split_off(at + text.len());
                return std::mem::replace(&mut self.heard, rest);
            }
            assert!(!self.is_over, "the connection ended without {text}: {}", self.heard);
            assert!(Instant::now() < end, "never heard {text}: {}", self.heard);
            self.read();
        }
    }

    /// All that comes until the other side ends the connection.
    #[track_caller]
    pub(crate) fn hears_the_end(&mut self) -> String {
        let end = Instant::now() + PATIENCE;
        while !self.is_over {
            assert!(Instant::now() < end, "the connection does not end: {}", self.heard);
            self.read();
        }
        std::mem::take(&mut self.heard)
    }

    /// What comes within one short read; `false` when the connection is over.
    pub(crate) fn read(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        let count = match self.tcp.read(&mut buffer) {
            Ok(0) => 0,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return !self.is_over,
            Err(_) => 0,
        };
        if count == 0 {
            self.is_over = true;
            return false;
        }
        let Some(session) = &mut self.tls else {
            self.heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
            return true;
        };
        let (heard, established, mut out) = (&mut self.heard, &mut self.is_established, Vec::new());
        let result = session.receive(&mut buffer[..count], &mut out, &mut |received| match received {
            Received::Established(_) => *established = true,
            Received::Plaintext(bytes) => heard.push_str(&String::from_utf8_lossy(bytes)),
        });
        let _ = self.tcp.write_all(&out);
        self.is_over |= result.map_or(true, |progress| progress.closed);
        !self.is_over
    }
}
