//! The scanner against other readers of the same bytes, side by side in one run.
//!
//! ```text
//! cargo bench -p ringgate-expat --bench scan [-- ROUNDS]
//! ```
//!
//! Every round runs every contender once over a corpus; a ratio is the median of the rounds' ratios of processor time, so
//! a busy machine disturbs both sides alike. Every run is checked: a contender that counts other than the known number of stanzas ends
//! the program. `SCAN_ONLY=presence` scans that corpus once with AVX2, for callgrind
//! (`--toggle-collect='*Scanner::scan*'` counts only the scanner), or ROUNDS times, for perf and to compare two builds.

mod corpora;
mod scanner;

use std::hint::black_box;
use std::time::Duration;

use corpora::Corpus;
use quick_xml::XmlVersion;
use quick_xml::events::Event;
use ringgate_expat::{Parser, cpu_time};
use ringgate_proto::scan::Cpu;
use scanner::scanner;

/// Reads a stream and counts its depth-1 elements.
type Contender = (&'static str, fn(&[u8]) -> usize);

const CONTENDERS: &[Contender] = &[
    ("scanner AVX2", |s| scanner(s, Cpu::Avx2)),
    ("scanner SSE2", |s| scanner(s, Cpu::Sse2)),
    ("scanner scalar", |s| scanner(s, Cpu::Scalar)),
    ("memchr boundaries, unchecked", boundaries),
    ("quick-xml Reader", quick_reader),
    ("quick-xml NsReader, attributes", quick_namespaces),
    ("expat NS, 16 KiB chunks", expat),
];

/// Finds where elements end and checks nothing: not even that a `>` is no part of a value.
fn boundaries(stream: &[u8]) -> usize {
    let (mut at, mut depth, mut count) = (0, 0usize, 0);
    while let Some(lt) = memchr::memchr(b'<', &stream[at..]) {
        let start = at + lt;
        let Some(len) = memchr::memchr(b'>', &stream[start..]) else { break };
        let end = start + len;
        match (stream[start + 1], stream[end - 1]) {
            (b'?' | b'!', _) => {}
            (b'/', _) => {
                depth -= 1;
                count += usize::from(depth == 1);
            }
            (_, b'/') => count += usize::from(depth == 1),
            _ => depth += 1,
        }
        at = end + 1;
    }
    count
}

/// quick-xml's fastest reader: names of end tags are compared, nothing else is checked.
fn quick_reader(stream: &[u8]) -> usize {
    let mut reader = quick_xml::Reader::from_reader(stream);
    let (mut depth, mut count) = (0usize, 0);
    loop {
        match black_box(reader.read_event()) {
            Ok(Event::Start(_)) => depth += 1,
            Ok(Event::Empty(_)) => count += usize::from(depth == 1),
            Ok(Event::End(_)) => {
                depth -= 1;
                count += usize::from(depth == 1);
            }
            Ok(Event::Eof) | Err(_) => return count,
            Ok(_) => {}
        }
    }
}

/// quick-xml with what a proxy would need of it: namespaces, attributes, references.
fn quick_namespaces(stream: &[u8]) -> usize {
    let mut reader = quick_xml::NsReader::from_reader(stream);
    let (mut depth, mut count) = (0usize, 0);
    loop {
        match reader.read_resolved_event() {
            Ok((namespace, Event::Start(tag))) => {
                black_box(namespace);
                attributes(&tag);
                depth += 1;
            }
            Ok((namespace, Event::Empty(tag))) => {
                black_box(namespace);
                attributes(&tag);
                count += usize::from(depth == 1);
            }
            Ok((_, Event::End(_))) => {
                depth -= 1;
                count += usize::from(depth == 1);
            }
            Ok((_, Event::Text(text))) => {
                black_box(text);
            }
            Ok((_, Event::Eof)) | Err(_) => return count,
            Ok(_) => {}
        }
    }
}

fn attributes(tag: &quick_xml::events::BytesStart<'_>) {
    for attribute in tag.attributes() {
        black_box(attribute.unwrap().normalized_value(XmlVersion::Explicit1_0).unwrap());
    }
}

fn expat(stream: &[u8]) -> usize {
    let mut parser = Parser::new(b'\n');
    for chunk in stream.chunks(16 * 1024) {
        parser.feed(chunk, false).unwrap();
    }
    parser.elements()
}

/// One contender over one corpus, checked.
fn time(corpus: &Corpus, (name, read): Contender, passes: usize) -> Duration {
    let begun = cpu_time();
    for _ in 0..passes {
        let count: usize = corpus.streams.iter().map(|s| read(black_box(s))).sum();
        assert_eq!(count, corpus.stanzas, "{name} on {}", corpus.name);
    }
    (cpu_time() - begun) / passes as u32
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(corpus: &Corpus, rounds: usize) {
    println!("\n{}: {} stanzas of {} B", corpus.name, corpus.stanzas, corpus.bytes() / corpus.stanzas);
    println!("{:32} {:>8} {:>12} {:>16}", "", "GB/s", "ns/stanza", "time / scanner");
    // Slow contenders get fewer passes, so that a round stays short.
    let passes: Vec<usize> = CONTENDERS
        .iter()
        .map(|c| (Duration::from_millis(6).as_nanos() / time(corpus, *c, 1).as_nanos().max(1)).clamp(1, 50) as usize)
        .collect();
    let times: Vec<Vec<f64>> = (0..rounds)
        .map(|_| CONTENDERS.iter().zip(&passes).map(|(c, p)| time(corpus, *c, *p).as_secs_f64()).collect())
        .collect();
    for (n, (name, _)) in CONTENDERS.iter().enumerate() {
        let seconds = median(times.iter().map(|round| round[n]).collect());
        let ratio = median(times.iter().map(|round| round[n] / round[0]).collect());
        let speed = corpus.bytes() as f64 / seconds / 1e9;
        println!("{name:32} {speed:8.3} {:12.1} {ratio:16.2}", seconds * 1e9 / corpus.stanzas as f64);
    }
}

/// The scanner alone: its best and its median round.
fn scan_only(corpus: &Corpus, rounds: usize) {
    let nanoseconds = |spent: Duration| spent.as_secs_f64() * 1e9 / corpus.stanzas as f64;
    let times: Vec<f64> = (0..rounds).map(|_| nanoseconds(time(corpus, CONTENDERS[0], 1))).collect();
    let best = times.iter().copied().fold(f64::INFINITY, f64::min);
    println!("{} stanzas, ns/stanza: best {best:.1}, median {:.1}", corpus.stanzas, median(times));
}

fn main() {
    let rounds = std::env::args().skip(1).find_map(|a| a.parse().ok());
    if let Ok(only) = std::env::var("SCAN_ONLY") {
        scan_only(&corpora::named(&only), rounds.unwrap_or(1));
        return;
    }
    let rounds = rounds.unwrap_or(31);
    println!("{rounds} rounds, interleaved; medians");
    corpora::NAMES.iter().for_each(|name| compare(&corpora::named(name), rounds));
}
