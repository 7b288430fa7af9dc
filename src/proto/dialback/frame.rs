//! `<db:result/>` and `<db:verify/>`: read, written, answered. XEP-0220 §2.1, §2.2.

use alloc::string::String;
use alloc::vec::Vec;

use crate::address::{Domain, DomainPair};
use crate::limits::DIALBACK_VALUE_BYTES;
use crate::ns;
use crate::scan::tree::{Node, escape};
use crate::scan::{Element, StreamContext};
use crate::stream::{Condition, StreamError};

/// A dialback element as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// `from` and `to`, prepared.
    pub pair: DomainPair,
    /// `result` or `verify`.
    pub kind: FrameKind,
    /// `id`; always there on `verify`.
    pub id: Option<String>,
    /// A key (request) or an answer (`type`).
    pub body: FrameBody,
}

/// Which element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// `<db:result/>`
    Result,
    /// `<db:verify/>`
    Verify,
}

/// What a dialback element says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameBody {
    /// No `type`: a request with this key.
    Request(String),
    /// A `type`: an answer.
    Answer(Outcome),
}

/// The answer to a dialback request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The key is right.
    Valid,
    /// The key is wrong.
    Invalid,
    /// No verdict, and why. XEP-0220 §2.5.
    Error(DialbackError),
}

/// Conditions in dialback errors that we send; others are read as `Other`. XEP-0220 §2.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the standard's names of conditions")]
pub enum DialbackError {
    Forbidden,
    ItemNotFound,
    NotAcceptable,
    NotAuthorized,
    PolicyViolation,
    RemoteConnectionFailed,
    RemoteServerNotFound,
    RemoteServerTimeout,
    ResourceConstraint,
    Other,
}

impl DialbackError {
    const ALL: [Self; 10] = [
        Self::Forbidden,
        Self::ItemNotFound,
        Self::NotAcceptable,
        Self::NotAuthorized,
        Self::PolicyViolation,
        Self::RemoteConnectionFailed,
        Self::RemoteServerNotFound,
        Self::RemoteServerTimeout,
        Self::ResourceConstraint,
        Self::Other,
    ];

    /// The element's name, which is also the word for log and counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::ItemNotFound => "item-not-found",
            Self::NotAcceptable => "not-acceptable",
            Self::NotAuthorized => "not-authorized",
            Self::PolicyViolation => "policy-violation",
            Self::RemoteConnectionFailed => "remote-connection-failed",
            Self::RemoteServerNotFound => "remote-server-not-found",
            Self::RemoteServerTimeout => "remote-server-timeout",
            Self::ResourceConstraint => "resource-constraint",
            Self::Other => "undefined-condition",
        }
    }

    fn of_peer(node: &Node) -> Self {
        let error = node.children.iter().find(|child| child.name == "error");
        let condition =
            error.and_then(|e| e.children.iter().find(|c| c.namespace == ns::STANZA_ERRORS && c.name != "text"));
        let known = condition.and_then(|c| Self::ALL.into_iter().find(|e| e.as_str() == c.name));
        known.unwrap_or(Self::Other)
    }
}

impl Frame {
    /// Reads a `db:result` or `db:verify`.
    ///
    /// COMPAT: Prosody puts `id` on typed results and echoes the key in them; an answer's text means nothing.
    ///
    /// # Errors
    /// `improper-addressing` for a missing or impossible `from`/`to`, `bad-format` for a `verify` without `id`, an
    /// unknown `type`, and a key or id beyond [`DIALBACK_VALUE_BYTES`].
    pub fn parse(element: &Element<'_>, context: &StreamContext) -> Result<Self, StreamError> {
        let node = Node::parse(element.bytes, context)
            .ok_or(StreamError::us(Condition::InternalServerError, "an element could not be read"))?;
        Self::read(&node)
    }

    fn read(node: &Node) -> Result<Self, StreamError> {
        let kind = match (node.namespace.as_str(), node.name.as_str()) {
            (ns::DIALBACK, "result") => FrameKind::Result,
            (ns::DIALBACK, "verify") => FrameKind::Verify,
            _ => return Err(bad_format("this is no dialback element")),
        };
        let domain = |name| {
            let domain = node.attribute(name).and_then(|value| Domain::parse(value).ok());
            domain.ok_or(StreamError::peer(Condition::ImproperAddressing, "a dialback element has no valid address"))
        };
        let pair = DomainPair { from: domain("from")?, to: domain("to")? };
        let id = node.attribute("id").map(String::from);
        if kind == FrameKind::Verify && id.as_ref().is_none_or(String::is_empty) {
            return Err(bad_format("a dialback verification has no id"));
        }
        let key = node.text.trim();
        if key.len() > DIALBACK_VALUE_BYTES || id.as_ref().is_some_and(|id| id.len() > DIALBACK_VALUE_BYTES) {
            return Err(bad_format("a dialback key or id is too long"));
        }
        let body = match node.attribute("type") {
            None => FrameBody::Request(key.into()),
            Some("valid") => FrameBody::Answer(Outcome::Valid),
            Some("invalid") => FrameBody::Answer(Outcome::Invalid),
            Some("error") => FrameBody::Answer(Outcome::Error(DialbackError::of_peer(node))),
            Some(_) => return Err(bad_format("a dialback answer is of an unknown type")),
        };
        Ok(Self { pair, kind, id, body })
    }

    /// The answer to this request: same element and id, addresses swapped.
    pub fn answer(&self, outcome: Outcome) -> Self {
        Self { pair: self.pair.reversed(), kind: self.kind, id: self.id.clone(), body: FrameBody::Answer(outcome) }
    }

    /// Appends the element (prefix `db`, which our headers declare).
    ///
    /// COMPAT: MongooseIM and others know the elements by this prefix only.
    pub fn write(&self, out: &mut Vec<u8>) {
        let name = match self.kind {
            FrameKind::Result => "db:result",
            FrameKind::Verify => "db:verify",
        };
        let kind = match &self.body {
            FrameBody::Request(_) => None,
            FrameBody::Answer(Outcome::Valid) => Some("valid"),
            FrameBody::Answer(Outcome::Invalid) => Some("invalid"),
            FrameBody::Answer(Outcome::Error(_)) => Some("error"),
        };
        let (from, to) = (Some(self.pair.from.as_str()), Some(self.pair.to.as_str()));
        out.push(b'<');
        out.extend_from_slice(name.as_bytes());
        for (attribute, value) in [("from", from), ("to", to), ("id", self.id.as_deref()), ("type", kind)] {
            let Some(value) = value else { continue };
            for part in [" ", attribute, "='"] {
                out.extend_from_slice(part.as_bytes());
            }
            escape(value, out);
            out.push(b'\'');
        }
        let content = match &self.body {
            FrameBody::Answer(Outcome::Valid | Outcome::Invalid) => return out.extend_from_slice(b"/>"),
            FrameBody::Request(key) => Content::Key(key),
            FrameBody::Answer(Outcome::Error(error)) => Content::Error(*error),
        };
        out.push(b'>');
        content.write(out);
        for part in ["</", name, ">"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

enum Content<'a> {
    Key(&'a str),
    Error(DialbackError),
}

impl Content<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Key(key) => escape(key, out),
            Self::Error(error) => {
                for part in ["<error type='cancel'><", error.as_str(), " xmlns='", ns::STANZA_ERRORS, "'/></error>"] {
                    out.extend_from_slice(part.as_bytes());
                }
            }
        }
    }
}

fn bad_format(text: &'static str) -> StreamError {
    StreamError::peer(Condition::BadFormat, text)
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn read(attributes: &str, content: &str) -> Result<Frame, StreamError> {
        let text = format!(
            "<d:verify xmlns='jabber:server' xmlns:d='jabber:server:dialback' {attributes}>{content}</d:verify>"
        );
        Frame::read(&Node::parse(text.as_bytes(), &StreamContext::default()).unwrap())
    }

    fn condition(attributes: &str) -> Condition {
        read(attributes, "k").unwrap_err().condition
    }

    #[test]
    fn frame_without_both_addresses_is_improperly_addressed() {
        for attributes in [
            "to='b.example' id='i'",
            "from='a.example' id='i'",
            "from='' to='b.example' id='i'",
            "from='u@a.example' to='b.example' id='i'",
            "from='192.0.2.1' to='b.example' id='i'",
            "from='a_.example' to='b.example' id='i'",
        ] {
            assert_eq!(condition(attributes), Condition::ImproperAddressing, "{attributes}");
        }
    }

    #[test]
    fn verification_without_id_or_with_an_unknown_type_is_badly_formatted() {
        let addresses = "from='a.example' to='b.example'";
        for rest in ["", "id=''", "id='i' type=''", "id='i' type='VALID'", "id='i' type='result'"] {
            assert_eq!(condition(&format!("{addresses} {rest}")), Condition::BadFormat, "{rest}");
        }
        let long = "x".repeat(DIALBACK_VALUE_BYTES + 1);
        assert_eq!(condition(&format!("{addresses} id='{long}'")), Condition::BadFormat);
        assert!(read(&format!("{addresses} id='i'"), &long).is_err());
        assert!(read(&format!("{addresses} id='i'"), &long[1..]).is_ok());
    }

    /// DBK-31
    #[test]
    fn foreign_prefix_is_read_and_db_is_written() {
        let frame = read("from='A.example.' to='b.example' id='i'", " key\n").unwrap();
        assert_eq!(frame.body, FrameBody::Request("key".into()));
        let mut out = Vec::new();
        frame.write(&mut out);
        assert_eq!(
            core::str::from_utf8(&out).unwrap(),
            "<db:verify from='a.example' to='b.example' id='i'>key</db:verify>"
        );
    }

    /// COMPAT test: Prosody.
    #[test]
    fn typed_frame_with_id_and_echoed_key_is_an_answer() {
        let frame = read("from='a.example' to='b.example' id='i' type='valid'", "key").unwrap();
        assert_eq!(frame.body, FrameBody::Answer(Outcome::Valid));
        assert_eq!(frame.id.as_deref(), Some("i"));
    }

    #[test]
    fn every_outcome_is_read_back_from_its_wire_form() {
        let request = read("from='a.example' to='b.example' id=\"a'&lt;&amp;\"", "k").unwrap();
        let errors = DialbackError::ALL.map(Outcome::Error);
        for outcome in errors.into_iter().chain([Outcome::Valid, Outcome::Invalid]) {
            let answer = request.answer(outcome);
            let mut out = Vec::new();
            answer.write(&mut out);
            let text = String::from_utf8(out).unwrap();
            let text = text.replace("<db:verify", "<db:verify xmlns='jabber:server' xmlns:db='jabber:server:dialback'");
            let node = Node::parse(text.as_bytes(), &StreamContext::default()).unwrap();
            assert_eq!(Frame::read(&node), Ok(answer));
        }
    }

    #[test]
    fn error_of_an_unknown_or_missing_condition_is_other() {
        let addresses = "from='a.example' to='b.example' id='i' type='error'";
        for content in ["", "<error/>", "<error><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"] {
            let frame = read(addresses, content).unwrap();
            assert_eq!(frame.body, FrameBody::Answer(Outcome::Error(DialbackError::Other)), "{content}");
        }
    }
}
