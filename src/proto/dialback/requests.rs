//! Initiating Server on its outbound stream. XEP-0220 §2.1.1.
//!
//! ```text
//!  unknown ──request()──▶ pending ──typed db:result──▶ unknown (the caller keeps the verdict)
//!     └── typed db:result: dropped
//! ```

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::address::DomainPair;
use crate::limits::PAIRS_PER_STREAM;

use super::{DialbackValid, Frame, FrameBody, FrameKind, Outcome, Secret};

/// Initiating Server on one outbound stream: which pairs we asked for. XEP-0220 §2.1.1.
#[derive(Debug, Default)]
pub struct Requests {
    pending: BTreeSet<DomainPair>,
}

impl Requests {
    /// Queues `<db:result>` for `pair` with the key made from the stream's id. Nothing when it is pending already or
    /// [`PAIRS_PER_STREAM`] are.
    ///
    /// Returns whether it was queued.
    pub fn request(&mut self, pair: &DomainPair, secret: &Secret, stream_id: &str, out: &mut Vec<u8>) -> bool {
        if self.pending.len() >= PAIRS_PER_STREAM || !self.pending.insert(pair.clone()) {
            return false;
        }
        let key = secret.key(&pair.to, &pair.from, stream_id);
        Frame { pair: pair.clone(), kind: FrameKind::Result, id: None, body: FrameBody::Request(key) }.write(out);
        true
    }

    /// Takes a typed `db:result`. `None` when that very pair was not asked for on this stream (CVE-2012-3525 and its
    /// family): the caller drops and counts it. Otherwise the pair *in the direction of our stanzas* and the verdict.
    pub fn handle_answer(&mut self, frame: &Frame) -> Option<(DomainPair, Result<DialbackValid, Outcome>)> {
        let FrameBody::Answer(outcome) = frame.body else { return None };
        if frame.kind != FrameKind::Result {
            return None;
        }
        let pair = self.pending.take(&frame.pair.reversed())?;
        let verdict = match outcome {
            Outcome::Valid => Ok(DialbackValid { pair: pair.clone() }),
            other => Err(other),
        };
        Some((pair, verdict))
    }

    /// Whether [`PAIRS_PER_STREAM`] answers are outstanding.
    pub fn is_full(&self) -> bool {
        self.pending.len() >= PAIRS_PER_STREAM
    }

    /// Waits for the answer about `pair` no longer, and makes room.
    pub fn give_up(&mut self, pair: &DomainPair) {
        self.pending.remove(pair);
    }

    /// Pairs asked for and not answered yet.
    pub fn pending(&self) -> impl Iterator<Item = &DomainPair> {
        self.pending.iter()
    }
}
