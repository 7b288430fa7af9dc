//! What the scanner accepts, expat accepts, with the same number of elements; what it refuses, expat refuses, apart
//! from the rules that go beyond expat.

mod peers;

use peers::{CPUS, End, cases, over_seeds, scan, stream};
use ringgate_expat::{Failure, Parser};
use ringgate_proto::scan::naive::inputs::Numbers;
use ringgate_proto::scan::{Limits, Rule, ScanError};

/// About ten seconds on one core of 2026.
const COUNT: u64 = 150_000;

/// Whether the scanner has a rule here that expat does not have.
fn beyond_expat(stream: &[u8], error: ScanError, parser: &Parser) -> bool {
    let at = error.at as usize;
    match error.rule {
        // Bounds, and what may stand where on a stream.
        Rule::PolicyViolation | Rule::InvalidNamespace | Rule::BadFormat | Rule::UnsupportedEncoding => true,
        _ if parser.stray() => true,
        // Control characters in a namespace's name: expat refuses only its own separator.
        _ if stream.windows(4).any(|w| w == b"&#9;" || w == b"&#13" || w == b"&#xD") => true,
        // Byte order marks and UTF-16, which expat detects whatever it is told; fussiness about the XML declaration.
        _ if at < 64 && (stream.starts_with(b"<?xml") || !stream.is_ascii() || stream[..2].contains(&0)) => true,
        // Said before the token is complete, while expat waits for its end.
        _ => !["", ">", "'>", "\">", "/>", ";", "]]>", "=''>"].iter().any(|end| accepts(stream, end)),
    }
}

/// Whether expat takes the stream with this end, as the beginning of a document without an unfinished token.
fn accepts(stream: &[u8], end: &str) -> bool {
    const NO_ELEMENTS: Failure = Failure::Expat(3);
    let mut parser = Parser::new(b'\n');
    parser.feed(stream, false).is_ok() && matches!(parser.feed(end.as_bytes(), true), Ok(()) | Err(NO_ELEMENTS))
}

fn disagreement(stream: &[u8], cpu: ringgate_proto::scan::Cpu, chunk: usize) -> Option<String> {
    let mut elements = 0;
    let end = scan(stream, Limits::default(), cpu, |_, _| elements += 1);
    let mut parser = Parser::new(b'\n');
    let failure = stream.chunks(chunk).find_map(|piece| parser.feed(piece, false).err());
    let told = format!("scanner {elements} {end:?}, expat {} {failure:?}", parser.elements());
    let fine = match (end, failure) {
        (End::Boundary | End::Partial, None) => elements == parser.elements(),
        // UTF-8 is judged when the element is complete.
        (End::Partial, Some(_)) => elements == parser.elements(),
        (End::Boundary, Some(_)) => false,
        (End::Broken(error), None) => beyond_expat(stream, error, &parser) && elements <= parser.elements(),
        (End::Broken(error), Some(_)) => {
            elements == parser.elements() || (elements < parser.elements() && beyond_expat(stream, error, &parser))
        }
    };
    (!fine).then(|| format!("{}\n{told}", String::from_utf8_lossy(stream)))
}

#[test]
fn scanner_accepts_no_stream_that_expat_refuses_and_refuses_none_without_reason() {
    let cases = cases();
    over_seeds("scanner_accepts_no_stream", COUNT, |seed| {
        let mut numbers = Numbers::new(seed);
        let stream = stream(&mut numbers, &cases);
        let chunk = [1, 16, 1 << 20][numbers.below(3)];
        if stream.len() < 2 {
            return None;
        }
        disagreement(&stream, CPUS[numbers.below(3)], chunk)
    });
}

#[test]
fn every_case_is_judged_alike() {
    for stream in cases() {
        for cpu in CPUS {
            // Bounds of single cases do not matter to expat; the default ones let more pass.
            assert_eq!(disagreement(&stream, cpu, 7), None);
        }
    }
}
