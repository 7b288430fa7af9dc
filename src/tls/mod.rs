//! TLS for both faces: certificates and configurations ([`Store`]), one connection ([`Session`]), and what the
//! peer's certificate is worth.
//!
//! ```text
//!  Store ── server(listener) ─► Session ── receive(ciphertext) ─► Established(PeerCertificate), Plaintext …
//!        └─ client(names) ────►         ◄─ send(plaintext) ────── ciphertext in the caller's buffer
//! ```
//!
//! The handshake accepts *any* certificate whose owner proves to hold its key; whether the chain is trusted is
//! judged afterwards, for the server purpose in both directions, also after a resumption (which shows no certificate to a
//! verifier). Names are compared elsewhere, once the stream's `from` is known. A certificate that proves nothing is no
//! failure: dialback may still prove the peer.
//!
//! This module knows no socket, no stream and no policy.

#![forbid(unsafe_code)]

mod drive;
mod files;
mod full;
mod issuers;
mod names;
mod possession;
mod records;
mod session;
mod sni;
mod store;
mod trust;
mod verdicts;

use std::time::Duration;

pub use files::{CertifiedKeyFiles, Pem, StoreError};
pub use session::{Progress, Received, Session, TlsError};
pub use store::{Identity, Store};
pub use trust::Roots;

/// ALPN protocol of direct TLS between servers. XEP-0368 §3.
pub const ALPN: &[u8] = b"xmpp-server";
/// Certificates that a peer may present, leaf included; more fail the handshake.
pub const CHAIN_CERTIFICATES: usize = 10;
/// Bytes of certificates that a peer may present; more fail the handshake.
pub const CHAIN_BYTES: usize = 32 << 10;
/// Certificates beside the leaf that a path is looked for in; where names lead to more, the chain is not trusted. Enough for two
/// certificate authorities that were both certified twice, and their root.
pub const ISSUERS: usize = 5;
/// And those of them with one and the same subject: one by each of two issuers (cross-certified), or a root beside its
/// cross-certificate. A third would be another way to prove the same.
pub const ISSUERS_OF_ONE_NAME: usize = 2;
/// Names of each kind taken from one certificate; one with more is malformed.
pub const CERTIFICATE_NAMES: usize = 256;
/// Ciphertext kept for an unfinished record or handshake message; more fails the session.
pub const HELD_BYTES: usize = 64 << 10;
/// Records in a row that may carry no plaintext (key updates, tickets, empty records) once the handshake is over.
pub const IDLE_RECORDS: usize = 128;
/// Servers whose sessions can be resumed, per local identity; the oldest makes room.
pub const RESUMABLE_SERVERS: usize = 512;
/// Bytes of remembered verdicts on trusted chains, per store: of some 18,000 partners, so that a hub's return costs no verification.
pub const VERDICTS_BYTES: usize = 8 << 20;
/// How long such a verdict holds, at most; it ends with the first certificate of the chain. New roots make a new store, which knows none.
pub const VERDICT_LIFETIME: Duration = Duration::from_hours(1);
/// Bytes of one PEM file.
pub const PEM_BYTES: u64 = 16 << 20;
