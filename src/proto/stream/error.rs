//! Stream errors: the conditions, their wire form, and what a broken scanning rule calls for.

use alloc::vec::Vec;

use crate::ns;
use crate::scan::tree::{Node, escape};
use crate::scan::{Rule, ScanError};

/// Stream error conditions. RFC 6120 §4.9.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the standard's names of conditions")]
pub enum Condition {
    BadFormat,
    BadNamespacePrefix,
    Conflict,
    ConnectionTimeout,
    HostGone,
    HostUnknown,
    ImproperAddressing,
    InternalServerError,
    InvalidFrom,
    InvalidNamespace,
    InvalidXml,
    NotAuthorized,
    NotWellFormed,
    PolicyViolation,
    RemoteConnectionFailed,
    Reset,
    ResourceConstraint,
    RestrictedXml,
    SeeOtherHost,
    SystemShutdown,
    UndefinedCondition,
    UnsupportedEncoding,
    UnsupportedFeature,
    UnsupportedStanzaType,
    UnsupportedVersion,
}

impl Condition {
    const ALL: [Self; 25] = [
        Self::BadFormat,
        Self::BadNamespacePrefix,
        Self::Conflict,
        Self::ConnectionTimeout,
        Self::HostGone,
        Self::HostUnknown,
        Self::ImproperAddressing,
        Self::InternalServerError,
        Self::InvalidFrom,
        Self::InvalidNamespace,
        Self::InvalidXml,
        Self::NotAuthorized,
        Self::NotWellFormed,
        Self::PolicyViolation,
        Self::RemoteConnectionFailed,
        Self::Reset,
        Self::ResourceConstraint,
        Self::RestrictedXml,
        Self::SeeOtherHost,
        Self::SystemShutdown,
        Self::UndefinedCondition,
        Self::UnsupportedEncoding,
        Self::UnsupportedFeature,
        Self::UnsupportedStanzaType,
        Self::UnsupportedVersion,
    ];

    /// The element's name, which is also the word for log and counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadFormat => "bad-format",
            Self::BadNamespacePrefix => "bad-namespace-prefix",
            Self::Conflict => "conflict",
            Self::ConnectionTimeout => "connection-timeout",
            Self::HostGone => "host-gone",
            Self::HostUnknown => "host-unknown",
            Self::ImproperAddressing => "improper-addressing",
            Self::InternalServerError => "internal-server-error",
            Self::InvalidFrom => "invalid-from",
            Self::InvalidNamespace => "invalid-namespace",
            Self::InvalidXml => "invalid-xml",
            Self::NotAuthorized => "not-authorized",
            Self::NotWellFormed => "not-well-formed",
            Self::PolicyViolation => "policy-violation",
            Self::RemoteConnectionFailed => "remote-connection-failed",
            Self::Reset => "reset",
            Self::ResourceConstraint => "resource-constraint",
            Self::RestrictedXml => "restricted-xml",
            Self::SeeOtherHost => "see-other-host",
            Self::SystemShutdown => "system-shutdown",
            Self::UndefinedCondition => "undefined-condition",
            Self::UnsupportedEncoding => "unsupported-encoding",
            Self::UnsupportedFeature => "unsupported-feature",
            Self::UnsupportedStanzaType => "unsupported-stanza-type",
            Self::UnsupportedVersion => "unsupported-version",
        }
    }

    /// The condition in a peer's `<stream:error/>`; one that nobody knows is `undefined-condition`.
    ///
    /// COMPAT: servers of RFC 3920 times: `xml-not-well-formed` is what `not-well-formed` was called.
    pub fn of_peer(error: &Node) -> Self {
        let child = error.children.iter().find(|child| child.namespace == ns::STREAM_ERRORS && child.name != "text");
        match child.map(|child| child.name.as_str()) {
            Some("xml-not-well-formed") => Self::NotWellFormed,
            Some(name) => Self::ALL.into_iter().find(|c| c.as_str() == name).unwrap_or(Self::UndefinedCondition),
            None => Self::UndefinedCondition,
        }
    }
}

/// A stream must end: with which condition, why (a fixed sentence for log and peer), and who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// For the wire.
    pub condition: Condition,
    /// For the log and `<text/>`; never contains what the peer sent.
    pub text: &'static str,
    /// Whose fault it is.
    pub blame: Blame,
}

/// Who broke a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The peer did.
    Peer,
    /// We could not.
    Us,
}

impl StreamError {
    /// The peer broke a rule.
    pub const fn peer(condition: Condition, text: &'static str) -> Self {
        Self { condition, text, blame: Blame::Peer }
    }

    /// We cannot go on.
    pub const fn us(condition: Condition, text: &'static str) -> Self {
        Self { condition, text, blame: Blame::Us }
    }

    /// Appends `<stream:error>`; header and end tag are the caller's. RFC 6120 §4.9.2.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let name = self.condition.as_str().as_bytes();
        for part in [b"<stream:error><", name, b" xmlns='", ns::STREAM_ERRORS.as_bytes(), b"'/>"] {
            out.extend_from_slice(part);
        }
        if !self.text.is_empty() {
            for part in [&b"<text xmlns='"[..], ns::STREAM_ERRORS.as_bytes(), b"' xml:lang='en'>"] {
                out.extend_from_slice(part);
            }
            escape(self.text, out);
            out.extend_from_slice(b"</text>");
        }
        out.extend_from_slice(b"</stream:error>");
    }
}

impl From<Rule> for StreamError {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::BadFormat => Self::peer(Condition::BadFormat, "this XML is not what a stream consists of"),
            Rule::BadNamespacePrefix => {
                Self::peer(Condition::BadNamespacePrefix, "a namespace prefix is not acceptable")
            }
            Rule::InvalidNamespace => Self::peer(
                Condition::InvalidNamespace,
                "the stream or content namespace is not that of a server-to-server stream",
            ),
            Rule::NotWellFormed => Self::peer(Condition::NotWellFormed, "the XML is not well-formed"),
            Rule::PolicyViolation => Self::peer(Condition::PolicyViolation, "a size limit was exceeded"),
            Rule::RestrictedXml => Self::peer(
                Condition::RestrictedXml,
                "comments, processing instructions, document types and entities are not allowed",
            ),
            Rule::UnsupportedEncoding => Self::peer(Condition::UnsupportedEncoding, "the encoding is not UTF-8"),
        }
    }
}

impl From<ScanError> for StreamError {
    fn from(error: ScanError) -> Self {
        error.rule.into()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn every_condition_is_read_back_from_its_wire_form() {
        for condition in Condition::ALL {
            let mut out = Vec::new();
            StreamError::us(condition, "a & b").write(&mut out);
            let text = String::from_utf8(out).unwrap().replace("<stream:error", "<stream:error xmlns:stream='urn:x'");
            let node = Node::parse(text.as_bytes(), &Default::default());
            let node = node.expect("what we write is an element");
            assert_eq!(Condition::of_peer(&node), condition);
            assert_eq!(node.child(ns::STREAM_ERRORS, "text").unwrap().text, "a & b");
        }
    }

    #[test]
    fn conditions_are_distinct() {
        for (n, condition) in Condition::ALL.into_iter().enumerate() {
            assert!(Condition::ALL[n + 1..].iter().all(|other| other.as_str() != condition.as_str()));
        }
    }
}
