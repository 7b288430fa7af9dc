//! What routing needs to know of a depth-1 element.

use super::scratch::{Scratch, Value};
use super::{Attr, Element, Kind, Rule, StreamContext, namespaces};
use crate::ns;

/// Of the names that matter here, `xml:lang` is the longest.
const MOST_NAME_BYTES: u16 = 8;

/// Notes kind and addresses of the depth-1 element whose start tag is complete.
pub(super) fn capture(s: &[u8], scratch: &mut Scratch, context: &StreamContext) -> Result<(), Rule> {
    let mut default: Option<Value> = None;
    let root = &mut scratch.root;
    for attribute in &scratch.attributes {
        let value = Some(attribute.value);
        if attribute.name.len > MOST_NAME_BYTES {
            continue;
        }
        match attribute.name.bytes(s) {
            b"from" => root.from = value,
            b"to" => root.to = value,
            b"id" => root.id = value,
            b"type" => root.ty = value,
            b"xmlns" => default = value,
            b"xml:lang" => root.has_lang = true,
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
