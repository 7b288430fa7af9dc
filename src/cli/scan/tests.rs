use base64::Engine;
use ringgate_proto::scan::{Cpu, Limits};
use serde_json::Value;

use super::{End, Finding, scan};

fn lines(bytes: &[u8], chunk: usize, limits: Limits) -> Vec<String> {
    let mut lines = Vec::new();
    let mut input = bytes;
    let end = scan(&mut input, chunk, limits, crate::cpu::detect(), |finding| {
        lines.push(finding.json());
        Ok(())
    });
    assert_eq!(lines.last(), Some(&Finding::End(end.unwrap()).json()));
    lines
}

fn limits(case: &Value) -> Limits {
    let of = |name, default| case["limits"][name].as_u64().unwrap_or(default);
    Limits {
        depth: of("depth", 128) as u16,
        attributes: of("attrs", 64) as u16,
        stanza_bytes: of("stanza", 262_144) as u32,
        elements: u32::MAX,
    }
}

/// Whether the last line is one that the case allows.
fn ends_right(case: &Value, line: &Value) -> bool {
    if case["verdict"] == "ok" {
        return line["end"] == case["end"] && line.get("error").is_none();
    }
    let alternatives = case["error_alt"].as_array().cloned().unwrap_or_default();
    line["at"].is_u64() && (line["error"] == case["error"] || alternatives.contains(&line["error"]))
}

#[test]
fn every_case_is_reported_line_by_line() {
    let cases = include_str!("../../../tests/cases/streams.jsonl");
    for case in cases.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let bytes = base64::engine::general_purpose::STANDARD.decode(case["bytes_b64"].as_str().unwrap()).unwrap();
        for chunk in [1, 7, 65_536] {
            let lines: Vec<Value> =
                lines(&bytes, chunk, limits(&case)).iter().map(|l| serde_json::from_str(l).unwrap()).collect();
            let (end, elements) = lines.split_last().unwrap();
            let spans: Vec<Value> = elements.iter().map(|line| line["element"].clone()).collect();
            assert_eq!(&Value::from(spans), &case["stanzas"], "{} by {chunk}", case["name"]);
            assert!(ends_right(&case, end), "{} by {chunk}: {end}", case["name"]);
        }
    }
}

#[test]
fn each_kind_has_its_word_in_both_forms() {
    let header =
        "<s:stream xmlns='jabber:server' xmlns:s='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'>";
    let elements = [
        ("<message/>", "message"),
        ("<presence/>", "presence"),
        ("<q:iq xmlns:q='jabber:server'/>", "iq"),
        ("<db:result/>", "dialback-result"),
        ("<db:verify/>", "dialback-verify"),
        ("<s:error/>", "stream-error"),
        ("<s:features/>", "features"),
        ("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "starttls"),
        ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "sasl"),
        ("<message xmlns='jabber:client'/>", "other"),
    ];
    let stream = elements.iter().fold(header.to_owned(), |all, (element, _)| all + element);
    let lines = lines(stream.as_bytes(), 100, Limits::default());
    let mut at = header.len();
    for ((element, word), line) in elements.iter().zip(&lines) {
        let end = at + element.len();
        assert_eq!(line, &format!(r#"{{"element":[{at},{end}],"kind":"{word}"}}"#));
        at = end;
    }
    assert_eq!(lines[elements.len()], r#"{"end":"open"}"#);
    let kind = ringgate_proto::scan::Kind::Presence;
    assert_eq!(Finding::Element { start: 1, end: 2, kind }.text(), "1 2 presence");
    assert_eq!(Finding::End(End::Closed).text(), "end closed");
}

#[test]
fn a_stream_longer_than_the_buffer_is_scanned_to_its_end() {
    let header = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>";
    let stream = header.to_owned() + &"<presence/> \n".repeat(50_000) + "</stream:stream>";
    let mut input = stream.as_bytes();
    let mut count = 0;
    let end = scan(&mut input, 4096, Limits { stanza_bytes: 200, ..Limits::default() }, Cpu::Scalar, |_| {
        count += 1;
        Ok(())
    });
    assert_eq!((end.unwrap(), count), (End::Closed, 50_001));
}

#[test]
fn a_capture_of_a_connection_is_scanned_across_its_restarts() {
    let header = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
                  xmlns:stream='http://etherx.jabber.org/streams'>";
    let proceed = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    let stream = format!("{header}{proceed}{header}<iq/>\u{1}");
    for chunk in [1, 10, 1000] {
        let lines = lines(stream.as_bytes(), chunk, Limits::default());
        let iq = 2 * header.len() + proceed.len();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], format!(r#"{{"element":[{iq},{}],"kind":"iq"}}"#, iq + 5));
        assert_eq!(lines[2], format!(r#"{{"error":"not-well-formed","at":{}}}"#, iq + 5));
    }
}

#[test]
fn a_second_header_out_of_place_is_an_error() {
    let header = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>";
    let stream = format!("{header}<iq/><?xml version='1.0'?>{header}<iq/>");
    let lines = lines(stream.as_bytes(), 1000, Limits::default());
    assert_eq!(lines[1], format!(r#"{{"error":"restricted-xml","at":{}}}"#, header.len() + 5));
}

#[test]
fn captured_streams_of_real_servers_are_accepted_and_counted() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/corpus");
    let index = std::fs::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let mut files = 0;
    for row in index.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>()) {
        let bytes = std::fs::read(corpus.join(row[0])).unwrap();
        let lines = lines(&bytes, 1000, Limits::default());
        let count =
            |kind: &str| lines.iter().filter(|l| l.ends_with(&format!(r#""kind":"{kind}"}}"#))).count().to_string();
        let counted = [count("message"), count("presence"), count("iq")];
        assert_eq!(counted, [row[8], row[9], row[10]], "{}", row[0]);
        assert!(lines.last().unwrap().starts_with(r#"{"end""#), "{}: {:?}", row[0], lines.last());
        files += 1;
    }
    assert!(files > 90, "{files}");
}
