//! Server dialback, one file for each of its four cells.

mod s2_1_1;
mod s2_1_2;
mod s2_2_1;
mod s2_2_2;
mod s2_3;

use ringgate_proto::dialback::{Frame, FrameBody, FrameKind, Outcome};
use ringgate_proto::scan::{Cpu, Limits, Scanner, Scratch, Step};
use ringgate_proto::stream::StreamError;

use crate::peer::{header, pair};

/// Reads one dialback element as it arrives after a usual header.
fn read(element: &str) -> Result<Frame, StreamError> {
    read_after(&header(""), element)
}

fn read_after(header: &str, element: &str) -> Result<Frame, StreamError> {
    let limits = Limits { depth: 128, attributes: 64, stanza_bytes: 8_192, elements: 32 };
    let (mut scanner, mut scratch) = (Scanner::new(limits, Cpu::Scalar), Scratch::default());
    let Ok(Step::Header(opened)) = scanner.scan(&mut scratch, header.as_bytes()) else { panic!("no header") };
    assert_eq!(opened.end, header.len());
    match scanner.scan(&mut scratch, element.as_bytes()) {
        Ok(Step::Element(element)) => Frame::parse(&element, scanner.context()),
        other => panic!("{element}: {other:?}"),
    }
}

/// A typed `db:result` or `db:verify`.
fn answer(kind: FrameKind, from: &str, to: &str, id: Option<&str>, outcome: Outcome) -> Frame {
    Frame { pair: pair(from, to), kind, id: id.map(Into::into), body: FrameBody::Answer(outcome) }
}

fn text(out: &mut Vec<u8>) -> String {
    String::from_utf8(std::mem::take(out)).unwrap()
}
