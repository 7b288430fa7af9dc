//! Streams of hostile peers, and runs by seed.
#![allow(dead_code, reason = "each test uses its part")]

use base64::Engine;
use ringgate_proto::scan::naive::inputs::{self, Numbers};
use ringgate_proto::scan::{Cpu, Element, Limits, ScanError, Scanner, Scratch, Step, StreamContext};

/// Every finder this machine has.
pub const CPUS: [Cpu; 3] = [Cpu::Scalar, Cpu::Sse2, Cpu::Avx2];

/// All streams of the case file.
pub fn cases() -> Vec<Vec<u8>> {
    let text = include_str!("../../../cases/streams.jsonl");
    let decode = |line: &str| {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        base64::engine::general_purpose::STANDARD.decode(case["bytes_b64"].as_str().unwrap()).unwrap()
    };
    text.lines().map(decode).collect()
}

/// The streams of real servers, each capture cut at its restarts.
pub fn captured() -> Vec<Vec<u8>> {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../cases/corpus");
    let files = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path());
    let captures = files.filter(|path| path.extension().is_some_and(|e| e == "xml"));
    captures.flat_map(|path| streams(&std::fs::read(path).unwrap())).collect()
}

/// Cuts a capture before each header.
fn streams(capture: &[u8]) -> Vec<Vec<u8>> {
    let text = std::str::from_utf8(capture).unwrap();
    let mut streams: Vec<Vec<u8>> = Vec::new();
    for part in text.split_inclusive('>') {
        let head = part.trim_start();
        let after_declaration = streams.last().is_some_and(|s| s.ends_with(b"?>"));
        let header = head.starts_with("<?xml") || head.starts_with("<stream:stream");
        if streams.is_empty() || (header && !after_declaration) {
            streams.push(Vec::new());
        }
        streams.last_mut().unwrap().extend_from_slice(part.as_bytes());
    }
    streams
}

/// A stream by seed: generated, or a case that was damaged.
pub fn stream(numbers: &mut Numbers, cases: &[Vec<u8>]) -> Vec<u8> {
    if !numbers.once_in(4) {
        return inputs::stream(numbers);
    }
    let mut stream = cases[numbers.below(cases.len())].clone();
    for _ in 0..numbers.below(4) {
        inputs::damage(numbers, &mut stream);
    }
    stream
}

/// What the environment says about a run.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs `check` over seeds; it returns what is wrong. `SEED` and `COUNT` override which.
pub fn over_seeds(test: &str, count: u64, mut check: impl FnMut(u64) -> Option<String>) {
    let first = number("SEED").unwrap_or(1);
    for seed in first..first + number("COUNT").unwrap_or(count) {
        if let Some(wrong) = check(seed) {
            panic!("{wrong}\nreplay: SEED={seed} COUNT=1 cargo test -p ringgate-expat {test}");
        }
    }
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All input is used up.
    Boundary,
    /// Something is unfinished.
    Partial,
    /// A rule is broken.
    Broken(ScanError),
}

/// Scans a whole stream and hands out its elements.
pub fn scan(stream: &[u8], limits: Limits, cpu: Cpu, mut found: impl FnMut(&Element<'_>, &StreamContext)) -> End {
    let (mut scanner, mut scratch) = (Scanner::new(limits, cpu), Scratch::default());
    let mut at = 0;
    loop {
        match scanner.scan(&mut scratch, &stream[at..]) {
            Ok(Step::Header(header)) => at += header.end,
            Ok(Step::Element(element)) => {
                found(&element, scanner.context());
                at += element.end;
            }
            Ok(Step::Close { end }) => at += end,
            Ok(Step::NeedMore { keep_from }) if at + keep_from == stream.len() => return End::Boundary,
            Ok(Step::NeedMore { .. }) => return End::Partial,
            Err(error) => return End::Broken(error),
        }
    }
}
