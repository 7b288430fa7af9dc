//! One pass over an element: character data and markup. Start tags are in [`super::tag`].
//!
//! ```text
//!            '<' name                 '=' quote
//!   Text ───────────────► Tag ───────────────────► Value
//!    ▲ ▲                  │ ▲                        │
//!    │ └──── '>' '/>' ────┘ └──────── quote ─────────┘
//!    │
//!    └─ "<![CDATA[" ─► Cdata ─ "]]>" ─► Text          '&…;' in Text and Value, end tags in Text
//! ```
//!
//! A pass that reaches the end of its input stops in one of these modes ([`Resume`]) and goes on there. Inside text,
//! values and CDATA sections that is the very byte; other tokens are read again, but only once something came that may
//! complete them ([`Stuck`]), so the work is linear however the input is cut.

use core::marker::PhantomData;

use super::classes::is_white;
use super::finder::{CDATA, Finder, Stops, TEXT};
use super::names::{self, NameStop};
use super::references::{self, RefStop};
use super::scratch::{Mode, Resume, Scratch, Stuck};
use super::tag::EQUALS_WHITE_BYTES;
use super::{Rule, StreamContext};

/// Why a pass ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The input ended; [`Scratch::resume`] says where to go on.
    More,
    /// A rule is broken at this offset.
    Broken(Rule, usize),
}

/// Short for the most frequent verdict.
#[cold]
pub(super) fn malformed<T>(at: usize) -> Result<T, Stop> {
    Err(Stop::Broken(Rule::NotWellFormed, at))
}

/// A pass over `s`, which begins with the element's `<`.
pub(super) struct Pass<'a, 'b, F> {
    pub(super) s: &'b [u8],
    pub(super) scratch: &'a mut Scratch,
    pub(super) context: &'a StreamContext,
    pub(super) finder: PhantomData<F>,
}

impl<F: Finder> Pass<'_, '_, F> {
    /// A whole element, or with `again` the rest of one that was cut; returns the offset after it.
    #[inline(always)]
    pub(super) fn element(&mut self, again: bool) -> Result<usize, Stop> {
        if !again {
            return self.content(0);
        }
        let Resume { mode, pos, .. } = self.unstick()?;
        let pos = match mode {
            Mode::Text => pos as usize,
            Mode::Cdata => self.cdata(pos as usize)?,
            Mode::Tag | Mode::Value => {
                let tag = self.attributes_again()?;
                let pos = self.enter(tag)?;
                if self.scratch.open.is_empty() {
                    return Ok(pos);
                }
                pos
            }
        };
        self.content(pos)
    }

    /// Content of the open elements, up to the end of the outermost; or, before any is open, an element.
    #[inline(always)]
    fn content(&mut self, mut pos: usize) -> Result<usize, Stop> {
        loop {
            if self.s.get(pos) != Some(&b'<') {
                pos = self.text(pos)?;
            }
            match self.s.get(pos + 1) {
                Some(b'/') => pos = self.end_tag(pos)?,
                Some(b'!') => {
                    pos = self.bang(pos)?;
                    continue;
                }
                _ => pos = self.start_tag(pos)?,
            }
            if self.scratch.open.is_empty() {
                return Ok(pos);
            }
        }
    }

    /// Passes over character data; returns the offset of the next `<`.
    #[inline(always)]
    fn text(&mut self, mut pos: usize) -> Result<usize, Stop> {
        loop {
            let at = self.find(pos, &TEXT);
            match self.s.get(at) {
                Some(b'<') => return Ok(at),
                Some(b'&') => pos = self.reference(at, Mode::Text)?,
                // What stands before is text as well: text begins after '>' or ';'.
                Some(b'>') if self.s[..at].ends_with(b"]]") => return malformed(at),
                Some(b'>') => pos = at + 1,
                Some(_) => return malformed(at),
                None => return self.suspend(Mode::Text, at, Stuck::No),
            }
        }
    }

    /// An end tag; returns the offset after it.
    #[inline(always)]
    fn end_tag(&mut self, pos: usize) -> Result<usize, Stop> {
        let Some(&open) = self.scratch.open.last() else { return malformed(pos) };
        let len = open.len as usize;
        let end = pos + 2 + len;
        self.scratch.note(len + 3);
        let end = match self.s.get(end) {
            Some(b'>') if same(self.s, open.start as usize, pos + 2, len) => end + 1,
            _ => self.end_tag_closely(pos)?,
        };
        self.scratch.open.pop();
        self.scratch.bindings.truncate(open.bindings as usize);
        Ok(end)
    }

    /// An end tag with white space in it, that is cut, or that is wrong.
    #[cold]
    #[inline(never)]
    fn end_tag_closely(&mut self, pos: usize) -> Result<usize, Stop> {
        let Some(open) = self.scratch.open.last() else { return malformed(pos) };
        let name = &self.s[open.start as usize..][..open.len as usize];
        let there = &self.s[pos + 2..];
        let there = &there[..there.len().min(name.len())];
        if !name.starts_with(there) {
            return malformed(pos);
        }
        if there.len() < name.len() {
            return self.suspend(Mode::Text, pos, Stuck::Close);
        }
        let end = pos + 2 + name.len();
        let after = self.white(end, EQUALS_WHITE_BYTES, Mode::Text, pos)?;
        if self.s[after] == b'>' { Ok(after + 1) } else { malformed(after) }
    }

    /// `<!`: a CDATA section is passed over, anything else is refused.
    #[inline(always)]
    fn bang(&mut self, pos: usize) -> Result<usize, Stop> {
        const START: &[u8] = b"<![CDATA[";
        let there = &self.s[pos..];
        if there.starts_with(START) {
            return self.cdata(pos + START.len());
        }
        if START.starts_with(there) {
            return self.suspend(Mode::Text, pos, Stuck::No);
        }
        match declaration(there) {
            Some(rule) => Err(Stop::Broken(rule, pos)),
            None => self.suspend(Mode::Text, pos, Stuck::No),
        }
    }

    /// A CDATA section from somewhere inside it; returns the offset after `]]>`.
    #[inline(always)]
    fn cdata(&mut self, mut pos: usize) -> Result<usize, Stop> {
        loop {
            let at = self.find(pos, &CDATA);
            match self.s.get(at) {
                // What stands before is content as well: it begins after '['.
                Some(b'>') if self.s[..at].ends_with(b"]]") => return Ok(at + 1),
                Some(b'>') => pos = at + 1,
                Some(_) => return malformed(at),
                None => return self.suspend(Mode::Cdata, at, Stuck::No),
            }
        }
    }

    /// A reference in `mode`; returns the offset after it.
    #[inline(always)]
    pub(super) fn reference(&mut self, at: usize, mode: Mode) -> Result<usize, Stop> {
        let end = references::end(self.s, at);
        match end {
            Ok(end) => {
                self.scratch.note(end - at);
                Ok(end)
            }
            Err(stop) => self.reference_stop(at, mode, stop),
        }
    }

    #[cold]
    fn reference_stop(&mut self, at: usize, mode: Mode, stop: RefStop) -> Result<usize, Stop> {
        self.scratch.note(self.s.len() - at);
        match stop {
            RefStop::Rule(rule) => Err(Stop::Broken(rule, at)),
            RefStop::More(stuck) => self.suspend(mode, at, stuck),
        }
    }

    /// Index of the first stop from `pos` on.
    #[inline(always)]
    pub(super) fn find(&mut self, pos: usize, stops: &Stops) -> usize {
        let at = F::find(self.s, pos, stops);
        self.scratch.note(at - pos + 1);
        at
    }

    /// Passes over white space from `from`, at most `most` bytes; returns the offset of what follows. If the input
    /// ends, reading goes on at `pos` in `mode`.
    #[inline(always)]
    pub(super) fn white(&mut self, from: usize, most: usize, mode: Mode, pos: usize) -> Result<usize, Stop> {
        let mut at = from;
        while self.s.get(at).is_some_and(|b| is_white(*b)) {
            at += 1;
        }
        self.scratch.note(at - from);
        if at - from > most {
            return Err(Stop::Broken(Rule::PolicyViolation, at));
        }
        if at == self.s.len() {
            return self.suspend(mode, pos, Stuck::White { from: from as u32, most: most as u32 });
        }
        Ok(at)
    }

    /// Turns a name's stop into this pass's; reading goes on at `pos` in `mode`.
    #[cold]
    pub(super) fn name_stop<T>(&mut self, from: usize, stop: NameStop, mode: Mode, pos: usize) -> Result<T, Stop> {
        self.scratch.note(self.s.len() - pos);
        match stop {
            NameStop::Bad { at } => malformed(at),
            NameStop::TooLong => Err(Stop::Broken(Rule::PolicyViolation, from)),
            NameStop::More { verified: None } => self.suspend(mode, pos, Stuck::No),
            NameStop::More { verified: Some(verified) } => {
                self.suspend(mode, pos, Stuck::Name { from: from as u32, verified: verified as u32 })
            }
        }
    }

    /// Notes where to go on.
    #[cold]
    pub(super) fn suspend<T>(&mut self, mode: Mode, pos: usize, stuck: Stuck) -> Result<T, Stop> {
        self.scratch.resume = Resume { mode, pos: pos as u32, seen: self.s.len() as u32, stuck };
        Err(Stop::More)
    }

    /// Looks at what came since the last stop. If that cannot complete the token it stopped in, stops again.
    #[cold]
    pub(super) fn unstick(&mut self) -> Result<Resume, Stop> {
        let resume = self.scratch.resume;
        let seen = resume.seen as usize;
        self.scratch.note(self.s.len() - seen);
        let still = match resume.stuck {
            Stuck::No => None,
            Stuck::Name { from, verified } => {
                let (verified, cut) = names::run(self.s, verified as usize);
                let long = verified - from as usize > crate::limits::NAME_BYTES;
                (cut && !long).then_some(Stuck::Name { from, verified: verified as u32 })
            }
            Stuck::White { from, most } => {
                let still =
                    self.s[seen..].iter().all(|b| is_white(*b)) && self.s.len() - from as usize <= most as usize;
                still.then_some(resume.stuck)
            }
            Stuck::Close => self.still_close(resume)?.then_some(Stuck::Close),
        };
        match still {
            Some(stuck) => self.suspend(resume.mode, resume.pos as usize, stuck),
            None => Ok(resume),
        }
    }

    /// Whether an end tag that was cut still agrees with its start tag and is still cut.
    fn still_close(&self, resume: Resume) -> Result<bool, Stop> {
        let pos = resume.pos as usize;
        let Some(open) = self.scratch.open.last() else { return malformed(pos) };
        let name = &self.s[open.start as usize..][..open.len as usize];
        let known = (resume.seen as usize).saturating_sub(pos + 2);
        let there = self.s.len().saturating_sub(pos + 2).min(name.len());
        if self.s[pos + 2..][known..there] != name[known..there] {
            return malformed(pos);
        }
        Ok(there < name.len())
    }
}

/// Whether the `len` bytes at `a` and at `b`, both followed by another one, are the same: a call less than a comparison
/// of slices, for names of up to 8 bytes.
#[inline(always)]
fn same(s: &[u8], a: usize, b: usize, len: usize) -> bool {
    let word = |at: usize| s.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes));
    match (word(a), word(b)) {
        (Some(x), Some(y)) if len <= 8 && len > 0 => (x ^ y) << (64 - 8 * len) == 0,
        _ => s[a..a + len] == s[b..b + len],
    }
}

/// Which rule `<!…` that is no CDATA section breaks; nothing if too little of it is there. RFC 6120 §11.1.
pub(super) fn declaration(there: &[u8]) -> Option<Rule> {
    match there.get(2)? {
        b'-' if *there.get(3)? == b'-' => Some(Rule::RestrictedXml),
        b'D' => {
            const DOCTYPE: &[u8] = b"<!DOCTYPE";
            if there.starts_with(DOCTYPE) {
                return Some(Rule::RestrictedXml);
            }
            if DOCTYPE.starts_with(there) { None } else { Some(Rule::NotWellFormed) }
        }
        _ => Some(Rule::NotWellFormed),
    }
}

/// Which rule `<?…` breaks; nothing if too little of it is there. RFC 6120 §11.1.
pub(super) fn instruction(s: &[u8], at: usize) -> Option<Rule> {
    let target = names::begins(s, at + 2)?;
    Some(if target { Rule::RestrictedXml } else { Rule::NotWellFormed })
}
