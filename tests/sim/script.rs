//! Peers that say what they like, whatever they hear: strangers with bad intentions, and the peers of named scenarios.

use std::collections::VecDeque;
use std::net::SocketAddr;

use ringgate_proto::stream::{PeerCertificate, Untrusted};

use super::net::{Hello, SocketId, Tls, Wire};
use super::world::{Happening, MS, World};

#[derive(Clone, Debug)]
pub enum Step {
    Say(String),
    /// TLS as the client, with a certificate for these names.
    Secure {
        names: Vec<String>,
        trusted: bool,
    },
    Wait(u64),
    Fin,
    Reset,
}

pub fn certificate(names: &[&str], trusted: bool) -> PeerCertificate {
    PeerCertificate {
        trust: if trusted { Ok(()) } else { Err(Untrusted::UnknownIssuer) },
        dns_names: names.iter().map(|name| name.to_string()).collect(),
        srv_names: Vec::new(),
        xmpp_addrs: Vec::new(),
        fingerprint: [6; 32],
    }
}

impl World {
    /// Begins a script that connects to `to`.
    pub fn play(&mut self, to: SocketAddr, steps: Vec<Step>) -> SocketId {
        let socket = self.raw_connect(to);
        self.after(100 * MS, Happening::Script(socket, steps.into()));
        socket
    }

    pub fn script(&mut self, socket: SocketId, mut steps: VecDeque<Step>) {
        let Some(step) = steps.pop_front() else { return };
        let mut pause = 400 * MS;
        match step {
            Step::Say(text) => self.raw_say(socket, &text),
            Step::Secure { names, trusted } => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.raw_secure(socket, "a.example", certificate(&names, trusted));
            }
            Step::Wait(ms) => pause = ms * MS,
            Step::Fin => self.put(socket, Wire::Fin),
            Step::Reset => self.put(socket, Wire::Reset),
        }
        self.after(pause, Happening::Script(socket, steps));
    }

    /// Says it encrypted if TLS is up, else in clear, whatever state the connection is in.
    pub fn raw_say(&mut self, socket: SocketId, text: &str) {
        self.say(|| format!("script {} says {text}", socket.0));
        let bytes = text.as_bytes().to_vec();
        let wire = if self.sockets[socket.0].tls == Tls::Up { Wire::Cipher(bytes) } else { Wire::Clear(bytes) };
        self.put(socket, wire);
    }

    /// TLS as the client.
    pub fn raw_secure(&mut self, socket: SocketId, sni: &str, own: PeerCertificate) {
        self.begin_tls(socket, Some(sni.into()), own);
    }

    /// TLS as the server, once the client's half has come.
    pub fn raw_answer_tls(&mut self, socket: SocketId, own: PeerCertificate) {
        self.put(socket, Wire::Hello(Box::new(Hello { sni: None, certificate: own })));
        self.sockets[socket.0].tls = Tls::Up;
    }

    /// What a script has heard since it was asked last.
    pub fn heard(&mut self, socket: SocketId) -> String {
        std::mem::take(&mut self.sockets[socket.0].heard)
    }
}
