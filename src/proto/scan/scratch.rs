//! What a scan remembers inside an element: a few stacks and where it stopped.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Limits;

/// Working memory of a scan, one per shard: stacks of names, namespaces and attributes.
///
/// A scanner that stops inside an element saves what it needs and finds it again. Positions are offsets from the
/// element's first byte, so that the buffer may move between two calls.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Elements that are open, the stanza first.
    pub(super) open: Vec<Open>,
    /// Prefixes that they declared, outermost first.
    pub(super) bindings: Vec<Binding>,
    /// Of the start tag being read.
    pub(super) attributes: Vec<Attribute>,
    /// What stands in that tag.
    pub(super) tag: Tag,
    /// The attribute whose value is being read; its length is not known yet.
    pub(super) pending: Attribute,
    /// The depth-1 element.
    pub(super) root: Root,
    /// Bounds, as they were when the element began.
    pub(super) limits: Limits,
    /// Elements so far.
    pub(super) elements: u32,
    /// Prefixes of the stream header used so far.
    pub(super) inherited: u64,
    /// Where to go on.
    pub(super) resume: Resume,
    /// For states to be saved: what was saved and is needed no more.
    #[expect(clippy::vec_box, reason = "scanners own their saved states by the box, which shall not be made anew")]
    spare: Vec<Box<Self>>,
}

/// States kept for others to be saved in, and the longest stack (entries) of one.
const SPARE_STATES: usize = 8;
const SPARE_ENTRIES: usize = 64;
/// Capacity (entries) above which a stack is given back after the element that needed it.
const KEPT_ENTRIES: usize = 1024;

impl Scratch {
    /// Forgets everything, for an element that begins now.
    #[inline(always)]
    pub(super) fn begin(&mut self, limits: Limits) {
        self.open.clear();
        self.bindings.clear();
        self.attributes.clear();
        self.root = Root::default();
        self.limits = limits;
        self.elements = 0;
        self.inherited = 0;
    }

    /// Moves the state of an unfinished element to `saved`: copied at first, later only exchanged, so that input that
    /// comes byte by byte costs nothing more.
    #[cold]
    pub(super) fn save(&mut self, saved: &mut Option<Box<Self>>) {
        if let Some(place) = saved {
            return self.exchange(place);
        }
        let mut place = self.spare.pop().unwrap_or_default();
        let mut stacks = core::mem::take(&mut *place);
        stacks.open.extend_from_slice(&self.open);
        stacks.bindings.extend_from_slice(&self.bindings);
        stacks.attributes.extend_from_slice(&self.attributes);
        let Self { open, bindings, attributes, spare, .. } = stacks;
        *place = Self { open, bindings, attributes, spare, ..*self };
        *saved = Some(place);
        self.trim();
    }

    /// Exchanges this state for a saved one.
    #[cold]
    pub(super) fn exchange(&mut self, saved: &mut Self) {
        core::mem::swap(self, saved);
        core::mem::swap(&mut self.spare, &mut saved.spare);
    }

    /// Takes back the place of a state that is needed no more.
    #[cold]
    pub(super) fn take_back(&mut self, mut saved: Box<Self>) {
        let longest = saved.open.capacity().max(saved.bindings.capacity()).max(saved.attributes.capacity());
        if self.spare.len() < SPARE_STATES && longest <= SPARE_ENTRIES {
            saved.begin(Limits::default());
            self.spare.push(saved);
        }
    }

    /// Gives back what an unusual element made grow.
    #[inline(always)]
    pub(super) fn trim(&mut self) {
        if self.open.capacity() | self.bindings.capacity() | self.attributes.capacity() > KEPT_ENTRIES {
            *self = Self::default();
        }
    }

    /// Counts `bytes` as looked at, for the test that resuming is linear.
    #[inline(always)]
    pub(super) fn note(&mut self, bytes: usize) {
        #[cfg(test)]
        super::tests::examined::add(bytes);
        let _ = bytes;
    }
}

/// A QName in the input.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Name {
    pub(super) start: u32,
    pub(super) len: u16,
    /// Bytes before the colon, 0 without one.
    pub(super) prefix: u16,
}

impl Name {
    /// All of it.
    #[inline(always)]
    pub(super) fn bytes<'b>(&self, s: &'b [u8]) -> &'b [u8] {
        &s[self.start as usize..][..self.len as usize]
    }

    /// Before the colon; empty without one.
    #[inline(always)]
    pub(super) fn prefix<'b>(&self, s: &'b [u8]) -> &'b [u8] {
        &s[self.start as usize..][..self.prefix as usize]
    }

    /// After the colon.
    #[inline(always)]
    pub(super) fn local<'b>(&self, s: &'b [u8]) -> &'b [u8] {
        let skip = if self.prefix == 0 { 0 } else { self.prefix as usize + 1 };
        &self.bytes(s)[skip..]
    }

    /// Offset after it.
    #[inline(always)]
    pub(super) fn end(&self) -> usize {
        self.start as usize + self.len as usize
    }
}

/// A value in the input, without its quotes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Value {
    pub(super) start: u32,
    pub(super) len: u32,
    /// It has references or white space to normalise.
    pub(super) coded: bool,
}

impl Value {
    #[inline(always)]
    pub(super) fn bytes<'b>(&self, s: &'b [u8]) -> &'b [u8] {
        &s[self.start as usize..][..self.len as usize]
    }
}

/// An attribute of the start tag being read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attribute {
    pub(super) name: Name,
    pub(super) value: Value,
    /// The value is in quotation marks, not in apostrophes.
    pub(super) double: bool,
}

/// The start tag being read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tag {
    pub(super) name: Name,
    /// Some attribute declares a namespace and has to be looked at closely.
    pub(super) declares: bool,
    /// Attributes with a prefix, declarations apart.
    pub(super) prefixed: u16,
}

/// An element whose end tag is to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) start: u32,
    pub(super) len: u16,
    /// How many bindings were in scope before it.
    pub(super) bindings: u16,
}

/// A prefix and its namespace, declared inside the stanza.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    /// See [`super::namespaces::key`].
    pub(super) key: u64,
    pub(super) prefix: Value,
    pub(super) namespace: Value,
}

/// What routing needs of the depth-1 element.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Root {
    pub(super) kind: Option<super::Kind>,
    pub(super) name_end: u32,
    pub(super) from: Option<Value>,
    pub(super) to: Option<Value>,
    pub(super) id: Option<Value>,
    pub(super) ty: Option<Value>,
    pub(super) has_lang: bool,
}

/// Where an unfinished element goes on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resume {
    pub(super) mode: Mode,
    /// First byte that has to be read again.
    pub(super) pos: u32,
    /// The input's length at that time.
    pub(super) seen: u32,
    pub(super) stuck: Stuck,
}

/// Between which tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// In character data, or before a token that began there.
    #[default]
    Text,
    /// In a start tag, after its name or a value.
    Tag,
    /// In a value.
    Value,
    /// In a CDATA section.
    Cdata,
}

/// What the input ended in, if the token at `pos` cannot be complete before something else comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stuck {
    /// Anything; read the token again.
    #[default]
    No,
    /// A name from `from`, good up to `verified`.
    Name { from: u32, verified: u32 },
    /// White space in a tag from `from`, of which `most` bytes are allowed.
    White { from: u32, most: u32 },
    /// An end tag whose name agrees so far.
    Close,
}
