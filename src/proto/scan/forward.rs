//! Carries a stanza from one stream to another: its bytes, with at most one splice.

use alloc::vec::Vec;

use super::{Element, StreamContext};

/// Appends `element` to `out` such that it means on the stream `to` what it means on the stream `from`.
///
/// At most one splice after the root element's name: declarations of inherited prefixes that `to` does not bind to
/// the same namespace, and the language of `from` where the element has none and `to`'s differs. No declaration can
/// clash: had the root element declared the prefix itself, it would not be inherited.
///
/// # Source
/// RFC 6120 §4.8.5 (prefixes of the header), RFC 6120 §4.7.4 (the header's language is that of its stanzas).
pub fn forward(element: &Element<'_>, from: &StreamContext, to: &StreamContext, out: &mut Vec<u8>) {
    let (head, tail) = element.bytes.split_at(element.name_end as usize);
    out.extend_from_slice(head);
    splice(element.inherited_prefixes, element.has_lang, from, to, out);
    out.extend_from_slice(tail);
}

/// The most bytes that [`forward`] adds to an element of the stream `from` on the stream `to`.
pub fn longest_splice(from: &StreamContext, to: &StreamContext) -> usize {
    let mut out = Vec::new();
    splice(u64::MAX, false, from, to, &mut out);
    out.len()
}

fn splice(inherited: u64, has_lang: bool, from: &StreamContext, to: &StreamContext, out: &mut Vec<u8>) {
    let mut used = inherited;
    while used != 0 {
        let n = used.trailing_zeros() as usize;
        used &= used - 1;
        if n < from.len() {
            let (prefix, namespace) = from.binding(n);
            if to.namespace(prefix) != Some(namespace) {
                out.extend_from_slice(b" xmlns:");
                out.extend_from_slice(prefix.as_bytes());
                quoted(namespace, out);
            }
        }
    }
    if !has_lang
        && let Some(lang) = from.lang()
        && lang != to.lang().unwrap_or_default()
    {
        out.extend_from_slice(b" xml:lang");
        quoted(lang, out);
    }
}

/// `='value'`, escaped such that it decodes to `value` again.
fn quoted(value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"='");
    for b in value.bytes() {
        match b {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'\'' => out.extend_from_slice(b"&apos;"),
            b'\t' => out.extend_from_slice(b"&#9;"),
            b'\n' => out.extend_from_slice(b"&#10;"),
            b'\r' => out.extend_from_slice(b"&#13;"),
            b => out.push(b),
        }
    }
    out.push(b'\'');
}
