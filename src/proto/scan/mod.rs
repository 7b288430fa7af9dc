//! Finds and proves stanzas in a byte stream without copying them.
//!
//! One pass finds where a depth-1 element ends *and* proves it well-formed, namespace-well-formed, UTF-8 and inside the
//! restrictions of RFC 6120 §11.1. Its bytes can then be forwarded as they are ([`forward()`]). What is accepted is a
//! subset of what expat accepts: Prosody and ejabberd parse with expat, many remote domains share one stream to them,
//! and one bad byte on it cuts off everybody. Where expat is narrower than the standard (names of the fourth edition of
//! XML 1.0, namespace names without control characters), so is this scanner.
//!
//! The scanner looks for the next interesting byte of the context it is in (`finder`, with vectors where the processor
//! has them) and resumes at the token where the input ended, never at the stanza's start (`pass`).
//!
//! ```
//! use ringgate_proto::scan::{Cpu, Kind, Limits, Scanner, Scratch, Step};
//!
//! let input = b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>\
//!     <presence from='a@a.example'/></stream:stream>";
//! let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), Cpu::Scalar), Scratch::default());
//! let Ok(Step::Header(header)) = scanner.scan(&mut scratch, input) else { panic!() };
//! let rest = &input[header.end..];
//! let Ok(Step::Element(stanza)) = scanner.scan(&mut scratch, rest) else { panic!() };
//! assert_eq!(stanza.kind, Kind::Presence);
//! assert!(matches!(scanner.scan(&mut scratch, &rest[stanza.end..]), Ok(Step::Close { .. })));
//! ```

mod attr;
mod classes;
mod context;
mod duplicates;
mod finder;
mod forward;
mod header;
#[cfg(any(test, feature = "naive"))]
pub mod naive;
mod names;
mod namespaces;
mod pass;
mod references;
mod root;
mod scanner;
mod scratch;
mod tag;
#[cfg(test)]
mod tests;

pub use attr::Attr;
pub use context::{HEADER_PREFIXES, StreamContext};
pub use forward::{forward, longest_splice};
pub use scanner::Scanner;
pub use scratch::Scratch;

use crate::limits;

pub mod tree;

/// Bounds that a [`Scanner`] keeps.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Deepest element, the stanza itself being 1.
    pub depth: u16,
    /// Attributes of one element, namespace declarations included.
    pub attributes: u16,
    /// Bytes of one depth-1 element (or of the stream header).
    pub stanza_bytes: u32,
    /// Elements of one depth-1 element.
    pub elements: u32,
}

impl Default for Limits {
    /// Those of an authenticated stream.
    fn default() -> Self {
        Self {
            depth: limits::STANZA_DEPTH,
            attributes: limits::ELEMENT_ATTRIBUTES,
            stanza_bytes: limits::STANZA_BYTES,
            elements: limits::STANZA_ELEMENTS,
        }
    }
}

/// What the processor can do; detected by the caller, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// Portable code only.
    Scalar,
    /// 16-byte vectors (every x86-64).
    Sse2,
    /// 32-byte vectors; a processor without them gets [`Cpu::Sse2`].
    Avx2,
}

/// What a depth-1 element is, by expanded name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{jabber:server}message`
    Message,
    /// `{jabber:server}presence`
    Presence,
    /// `{jabber:server}iq`
    Iq,
    /// `{jabber:server:dialback}result`
    DialbackResult,
    /// `{jabber:server:dialback}verify`
    DialbackVerify,
    /// `{http://etherx.jabber.org/streams}error`
    StreamError,
    /// `{http://etherx.jabber.org/streams}features`
    Features,
    /// In the STARTTLS namespace.
    StartTls,
    /// In the SASL namespace.
    Sasl,
    /// Anything else.
    Other,
}

/// The stream header, `<stream:stream …>`.
#[derive(Clone, Copy, Debug)]
pub struct Header<'b> {
    /// Offset in the scanned buffer after the header.
    pub end: usize,
    /// RFC 6120 §4.7.1.
    pub from: Option<Attr<'b>>,
    /// RFC 6120 §4.7.2.
    pub to: Option<Attr<'b>>,
    /// RFC 6120 §4.7.3.
    pub id: Option<Attr<'b>>,
    /// RFC 6120 §4.7.5.
    pub version: Option<Attr<'b>>,
    /// RFC 6120 §4.7.4.
    pub lang: Option<Attr<'b>>,
    /// Whether a prefix is bound to [`crate::ns::DIALBACK`] (XEP-0220 §2.3).
    pub declares_dialback: bool,
}

/// One complete depth-1 element, proven well-formed, namespace-well-formed and UTF-8.
#[derive(Clone, Copy, Debug)]
pub struct Element<'b> {
    /// From its `<` to its last `>`.
    pub bytes: &'b [u8],
    /// Offset of `bytes` in the scanned buffer (white space may stand before it).
    pub start: usize,
    /// Offset in the scanned buffer after the element.
    pub end: usize,
    /// By expanded name.
    pub kind: Kind,
    /// Offset in `bytes` after the root element's name: where a splice goes.
    pub name_end: u32,
    /// Unprefixed `from`.
    pub from: Option<Attr<'b>>,
    /// Unprefixed `to`.
    pub to: Option<Attr<'b>>,
    /// Unprefixed `id`.
    pub id: Option<Attr<'b>>,
    /// Unprefixed `type`.
    pub ty: Option<Attr<'b>>,
    /// Whether the root element has `xml:lang`.
    pub has_lang: bool,
    /// Bit n is set when the n-th prefix of the stream header ([`StreamContext`]) is used without a declaration of its own.
    pub inherited_prefixes: u64,
}

/// What [`Scanner::scan`] found at the front of the buffer.
#[derive(Clone, Copy, Debug)]
pub enum Step<'b> {
    /// The stream header; scan on at `Header::end`.
    Header(Header<'b>),
    /// A depth-1 element; scan on at `Element::end`.
    Element(Element<'b>),
    /// The stream's end tag.
    Close {
        /// Offset after the end tag.
        end: usize,
    },
    /// Nothing complete. Bytes before `keep_from` are done with; present the rest again, followed by more.
    NeedMore {
        /// Offset of the first byte still needed.
        keep_from: usize,
    },
}

/// Which rule was broken, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanError {
    /// The rule.
    pub rule: Rule,
    /// Offset, from the first byte of the stream, at or after which it was noticed.
    pub at: u64,
}

/// The stream error that a broken rule calls for; `stream::error` maps them one to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// RFC 6120 §4.9.3.1
    BadFormat,
    /// RFC 6120 §4.9.3.2
    BadNamespacePrefix,
    /// RFC 6120 §4.9.3.10
    InvalidNamespace,
    /// RFC 6120 §4.9.3.13
    NotWellFormed,
    /// RFC 6120 §4.9.3.14; one of [`Limits`] was reached.
    PolicyViolation,
    /// RFC 6120 §4.9.3.18
    RestrictedXml,
    /// RFC 6120 §4.9.3.22
    UnsupportedEncoding,
}

/// Checks that `s` is UTF-8 without U+FFFE and U+FFFF (XML 1.0 §2.2); the pass has seen the control characters.
/// An error is the offset of the first bad byte.
#[inline(always)]
fn check_characters<F: finder::Finder>(s: &[u8]) -> Result<(), usize> {
    if F::is_ascii(s) || (F::is_utf8(s) && !has_noncharacter(s)) { Ok(()) } else { Err(first_bad(s)) }
}

/// Whether UTF-8 has U+FFFE or U+FFFF.
fn has_noncharacter(s: &[u8]) -> bool {
    memchr::memchr_iter(0xEF, s).any(|i| matches!(s.get(i + 1..i + 3), Some([0xBF, 0xBE | 0xBF])))
}

#[cold]
fn first_bad(s: &[u8]) -> usize {
    let valid = core::str::from_utf8(s).map_or_else(|e| e.valid_up_to(), |_| s.len());
    s[..valid].windows(3).position(|w| matches!(w, [0xEF, 0xBF, 0xBE | 0xBF])).unwrap_or(valid)
}
