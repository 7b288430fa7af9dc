//! Finds and proves stanzas in a byte stream without copying them.
//!
//! `reference/scanning.md` (profile R) is the specification; see `Scanner`.

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

/// What the processor can do; detected by the caller, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// Portable code only.
    Scalar,
    /// 16-byte vectors (every x86-64).
    Sse2,
    /// 32-byte vectors.
    Avx2,
}

/// One attribute's value as it stands in the input.
#[derive(Clone, Copy, Debug)]
pub struct Attr<'b> {
    /// Between the quotes, references not decoded.
    pub raw: &'b [u8],
    /// Whether `raw` has a reference or white space that normalisation changes.
    pub needs_decode: bool,
}

impl<'b> Attr<'b> {
    /// The decoded, normalised value (XML 1.0 §3.3.3); allocated in `arena` only when it differs from the raw one.
    ///
    /// The scanner proved the bytes to be UTF-8 and the references to be sound.
    pub fn decode<'a>(&self, arena: &'a bumpalo::Bump) -> &'a str
    where
        'b: 'a,
    {
        let _ = arena;
        unimplemented!()
    }
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

/// What a stream's header means for the stanzas in it: prefix bindings and language.
///
/// Owned by the scanner; outlives the header's bytes.
#[derive(Clone, Debug, Default)]
pub struct StreamContext {}

/// Working memory of a scan, one per shard: stacks of names, namespaces and attributes.
///
/// A scanner that stops inside an element saves what it needs and finds it again.
#[derive(Debug, Default)]
pub struct Scratch {}

/// Scans one direction of one stream. Poisoned by its first error.
#[derive(Debug)]
pub struct Scanner {}

impl Scanner {
    /// A scanner that expects a stream header.
    pub fn new(limits: Limits, cpu: Cpu) -> Self {
        let _ = (limits, cpu);
        unimplemented!()
    }

    /// Sets other bounds, from the next depth-1 element on.
    pub fn set_limits(&mut self, limits: Limits) {
        let _ = limits;
        unimplemented!()
    }

    /// Finds what comes next. `buf` begins where the last step ended (or at `keep_from`).
    ///
    /// # Errors
    /// [`ScanError`] when the peer broke a rule; every later call gives the same error.
    pub fn scan<'b>(&mut self, scratch: &mut Scratch, buf: &'b [u8]) -> Result<Step<'b>, ScanError> {
        let _ = (scratch, buf);
        unimplemented!()
    }

    /// The header's prefixes and language, once it was read.
    pub fn context(&self) -> &StreamContext {
        unimplemented!()
    }
}

/// Appends `element` to `out` such that it means on the stream `to` what it means on the stream `from`.
///
/// At most one splice after the root element's name: declarations of inherited prefixes that `to` does not bind to
/// the same namespace, and the language of `from` where the element has none and `to`'s differs.
pub fn forward(element: &Element<'_>, from: &StreamContext, to: &StreamContext, out: &mut alloc::vec::Vec<u8>) {
    let _ = (element, from, to, out);
    unimplemented!()
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

impl StreamContext {
    /// The namespace that the header bound `prefix` to (`""` is the default namespace).
    pub fn namespace(&self, prefix: &str) -> Option<&str> {
        let _ = prefix;
        unimplemented!()
    }

    /// The header's `xml:lang`, decoded.
    pub fn lang(&self) -> Option<&str> {
        unimplemented!()
    }
}
