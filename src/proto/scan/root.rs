//! What routing needs to know of a depth-1 element.

use super::scratch::{Name, Scratch, Value};
use super::{Attr, Element, Kind, Rule, StreamContext, namespaces};
use crate::ns;

/// A name of up to 8 bytes as a number; other lengths and what does not matter here have none.
const fn word(name: &[u8]) -> u64 {
    let mut word = 0;
    let mut n = 0;
    while n < name.len() {
        word |= (name[n] as u64) << (8 * (n + 8 - name.len()));
        n += 1;
    }
    word
}

/// The [`word`] of an attribute's name, 0 if it is longer: one load where a comparison of slices is a call.
#[inline(always)]
fn word_at(s: &[u8], name: Name) -> u64 {
    match s.get(name.start as usize..).and_then(|rest| rest.first_chunk::<8>()) {
        Some(eight) if matches!(name.len, 1..=8) => u64::from_le_bytes(*eight) << (64 - 8 * u32::from(name.len)),
        _ if name.len <= 8 => word(name.bytes(s)),
        _ => 0,
    }
}

/// Notes kind and addresses of the depth-1 element whose start tag is complete.
pub(super) fn capture(s: &[u8], scratch: &mut Scratch, context: &StreamContext) -> Result<(), Rule> {
    const FROM: u64 = word(b"from");
    const TO: u64 = word(b"to");
    const ID: u64 = word(b"id");
    const TYPE: u64 = word(b"type");
    const XMLNS: u64 = word(b"xmlns");
    const LANG: u64 = word(b"xml:lang");
    let mut default: Option<Value> = None;
    let root = &mut scratch.root;
    for attribute in &scratch.attributes {
        let value = Some(attribute.value);
        match word_at(s, attribute.name) {
            FROM => root.from = value,
            TO => root.to = value,
            ID => root.id = value,
            TYPE => root.ty = value,
            XMLNS => default = value,
            LANG => root.has_lang = true,
            _ => {}
        }
    }
    let name = scratch.tag.name;
    root.name_end = name.end() as u32;
    let local = name.local(s);
    let kind = if name.prefix != 0 {
        let bound = namespaces::resolve(s, scratch, context, name)?;
        kind(&bound.name(s, context), local)
    } else {
        default.map_or_else(|| stanza(local), |value| kind(&namespaces::name(s, value), local))
    };
    scratch.root.kind = Some(kind);
    Ok(())
}

/// By local name, in the content namespace.
fn stanza(local: &[u8]) -> Kind {
    match local {
        b"message" => Kind::Message,
        b"presence" => Kind::Presence,
        b"iq" => Kind::Iq,
        _ => Kind::Other,
    }
}

/// By expanded name.
fn kind(namespace: &[u8], local: &[u8]) -> Kind {
    const SERVER: &[u8] = ns::SERVER.as_bytes();
    const DIALBACK: &[u8] = ns::DIALBACK.as_bytes();
    const STREAMS: &[u8] = ns::STREAMS.as_bytes();
    const TLS: &[u8] = ns::TLS.as_bytes();
    const SASL: &[u8] = ns::SASL.as_bytes();
    match (namespace, local) {
        (SERVER, _) => stanza(local),
        (DIALBACK, b"result") => Kind::DialbackResult,
        (DIALBACK, b"verify") => Kind::DialbackVerify,
        (STREAMS, b"error") => Kind::StreamError,
        (STREAMS, b"features") => Kind::Features,
        (TLS, _) => Kind::StartTls,
        (SASL, _) => Kind::Sasl,
        _ => Kind::Other,
    }
}

/// The element that is `s`, which began at `start` of the scanned buffer.
#[inline(always)]
pub(super) fn element<'b>(s: &'b [u8], scratch: &Scratch, start: usize) -> Element<'b> {
    let root = &scratch.root;
    let attr = |value: Option<Value>| value.map(|v| Attr::of(s, v));
    Element {
        bytes: s,
        start,
        end: start + s.len(),
        kind: root.kind.unwrap_or(Kind::Other),
        name_end: root.name_end,
        from: attr(root.from),
        to: attr(root.to),
        id: attr(root.id),
        ty: attr(root.ty),
        has_lang: root.has_lang,
        inherited_prefixes: scratch.inherited,
    }
}
