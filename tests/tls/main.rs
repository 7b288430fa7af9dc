//! TLS from the peer's side: handshakes, hostile input, certificates. No sockets: two sessions, or a session and a plain
//! rustls connection, exchange bytes in memory.

mod authority;
mod certificates;
mod files;
mod forged;
mod handshake;
mod hostile;
mod identity;
mod wire;
