//! Negotiation and lifetime of one XML stream, for both roles. RFC 6120 §4 to §6.
//!
//! A machine is fed what the scanner found, queues bytes for the peer in [`World::out`] and tells its owner what
//! happened in [`World::events`]. It knows no socket, no TLS library, no DNS, no other stream, and no dialback: the
//! owner hands dialback elements to [`crate::dialback`] itself when [`Receiving::takes_dialback`] or
//! [`Initiating::takes_dialback`] says so, and stanzas to its router when `takes_stanzas` says so.

mod close;
mod error;
mod features;
mod header;
mod identity;
mod initiating;
mod receiving;
mod sasl;
mod starttls;

pub use error::{Blame, Condition, StreamError};
pub use identity::{PeerCertificate, Untrusted};
pub use initiating::Initiating;
pub use receiving::Receiving;
pub use sasl::{ExternalAccepted, SaslFailure};

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::address::Domain;

/// Which face of ringgate a stream is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Towards remote domains.
    Federation,
    /// Towards the backends.
    Internal,
}

/// What we demand of a stream between two domains; decided by policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whether the stream must, may or must not be encrypted.
    pub tls: TlsTerms,
    /// SASL EXTERNAL may prove the peer.
    pub external: bool,
    /// Dialback may prove the peer.
    pub dialback: bool,
    /// Dialback is tried before EXTERNAL when both are possible (the policy's order).
    pub dialback_first: bool,
}

/// Encryption of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsTerms {
    /// No stanza and no dialback in clear.
    Required,
    /// Encrypted when the peer can.
    Optional,
    /// Never negotiated.
    None,
}

/// Answers what a stream machine must know about the world; the gate implements it from configuration and policy.
pub trait Rules {
    /// Whether a stream from `from` (if the peer said) to `to` may be, and on which terms.
    ///
    /// # Errors
    /// The stream error for the peer: `host-unknown` for a `to` that is not served, `improper-addressing`,
    /// `invalid-from` for a `from` that is ours, `policy-violation` or `not-authorized` by policy.
    fn admit(&self, side: Side, from: Option<&Domain>, to: Option<&Domain>) -> Result<Terms, StreamError>;
    /// The domain our response header is from when the peer's `to` is missing or not served.
    fn default_local(&self, side: Side) -> Option<&Domain>;
}

/// What a machine works on during one call.
pub struct World<'a> {
    /// Bytes for the peer, in order.
    pub out: &'a mut Vec<u8>,
    /// What the owner must know or do, in order.
    pub events: &'a mut VecDeque<StreamEvent>,
    /// Configuration and policy.
    pub rules: &'a dyn Rules,
    /// 128 fresh random bits for a stream id (RFC 6120 §4.7.3).
    pub entropy: &'a mut dyn FnMut() -> [u8; 16],
}

/// What a machine tells its owner.
#[derive(Debug)]
pub enum StreamEvent {
    /// The peer's header was accepted and answered (receiving) or the response header came (initiating).
    Opened,
    /// Flush what is queued in clear, then begin TLS; unread bytes are discarded (RFC 6120 §5.4.3.3).
    /// The owner calls `tls_established` and gives the machine a new scanner.
    StartTls,
    /// The stream restarts (RFC 6120 §4.3.3): the owner uses a new scanner from the next byte on.
    Restart,
    /// Initiating: negotiation is over and the stream is to be authorised by dialback (or only carries verifications).
    Negotiated,
    /// SASL EXTERNAL succeeded for this pair (receiving: after `<success/>`; initiating: after the restart's features).
    Proven(ExternalAccepted),
    /// SASL failed on a stream that goes on (log; receiving side and initiating side).
    SaslFailed(SaslFailure),
    /// The peer sent `</stream:stream>`; ours has been queued if it was not out already.
    PeerClosed,
    /// The peer sent a stream error. The stream is over.
    PeerError(Condition),
}

/// What an initiating stream is for.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Internal: towards a backend.
    pub side: Side,
    /// Our domain (federation) or the remote domain in whose name we speak (internal).
    pub from: Domain,
    /// The peer's domain.
    pub to: Domain,
    /// By policy.
    pub terms: Terms,
    /// Only dialback elements will be exchanged: never authenticate with SASL (verifications; backends).
    pub dialback_only: bool,
}
