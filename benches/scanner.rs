//! The scanner's own share of a bench: timed by one, its instructions counted by another.

use std::hint::black_box;

use ringgate_proto::scan::{Cpu, Limits, Scanner, Scratch, Step};

/// Every check of the scanner, the whole stream in one buffer.
pub(crate) fn scanner(stream: &[u8], cpu: Cpu) -> usize {
    let (mut scanner, mut scratch) = (Scanner::new(Limits::default(), cpu), Scratch::default());
    let (mut at, mut count) = (0, 0);
    loop {
        match scanner.scan(&mut scratch, &stream[at..]) {
            Ok(Step::Header(header)) => at += header.end,
            // By reference: a copy would be the bench's work, not the scanner's.
            Ok(Step::Element(ref element)) => {
                black_box(element);
                count += 1;
                at += element.end;
            }
            Ok(Step::Close { end }) => at += end,
            Ok(Step::NeedMore { .. }) => return count,
            Err(error) => panic!("{error:?}"),
        }
    }
}
