//! Stanza errors for what cannot be delivered. RFC 6120 §8.3.

use alloc::vec::Vec;

use crate::ns;
use crate::scan::{Attr, Element, Kind};

/// Why a stanza comes back. RFC 6120 §8.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StanzaError {
    /// RFC 6120 §8.3.3.1: an `iq` request without `id`.
    BadRequest,
    /// RFC 6120 §8.3.3.6: our dialback was answered `invalid` (XEP-0220 §2.1.1).
    InternalServerError,
    /// RFC 6120 §8.3.3.8: the target is no address.
    JidMalformed,
    /// RFC 6120 §8.3.3.10: refused by policy.
    NotAllowed,
    /// RFC 6120 §8.3.3.12: larger than the peer takes (XEP-0478).
    PolicyViolation,
    /// RFC 6120 §8.3.3.16: no such domain.
    RemoteServerNotFound,
    /// RFC 6120 §8.3.3.17: found, not reached; or dialback failed.
    RemoteServerTimeout,
    /// RFC 6120 §8.3.3.18: a bound was reached.
    ResourceConstraint,
}

impl StanzaError {
    /// The element's name, which is also the word of log and counter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::InternalServerError => "internal-server-error",
            Self::JidMalformed => "jid-malformed",
            Self::NotAllowed => "not-allowed",
            Self::PolicyViolation => "policy-violation",
            Self::RemoteServerNotFound => "remote-server-not-found",
            Self::RemoteServerTimeout => "remote-server-timeout",
            Self::ResourceConstraint => "resource-constraint",
        }
    }

    /// The error type that RFC 6120 §8.3.3 associates with the condition.
    const fn error_type(self) -> &'static str {
        match self {
            Self::BadRequest | Self::JidMalformed | Self::PolicyViolation => "modify",
            Self::InternalServerError | Self::NotAllowed | Self::RemoteServerNotFound => "cancel",
            Self::RemoteServerTimeout | Self::ResourceConstraint => "wait",
        }
    }
}

/// Whether a stanza may be answered with an error: never an error, never a result. RFC 6120 §8.3.1.
pub fn may_bounce(element: &Element<'_>) -> bool {
    let is = |word| element.ty.is_some_and(|ty| ty.is(word));
    match element.kind {
        Kind::Message | Kind::Presence => !is("error"),
        Kind::Iq => !is("error") && !is("result"),
        _ => false,
    }
}

/// Appends the error for `element` to `out`, from its target to its sender, with its `id`. RFC 6120 §8.3.1.
///
/// Appends nothing if it may not be answered: see [`may_bounce`]. `text` is ours, never the peer's.
pub fn write_error(element: &Element<'_>, error: StanzaError, text: &str, out: &mut Vec<u8>) {
    if !may_bounce(element) {
        return;
    }
    let name: &[u8] = match element.kind {
        Kind::Message => b"message",
        Kind::Presence => b"presence",
        _ => b"iq",
    };
    out.push(b'<');
    out.extend_from_slice(name);
    attribute(b"from", element.to, out);
    attribute(b"to", element.from, out);
    attribute(b"id", element.id, out);
    out.extend_from_slice(b" type='error'><error type='");
    out.extend_from_slice(error.error_type().as_bytes());
    out.extend_from_slice(b"'><");
    out.extend_from_slice(error.as_str().as_bytes());
    for part in [" xmlns='", ns::STANZA_ERRORS, "'/>"] {
        out.extend_from_slice(part.as_bytes());
    }
    if !text.is_empty() {
        for part in ["<text xmlns='", ns::STANZA_ERRORS, "' xml:lang='en'>", text, "</text>"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    out.extend_from_slice(b"</error></");
    out.extend_from_slice(name);
    out.push(b'>');
}

/// Copies a value as it was spelt, references and all, with the quote that it does not contain.
fn attribute(name: &[u8], value: Option<Attr<'_>>, out: &mut Vec<u8>) {
    let Some(value) = value else { return };
    let quote = if value.raw.contains(&b'\'') { b'"' } else { b'\'' };
    out.push(b' ');
    out.extend_from_slice(name);
    out.push(b'=');
    out.push(quote);
    out.extend_from_slice(value.raw);
    out.push(quote);
}

#[cfg(test)]
mod tests;
