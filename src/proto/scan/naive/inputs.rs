//! Streams to try: from the grammar's tokens, mostly well-formed and then damaged, by seed.

use alloc::vec::Vec;

/// Numbers by seed (xorshift64*). Not for secrets.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// One below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() >> 16) as usize % bound
    }

    /// Yes, once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of `all`.
    pub fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

const HEADERS: &[&str] = &[
    "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' from='a.example' to='b.example' version='1.0'>",
    "<?xml version='1.0'?><stream:stream xmlns:stream=\"http://etherx.jabber.org/streams\" xmlns=\"jabber:server\" xml:lang='de'>",
    "<s:stream xmlns='jabber:server' xmlns:s='http://etherx.jabber.org/stream&#115;' xmlns:p='u' xmlns:q='&#117;' xmlns:db='jabber:server:dialback'>\n",
];

const NAMES: &[&str] = &[
    "message",
    "presence",
    "iq",
    "a",
    "b",
    "body",
    "p:a",
    "q:a",
    "db:result",
    "stream:features",
    "s:error",
    "xml:a",
    "p:b",
    "r:a",
    "\u{e9}l\u{e9}ment",
    "\u{65e5}\u{672c}",
    "p:\u{e9}",
    "longer-than-eight.bytes",
    "A",
    "_x",
    "xmlns:a",
];

const ATTRIBUTES: &[&str] = &[
    "from",
    "to",
    "id",
    "type",
    "xml:lang",
    "xmlns",
    "xmlns:p",
    "xmlns:q",
    "xmlns:r",
    "p:x",
    "q:x",
    "r:x",
    "p:y",
    "db:x",
    "x",
    "y",
    "xmlns:xml",
    "xmlns:xmlns",
    "\u{e9}",
    "xmlns:longprefix",
    "longprefix:x",
    "stream:x",
    "s:x",
    "xmlnsx",
    "xml:x",
];

const VALUES: &[&str] = &[
    "",
    "u",
    "v",
    "u&#x20;v",
    "&#117;",
    "u'v",
    "u\"v",
    "a@a.example/r",
    "jabber:server",
    "jabber:client",
    "&lt;&gt;&amp;",
    "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2000/xmlns/",
    "a\nb",
    "a\r\nb\tc",
    "&#10;",
    "&#1;",
    "en",
    "http://www.w3.org/XML/1998/namespac&#101;",
    "\u{65e5}\u{672c}\u{1f600}",
    ">",
    "/>",
    "a long value of more than thirty-two bytes, all of it harmless",
];

const TEXTS: &[&str] = &[
    "text",
    " ",
    "\n  ",
    "a > b",
    "]]",
    "]",
    "&amp;",
    "&#x1F600;",
    "&#65;",
    "it's \"quoted\"",
    "\u{e9}\u{1f600}",
    "<![CDATA[x]]>",
    "<![CDATA[]]]]>",
    "<![CDATA[<a>&b;]]]>]]>",
    "a text of more than thirty-two bytes so that vectors find nothing in it",
    "\u{fffd}",
];

const DAMAGES: &[&str] = &[
    "<",
    ">",
    "&",
    ";",
    "'",
    "\"",
    "/",
    "=",
    "]]>",
    "<!--x-->",
    "<?x y?>",
    "<!DOCTYPE x>",
    "<![CDATA[",
    "&foo;",
    "&#0;",
    "&#xD800;",
    "\0",
    "\u{1}",
    "\u{b}",
    " ",
    "\t",
    ":",
    "xmlns=''",
    "</",
    "<a/>",
    "</a>",
    "</stream:stream>",
    "<?xml version='1.0'?>",
    "\u{feff}",
    "\u{ffff}",
    "!",
    "-",
    "[",
    "&#",
    "&#x",
    "\u{37e}",
    "\u{301}",
    "\u{10400}",
    "\u{f900}",
];

/// Bytes that are not UTF-8, or not in themselves.
const BAD_BYTES: &[&[u8]] = &[
    b"\x80",
    b"\xC0\xBC",
    b"\xC3",
    b"\xE0\x80\xBC",
    b"\xED\xA0\x80",
    b"\xEF\xBF\xBE",
    b"\xEF\xBF",
    b"\xF0\x9F\x98",
    b"\xF4\x90\x80\x80",
    b"\xFF",
    b"\xFE",
];

/// A stream by seed: a header, some elements, perhaps an end tag, and damage in about half of them.
pub fn stream(numbers: &mut Numbers) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(numbers.pick(HEADERS).as_bytes());
    let mut open: Vec<&str> = Vec::new();
    for _ in 0..1 + numbers.below(30) {
        token(numbers, &mut out, &mut open);
    }
    while let Some(name) = open.pop() {
        end_tag(&mut out, name);
    }
    if numbers.once_in(4) {
        out.extend_from_slice(b"</stream:stream>");
    }
    if numbers.once_in(2) {
        for _ in 0..=numbers.below(3) {
            damage(numbers, &mut out);
        }
    }
    out
}

fn token(numbers: &mut Numbers, out: &mut Vec<u8>, open: &mut Vec<&str>) {
    match numbers.below(10) {
        0..=3 => {
            let name = numbers.pick(NAMES);
            start_tag(numbers, out, name);
            if numbers.once_in(2) {
                out.extend_from_slice(b"/>");
            } else {
                out.push(b'>');
                open.push(name);
            }
        }
        4..=6 => {
            if let Some(name) = open.pop() {
                end_tag(out, name);
            }
        }
        _ if open.is_empty() => out.extend_from_slice(numbers.pick(&[" ", "\n", ""]).as_bytes()),
        _ => out.extend_from_slice(numbers.pick(TEXTS).as_bytes()),
    }
}

fn start_tag(numbers: &mut Numbers, out: &mut Vec<u8>, name: &str) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    let prefix = name.split_once(':').map(|(prefix, _)| prefix);
    if let Some(prefix) = prefix.filter(|p| !["xml", "xmlns", "stream"].contains(p) && numbers.below(3) != 0) {
        out.extend_from_slice(b" xmlns:");
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(b"='u'");
    }
    let count = if numbers.once_in(20) { 12 } else { numbers.below(4) };
    for _ in 0..count {
        let gap = if numbers.once_in(10) { "\n  " } else { " " };
        let equals = if numbers.once_in(10) { " = " } else { "=" };
        let quote = numbers.pick(&["'", "\""]);
        for part in [gap, numbers.pick(ATTRIBUTES), equals, quote] {
            out.extend_from_slice(part.as_bytes());
        }
        let value = numbers.pick(VALUES);
        let escaped = value.replace(quote, if quote == "'" { "&apos;" } else { "&quot;" });
        out.extend_from_slice(escaped.as_bytes());
        out.extend_from_slice(quote.as_bytes());
    }
    if numbers.once_in(10) {
        out.push(b' ');
    }
}

fn end_tag(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

/// Changes one place of `stream`.
pub fn damage(numbers: &mut Numbers, stream: &mut Vec<u8>) {
    if stream.is_empty() {
        return;
    }
    let at = numbers.below(stream.len());
    match numbers.below(6) {
        0 => stream[at] ^= 1 << numbers.below(8),
        1 => drop(stream.remove(at)),
        2 => stream.truncate(at),
        3 => {
            let until = (at + 1 + numbers.below(20)).min(stream.len());
            let part = stream[at..until].to_vec();
            let to = numbers.below(stream.len());
            stream.splice(to..to, part);
        }
        4 => {
            let bytes = numbers.pick(BAD_BYTES);
            stream.splice(at..at, bytes.iter().copied());
        }
        _ => {
            let bytes = numbers.pick(DAMAGES).as_bytes();
            stream.splice(at..at, bytes.iter().copied());
        }
    }
}

/// Cuts `stream` into pieces by seed: mostly few, sometimes single bytes.
pub fn pieces<'b>(numbers: &mut Numbers, stream: &'b [u8]) -> Vec<&'b [u8]> {
    let longest = match numbers.below(3) {
        0 => 1,
        1 => 1 + numbers.below(16),
        _ => 1 + numbers.below(stream.len().max(1)),
    };
    let mut rest = stream;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((1 + numbers.below(longest)).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
