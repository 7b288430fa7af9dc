//! The plaintext of one connection: what the peer says, as the scanner finds it, and what we answer.

use std::cell::Cell;
use std::sync::Arc;

use ringgate_proto::address::Domain;
use ringgate_proto::limits;
use ringgate_proto::scan::{Element, Kind, Limits, Scanner, Scratch, Step, StreamContext};
use ringgate_proto::stream::{Condition, PeerCertificate, StreamError};

use super::Heard;
use super::broken::{Broken, Cause};
use super::cast::Cast;
use super::component;
use super::part::{Desk, Part, Turn};

thread_local! {
    /// The scanner's working memory, one for all connections of a thread; between two calls it means nothing.
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// The plaintext of one connection.
pub(super) struct Stream {
    cast: Arc<Cast>,
    part: Part,
    scanner: Scanner,
    /// The beginning of what is not complete yet.
    unread: Vec<u8>,
    is_ready: bool,
    /// The next bytes are TLS's.
    is_securing: bool,
    peer_closed: bool,
}

/// Where the plaintext's meaning goes.
pub(super) type Sink<'a> = dyn FnMut(Heard<'_>) + 'a;

impl Stream {
    pub(super) fn new(part: Part, cast: Arc<Cast>) -> Self {
        let scanner = Scanner::new(Limits::default(), cast.cpu);
        Self { cast, part, scanner, unread: Vec::new(), is_ready: false, is_securing: false, peer_closed: false }
    }

    /// The connection is up and begins in clear.
    pub(super) fn start(&mut self, answer: &mut Vec<u8>) {
        self.aside(answer, |part, desk| part.start(desk));
    }

    /// TLS is up: what was said before is forgotten. RFC 6120 §5.4.3.3.
    pub(super) fn secured(&mut self, peer: PeerCertificate, answer: &mut Vec<u8>) {
        self.restart();
        self.unread = Vec::new();
        self.is_securing = false;
        self.aside(answer, |part, desk| part.secured(peer, desk));
    }

    /// Takes plaintext: everything complete in it is dealt with, the rest is kept.
    pub(super) fn hear(&mut self, bytes: &[u8], answer: &mut Vec<u8>, sink: &mut Sink<'_>) -> Result<(), Broken> {
        let translates = matches!(&self.part, Part::Component(part) if part.awaits_header());
        if self.unread.is_empty() && !translates {
            let used = self.scan(bytes, answer, sink)?;
            self.unread.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut unread = std::mem::take(&mut self.unread);
        unread.extend_from_slice(bytes);
        if !translates || component::translate(&mut unread).map_err(|error| self.broken(error.into(), answer))? {
            let used = self.scan(&unread, answer, sink)?;
            unread.drain(..used);
        }
        if !unread.is_empty() {
            self.unread = unread;
        }
        Ok(())
    }

    /// The peer has ended its direction without an end tag.
    pub(super) fn vanished(&mut self, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.peer_closed, true) {
            sink(Heard::PeerClosed);
        }
    }

    /// Queues our end tag.
    pub(super) fn close(&mut self, answer: &mut Vec<u8>) {
        self.aside(answer, |part, desk| part.close(desk));
    }

    /// Tells the peer as far as it can be told, and who is concerned.
    pub(super) fn broken(&mut self, cause: Cause, answer: &mut Vec<u8>) -> Broken {
        match cause {
            Cause::Stream(error) => self.aside(answer, |part, desk| part.fail(error, desk)),
            _ => self.aside(answer, |part, desk| part.close(desk)),
        }
        self.name(cause)
    }

    /// Who is concerned.
    pub(super) fn name(&self, cause: Cause) -> Broken {
        let (from, to) = self.part.domains();
        Broken { from, to, cause }
    }

    pub(super) fn may_send(&self) -> bool {
        self.is_ready && self.part.gives_stanzas()
    }

    pub(super) fn is_securing(&self) -> bool {
        self.is_securing
    }

    pub(super) fn is_over(&self) -> bool {
        self.part.is_over() || self.peer_closed
    }

    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> usize {
        self.unread.capacity()
    }

    /// From whom to whom it is, as far as it was said.
    pub(super) fn domains(&self) -> (Option<Domain>, Option<Domain>) {
        self.part.domains()
    }

    fn restart(&mut self) {
        self.scanner = Scanner::new(Limits::default(), self.cast.cpu);
    }

    /// Steps through `input` and returns how much of it is done with.
    fn scan(&mut self, input: &[u8], answer: &mut Vec<u8>, sink: &mut Sink<'_>) -> Result<usize, Broken> {
        let mut scratch = SCRATCH.take();
        let used = self.walk(&mut scratch, input, answer, sink);
        SCRATCH.set(scratch);
        used.map_err(|cause| self.broken(cause, answer))
    }

    fn walk(
        &mut self,
        scratch: &mut Scratch,
        input: &[u8],
        answer: &mut Vec<u8>,
        sink: &mut Sink<'_>,
    ) -> Result<usize, Cause> {
        let mut at = 0;
        while !self.is_securing {
            match self.scanner.scan(scratch, &input[at..]).map_err(StreamError::from)? {
                Step::Element(element) => {
                    at += element.end;
                    match element.kind {
                        Kind::Message | Kind::Presence | Kind::Iq => {
                            self.part.takes_stanzas()?;
                            sink(Heard::Stanza(&element));
                        }
                        _ => self.element(&element, answer, sink)?,
                    }
                }
                Step::NeedMore { keep_from } => return Ok(at + keep_from),
                Step::Header(header) => {
                    at += header.end;
                    self.work(answer, sink, |part, context, desk| part.header(&header, context, desk))?;
                }
                Step::Close { end } => {
                    at += end;
                    self.work(answer, sink, |part, _, desk| part.peer_closed(desk))?;
                }
            }
        }
        Ok(input.len())
    }

    /// Takes an element that is no stanza by its expanded name.
    #[cold]
    fn element(&mut self, element: &Element<'_>, answer: &mut Vec<u8>, sink: &mut Sink<'_>) -> Result<(), Cause> {
        if let (Part::Component(part), Kind::Other) = (&self.part, element.kind)
            && let Some(kind) = component::stanza_kind(element)
        {
            part.takes_stanzas()?;
            sink(Heard::Stanza(&Element { kind, ..*element }));
            return Ok(());
        }
        if element.bytes.len() > limits::PREAUTH_BYTES as usize {
            let text = "an element of the stream itself is too large";
            return Err(StreamError::peer(Condition::PolicyViolation, text).into());
        }
        self.work(answer, sink, |part, context, desk| part.element(element, context, desk))
    }

    /// Lets the part work, and does what it says.
    fn work(
        &mut self,
        answer: &mut Vec<u8>,
        sink: &mut Sink<'_>,
        work: impl FnOnce(&mut Part, &StreamContext, &mut Desk<'_>) -> Result<(), Cause>,
    ) -> Result<(), Cause> {
        let mut turns = Vec::new();
        let mut desk = Desk { cast: &self.cast, answer, turns: &mut turns };
        let result = work(&mut self.part, self.scanner.context(), &mut desk);
        for turn in turns {
            match turn {
                Turn::Ready => {
                    if !std::mem::replace(&mut self.is_ready, true) {
                        sink(Heard::Ready);
                    }
                }
                Turn::StartTls => self.is_securing = true,
                Turn::Restart => self.restart(),
                Turn::PeerClosed => self.vanished(sink),
            }
        }
        result
    }

    /// Lets the part write something of which nobody need be told.
    fn aside(&mut self, answer: &mut Vec<u8>, work: impl FnOnce(&mut Part, &mut Desk<'_>)) {
        work(&mut self.part, &mut Desk { cast: &self.cast, answer, turns: &mut Vec::new() });
    }
}
