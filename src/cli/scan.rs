//! `ringgate scan`: shows what the scanner makes of a captured stream.
//!
//! One line per depth-1 element, as soon as it is complete, then one about the end:
//!
//! ```text
//! 208 257 presence                  {"element":[208,257],"kind":"presence"}
//! end open                          {"end":"open"}
//! error not-well-formed 257         {"error":"not-well-formed","at":257}
//! ```
//!
//! A capture of a whole connection has several streams in a row: a header that follows an element of STARTTLS or SASL
//! restarts the stream (RFC 6120 §4.3.3) and is scanned as such. Offsets count from the capture's first byte. The end is `open` (between two elements), `partial` (inside the header or an
//! element) or `closed` (by the end tag). An error names the stream error condition that ringgate would send.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use ringgate_proto::limits;
use ringgate_proto::scan::{Cpu, Kind, Limits, Rule, Scanner, Scratch, Step};

/// What to scan, and how.
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// One direction of a stream as it was sent, the header included; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Gives the scanner this many bytes at a time.
    #[arg(long, value_name = "BYTES", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    chunk: u32,
    /// Prints JSON, one object per line.
    #[arg(long)]
    json: bool,
    /// Deepest element, the stanza itself being 1.
    #[arg(long, value_name = "N", default_value_t = limits::STANZA_DEPTH)]
    max_depth: u16,
    /// Attributes of one element, namespace declarations included.
    #[arg(long, value_name = "N", default_value_t = limits::ELEMENT_ATTRIBUTES)]
    max_attributes: u16,
    /// Bytes of one depth-1 element, or of the stream header.
    #[arg(long, value_name = "BYTES", default_value_t = limits::STANZA_BYTES)]
    max_stanza_bytes: u32,
}

/// Scans a file or standard input and prints what it finds; exit code 1 if the stream breaks a rule.
///
/// # Errors
/// The file cannot be read, or the output not written.
pub fn run(args: &ScanArgs) -> anyhow::Result<ExitCode> {
    // Elements per stanza have no option here: the three bounds above are the only ones.
    let limits = Limits {
        depth: args.max_depth,
        attributes: args.max_attributes,
        stanza_bytes: args.max_stanza_bytes,
        elements: u32::MAX,
    };
    let mut input: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.file).with_context(|| format!("{}: cannot be opened", args.file.display()))?;
        Box::new(BufReader::new(file))
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let scanned = scan(&mut input, args.chunk as usize, limits, crate::cpu::detect(), |finding| {
        let line = if args.json { finding.json() } else { finding.text() };
        writeln!(out, "{line}")
    });
    let end = scanned.with_context(|| format!("{}: cannot be scanned", args.file.display()))?;
    out.flush()?;
    Ok(match end {
        End::Error(..) => ExitCode::from(super::EXIT_FAILURE),
        _ => ExitCode::SUCCESS,
    })
}

/// One line of the report. Offsets are bytes from the stream's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A complete depth-1 element.
    Element {
        /// Of its `<`.
        start: u64,
        /// After its last `>`.
        end: u64,
        /// By expanded name.
        kind: Kind,
    },
    /// The last line.
    End(End),
}

/// How the input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Between two elements.
    Open,
    /// Inside the header or an element.
    Partial,
    /// After the stream's end tag.
    Closed,
    /// With a broken rule, at or after this offset.
    Error(Rule, u64),
}

impl Finding {
    /// As a JSON object.
    pub fn json(&self) -> String {
        match self {
            Self::Element { start, end, kind } => {
                format!(r#"{{"element":[{start},{end}],"kind":"{}"}}"#, kind_word(*kind))
            }
            Self::End(End::Error(rule, at)) => format!(r#"{{"error":"{}","at":{at}}}"#, condition(*rule)),
            Self::End(end) => format!(r#"{{"end":"{}"}}"#, end.word()),
        }
    }

    /// As words.
    pub fn text(&self) -> String {
        match self {
            Self::Element { start, end, kind } => format!("{start} {end} {}", kind_word(*kind)),
            Self::End(End::Error(rule, at)) => format!("error {} {at}", condition(*rule)),
            Self::End(end) => format!("end {}", end.word()),
        }
    }
}

impl End {
    fn word(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Partial => "partial",
            Self::Closed => "closed",
            Self::Error(..) => "error",
        }
    }
}

/// Scans all of `input`, `chunk` bytes at a time, and hands each finding to `found`; the last one is returned as well.
///
/// Holds at most one unfinished element, which the limits bound, and one chunk.
///
/// # Errors
/// Those of reading, and of `found`.
pub fn scan(
    input: &mut dyn Read,
    chunk: usize,
    limits: Limits,
    cpu: Cpu,
    mut found: impl FnMut(Finding) -> io::Result<()>,
) -> io::Result<End> {
    let mut stream = Stream::new(limits, cpu);
    let mut buffer = Vec::new();
    loop {
        let last = read(input, chunk, &mut buffer)? == 0;
        let used = stream.advance(&buffer, &mut found)?;
        buffer.drain(..used);
        if last || matches!(stream.end, End::Error(..)) {
            if stream.end == End::Open && !buffer.is_empty() {
                stream.end = End::Partial;
            }
            found(Finding::End(stream.end))?;
            return Ok(stream.end);
        }
    }
}

/// Appends up to `chunk` bytes to `buffer`, as many as come at once; none is the end.
fn read(input: &mut dyn Read, chunk: usize, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let kept = buffer.len();
    buffer.resize(kept + chunk, 0);
    loop {
        match input.read(&mut buffer[kept..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(count) => {
                buffer.truncate(kept + count);
                return Ok(count);
            }
        }
    }
}

/// A scan on its way.
struct Stream {
    scanner: Scanner,
    scratch: Scratch,
    /// For the scanners of restarted streams.
    limits: Limits,
    cpu: Cpu,
    /// An element of STARTTLS or SASL came last: a new header may follow.
    negotiated: bool,
    /// If the input ended between two elements.
    end: End,
    /// Of the buffer's first byte.
    offset: u64,
    /// Of the current stream's first byte.
    began: u64,
}

impl Stream {
    fn new(limits: Limits, cpu: Cpu) -> Self {
        Self {
            scanner: Scanner::new(limits, cpu),
            scratch: Scratch::default(),
            limits,
            cpu,
            negotiated: false,
            end: End::Partial,
            offset: 0,
            began: 0,
        }
    }

    /// Begins another stream if a header stands at `at` after an element that allows it; nothing if that is not clear yet.
    fn restart(&mut self, buffer: &[u8], at: usize) -> Option<usize> {
        if !self.negotiated {
            return Some(at);
        }
        let there = buffer[at..].trim_ascii_start();
        let headers: [&[u8]; 2] = [b"<?xml", b"<stream:stream"];
        if headers.iter().any(|header| header.len() > there.len() && header.starts_with(there)) {
            return None;
        }
        self.negotiated = false;
        if !headers.iter().any(|header| there.starts_with(header)) {
            return Some(at);
        }
        let at = buffer.len() - there.len();
        self.scanner = Scanner::new(self.limits, self.cpu);
        self.end = End::Partial;
        self.began = self.offset + at as u64;
        Some(at)
    }

    /// Takes what is complete in `buffer`; returns how many bytes are done with.
    fn advance(&mut self, buffer: &[u8], found: &mut impl FnMut(Finding) -> io::Result<()>) -> io::Result<usize> {
        let mut at = 0;
        while let Some(next) = self.restart(buffer, at) {
            at = next;
            match self.scanner.scan(&mut self.scratch, &buffer[at..]) {
                Ok(Step::Header(header)) => {
                    self.end = End::Open;
                    at += header.end;
                }
                Ok(Step::Element(element)) => {
                    let base = self.offset + at as u64;
                    let (start, end) = (base + element.start as u64, base + element.end as u64);
                    found(Finding::Element { start, end, kind: element.kind })?;
                    self.negotiated = matches!(element.kind, Kind::StartTls | Kind::Sasl);
                    at += element.end;
                }
                Ok(Step::Close { end }) => {
                    self.end = End::Closed;
                    at += end;
                }
                Ok(Step::NeedMore { keep_from }) => {
                    at += keep_from;
                    break;
                }
                Err(error) => {
                    self.end = End::Error(error.rule, self.began + error.at);
                    break;
                }
            }
        }
        self.offset += at as u64;
        Ok(at)
    }
}

/// The word for a kind.
fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Message => "message",
        Kind::Presence => "presence",
        Kind::Iq => "iq",
        Kind::DialbackResult => "dialback-result",
        Kind::DialbackVerify => "dialback-verify",
        Kind::StreamError => "stream-error",
        Kind::Features => "features",
        Kind::StartTls => "starttls",
        Kind::Sasl => "sasl",
        Kind::Other => "other",
    }
}

/// The stream error condition. RFC 6120 §4.9.3.
fn condition(rule: Rule) -> &'static str {
    match rule {
        Rule::BadFormat => "bad-format",
        Rule::BadNamespacePrefix => "bad-namespace-prefix",
        Rule::InvalidNamespace => "invalid-namespace",
        Rule::NotWellFormed => "not-well-formed",
        Rule::PolicyViolation => "policy-violation",
        Rule::RestrictedXml => "restricted-xml",
        Rule::UnsupportedEncoding => "unsupported-encoding",
    }
}

#[cfg(test)]
mod tests;
