//! One connection of the generator: non-blocking TCP, TLS, plaintext on both sides.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use ringgate::tls::{Received, Session};

/// Plaintext, ciphertext and a socket.
pub(crate) struct Wire {
    pub(crate) socket: TcpStream,
    session: Option<Box<Session>>,
    /// Received and not consumed yet.
    pub(crate) text: Vec<u8>,
    /// Ciphertext (or clear text before TLS) that the socket has not taken yet.
    unsent: Vec<u8>,
    established: bool,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, session: None, text: Vec::new(), unsent: Vec::new(), established: false })
    }

    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::new(TcpStream::connect(address)?)
    }

    /// Begins TLS.
    pub(crate) fn secure(&mut self, mut session: Session) -> io::Result<()> {
        session.start(&mut self.unsent).map_err(io::Error::other)?;
        self.session = Some(Box::new(session));
        self.flush()
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.established
    }

    pub(crate) fn has_begun_tls(&self) -> bool {
        self.session.is_some()
    }

    /// Reads once into `scratch` and decrypts into `text`. `false`: the peer has closed.
    pub(crate) fn read(&mut self, scratch: &mut [u8]) -> io::Result<bool> {
        let count = match self.socket.read(scratch) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        let bytes = &mut scratch[..count];
        let Some(session) = &mut self.session else {
            self.text.extend_from_slice(bytes);
            return Ok(true);
        };
        let (text, established) = (&mut self.text, &mut self.established);
        let progress = session.receive(bytes, &mut self.unsent, &mut |received| match received {
            Received::Established(_) => *established = true,
            Received::Plaintext(bytes) => text.extend_from_slice(bytes),
        });
        let progress = progress.map_err(io::Error::other)?;
        if !self.unsent.is_empty() {
            self.flush()?;
        }
        Ok(!progress.closed)
    }

    /// Encrypts `bytes` as one record run, to go out with the next [`Self::flush`].
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.session {
            Some(session) => session.send(bytes, &mut self.unsent).map_err(io::Error::other),
            None => {
                self.unsent.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Sends what is unsent, in one system call if the socket takes it all.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let mut done = 0;
        while done < self.unsent.len() {
            match self.socket.write(&self.unsent[done..]) {
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.unsent.drain(..done);
        Ok(())
    }

    /// Whether the socket was too full for the last flush.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }
}
