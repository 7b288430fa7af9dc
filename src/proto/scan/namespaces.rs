//! Namespaces in XML 1.0: declarations, and that every prefix is bound.

use alloc::borrow::Cow;

use super::scratch::{Attribute, Binding, Name, Scratch, Value};
use super::{Rule, StreamContext, references};
use crate::ns;

/// Prefixes declared inside a stanza and in scope at one place; more are `policy-violation`. Bounds the time to find one.
pub(super) const PREFIXES_IN_SCOPE: usize = 256;

/// Stands for a prefix in comparisons: equal for equal prefixes, and unique for those of up to 7 bytes.
pub(super) type Key = u64;

/// The key of `prefix`.
#[inline(always)]
pub(super) fn key(prefix: &[u8]) -> Key {
    let mut bytes = [0; 8];
    match prefix.len() {
        n @ 0..=7 => bytes[..n].copy_from_slice(prefix),
        n => {
            bytes[..6].copy_from_slice(&prefix[..6]);
            bytes[6] = prefix[n - 1];
            // Above 0x7F as a marker: names of up to 7 bytes leave 0 here.
            bytes[7] = 0x80 | (n & 0x7F) as u8;
        }
    }
    u64::from_le_bytes(bytes)
}

/// What a prefix is bound to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    /// In the stanza.
    Here(Value),
    /// By the stream header, with this number.
    Header(usize),
    /// `xml` is always bound.
    Xml,
}

impl Bound {
    /// The namespace's name, decoded.
    pub(super) fn name<'x>(self, s: &'x [u8], context: &'x StreamContext) -> Cow<'x, [u8]> {
        match self {
            Self::Here(value) => name(s, value),
            Self::Header(n) => Cow::Borrowed(context.binding(n).1.as_bytes()),
            Self::Xml => Cow::Borrowed(ns::XML.as_bytes()),
        }
    }
}

/// A declared namespace's name, decoded.
pub(super) fn name(s: &[u8], value: Value) -> Cow<'_, [u8]> {
    let raw = value.bytes(s);
    if value.coded { Cow::Owned(references::decoded(raw)) } else { Cow::Borrowed(raw) }
}

/// Whether an attribute of this name declares a namespace.
#[inline(always)]
pub(super) fn declares(s: &[u8], name: Name) -> bool {
    (name.prefix == 5 || (name.prefix == 0 && name.len == 5)) && &name.bytes(s)[..5] == b"xmlns"
}

const XML_BYTES: u32 = ns::XML.len() as u32;
const XMLNS_BYTES: u32 = ns::XMLNS.len() as u32;

/// Whether a declaration is of the default namespace and cannot be wrong, by its looks: no references, no white space to
/// normalise, not as long as a reserved name. Nearly all are; a tag with no other declaration needs no [`declare`].
#[inline(always)]
pub(super) fn is_plain_default(declaration: &Attribute) -> bool {
    let Attribute { name, value, .. } = declaration;
    name.prefix == 0 && !value.coded && value.len != XML_BYTES && value.len != XMLNS_BYTES
}

/// Brings the declarations among the current tag's attributes into scope.
#[inline(never)]
pub(super) fn declare(s: &[u8], scratch: &mut Scratch) -> Result<(), Rule> {
    for attribute in scratch.attributes.iter().filter(|a| declares(s, a.name)) {
        check(s, attribute)?;
        let local = attribute.name.local(s);
        if attribute.name.prefix == 0 || local == b"xml" {
            continue;
        }
        if scratch.bindings.len() == PREFIXES_IN_SCOPE {
            return Err(Rule::PolicyViolation);
        }
        let prefix = Value { start: attribute.name.start + 6, len: local.len() as u32, coded: false };
        scratch.bindings.push(Binding { key: key(local), prefix, namespace: attribute.value });
    }
    Ok(())
}

/// Whether a declaration is allowed.
///
/// # Source
/// Namespaces in XML 1.0 §3 (reserved prefixes and names), §2.2 (no empty name for a prefix). Beyond it, control
/// characters in a namespace's name, which only references can put there, are refused: expat joins it to the local name
/// with a separator of its user's choice (ejabberd: line feed) and fails the document when the name has that.
fn check(s: &[u8], attribute: &Attribute) -> Result<(), Rule> {
    let name = name(s, attribute.value);
    let xml = *name == *ns::XML.as_bytes();
    let xmlns = *name == *ns::XMLNS.as_bytes();
    let fine = if attribute.name.prefix == 0 {
        !xml && !xmlns
    } else {
        match attribute.name.local(s) {
            b"xml" => xml,
            b"xmlns" => false,
            _ => !xml && !xmlns && !name.is_empty(),
        }
    };
    if fine && name.iter().all(|b| *b >= b' ') { Ok(()) } else { Err(Rule::NotWellFormed) }
}

/// Finds what `prefix` is bound to; what the header bound is noted as inherited.
pub(super) fn resolve(s: &[u8], scratch: &mut Scratch, context: &StreamContext, of: Name) -> Result<Bound, Rule> {
    let prefix = of.prefix(s);
    let key = key(prefix);
    let here =
        scratch.bindings.iter().rev().find(|b| b.key == key && (prefix.len() <= 7 || b.prefix.bytes(s) == prefix));
    if let Some(binding) = here {
        return Ok(Bound::Here(binding.namespace));
    }
    if prefix == b"xml" {
        return Ok(Bound::Xml);
    }
    let n = context.find(key, prefix).ok_or(Rule::NotWellFormed)?;
    scratch.inherited |= 1 << n;
    Ok(Bound::Header(n))
}

/// Checks that the prefixes of the current tag and its attributes are bound.
#[inline(never)]
pub(super) fn resolve_all(s: &[u8], scratch: &mut Scratch, context: &StreamContext) -> Result<(), Rule> {
    if scratch.tag.name.prefix != 0 {
        resolve(s, scratch, context, scratch.tag.name)?;
    }
    if scratch.tag.prefixed != 0 {
        for i in 0..scratch.attributes.len() {
            let attribute = scratch.attributes[i];
            if attribute.name.prefix != 0 && !declares(s, attribute.name) {
                resolve(s, scratch, context, attribute.name)?;
            }
        }
    }
    Ok(())
}
