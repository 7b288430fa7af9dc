//! The XML declaration and the stream header.

use alloc::string::String;
use alloc::vec::Vec;

use super::context::HEADER_PREFIXES;
use super::finder::Finder;
use super::pass::{Pass, Stop};
use super::scratch::{Mode, Scratch, Value};
use super::tag::TagEnd;
use super::{Attr, Header, Rule, StreamContext, namespaces};
use crate::ns;

/// Longest XML declaration; a longer one is `policy-violation`.
const DECLARATION_BYTES: usize = 256;

/// What stands at the very beginning of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declaration {
    /// No XML declaration.
    None,
    /// One that ends here.
    Until(usize),
    /// Too little to say.
    More,
}

/// Reads an XML declaration. RFC 6120 §11.5, §11.6; XML 1.0 §2.8.
pub(super) fn declaration(buf: &[u8]) -> Result<Declaration, Rule> {
    const START: &[u8] = b"<?xml";
    if !buf.starts_with(START) {
        return Ok(if START.starts_with(buf) { Declaration::More } else { Declaration::None });
    }
    match buf.get(START.len()) {
        None => return Ok(Declaration::More),
        Some(b' ' | b'\t' | b'\r' | b'\n' | b'?') => {}
        Some(_) => return Ok(Declaration::None),
    }
    let window = &buf[..buf.len().min(DECLARATION_BYTES)];
    let Some(end) = memchr::memmem::find(window, b"?>") else {
        return if window.len() == DECLARATION_BYTES { Err(Rule::PolicyViolation) } else { Ok(Declaration::More) };
    };
    check_declaration(&window[START.len()..end])?;
    Ok(Declaration::Until(end + 2))
}

/// `inside` is what stands between `<?xml` and `?>`.
fn check_declaration(inside: &[u8]) -> Result<(), Rule> {
    let mut rest = inside;
    let version = pseudo_attribute(&mut rest, b"version")?;
    if version != Some(b"1.0") {
        return Err(Rule::NotWellFormed);
    }
    let encoding = pseudo_attribute(&mut rest, b"encoding")?;
    let standalone = pseudo_attribute(&mut rest, b"standalone")?;
    if !rest.trim_ascii().is_empty() || rest.contains(&0x0C) {
        return Err(Rule::NotWellFormed);
    }
    match standalone {
        None | Some(b"yes") => {}
        Some(_) => return Err(Rule::NotWellFormed),
    }
    match encoding {
        Some(b"") => Err(Rule::NotWellFormed),
        Some(name) if !name.eq_ignore_ascii_case(b"utf-8") => Err(Rule::UnsupportedEncoding),
        _ => Ok(()),
    }
}

/// Takes white space, `name`, `=` and a quoted value off the front, if `name` comes next.
fn pseudo_attribute<'b>(rest: &mut &'b [u8], name: &[u8]) -> Result<Option<&'b [u8]>, Rule> {
    let white = |s: &'b [u8]| {
        let n = s.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count();
        (n, &s[n..])
    };
    let (gap, after) = white(rest);
    let Some(after) = after.strip_prefix(name) else { return Ok(None) };
    let after = white(after).1.strip_prefix(b"=").ok_or(Rule::NotWellFormed)?;
    let after = white(after).1;
    let (quote, value) = after.split_first().ok_or(Rule::NotWellFormed)?;
    let len = value.iter().position(|b| b == quote).ok_or(Rule::NotWellFormed)?;
    if gap == 0 || !matches!(quote, b'\'' | b'"') {
        return Err(Rule::NotWellFormed);
    }
    *rest = &value[len + 1..];
    Ok(Some(&value[..len]))
}

/// A header and what it means.
pub(super) struct Opened<'b> {
    /// Its end is relative to its own first byte.
    pub(super) header: Header<'b>,
    pub(super) context: StreamContext,
    /// It is its own end tag.
    pub(super) empty: bool,
}

impl<'b, F: Finder> Pass<'_, 'b, F> {
    /// The stream header at the front of the input, or with `again` the rest of one that was cut.
    pub(super) fn header(&mut self, again: bool) -> Result<Opened<'b>, Stop> {
        let tag = if again && self.unstick()?.mode != Mode::Text {
            self.attributes_again()?
        } else {
            let end = self.tag_name(0)?;
            self.attributes(end)?
        };
        self.open(tag)
    }

    fn open(&mut self, tag: TagEnd) -> Result<Opened<'b>, Stop> {
        let broken = |rule| Stop::Broken(rule, tag.end);
        let s = &self.s[..tag.end];
        self.check_tag().map_err(broken)?;
        super::check_characters::<F>(s).map_err(|at| Stop::Broken(Rule::NotWellFormed, at))?;
        check_root(s, self.scratch).map_err(broken)?;
        let context = context(s, self.scratch).ok_or(broken(Rule::NotWellFormed))?;
        Ok(Opened { header: header(s, self.scratch, &context), context, empty: tag.empty })
    }
}

/// The root is a stream with server content. RFC 6120 §4.8.1, §4.8.3.
fn check_root(s: &[u8], scratch: &mut Scratch) -> Result<(), Rule> {
    let name = scratch.tag.name;
    if name.local(s) != b"stream" {
        return Err(Rule::BadFormat);
    }
    let default = attribute(s, scratch, b"xmlns").map(|value| namespaces::name(s, value));
    let nothing = StreamContext::default();
    let streams = if name.prefix == 0 {
        default.as_deref() == Some(ns::STREAMS.as_bytes())
    } else {
        let bound = namespaces::resolve(s, scratch, &nothing, name)?;
        *bound.name(s, &nothing) == *ns::STREAMS.as_bytes()
    };
    if !streams || default.as_deref() != Some(ns::SERVER.as_bytes()) {
        return Err(Rule::InvalidNamespace);
    }
    if scratch.bindings.len() > HEADER_PREFIXES {
        return Err(Rule::PolicyViolation);
    }
    Ok(())
}

/// What outlives the header's bytes, which are UTF-8.
fn context(s: &[u8], scratch: &Scratch) -> Option<StreamContext> {
    let root = core::str::from_utf8(scratch.tag.name.bytes(s)).ok()?;
    let lang = attribute(s, scratch, b"xml:lang").and_then(|value| text(s, value));
    let bindings: Option<Vec<(String, String)>> =
        scratch.bindings.iter().map(|b| Some((text(s, b.prefix)?, text(s, b.namespace)?))).collect();
    let bindings = bindings?;
    let borrowed: Vec<(&str, &str)> = bindings.iter().map(|(p, n)| (p.as_str(), n.as_str())).collect();
    Some(StreamContext::new(root, lang.as_deref(), &borrowed))
}

fn text(s: &[u8], value: Value) -> Option<String> {
    String::from_utf8(namespaces::name(s, value).into_owned()).ok()
}

fn attribute(s: &[u8], scratch: &Scratch, name: &[u8]) -> Option<Value> {
    scratch.attributes.iter().find(|a| a.name.bytes(s) == name).map(|a| a.value)
}

fn header<'b>(s: &'b [u8], scratch: &Scratch, context: &StreamContext) -> Header<'b> {
    let attr = |name: &[u8]| attribute(s, scratch, name).map(|value| Attr::of(s, value));
    Header {
        end: s.len(),
        from: attr(b"from"),
        to: attr(b"to"),
        id: attr(b"id"),
        version: attr(b"version"),
        lang: attr(b"xml:lang"),
        declares_dialback: (0..context.len()).any(|n| context.binding(n).1 == ns::DIALBACK),
    }
}
