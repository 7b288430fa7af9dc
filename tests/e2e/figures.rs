//! What an operator sees: log lines, counters, the interval log; and what nobody may see there.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use super::server::{Server, zone};
use super::wire::Wire;
use super::world::{Authority, LOCAL, PATIENCE, Ringgate, Settings, free_address};

const SECRETS: [&str; 4] = ["romeo-localpart", "juliet-localpart", "orchard-resource", "wherefore-body"];

fn message(number: usize) -> String {
    let [from, to, resource, body] = SECRETS;
    format!(
        "<message from='{from}@remote.example/{resource}' to='{to}@{LOCAL}' id='m{number}'><body>{body}</body></message>"
    )
}

/// STZ-38 and A1: bodies, localparts and resources reach no log, not even at the lowest level.
#[test]
fn localparts_resources_and_bodies_are_in_no_log_line_at_trace_level() {
    let (authority, backend) = (Authority::new(), Server::backend());
    let mut settings = Settings::new(backend.address, zone(HashMap::new()));
    settings.more = "[log]\nlevel = \"trace\"".into();
    let ringgate = Ringgate::start(&authority, &settings);
    let mut peer = Wire::authenticated(ringgate.public, "remote.example", &authority.store("remote.example"));
    peer.says(&message(1));
    backend.hears("id='m1'");
    // One that is answered, one that is dropped, one that ends the stream.
    let [from, to, ..] = SECRETS;
    peer.says(&format!("<iq from='{from}@remote.example' to='{to}@{LOCAL}' type='get'/>"));
    peer.says(&message(2).replace(to, &format!("{to}&quot;")).replace("<message", "<message type='error'"));
    peer.says(&message(3).replace("remote.example", "victim.example"));
    peer.hears_the_end();
    ringgate.logs("stream closed");
    ringgate.terminate();
    let (_, account, log) = ringgate.ends();
    for secret in SECRETS {
        assert!(!log.contains(secret) && !account.contains(secret), "{secret}:\n{log}");
    }
}

#[test]
fn stream_makes_one_line_when_opened_authenticated_and_closed_and_a_refused_peer_one() {
    let (authority, backend) = (Authority::new(), Server::backend());
    let ringgate = Ringgate::start(&authority, &Settings::new(backend.address, zone(HashMap::new())));
    let mut peer = Wire::authenticated(ringgate.public, "remote.example", &authority.store("remote.example"));
    peer.says("</stream:stream>");
    peer.hears_the_end();
    let log = ringgate.logs("stream closed");
    let lines = |word: &str| log.lines().filter(|line| line.contains(word) && line.contains("inbound")).count();
    assert_eq!([lines("stream opened"), lines("authenticated"), lines("stream closed")], [1, 1, 1], "{log}");
    // Its certificate proves nothing, and its domain has no server, so its key cannot be verified.
    let store = authority.store_with("other.example", rcgen::ExtendedKeyUsagePurpose::ClientAuth);
    let mut other = Wire::encrypted(ringgate.public, "other.example", &store);
    other.says(&format!("<db:result from='other.example' to='{LOCAL}'>key</db:result>"));
    other.hears("type='error'");
    let log = ringgate.logs("peer refused");
    let refused: Vec<_> = log.lines().filter(|line| line.contains("peer refused")).collect();
    assert!(refused.len() == 1 && refused[0].contains("other.example"), "{log}");
}

pub(crate) fn scrape(at: SocketAddr) -> String {
    let mut tcp = TcpStream::connect(at).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    tcp.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("application/openmetrics-text"), "{text}");
    assert!(text.trim_end().ends_with("# EOF"), "{text}");
    text
}

/// The sum of all samples whose name begins so.
pub(crate) fn sum(text: &str, name: &str) -> f64 {
    let samples = text.lines().filter(|line| line.starts_with(name));
    samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[test]
fn counters_move_and_the_interval_log_parses() {
    let (authority, backend) = (Authority::new(), Server::backend());
    let at = free_address();
    let mut settings = Settings::new(backend.address, zone(HashMap::new()));
    settings.more = format!("[metrics]\nlisten = \"{at}\"\nhlog = \"transit.hlog\"\nhlog_interval = \"1s\"");
    let ringgate = Ringgate::start(&authority, &settings);
    let before = scrape(at);
    let mut peer = Wire::authenticated(ringgate.public, "remote.example", &authority.store("remote.example"));
    (0..100).for_each(|number| peer.says(&message(number)));
    backend.hears("id='m99'");
    let end = Instant::now() + PATIENCE;
    let is_counted = |text: &str| sum(text, "ringgate_stanzas_total") >= sum(&before, "ringgate_stanzas_total") + 100.0;
    let mut now = scrape(at);
    while !is_counted(&now) {
        assert!(Instant::now() < end, "100 stanzas are not counted:\n{now}");
        std::thread::sleep(std::time::Duration::from_millis(50));
        now = scrape(at);
    }
    for secret in SECRETS.into_iter().chain(["remote.example"]) {
        assert!(!now.contains(secret), "{secret}");
    }
    peer.says("</stream:stream>");
    ringgate.terminate();
    let file = ringgate.folder.0.join("transit.hlog");
    let mut ringgate = ringgate;
    let kept = std::mem::replace(&mut ringgate.folder, super::world::Folder::new());
    assert_eq!(ringgate.ends().0.code(), Some(0));
    let log = std::fs::read(file).unwrap();
    drop(kept);
    assert_eq!(transits(&log), 100);
}

/// How many transit times an interval log holds in all.
fn transits(log: &[u8]) -> u64 {
    use base64::Engine;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    let mut total = 0;
    for entry in IntervalLogIterator::new(log) {
        if let LogEntry::Interval(interval) = entry.expect("every line parses") {
            let bytes = base64::engine::general_purpose::STANDARD.decode(interval.encoded_histogram()).unwrap();
            let histogram: hdrhistogram::Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
            total += histogram.len();
        }
    }
    total
}
