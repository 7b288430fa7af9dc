//! The scanner against cases, against its slow twin, and against itself under other cuts.

mod bounds;
pub(super) mod examined;
mod streams;
mod twin;
mod values;

use alloc::vec::Vec;

use super::naive::{End, Outcome};
use super::{Cpu, Limits, ScanError, Scanner, Scratch, Step};

/// Every finder this machine has.
pub(super) const CPUS: [Cpu; 3] = [Cpu::Scalar, Cpu::Sse2, Cpu::Avx2];

/// A stream fed piece by piece, with the unfinished tail kept as a gate keeps it.
pub(super) struct Feed {
    scanner: Scanner,
    scratch: Scratch,
    tail: Vec<u8>,
    offset: usize,
    outcome: Outcome,
}

impl Feed {
    pub(super) fn new(limits: Limits, cpu: Cpu) -> Self {
        Self {
            scanner: Scanner::new(limits, cpu),
            scratch: Scratch::default(),
            tail: Vec::new(),
            offset: 0,
            outcome: Outcome { elements: Vec::new(), end: End::Partial },
        }
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        self.tail.extend_from_slice(piece);
        let mut at = 0;
        loop {
            let offset = self.offset + at;
            match self.scanner.scan(&mut self.scratch, &self.tail[at..]) {
                Ok(Step::Header(header)) => {
                    self.outcome.end = End::Open;
                    at += header.end;
                }
                Ok(Step::Element(e)) => {
                    assert_eq!(e.bytes, &self.tail[at + e.start..at + e.end]);
                    self.outcome.elements.push((offset + e.start, offset + e.end, e.kind));
                    at += e.end;
                }
                Ok(Step::Close { end }) => {
                    self.outcome.end = End::Closed;
                    at += end;
                }
                Ok(Step::NeedMore { keep_from }) => {
                    at += keep_from;
                    break;
                }
                Err(ScanError { rule, at: place }) => {
                    assert!(place as usize <= self.offset + self.tail.len());
                    self.outcome.end = End::Broken(rule);
                    break;
                }
            }
        }
        self.tail.drain(..at);
        self.offset += at;
    }

    /// What was found, at the end of the input.
    pub(super) fn finish(mut self) -> Outcome {
        if self.outcome.end == End::Open && !self.tail.is_empty() {
            self.outcome.end = End::Partial;
        }
        self.outcome
    }
}

/// A stream given in these pieces.
pub(super) fn scan<'b>(pieces: impl IntoIterator<Item = &'b [u8]>, limits: Limits, cpu: Cpu) -> Outcome {
    let mut feed = Feed::new(limits, cpu);
    for piece in pieces {
        feed.push(piece);
    }
    feed.finish()
}
