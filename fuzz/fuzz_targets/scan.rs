//! Any bytes as a peer's stream. The first byte chooses finder and cuts; the rest is the stream, after a valid header
//! unless that byte says otherwise.
//!
//! Whole, cut and slow twin agree in everything; expat accepts what the scanner accepts, whole and in chunks, with the
//! same number of elements; and what is forwarded leaves a backend's stream alive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringgate_expat::Parser;
use ringgate_proto::scan::naive::inputs::{Numbers, pieces};
use ringgate_proto::scan::naive::{self, End, Outcome};
use ringgate_proto::scan::{Cpu, Limits, Scanner, Scratch, Step, StreamContext, forward};

const HEADER: &[u8] = b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
    xmlns:db='jabber:server:dialback' xmlns:p='u' xml:lang='en'>";

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    let stream = if choice & 0x80 == 0 { [HEADER, rest].concat() } else { rest.to_vec() };
    let cpu = [Cpu::Scalar, Cpu::Sse2, Cpu::Avx2][usize::from(choice % 3)];
    let mut forwarded = Vec::new();
    let whole = scan(&[&stream], cpu, &mut forwarded);
    let cut = scan(&pieces(&mut Numbers::new(u64::from(*choice)), &stream), cpu, &mut Vec::new());
    assert_eq!(whole, cut, "cut");
    assert_eq!(whole, naive::scan(&stream, Limits::default()), "twin");
    if !matches!(whole.end, End::Broken(_)) {
        compare(&stream, stream.len().max(1), &whole);
        compare(&stream, 1 + usize::from(choice % 16), &whole);
    }
    for separator in [b'\n', b'\x01'] {
        shared(separator, &forwarded, whole.elements.len());
    }
});

/// expat has the same elements, and fails at most inside one that is not complete.
fn compare(stream: &[u8], chunk: usize, whole: &Outcome) {
    let mut parser = Parser::new(b'\n');
    let failure = stream.chunks(chunk).find_map(|piece| parser.feed(piece, false).err());
    assert!(failure.is_none() || whole.end == End::Partial, "{failure:?}");
    assert_eq!(parser.elements(), whole.elements.len());
}

/// A backend's stream takes all that is forwarded.
fn shared(separator: u8, forwarded: &[u8], elements: usize) {
    let mut backend = Parser::new(separator);
    let header = b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
        xmlns:db='jabber:server:dialback'>";
    for part in [&header[..], forwarded, b"</stream:stream>"] {
        assert_eq!(backend.feed(part, false), Ok(()));
    }
    assert_eq!((backend.elements(), backend.depth(), backend.stray()), (elements, 0, false));
}

/// Scans pieces as a gate does, and forwards every element.
fn scan(pieces: &[&[u8]], cpu: Cpu, forwarded: &mut Vec<u8>) -> Outcome {
    let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), cpu), Scratch::default());
    let mut outcome = Outcome { elements: Vec::new(), end: End::Partial };
    let (mut tail, mut offset) = (Vec::new(), 0);
    for piece in pieces {
        tail.extend_from_slice(piece);
        let mut at = 0;
        loop {
            match scanner.scan(&mut scratch, &tail[at..]) {
                Ok(Step::Header(header)) => {
                    outcome.end = End::Open;
                    at += header.end;
                }
                Ok(Step::Element(e)) => {
                    forward(&e, scanner.context(), &StreamContext::ours(), forwarded);
                    outcome.elements.push((offset + at + e.start, offset + at + e.end, e.kind));
                    at += e.end;
                }
                Ok(Step::Close { end }) => {
                    outcome.end = End::Closed;
                    at += end;
                }
                Ok(Step::NeedMore { keep_from }) => {
                    at += keep_from;
                    break;
                }
                Err(error) => {
                    outcome.end = End::Broken(error.rule);
                    break;
                }
            }
        }
        tail.drain(..at);
        offset += at;
    }
    if outcome.end == End::Open && !tail.is_empty() {
        outcome.end = End::Partial;
    }
    outcome
}
