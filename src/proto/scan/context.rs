//! What a stream's header means for the stanzas in it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::namespaces::{self, Key};
use crate::ns;

/// What a stream's header means for the stanzas in it: prefix bindings and language.
///
/// Owned by the scanner; outlives the header's bytes. The content namespace is always [`ns::SERVER`].
#[derive(Clone, Debug, Default)]
pub struct StreamContext {
    /// The root's QName, then the language, then prefix and namespace of each binding, all decoded.
    text: Box<str>,
    bindings: Box<[Bound]>,
    name_bytes: u16,
    lang_end: u32,
    has_lang: bool,
}

/// A prefix of the header; its text begins where that of the one before ends.
#[derive(Clone, Copy, Debug)]
struct Bound {
    key: Key,
    prefix_end: u32,
    namespace_end: u32,
}

/// Most prefixes of a header: one bit each in `Element::inherited_prefixes`. More are `policy-violation`.
pub const HEADER_PREFIXES: usize = 64;

impl StreamContext {
    /// Of the headers that ringgate writes: prefixes `stream` and `db`, no language.
    pub fn ours() -> Self {
        Self::new("stream:stream", None, &[("stream", ns::STREAMS), ("db", ns::DIALBACK)])
    }

    /// Of a header with this root element; at most [`HEADER_PREFIXES`] bindings, namespaces decoded.
    pub(super) fn new(root: &str, lang: Option<&str>, bindings: &[(&str, &str)]) -> Self {
        let mut text = String::from(root);
        text.push_str(lang.unwrap_or_default());
        let lang_end = text.len() as u32;
        let bound: Vec<Bound> = bindings
            .iter()
            .map(|(prefix, namespace)| {
                text.push_str(prefix);
                let prefix_end = text.len() as u32;
                text.push_str(namespace);
                Bound { key: namespaces::key(prefix.as_bytes()), prefix_end, namespace_end: text.len() as u32 }
            })
            .collect();
        Self {
            text: text.into(),
            bindings: bound.into(),
            name_bytes: root.len() as u16,
            lang_end,
            has_lang: lang.is_some(),
        }
    }

    /// The namespace that the header bound `prefix` to (`""` is the default namespace).
    pub fn namespace(&self, prefix: &str) -> Option<&str> {
        match prefix {
            _ if self.name_bytes == 0 => None,
            "" => Some(ns::SERVER),
            "xml" => Some(ns::XML),
            _ => self.find(namespaces::key(prefix.as_bytes()), prefix.as_bytes()).map(|n| self.binding(n).1),
        }
    }

    /// The header's `xml:lang`, decoded.
    pub fn lang(&self) -> Option<&str> {
        self.has_lang.then(|| &self.text[usize::from(self.name_bytes)..self.lang_end as usize])
    }

    /// The root element's QName; empty before the header.
    pub(super) fn root(&self) -> &[u8] {
        &self.text.as_bytes()[..usize::from(self.name_bytes)]
    }

    /// How many prefixes the header bound.
    pub(super) fn len(&self) -> usize {
        self.bindings.len()
    }

    /// The `n`-th prefix and its namespace.
    pub(super) fn binding(&self, n: usize) -> (&str, &str) {
        let start = n.checked_sub(1).map_or(self.lang_end, |before| self.bindings[before].namespace_end);
        let bound = self.bindings[n];
        (
            &self.text[start as usize..bound.prefix_end as usize],
            &self.text[bound.prefix_end as usize..bound.namespace_end as usize],
        )
    }

    /// Number of the binding of `prefix`.
    pub(super) fn find(&self, key: Key, prefix: &[u8]) -> Option<usize> {
        (0..self.bindings.len()).find(|n| self.bindings[*n].key == key && self.binding(*n).0.as_bytes() == prefix)
    }
}
