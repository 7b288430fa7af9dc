//! Receiving Server on a stream towards an authoritative server. XEP-0220 §2.1.2.
//!
//! ```text
//!  unknown ──ask()──▶ open ──typed db:verify with its (from, to, id)──▶ unknown (the caller keeps the verdict)
//!     │                └── drain() ──▶ unknown
//!     └── typed db:verify: dropped
//! ```

use alloc::string::String;
use alloc::vec::Vec;

use crate::address::DomainPair;
use crate::limits::VERIFICATION_REQUESTS_PER_STREAM;

use super::{DialbackValid, Frame, FrameBody, FrameKind, Outcome};

/// Receiving Server on one stream towards an authoritative server: which keys we asked about. XEP-0220 §2.1.2.
///
/// `O` names where the `db:result` came from.
#[derive(Debug)]
pub struct Verifications<O> {
    open: Vec<Open<O>>,
}

#[derive(Debug)]
struct Open<O> {
    pair: DomainPair,
    id: String,
    origin: O,
}

impl<O> Default for Verifications<O> {
    fn default() -> Self {
        Self { open: Vec::new() }
    }
}

impl<O> Verifications<O> {
    /// Queues `<db:verify>`: `pair` is that of the `db:result` (Sender Domain to Target Domain), so the element goes
    /// `from` its target `to` its sender; `id` is the stream id that *we* gave to the stream the result came on.
    ///
    /// Gives `origin` back, and queues nothing, when this very question is open already (its two answers could not be
    /// told apart) or [`Self::is_full`]: the bound holds whoever asks. The gate does not ask before there is room.
    pub fn ask(&mut self, pair: &DomainPair, id: &str, key: &str, origin: O, out: &mut Vec<u8>) -> Option<O> {
        if self.is_full() || self.position(pair, id).is_some() {
            return Some(origin);
        }
        let frame = Frame {
            pair: pair.reversed(),
            kind: FrameKind::Verify,
            id: Some(id.into()),
            body: FrameBody::Request(key.into()),
        };
        frame.write(out);
        self.open.push(Open { pair: pair.clone(), id: id.into(), origin });
        None
    }

    /// Takes a typed `db:verify`. `None` when that very (from, to, id) was not asked for on this stream.
    pub fn handle_answer(&mut self, frame: &Frame) -> Option<(O, Result<DialbackValid, Outcome>)> {
        let FrameBody::Answer(outcome) = frame.body else { return None };
        if frame.kind != FrameKind::Verify {
            return None;
        }
        let at = self.position(&frame.pair, frame.id.as_deref()?)?;
        let Open { pair, origin, .. } = self.open.swap_remove(at);
        let verdict = match outcome {
            Outcome::Valid => Ok(DialbackValid { pair }),
            other => Err(other),
        };
        Some((origin, verdict))
    }

    fn position(&self, pair: &DomainPair, id: &str) -> Option<usize> {
        self.open.iter().position(|open| open.id == id && open.pair == *pair)
    }

    /// Whether [`VERIFICATION_REQUESTS_PER_STREAM`] answers are outstanding.
    pub fn is_full(&self) -> bool {
        self.open.len() >= VERIFICATION_REQUESTS_PER_STREAM
    }

    /// How many answers are outstanding.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no answer is outstanding.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Where the results came from that the open questions are about.
    pub fn origins(&self) -> impl Iterator<Item = &O> {
        self.open.iter().map(|open| &open.origin)
    }

    /// Gives up the open questions whose time is over: their origins and pairs.
    pub fn give_up(&mut self, is_over: impl Fn(&O) -> bool) -> Vec<(O, DomainPair)> {
        self.open.extract_if(.., |open| is_over(&open.origin)).map(|open| (open.origin, open.pair)).collect()
    }

    /// Gives up all open questions (stream lost): their origins and pairs.
    pub fn drain(&mut self) -> Vec<(O, DomainPair)> {
        self.open.drain(..).map(|open| (open.origin, open.pair)).collect()
    }
}
