//! The stream to a backend survives every peer: whatever the scanner accepts from many hostile peers is forwarded into
//! one expat stream, which never fails, counts exactly the forwarded elements, and sees what the peer's stream said.

mod peers;

use peers::{CPUS, captured, cases, over_seeds, scan, stream};
use ringgate_expat::{Event, Parser};
use ringgate_proto::scan::naive::inputs::Numbers;
use ringgate_proto::scan::{Limits, StreamContext, forward};

const COUNT: u64 = 40_000;

const HEADER: &[u8] = b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
    xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' version='1.0'>";

/// A backend's end of the shared stream.
struct Backend {
    parser: Parser,
    forwarded: usize,
}

impl Backend {
    fn new(separator: u8) -> Self {
        let mut parser = Parser::new(separator);
        parser.feed(HEADER, false).unwrap();
        parser.record();
        Self { parser, forwarded: 0 }
    }

    /// Takes one forwarded element; what the backend saw of it, or what went wrong.
    fn take(&mut self, bytes: &[u8]) -> Result<Vec<Event>, String> {
        self.forwarded += 1;
        let told = || String::from_utf8_lossy(bytes).into_owned();
        self.parser.feed(bytes, false).map_err(|failure| format!("{failure:?}: {}", told()))?;
        if (self.parser.elements(), self.parser.depth(), self.parser.stray()) != (self.forwarded, 1, false) {
            return Err(format!("{} elements of {}: {}", self.parser.elements(), self.forwarded, told()));
        }
        Ok(self.parser.record())
    }
}

/// Removes the language of the element itself.
fn take_lang(events: &mut [Event], separator: u8) -> Option<Vec<u8>> {
    let Some(Event::Start { attributes, .. }) = events.first_mut() else { return None };
    let name = [b"http://www.w3.org/XML/1998/namespace", &[separator][..], b"lang"].concat();
    let place = attributes.iter().position(|(n, _)| *n == name)?;
    Some(attributes.remove(place).1)
}

/// Forwards a peer's stream and compares each element with what the peer said.
fn forward_all(stream: &[u8], seed: u64, separator: u8, backend: &mut Backend) -> Option<String> {
    let ours = StreamContext::ours();
    let mut peer = Parser::new(separator);
    peer.record();
    let (mut fed, mut wrong) = (0, None);
    let base = stream.as_ptr() as usize;
    scan(stream, Limits::default(), CPUS[seed as usize % 3], |element, context| {
        if wrong.is_some() {
            return;
        }
        let start = element.bytes.as_ptr() as usize - base;
        let end = start + element.bytes.len();
        let mut out = Vec::new();
        forward(element, context, &ours, &mut out);
        // expat accepts everything up to here: the differential test's business.
        let _ = peer.feed(&stream[fed..start], false);
        peer.record();
        let _ = peer.feed(&stream[start..end], false);
        fed = end;
        let mut said = peer.record();
        match backend.take(&out) {
            Err(failure) => wrong = Some(failure),
            Ok(mut seen) => {
                let lang = take_lang(&mut seen, separator);
                let own = take_lang(&mut said, separator);
                let meant = own.or(context.lang().filter(|l| !l.is_empty()).map(|l| l.as_bytes().to_vec()));
                if seen != said || lang != meant {
                    wrong = Some(format!("{said:?} {meant:?}\nbecame\n{seen:?} {lang:?}"));
                }
            }
        }
    });
    wrong.map(|w| format!("{w}\nin {}", String::from_utf8_lossy(stream)))
}

fn survives(separator: u8, test: &str) {
    let mut backend = Backend::new(separator);
    let cases = cases();
    for (n, stream) in cases.iter().chain(&captured()).enumerate() {
        assert_eq!(forward_all(stream, n as u64, separator, &mut backend), None);
    }
    over_seeds(test, COUNT, |seed| {
        let stream = stream(&mut Numbers::new(seed), &cases);
        forward_all(&stream, seed, separator, &mut backend)
    });
    backend.parser.feed(b"</stream:stream>", true).unwrap();
    assert!(backend.forwarded > 5000 || peers::number("COUNT").is_some(), "{}", backend.forwarded);
}

#[test]
fn ejabberds_stream_survives_what_hostile_peers_send() {
    survives(b'\n', "ejabberds_stream_survives");
}

#[test]
fn prosodys_stream_survives_what_hostile_peers_send() {
    survives(b'\x01', "prosodys_stream_survives");
}

#[test]
fn a_backend_stream_dies_of_what_the_scanner_refuses() {
    // The oracle can fail: these would pass a scanner that only counts tags.
    for bad in ["<a></b>", "<p:a/>", "<a xmlns='u&#10;v'/>", "<\u{2c00}/>", "<a x='1' x='2'/>", "<a>\u{ffff}</a>"] {
        let mut backend = Backend::new(b'\n');
        assert!(backend.take(bad.as_bytes()).is_err(), "{bad}");
    }
}
