use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringgate_proto::proof::Method;
use ringgate_proto::route::Account;
use ringgate_proto::stream::Untrusted;
use tracing_subscriber::fmt::MakeWriter;

use super::budget::LINES_PER_SECOND;
use super::*;

/// What was written.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The text lines (without their times) that `events` become at `level`.
fn lines_at(level: Level, format: LogFormat, events: &[(Event, Timestamp)]) -> Vec<String> {
    let captured = Captured::default();
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_writer(captured.clone())
        .without_time()
        .with_ansi(false);
    let mut logger = Logger::new(3);
    let mut log = || events.iter().for_each(|(event, now)| logger.event(event, *now));
    match format {
        LogFormat::Text => tracing::subscriber::with_default(builder.finish(), &mut log),
        LogFormat::Json => tracing::subscriber::with_default(builder.json().flatten_event(true).finish(), &mut log),
    }
    let bytes = captured.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(|line| line.trim_start().to_owned()).collect()
}

fn line(event: Event) -> String {
    let lines = lines_at(Level::TRACE, LogFormat::Text, &[(event, Timestamp::default())]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn pair(from: &str, to: &str) -> DomainPair {
    DomainPair { from: domain(from), to: domain(to) }
}

#[test]
fn opened_stream_is_one_line_with_the_fields_in_order() {
    let event = Event::StreamOpened {
        stream: 7,
        face: Face::Inbound,
        address: "192.0.2.1:5269".parse().unwrap(),
        local: Some(domain("example.org")),
        remote: Some(domain("partner.example")),
        encrypted: true,
    };
    assert_eq!(
        line(event),
        "INFO stream opened shard=3 stream=7 face=\"inbound\" local=\"example.org\" remote=\"partner.example\" address=192.0.2.1:5269 encrypted=true"
    );
}

#[test]
fn proven_pair_names_the_method_and_which_domain_is_ours() {
    let proven = |face, pair| Event::PairProven { stream: 7, face, pair, method: Method::Dialback };
    let inbound = line(proven(Face::Inbound, pair("partner.example", "example.org")));
    let expected = "INFO authenticated shard=3 stream=7 face=\"inbound\" local=\"example.org\" remote=\"partner.example\" method=\"dialback\"";
    assert_eq!(inbound, expected);
    let outbound = line(proven(Face::Outbound, pair("example.org", "partner.example")));
    assert_eq!(outbound, expected.replace("inbound", "outbound"));
}

#[test]
fn refused_peer_is_a_warning_with_the_reason() {
    let event = Event::PairRefused {
        stream: 7,
        face: Face::Inbound,
        pair: pair("partner.example", "example.org"),
        reason: "denied-by-partner",
    };
    assert!(line(event).starts_with("WARN peer refused shard=3 "));
}

#[test]
fn failed_external_says_what_the_certificate_lacks() {
    let event = Event::SaslFailed {
        stream: 7,
        face: Face::Inbound,
        remote: Some(domain("partner.example")),
        failure: SaslFailure::NotAuthorized,
        certificate: Some(Untrusted::SelfSigned),
    };
    assert_eq!(
        line(event),
        "INFO external failed shard=3 stream=7 face=\"inbound\" remote=\"partner.example\" failure=\"not-authorized\" certificate=\"self-signed\" suppressed=0"
    );
}

#[test]
fn closed_stream_says_why_at_the_level_of_who_is_to_blame() {
    let closed = |cause| line(Event::StreamClosed { stream: 7, face: Face::Outbound, remote: None, cause });
    let head = "stream closed shard=3 stream=7 face=\"outbound\"";
    assert_eq!(closed(CloseCause::Clean), format!("INFO {head} cause=\"clean\""));
    let sent = closed(CloseCause::SentError(Condition::InvalidXml, "an end tag does not match"));
    assert_eq!(sent, format!("WARN {head} cause=\"sent-error\" detail=\"invalid-xml: an end tag does not match\""));
    let ours = closed(CloseCause::SentError(Condition::InternalServerError, "a bound was reached"));
    assert!(ours.starts_with("ERROR"), "{ours}");
    let peer = closed(CloseCause::PeerError(Condition::HostUnknown));
    assert_eq!(peer, format!("INFO {head} cause=\"peer-error\" detail=\"host-unknown\""));
}

/// STZ-38: a text from outside made two records, or drew on the terminal.
#[test]
fn control_characters_never_make_a_second_line_nor_reach_the_terminal() {
    let hostile = "reset\n2026-01-01 ERROR forged\r\u{1b}[2J\u{9b}31m\u{202e}\u{2028}\0 cause=\"clean\"";
    for format in [LogFormat::Text, LogFormat::Json] {
        let event = Event::StreamClosed {
            stream: 7,
            face: Face::Inbound,
            remote: None,
            cause: CloseCause::Broken(hostile.to_owned()),
        };
        let lines = lines_at(Level::TRACE, format, &[(event, Timestamp::default())]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(!lines[0].chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}')), "{lines:?}");
        assert!(lines[0].contains("cause=\\\"clean\\\"") || lines[0].contains("\\\"clean\\\""), "{lines:?}");
    }
}

#[test]
fn long_text_from_outside_is_cut() {
    assert_eq!(one_line(&"x".repeat(100_000)).chars().count(), TEXT_CHARS + 1);
    assert_eq!(one_line(&"x".repeat(TEXT_CHARS)).chars().count(), TEXT_CHARS);
}

#[test]
fn flood_of_refused_connections_is_not_a_flood_of_lines() {
    let refused =
        || Event::ConnectionRefused { address: "192.0.2.1:1".parse().unwrap(), reason: "too-many-connections" };
    let second = Timestamp::default() + Duration::from_secs(5);
    let mut events = (0..1_000).map(|_| (refused(), second)).collect::<Vec<_>>();
    events.push((refused(), second + Duration::from_secs(1)));
    let lines = lines_at(Level::INFO, LogFormat::Text, &events);
    assert_eq!(lines.len(), LINES_PER_SECOND as usize + 1);
    assert!(lines.last().unwrap().contains("suppressed=990"), "{lines:?}");
}

/// OVL-09: one stream can have any number of pairs and SASL attempts refused.
#[test]
fn flood_of_refused_pairs_is_not_a_flood_of_lines_and_hides_no_other() {
    let refused = |face| Event::PairRefused {
        stream: 7,
        face,
        pair: pair("partner.example", "not-served.example"),
        reason: "target-not-local",
    };
    let failed = Event::SaslFailed {
        stream: 7,
        face: Face::Inbound,
        remote: None,
        failure: SaslFailure::NotAuthorized,
        certificate: None,
    };
    let second = Timestamp::default() + Duration::from_secs(5);
    let mut events = vec![(refused(Face::Inbound), second); 10_000];
    events.push((refused(Face::Outbound), second));
    events.extend(vec![(failed, second); 10_000]);
    events.push((refused(Face::Inbound), second + Duration::from_secs(1)));
    let lines = lines_at(Level::INFO, LogFormat::Text, &events);
    let count = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
    assert_eq!(lines.len(), 2 * LINES_PER_SECOND as usize + 2);
    assert_eq!(count("external failed"), LINES_PER_SECOND as usize);
    assert_eq!(count("face=\"outbound\""), 1);
    assert!(lines.last().unwrap().contains("suppressed=9990"), "{lines:?}");
}

#[test]
fn rules_and_forgotten_pairs_are_below_info() {
    let events = [
        Event::Refused { reason: "no-such-pair" },
        Event::PairClosed { pair: pair("example.org", "partner.example"), account: Account::default() },
    ];
    let events = events.map(|event| (event, Timestamp::default()));
    assert_eq!(lines_at(Level::INFO, LogFormat::Text, &events), Vec::<String>::new());
    assert_eq!(lines_at(Level::TRACE, LogFormat::Text, &events).len(), 2);
}

#[test]
fn json_line_is_one_object_with_the_same_fields() {
    let event = Event::PairProven {
        stream: 7,
        face: Face::Inbound,
        pair: pair("partner.example", "example.org"),
        method: Method::External,
    };
    let lines = lines_at(Level::INFO, LogFormat::Json, &[(event, Timestamp::default())]);
    assert_eq!(lines.len(), 1);
    for part in ["\"shard\":3", "\"stream\":7", "\"remote\":\"partner.example\"", "\"method\":\"external\""] {
        assert!(lines[0].contains(part), "{}", lines[0]);
    }
}

#[test]
fn conditions_are_spelt_as_on_the_wire() {
    assert_eq!(condition_word(Condition::BadNamespacePrefix), "bad-namespace-prefix");
    assert_eq!(condition_word(Condition::RestrictedXml), "restricted-xml");
}
