//! An external component of the server that we opened the stream to. XEP-0114.
//!
//! ```text
//!  Idle ──start()──▶ AwaitHeader ──header──▶ AwaitHandshake ──<handshake/>──▶ Ready
//!                         └──────────── close(), errors, end tags ──────────────┴──▶ Closing ──▶ Over
//! ```
//!
//! The scanner knows server-to-server streams only. So the namespace in the peer's header is replaced before the scanner
//! sees it ([`translate`]): stanzas that inherit it scan as stanzas. Those that repeat it are told by their names
//! ([`stanza_kind`]).

use ringgate_proto::address::Domain;
use ringgate_proto::limits;
use ringgate_proto::ns;
use ringgate_proto::scan::tree::{Node, escape};
use ringgate_proto::scan::{Attr, Element, Header, Kind, StreamContext};
use ringgate_proto::stream::{Condition, StreamError};
use sha1::{Digest, Sha1};

use super::broken::Cause;
use super::part::{Desk, Turn};

/// A component of the peer's.
pub(super) struct Component {
    domain: Domain,
    server: Domain,
    secret: String,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    AwaitHeader,
    AwaitHandshake,
    Ready,
    /// Our end tag is out.
    Closing,
    Over,
}

impl Component {
    pub(super) fn new(domain: Domain, server: Domain, secret: String) -> Self {
        Self { domain, server, secret, state: State::Idle }
    }

    /// Whether the peer's header is yet to come, and to be translated.
    pub(super) fn awaits_header(&self) -> bool {
        self.state == State::AwaitHeader
    }

    pub(super) fn start(&mut self, desk: &mut Desk<'_>) {
        let parts = ["<?xml version='1.0'?><stream:stream xmlns:stream='", ns::STREAMS, "' xmlns='", ns::COMPONENT];
        parts.into_iter().for_each(|part| desk.answer.extend_from_slice(part.as_bytes()));
        desk.answer.extend_from_slice(b"' to='");
        escape(self.domain.as_str(), desk.answer);
        desk.answer.extend_from_slice(b"'>");
        self.state = State::AwaitHeader;
    }

    pub(super) fn header(&mut self, header: &Header<'_>, desk: &mut Desk<'_>) -> Result<(), Cause> {
        if self.state != State::AwaitHeader {
            return Ok(());
        }
        let id = header.id.as_ref().map(Attr::to_text).unwrap_or_default();
        desk.answer.extend_from_slice(b"<handshake>");
        desk.answer.extend_from_slice(handshake(&id, &self.secret).as_bytes());
        desk.answer.extend_from_slice(b"</handshake>");
        self.state = State::AwaitHandshake;
        Ok(())
    }

    pub(super) fn element(
        &mut self,
        element: &Element<'_>,
        context: &StreamContext,
        desk: &mut Desk<'_>,
    ) -> Result<(), Cause> {
        if element.kind == Kind::StreamError {
            let condition = Node::parse(element.bytes, context).map(|node| Condition::of_peer(&node));
            self.close(desk);
            return Err(Cause::PeerError(condition.unwrap_or(Condition::UndefinedCondition)));
        }
        // After the handshake the peer may say what it likes, such as features.
        if self.state == State::AwaitHandshake && name(element) == b"handshake" {
            self.state = State::Ready;
            desk.turns.push(Turn::Ready);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn takes_stanzas(&self) -> Result<(), StreamError> {
        match self.state {
            State::Ready | State::Closing => Ok(()),
            _ => Err(StreamError::peer(Condition::NotAuthorized, "a stanza came before the handshake")),
        }
    }

    pub(super) fn peer_closed(&mut self, desk: &mut Desk<'_>) {
        self.close(desk);
        self.state = State::Over;
        desk.turns.push(Turn::PeerClosed);
    }

    /// A component says no more than its end tag, whatever happened.
    pub(super) fn close(&mut self, desk: &mut Desk<'_>) {
        self.state = match self.state {
            State::Idle | State::Over => State::Over,
            State::Closing => State::Closing,
            State::AwaitHeader | State::AwaitHandshake | State::Ready => {
                desk.answer.extend_from_slice(b"</stream:stream>");
                State::Closing
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    pub(super) fn domains(&self) -> (Option<Domain>, Option<Domain>) {
        (Some(self.domain.clone()), Some(self.server.clone()))
    }
}

/// Lower-case hex of SHA-1 of the stream's id and the secret. XEP-0114 §3.
fn handshake(id: &str, secret: &str) -> String {
    let digest = Sha1::new().chain_update(id).chain_update(secret).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a server-to-server header of the component stream's header at the front of `unread`; `false` while it is not all
/// there. What has no such header is left to the scanner to refuse.
///
/// # Errors
/// `policy-violation` for a header over [`limits::PREAUTH_BYTES`].
pub(super) fn translate(unread: &mut Vec<u8>) -> Result<bool, StreamError> {
    let Some(end) = header_end(unread) else {
        return match unread.len() > limits::PREAUTH_BYTES as usize {
            true => Err(StreamError::peer(Condition::PolicyViolation, "the stream header is too large")),
            false => Ok(false),
        };
    };
    let old = ns::COMPONENT.as_bytes();
    if let Some(at) = unread[..end].windows(old.len()).position(|window| window == old) {
        unread.splice(at..at + old.len(), ns::SERVER.bytes());
    }
    Ok(true)
}

/// Offset after the first tag that is no XML declaration; a `>` between quotes ends none, as for the scanner.
fn header_end(bytes: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            (None, b'>') if at == 0 || bytes[at - 1] != b'?' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The stanza that an element in the component's namespace is, by its name.
pub(super) fn stanza_kind(element: &Element<'_>) -> Option<Kind> {
    match name(element) {
        b"message" => Some(Kind::Message),
        b"presence" => Some(Kind::Presence),
        b"iq" => Some(Kind::Iq),
        _ => None,
    }
}

/// The root element's name as it stands.
fn name<'b>(element: &Element<'b>) -> &'b [u8] {
    element.bytes.get(1..element.name_end as usize).unwrap_or_default()
}
