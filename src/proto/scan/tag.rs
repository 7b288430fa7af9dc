//! Start tags: syntax, attributes, and what must hold once a tag is complete.

use super::classes::is_white;
use super::finder::{Finder, VALUE};
use super::pass::{Pass, Stop, instruction, malformed};
use super::scratch::{Attribute, Mode, Name, Open, Resume, Stuck, Tag, Value};
use super::{Rule, duplicates, names, namespaces, root};

/// What follows a name or a value in a start tag.
enum Next {
    End(TagEnd),
    /// The name of an attribute, and the offset after it.
    Attribute(Name, usize),
}

/// White space before an attribute or the end of a start tag; more is `policy-violation`.
const GAP_WHITE_BYTES: usize = 256;
/// White space on one side of a `=` or at the end of an end tag; more is `policy-violation`.
pub(super) const EQUALS_WHITE_BYTES: usize = 64;

/// The begin of a declaration of the default namespace, as nearly all are written.
const DECLARATION: &[u8; 8] = b" xmlns='";

/// A complete start tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct TagEnd {
    /// Offset after its `>`.
    pub(super) end: usize,
    /// It is its own end tag.
    pub(super) empty: bool,
}

impl<F: Finder> Pass<'_, '_, F> {
    /// A start tag and what it means; returns the offset after it.
    #[inline(always)]
    pub(super) fn start_tag(&mut self, pos: usize) -> Result<usize, Stop> {
        let end = self.tag_name(pos)?;
        let tag = self.attributes(end)?;
        self.enter(tag)
    }

    /// The name after the `<` at `pos`; returns the offset after it.
    #[inline(always)]
    pub(super) fn tag_name(&mut self, pos: usize) -> Result<usize, Stop> {
        match names::qname(self.s, pos + 1) {
            Ok((name, end)) => {
                self.scratch.note(name.len as usize + 1);
                self.scratch.tag = Tag { name, ..Tag::default() };
                self.scratch.attributes.clear();
                Ok(end)
            }
            Err(stop) => self.no_tag_name(pos, stop),
        }
    }

    #[cold]
    fn no_tag_name(&mut self, pos: usize, stop: names::NameStop) -> Result<usize, Stop> {
        if self.s.get(pos + 1) != Some(&b'?') {
            return self.name_stop(pos + 1, stop, Mode::Text, pos);
        }
        match instruction(self.s, pos) {
            Some(rule) => Err(Stop::Broken(rule, pos)),
            None => self.suspend(Mode::Text, pos, Stuck::No),
        }
    }

    /// The rest of a start tag, from the end of its name or of a value.
    #[inline(always)]
    pub(super) fn attributes(&mut self, mut pos: usize) -> Result<TagEnd, Stop> {
        loop {
            let found = match self.s.get(pos) {
                Some(b' ') if self.s[pos..].first_chunk() == Some(DECLARATION) => {
                    pos = self.declaration(pos)?;
                    continue;
                }
                Some(b' ') => names::plain(self.s, pos + 1),
                Some(b'>') => return Ok(TagEnd { end: pos + 1, empty: false }),
                Some(b'/') if self.s.get(pos + 1) == Some(&b'>') => return Ok(TagEnd { end: pos + 2, empty: true }),
                _ => None,
            };
            let (name, end) = match found {
                Some(found) => found,
                None => match self.next(pos)? {
                    Next::End(tag) => return Ok(tag),
                    Next::Attribute(name, end) => (name, end),
                },
            };
            pos = self.attribute(pos, name, end)?;
        }
    }

    /// A declaration of the default namespace as nearly all are written, at `pos`: the most frequent of all attributes.
    #[inline(always)]
    fn declaration(&mut self, pos: usize) -> Result<usize, Stop> {
        self.scratch.note(DECLARATION.len() - 1);
        let name = Name { start: pos as u32 + 1, len: 5, prefix: 0 };
        let value = Value { start: (pos + DECLARATION.len()) as u32, len: 0, coded: false };
        self.value(Attribute { name, value, double: false }, pos + DECLARATION.len())
    }

    /// What follows the name or value before `pos`, if it is not the usual end or single space and plain name.
    #[inline(never)]
    fn next(&mut self, pos: usize) -> Result<Next, Stop> {
        let at = self.white(pos, GAP_WHITE_BYTES, Mode::Tag, pos)?;
        match (self.s[at], self.s.get(at + 1)) {
            (b'>', _) => Ok(Next::End(TagEnd { end: at + 1, empty: false })),
            (b'/', Some(b'>')) => Ok(Next::End(TagEnd { end: at + 2, empty: true })),
            (b'/', None) => self.suspend(Mode::Tag, pos, Stuck::No),
            (b'/', Some(_)) => malformed(at),
            _ if at == pos => malformed(at),
            _ => match names::qname(self.s, at) {
                Ok((name, end)) => Ok(Next::Attribute(name, end)),
                Err(stop) => self.name_stop(at, stop, Mode::Tag, pos),
            },
        }
    }

    /// Goes on with a start tag that was cut.
    #[inline(always)]
    pub(super) fn attributes_again(&mut self) -> Result<TagEnd, Stop> {
        let Resume { mode, pos, .. } = self.scratch.resume;
        let mut pos = pos as usize;
        if mode == Mode::Value {
            pos = self.value(self.scratch.pending, pos)?;
        }
        self.attributes(pos)
    }

    /// The attribute whose name ends at `end`, after the white space at `gap`; returns the offset after its value.
    #[inline(always)]
    fn attribute(&mut self, gap: usize, name: Name, end: usize) -> Result<usize, Stop> {
        self.scratch.note(name.len as usize + 2);
        let quote = match self.s.get(end + 1) {
            Some(b'\'' | b'"') if self.s[end] == b'=' => end + 1,
            _ => self.equals(gap, name)?,
        };
        let value = Value { start: quote as u32 + 1, len: 0, coded: false };
        self.value(Attribute { name, value, double: self.s[quote] == b'"' }, quote + 1)
    }

    /// The `=` after `name` and white space around it; returns the offset of the quote.
    #[inline(never)]
    fn equals(&mut self, gap: usize, name: Name) -> Result<usize, Stop> {
        let at = self.white(name.end(), EQUALS_WHITE_BYTES, Mode::Tag, gap)?;
        if self.s[at] != b'=' {
            return malformed(at);
        }
        let at = self.white(at + 1, EQUALS_WHITE_BYTES, Mode::Tag, gap)?;
        if matches!(self.s[at], b'\'' | b'"') { Ok(at) } else { malformed(at) }
    }

    /// A value from somewhere inside it; returns the offset after its quote.
    #[inline(always)]
    fn value(&mut self, mut attribute: Attribute, mut pos: usize) -> Result<usize, Stop> {
        loop {
            // A branch, which is predicted, and no index, for which the search would wait.
            let at = if attribute.double { self.find(pos, &VALUE[1]) } else { self.find(pos, &VALUE[0]) };
            match self.s.get(at) {
                Some(b'\'' | b'"') => {
                    attribute.value.len = at as u32 - attribute.value.start;
                    self.push(attribute, at)?;
                    return Ok(at + 1);
                }
                Some(b'&') => {
                    self.scratch.pending = attribute;
                    pos = self.reference(at, Mode::Value)?;
                }
                Some(b) if is_white(*b) => pos = at + 1,
                Some(_) => return malformed(at),
                None => {
                    self.scratch.pending = attribute;
                    return self.suspend(Mode::Value, at, Stuck::No);
                }
            }
            attribute.value.coded = true;
        }
    }

    #[inline(always)]
    fn push(&mut self, attribute: Attribute, at: usize) -> Result<(), Stop> {
        let scratch = &mut *self.scratch;
        if scratch.attributes.len() >= usize::from(scratch.limits.attributes) {
            return Err(Stop::Broken(Rule::PolicyViolation, at));
        }
        let name = attribute.name;
        if name.prefix != 0 || name.len == 5 {
            let declares = namespaces::declares(self.s, name);
            scratch.tag.declares |= declares && !namespaces::is_plain_default(&attribute);
            scratch.tag.prefixed += u16::from(name.prefix != 0 && !declares);
        }
        scratch.attributes.push(attribute);
        Ok(())
    }

    /// Checks a complete start tag and opens its element; returns the offset after the tag.
    #[inline(always)]
    pub(super) fn enter(&mut self, tag: TagEnd) -> Result<usize, Stop> {
        let scratch = &mut *self.scratch;
        let bindings = scratch.bindings.len();
        scratch.elements += 1;
        if scratch.elements > scratch.limits.elements || scratch.open.len() >= usize::from(scratch.limits.depth) {
            return Err(Stop::Broken(Rule::PolicyViolation, tag.end));
        }
        self.check_tag().map_err(|rule| Stop::Broken(rule, tag.end))?;
        if self.scratch.open.is_empty() {
            root::capture(self.s, self.scratch, self.context).map_err(|rule| Stop::Broken(rule, tag.end))?;
        }
        let scratch = &mut *self.scratch;
        if tag.empty {
            scratch.bindings.truncate(bindings);
        } else {
            let Name { start, len, .. } = scratch.tag.name;
            scratch.open.push(Open { start, len, bindings: bindings as u16 });
        }
        Ok(tag.end)
    }

    /// Attributes differ, declarations are allowed, prefixes are bound.
    #[inline(always)]
    pub(super) fn check_tag(&mut self) -> Result<(), Rule> {
        let scratch = &mut *self.scratch;
        if scratch.attributes.len() > 1 {
            duplicates::by_qname(self.s, &scratch.attributes)?;
        }
        if scratch.tag.declares {
            namespaces::declare(self.s, scratch)?;
        }
        if scratch.tag.prefixed != 0 || scratch.tag.name.prefix != 0 {
            namespaces::resolve_all(self.s, scratch, self.context)?;
        }
        if scratch.tag.prefixed > 1 {
            duplicates::by_expanded_name(self.s, scratch, self.context)?;
        }
        Ok(())
    }
}
