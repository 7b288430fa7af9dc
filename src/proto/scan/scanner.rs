//! The scanner: header, elements, end tag, and what lies between them.

use alloc::boxed::Box;
use core::marker::PhantomData;

use super::classes::is_white;
use super::finder::{Finder, Job, Scalar, Selected};
use super::header::Declaration;
use super::pass::{Pass, Stop};
use super::{Cpu, Limits, Rule, ScanError, Scratch, Step, StreamContext, check_characters, header, pass, root};

/// Longest run of white space in the stream's end tag; more is `policy-violation`.
const CLOSE_WHITE_BYTES: usize = 64;

/// Scans one direction of one stream. Poisoned by its first error.
///
/// Between stanzas it is small and owns only what the header bound; the state of an unfinished stanza lives on the heap
/// until the stanza ends.
#[derive(Debug)]
pub struct Scanner {
    /// Of the scanned buffer's first byte in the stream.
    offset: u64,
    context: StreamContext,
    saved: Option<Box<Scratch>>,
    limits: Limits,
    error: Option<Box<ScanError>>,
    phase: Phase,
    cpu: Selected,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The stream's first byte.
    Start,
    /// White space or the header.
    Prolog,
    /// The rest of the header.
    Header,
    /// White space, an element or the end tag.
    Content,
    /// The rest of an element.
    Element,
    /// Nothing, the header was its own end tag; this is still to be told.
    Empty,
    /// Only white space.
    Closed,
}

/// Until [`Scanner::poison`], the offset of an error counts from the buffer's first byte.
type Verdict<T> = Result<T, ScanError>;

fn broken(rule: Rule, at: usize) -> ScanError {
    ScanError { rule, at: at as u64 }
}

impl Scanner {
    /// A scanner that expects a stream header.
    pub fn new(limits: Limits, cpu: Cpu) -> Self {
        Self {
            offset: 0,
            context: StreamContext::default(),
            saved: None,
            limits,
            error: None,
            phase: Phase::Start,
            cpu: Selected::new(cpu),
        }
    }

    /// Sets other bounds, from the next depth-1 element on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Finds what comes next. `buf` begins where the last step ended (or at `keep_from`).
    ///
    /// # Errors
    /// [`ScanError`] when the peer broke a rule; every later call gives the same error.
    pub fn scan<'b>(&mut self, scratch: &mut Scratch, buf: &'b [u8]) -> Result<Step<'b>, ScanError> {
        if let Some(error) = &self.error {
            return Err(**error);
        }
        let cpu = self.cpu;
        // The result is changed in place: it is large, and the caller waits for the end in it.
        let mut result = cpu.dispatch(Call { scanner: self, scratch, buf });
        match &mut result {
            Ok(Step::Element(element)) => self.offset += element.end as u64,
            Ok(Step::Header(header)) => self.offset += header.end as u64,
            Ok(Step::Close { end: done } | Step::NeedMore { keep_from: done }) => self.offset += *done as u64,
            Err(error) => self.poison(error),
        }
        result
    }

    /// The header's prefixes and language, once it was read.
    pub fn context(&self) -> &StreamContext {
        &self.context
    }

    /// Whether the state of an unfinished stanza is kept.
    #[cfg(test)]
    pub(super) fn holds_memory(&self) -> bool {
        self.saved.is_some()
    }

    /// Keeps the first error, with its offset in the stream.
    #[cold]
    fn poison(&mut self, error: &mut ScanError) {
        error.at += self.offset;
        self.saved = None;
        self.error = Some(Box::new(*error));
    }

    #[inline(always)]
    fn step<'b, F: Finder>(&mut self, scratch: &mut Scratch, buf: &'b [u8]) -> Verdict<Step<'b>> {
        match self.phase {
            Phase::Content => self.between::<F>(scratch, buf),
            Phase::Element => self.element::<F>(scratch, buf, 0),
            _ => self.rarely(scratch, buf),
        }
    }

    /// Steps that a stream has but once; they do without vectors.
    #[cold]
    #[inline(never)]
    fn rarely<'b>(&mut self, scratch: &mut Scratch, buf: &'b [u8]) -> Verdict<Step<'b>> {
        match self.phase {
            Phase::Start => match header::declaration(buf).map_err(|rule| broken(rule, 0))? {
                Declaration::More => Ok(Step::NeedMore { keep_from: 0 }),
                Declaration::None => self.prolog(scratch, buf, 0),
                Declaration::Until(end) => self.prolog(scratch, buf, end),
            },
            Phase::Prolog => self.prolog(scratch, buf, 0),
            Phase::Header => self.header(scratch, buf, 0),
            Phase::Empty => {
                self.phase = Phase::Closed;
                Ok(Step::Close { end: 0 })
            }
            _ => match first_black(buf, 0) {
                Some(at) => Err(broken(Rule::NotWellFormed, at)),
                None => Ok(Step::NeedMore { keep_from: buf.len() }),
            },
        }
    }

    /// White space up to the header.
    fn prolog<'b>(&mut self, scratch: &mut Scratch, buf: &'b [u8], from: usize) -> Verdict<Step<'b>> {
        self.phase = Phase::Prolog;
        let Some(at) = first_black(buf, from) else { return Ok(Step::NeedMore { keep_from: buf.len() }) };
        if buf[at] != b'<' {
            return Err(broken(Rule::NotWellFormed, at));
        }
        match buf.get(at + 1) {
            None => Ok(Step::NeedMore { keep_from: at }),
            Some(b'!') => match pass::declaration(&buf[at..]) {
                Some(rule) => Err(broken(rule, at)),
                None => Ok(Step::NeedMore { keep_from: at }),
            },
            Some(_) => self.header(scratch, buf, at),
        }
    }

    /// The header that begins at `start`.
    fn header<'b>(&mut self, scratch: &mut Scratch, buf: &'b [u8], start: usize) -> Verdict<Step<'b>> {
        let again = self.restore(scratch);
        let s = window(buf, start, scratch.limits);
        let context = StreamContext::default();
        let mut pass = Pass::<Scalar> { s, scratch, context: &context, finder: PhantomData };
        let opened = pass.header(again);
        match opened {
            Ok(opened) => {
                self.saved = None;
                self.context = opened.context;
                self.phase = if opened.empty { Phase::Empty } else { Phase::Content };
                let mut header = opened.header;
                header.end += start;
                Ok(Step::Header(header))
            }
            Err(stop) => self.stopped(scratch, s, start, stop, Phase::Header),
        }
    }

    /// White space, then an element or the stream's end tag.
    #[inline(always)]
    fn between<'b, F: Finder>(&mut self, scratch: &mut Scratch, buf: &'b [u8]) -> Verdict<Step<'b>> {
        let Some(at) = first_black(buf, 0) else { return Ok(Step::NeedMore { keep_from: buf.len() }) };
        match (buf[at], buf.get(at + 1)) {
            (b'<', Some(b'/')) => self.close(buf, at),
            (b'<', Some(b'!')) => bang(buf, at),
            (b'<', None) => Ok(Step::NeedMore { keep_from: at }),
            (b'<', Some(_)) => self.element::<F>(scratch, buf, at),
            (byte, _) => Err(broken(stray(byte), at)),
        }
    }

    /// The element that begins at `start`.
    #[inline(always)]
    fn element<'b, F: Finder>(&mut self, scratch: &mut Scratch, buf: &'b [u8], start: usize) -> Verdict<Step<'b>> {
        let again = self.restore(scratch);
        let s = window(buf, start, scratch.limits);
        let mut pass = Pass::<F> { s, scratch, context: &self.context, finder: PhantomData };
        let end = pass.element(again);
        match end {
            Ok(end) => {
                let s = &s[..end];
                check_characters::<F>(s).map_err(|at| broken(Rule::NotWellFormed, start + at))?;
                if let Some(saved) = self.saved.take() {
                    scratch.take_back(saved);
                }
                self.phase = Phase::Content;
                let element = root::element(s, scratch, start);
                scratch.trim();
                Ok(Step::Element(element))
            }
            Err(stop) => self.stopped(scratch, s, start, stop, Phase::Element),
        }
    }

    /// Makes `scratch` ready: for what was cut (`true`), or for something new.
    #[inline(always)]
    fn restore(&mut self, scratch: &mut Scratch) -> bool {
        match &mut self.saved {
            Some(saved) => {
                scratch.exchange(saved);
                true
            }
            None => {
                scratch.begin(self.limits);
                false
            }
        }
    }

    /// The pass over `s` did not get to the end of what began at `start`.
    #[cold]
    fn stopped<'b>(
        &mut self,
        scratch: &mut Scratch,
        s: &[u8],
        start: usize,
        stop: Stop,
        phase: Phase,
    ) -> Verdict<Step<'b>> {
        match stop {
            Stop::Broken(rule, at) => Err(broken(rule, start + at)),
            Stop::More if s.len() >= scratch.limits.stanza_bytes as usize => {
                Err(broken(Rule::PolicyViolation, start + s.len()))
            }
            Stop::More => {
                scratch.save(&mut self.saved);
                self.phase = phase;
                Ok(Step::NeedMore { keep_from: start })
            }
        }
    }

    /// The stream's end tag at `at`. RFC 6120 §4.4.
    fn close<'b>(&mut self, buf: &[u8], at: usize) -> Verdict<Step<'b>> {
        let root = self.context.root();
        let there = &buf[at + 2..];
        if !there.starts_with(&root[..root.len().min(there.len())]) {
            return Err(broken(Rule::NotWellFormed, at));
        }
        let more = Ok(Step::NeedMore { keep_from: at });
        let Some(after) = there.get(root.len()..) else { return more };
        let white = after.iter().take_while(|b| is_white(**b)).count();
        if white > CLOSE_WHITE_BYTES {
            return Err(broken(Rule::PolicyViolation, at));
        }
        match after.get(white) {
            None => more,
            Some(b'>') => {
                self.phase = Phase::Closed;
                Ok(Step::Close { end: at + 2 + root.len() + white + 1 })
            }
            Some(_) => Err(broken(Rule::NotWellFormed, at)),
        }
    }
}

/// A call of [`Scanner::scan`], to be run with the right finder.
struct Call<'a, 'b> {
    scanner: &'a mut Scanner,
    scratch: &'a mut Scratch,
    buf: &'b [u8],
}

impl<'b> Job for Call<'_, 'b> {
    type Output = Verdict<Step<'b>>;

    #[inline(always)]
    fn run<F: Finder>(self) -> Self::Output {
        self.scanner.step::<F>(self.scratch, self.buf)
    }
}

/// `buf` from `start`, as far as the bound allows: more is not looked at, however it is cut.
#[inline(always)]
fn window(buf: &[u8], start: usize, limits: Limits) -> &[u8] {
    let s = &buf[start..];
    &s[..s.len().min(limits.stanza_bytes as usize)]
}

/// Offset of the first byte from `from` on that is no white space.
#[inline(always)]
fn first_black(buf: &[u8], from: usize) -> Option<usize> {
    let mut i = from;
    while is_white(*buf.get(i)?) {
        i += 1;
    }
    Some(i)
}

/// The rule that a byte between stanzas breaks: text has no place there. RFC 6120 §4.9.3.1, §11.7.
fn stray(byte: u8) -> Rule {
    if byte < b' ' { Rule::NotWellFormed } else { Rule::BadFormat }
}

/// `<!` between stanzas.
#[cold]
fn bang<'b>(buf: &[u8], at: usize) -> Verdict<Step<'b>> {
    const CDATA: &[u8] = b"<![CDATA[";
    let there = &buf[at..];
    if there.starts_with(CDATA) {
        return Err(broken(Rule::BadFormat, at));
    }
    if CDATA.starts_with(there) {
        return Ok(Step::NeedMore { keep_from: at });
    }
    match pass::declaration(there) {
        Some(rule) => Err(broken(rule, at)),
        None => Ok(Step::NeedMore { keep_from: at }),
    }
}
