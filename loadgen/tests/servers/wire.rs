//! A connection on which one says something and waits for a word, in clear or over TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ringgate::tls::{Received, Session};

/// No server of the tests is silent for so long.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Wire {
    socket: TcpStream,
    session: Option<Session>,
    heard: String,
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn new(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, session: None, heard: String::new() }
    }

    /// Does the handshake.
    pub(crate) fn secure(&mut self, mut session: Session) {
        assert!(self.heard.is_empty(), "before TLS: {}", self.heard);
        let mut out = Vec::new();
        session.start(&mut out).unwrap();
        self.socket.write_all(&out).unwrap();
        self.session = Some(session);
        while !self.session.as_ref().unwrap().is_established() {
            assert!(self.read(), "closed during the TLS handshake");
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        match &mut self.session {
            None => self.socket.write_all(text.as_bytes()).unwrap(),
            Some(session) => {
                let mut out = Vec::new();
                session.send(text.as_bytes(), &mut out).unwrap();
                self.socket.write_all(&out).unwrap();
            }
        }
    }

    /// Everything up to and with `end`; what follows is kept.
    pub(crate) fn hear(&mut self, end: &str) -> String {
        self.hear_any(&[end]).unwrap_or_else(|| panic!("closed after: {}", self.heard))
    }

    /// Everything up to and with the first of `ends`; what follows is kept. `None`: the peer closed before.
    pub(crate) fn hear_any(&mut self, ends: &[&str]) -> Option<String> {
        loop {
            let found = ends.iter().filter_map(|end| Some(self.heard.find(end)? + end.len())).min();
            if let Some(at) = found {
                let rest = self.heard.split_off(at);
                return Some(std::mem::replace(&mut self.heard, rest));
            }
            if !self.read() {
                return None;
            }
        }
    }

    /// Reads once. `false`: the peer closed.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let count = match self.socket.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return false,
            Err(error) => panic!("{error} after: {}", self.heard),
        };
        let mut plaintext = Vec::new();
        match &mut self.session {
            None => plaintext.extend_from_slice(&buffer[..count]),
            Some(session) => {
                let mut out = Vec::new();
                let result = session.receive(&mut buffer[..count], &mut out, &mut |received| {
                    if let Received::Plaintext(bytes) = received {
                        plaintext.extend_from_slice(bytes);
                    }
                });
                // A peer that closes does not wait for what would be said to it.
                let _ = self.socket.write_all(&out);
                result.unwrap();
            }
        }
        self.heard.push_str(std::str::from_utf8(&plaintext).unwrap());
        true
    }
}

/// Value of the first attribute of that name.
pub(crate) fn attribute<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name} in {text}"));
    let quote = rest.chars().next().unwrap();
    rest[1..].split(quote).next().unwrap()
}
