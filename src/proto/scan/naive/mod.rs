//! The scanner's slow twin: the rules of the scanner once more, read off a whole byte sequence in the plainest way.
//!
//! It shares no code with the scanner apart from the ranges of name characters and the bounds. Prefixes are strings
//! in a list of scopes, namespaces are decoded where they are declared, attributes are compared as expanded names, and
//! nothing is resumed: the input so far is all there is. For tests and fuzzing only; quadratic in places.

pub mod inputs;
mod reader;
mod tag;

use alloc::string::String;
use alloc::vec::Vec;

use super::{Kind, Limits, Rule};
use crate::ns;
use reader::{Reader, Stop, is_space};
use tag::Tag;

/// How a stream ended, as far as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Between two elements.
    Open,
    /// Inside something, or before the header.
    Partial,
    /// With its end tag.
    Closed,
    /// With a broken rule.
    Broken(Rule),
}

/// What a stream is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Start and end of each complete depth-1 element in the stream, and what it is.
    pub elements: Vec<(usize, usize, Kind)>,
    /// How it ended.
    pub end: End,
}

/// Prefixes and their namespaces, innermost last.
type Scope = Vec<(String, String)>;

/// Reads a stream.
pub fn scan(stream: &[u8], limits: Limits) -> Outcome {
    let mut outcome = Outcome { elements: Vec::new(), end: End::Partial };
    let mut stream = Stream { bytes: stream, limits, scope: Vec::new(), root: Vec::new(), at: 0 };
    outcome.end = match stream.run(&mut outcome.elements) {
        Ok(end) => end,
        Err(Stop::More) => End::Partial,
        Err(Stop::Broken(rule)) => End::Broken(rule),
    };
    outcome
}

struct Stream<'b> {
    bytes: &'b [u8],
    limits: Limits,
    /// What the header bound.
    scope: Scope,
    /// The root's QName.
    root: Vec<u8>,
    at: usize,
}

impl<'b> Stream<'b> {
    fn run(&mut self, elements: &mut Vec<(usize, usize, Kind)>) -> Result<End, Stop> {
        self.declaration()?;
        if self.header()? {
            return self.nothing_more();
        }
        loop {
            self.spaces();
            let rest = &self.bytes[self.at..];
            match rest {
                [] => return Ok(End::Open),
                [b'<'] => return Ok(End::Partial),
                [b'<', b'/', ..] => {
                    self.close()?;
                    return self.nothing_more();
                }
                [b'<', b'!', b'[', ..] => {
                    Reader::new(rest).literal(b"<![CDATA[")?;
                    return Err(Stop::Broken(Rule::BadFormat));
                }
                [b'<', b'!', ..] => return Err(Reader::new(rest).refused()),
                [b'<', ..] => {
                    let (end, kind) = self.element(rest)?;
                    elements.push((self.at, self.at + end, kind));
                    self.at += end;
                }
                [0..=0x1F, ..] => return Err(Stop::Broken(Rule::NotWellFormed)),
                _ => return Err(Stop::Broken(Rule::BadFormat)),
            }
        }
    }

    /// The optional XML declaration.
    fn declaration(&mut self) -> Result<(), Stop> {
        let start = b"<?xml";
        let n = self.bytes.len().min(6);
        if self.bytes.starts_with(start) && (n < 6 || is_space(self.bytes[5]) || self.bytes[5] == b'?') {
            let limit = self.bytes.len().min(256);
            let Some(end) = (0..limit.saturating_sub(1)).find(|i| &self.bytes[*i..*i + 2] == b"?>") else {
                return Err(if limit == 256 { Stop::Broken(Rule::PolicyViolation) } else { Stop::More });
            };
            self.at = end + 2;
            return declared(&self.bytes[5..end]);
        }
        if n < 5 && start.starts_with(&self.bytes[..n]) { Err(Stop::More) } else { Ok(()) }
    }

    /// The stream header; whether it is its own end tag.
    fn header(&mut self) -> Result<bool, Stop> {
        self.spaces();
        let rest = &self.bytes[self.at..];
        match rest {
            [] | [b'<'] => return Err(Stop::More),
            [b'<', b'!', ..] => return Err(Reader::new(rest).refused()),
            [b'<', ..] => {}
            _ => return Err(Stop::Broken(Rule::NotWellFormed)),
        }
        let mut reader = Reader::new(self.window(rest));
        let tag = Tag::read(&mut reader, self.limits).map_err(|stop| reader.bounded(stop, self.limits))?;
        let mut scope = Vec::new();
        tag.enter(&mut scope, &Vec::new())?;
        characters(reader.passed())?;
        let default = tag.declared("");
        if tag.local() != "stream" {
            return Err(Stop::Broken(Rule::BadFormat));
        }
        let namespace = if tag.prefix().is_empty() { default.clone() } else { lookup(&scope, tag.prefix()) };
        if namespace.as_deref() != Some(ns::STREAMS) || default.as_deref() != Some(ns::SERVER) {
            return Err(Stop::Broken(Rule::InvalidNamespace));
        }
        if scope.len() > super::HEADER_PREFIXES {
            return Err(Stop::Broken(Rule::PolicyViolation));
        }
        self.root = tag.name.clone().into_bytes();
        self.scope = scope;
        self.at += reader.at;
        Ok(tag.empty)
    }

    /// One element of depth 1: its length and what it is.
    fn element(&self, rest: &'b [u8]) -> Result<(usize, Kind), Stop> {
        let mut reader = Reader::new(self.window(rest));
        let kind = self.content(&mut reader).map_err(|stop| reader.bounded(stop, self.limits))?;
        characters(reader.passed())?;
        Ok((reader.at, kind))
    }

    fn content(&self, reader: &mut Reader<'b>) -> Result<Kind, Stop> {
        // Open elements with the number of bindings outside of each.
        let mut open: Vec<(String, usize)> = Vec::new();
        let mut scope: Scope = Vec::new();
        let mut kind = None;
        let mut elements = 0;
        loop {
            if reader.starts_with(b"</") {
                let (name, outside) = open.pop().ok_or(Stop::Broken(Rule::NotWellFormed))?;
                reader.end_tag(name.as_bytes())?;
                scope.truncate(outside);
            } else if reader.starts_with(b"<![") {
                reader.cdata()?;
            } else if reader.starts_with(b"<!") {
                return Err(reader.refused());
            } else if reader.peek()? == b'<' {
                let tag = Tag::read(reader, self.limits)?;
                elements += 1;
                if elements > self.limits.elements || open.len() >= usize::from(self.limits.depth) {
                    return Err(Stop::Broken(Rule::PolicyViolation));
                }
                let outside = scope.len();
                tag.enter(&mut scope, &self.scope)?;
                kind = kind.or_else(|| Some(self.kind(&tag, &scope)));
                if tag.empty {
                    scope.truncate(outside);
                } else {
                    open.push((tag.name, outside));
                }
            } else {
                reader.text()?;
            }
            if let (true, Some(kind)) = (open.is_empty(), kind) {
                return Ok(kind);
            }
        }
    }

    fn kind(&self, tag: &Tag, scope: &Scope) -> Kind {
        let prefix = tag.prefix();
        let namespace = match prefix {
            "" => tag.declared("").unwrap_or(ns::SERVER.into()),
            _ => lookup(scope, prefix).or_else(|| lookup(&self.scope, prefix)).unwrap_or_default(),
        };
        let named = |wanted: &str, local: &str| namespace == wanted && tag.local() == local;
        let known = [
            (ns::SERVER, "message", Kind::Message),
            (ns::SERVER, "presence", Kind::Presence),
            (ns::SERVER, "iq", Kind::Iq),
            (ns::DIALBACK, "result", Kind::DialbackResult),
            (ns::DIALBACK, "verify", Kind::DialbackVerify),
            (ns::STREAMS, "error", Kind::StreamError),
            (ns::STREAMS, "features", Kind::Features),
        ];
        match known.iter().find(|(wanted, local, _)| named(wanted, local)) {
            Some((.., kind)) => *kind,
            None if namespace == ns::TLS => Kind::StartTls,
            None if namespace == ns::SASL => Kind::Sasl,
            None => Kind::Other,
        }
    }

    fn close(&mut self) -> Result<(), Stop> {
        let mut reader = Reader::new(&self.bytes[self.at..]);
        reader.end_tag(&self.root)?;
        self.at += reader.at;
        Ok(())
    }

    /// After the end tag.
    fn nothing_more(&mut self) -> Result<End, Stop> {
        self.spaces();
        if self.at == self.bytes.len() { Ok(End::Closed) } else { Err(Stop::Broken(Rule::NotWellFormed)) }
    }

    fn spaces(&mut self) {
        while self.bytes.get(self.at).is_some_and(|b| is_space(*b)) {
            self.at += 1;
        }
    }

    fn window(&self, rest: &'b [u8]) -> &'b [u8] {
        &rest[..rest.len().min(self.limits.stanza_bytes as usize)]
    }
}

/// The innermost binding of `prefix`.
fn lookup(scope: &Scope, prefix: &str) -> Option<String> {
    scope.iter().rev().find(|(p, _)| p == prefix).map(|(_, namespace)| namespace.clone())
}

/// The inside of an XML declaration, by trying every way to write it.
fn declared(inside: &[u8]) -> Result<(), Stop> {
    let malformed = Err(Stop::Broken(Rule::NotWellFormed));
    let Ok(text) = core::str::from_utf8(inside) else { return malformed };
    let mut wanted = ["version", "encoding", "standalone"].into_iter();
    let mut values: Vec<(&str, &str)> = Vec::new();
    let spaces: &[char] = &[' ', '\t', '\r', '\n'];
    let mut rest = text;
    while !rest.trim_matches(spaces).is_empty() {
        let after = rest.trim_start_matches(spaces);
        let Some((name, after)) = after.split_once('=') else { return malformed };
        let name = name.trim_end_matches(spaces);
        let value = after.trim_start_matches(spaces);
        let Some(quote) = value.chars().next().filter(|c| "'\"".contains(*c)) else { return malformed };
        let Some((value, after)) = value[1..].split_once(quote) else { return malformed };
        if rest.starts_with(spaces) && wanted.any(|w| w == name) {
            values.push((name, value));
            rest = after;
        } else {
            return malformed;
        }
    }
    let value = |name| values.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
    if value("version") != Some("1.0")
        || value("standalone").is_some_and(|v| v != "yes")
        || value("encoding") == Some("")
    {
        return malformed;
    }
    if value("encoding").is_some_and(|v| v.to_lowercase() != "utf-8") {
        return Err(Stop::Broken(Rule::UnsupportedEncoding));
    }
    Ok(())
}

/// XML 1.0 §2.2.
fn is_char(c: char) -> bool {
    matches!(u32::from(c), 0x9 | 0xA | 0xD | 0x20..=0xD7FF | 0xE000..=0xFFFD | 0x10000..=0x10FFFF)
}

/// All of `bytes` are characters that XML has.
fn characters(bytes: &[u8]) -> Result<(), Stop> {
    match core::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_char) => Ok(()),
        _ => Err(Stop::Broken(Rule::NotWellFormed)),
    }
}
