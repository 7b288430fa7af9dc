//! Values of attributes, as they stand and decoded.

use alloc::string::String;

use bumpalo::Bump;

use super::references;
use super::scratch::Value;

/// One attribute's value as it stands in the input.
#[derive(Clone, Copy, Debug)]
pub struct Attr<'b> {
    /// Between the quotes, references not decoded.
    pub raw: &'b [u8],
    /// Whether `raw` has a reference or white space that normalisation changes.
    pub needs_decode: bool,
}

impl<'b> Attr<'b> {
    /// The value at its place in `s`. Inlined, or else it is read back from memory before the writes to it are done.
    #[inline(always)]
    pub(super) fn of(s: &'b [u8], value: Value) -> Self {
        Self { raw: value.bytes(s), needs_decode: value.coded }
    }

    /// The decoded, normalised value (XML 1.0 §3.3.3); allocated in `arena` only when it differs from the raw one.
    ///
    /// The scanner proved the bytes to be UTF-8 and the references to be sound. Bytes that are not UTF-8, which no
    /// scanner hands out, give an empty value.
    pub fn decode<'a>(&self, arena: &'a Bump) -> &'a str
    where
        'b: 'a,
    {
        core::str::from_utf8(self.decoded(arena)).unwrap_or_default()
    }

    /// As [`Self::decode`], for those who need not know again that it is UTF-8.
    #[inline]
    pub fn decoded<'a>(&self, arena: &'a bumpalo::Bump) -> &'a [u8]
    where
        'b: 'a,
    {
        if !self.needs_decode {
            return self.raw;
        }
        let out = arena.alloc_slice_fill_copy(self.raw.len(), 0);
        let len = references::decode_to(self.raw, out);
        &out[..len]
    }

    /// Whether `word` is the decoded value: `&#101;rror` is `error`, too.
    #[inline]
    pub fn is(&self, word: &str) -> bool {
        if self.needs_decode { self.to_text() == word } else { self.raw == word.as_bytes() }
    }

    /// As [`Self::decode`], in a string of its own.
    pub fn to_text(&self) -> String {
        String::from(self.decode(&Bump::new()))
    }
}
