//! RFC 6120 §11: XML on a proven stream. What is refused never reaches a backend; what is accepted does, unchanged.

use super::town::*;
use crate::peer::*;

/// The stream ends with one of these conditions, and the backend is not even called.
#[track_caller]
fn refused(text: &[u8], conditions: &[&str]) {
    let mut town = Town::new();
    let peer = town.proven();
    town.says_bytes(peer, text);
    // What is open could only become worse: an end shows what was made of it.
    let heard = town.hears(peer);
    let is_named = conditions.iter().any(|condition| heard.contains(&format!("<stream:error><{condition} ")));
    assert!(is_named && town.line(peer).is_closed, "{}: {heard}", String::from_utf8_lossy(text));
    assert!(town.calls.is_empty() && town.account(REMOTE, LOCAL).accepted == 0);
}

fn with_body(body: &str) -> Vec<u8> {
    HELLO.replace("hello", body).into_bytes()
}

/// XML-02: no file, no network, no DTD at all.
#[test]
fn external_entity_hears_restricted_xml() {
    let doctype = "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>";
    refused(format!("{doctype}{HELLO}").as_bytes(), &["restricted-xml"]);
    refused(&with_body(doctype), &["restricted-xml"]);
    let mut town = Town::new();
    let peer = town.connects();
    town.says(peer, &header(TO_LOCAL).replace("?><", &format!("?>{doctype}<")));
    town.ends_with(peer, "restricted-xml");
}

/// XML-03
#[test]
fn comment_between_or_inside_stanzas_hears_restricted_xml() {
    refused(b"<!-- between -->", &["restricted-xml"]);
    refused(&with_body("<!-- inside -->"), &["restricted-xml"]);
}

/// XML-05
#[test]
fn entity_that_is_not_predefined_is_refused() {
    refused(&with_body("&e;"), &["restricted-xml", "not-well-formed"]);
    refused(&with_body("&nbsp;"), &["restricted-xml", "not-well-formed"]);
}

/// XML-06
#[test]
fn reference_to_no_character_hears_not_well_formed() {
    for reference in ["&#0;", "&#xFFFE;", "&#x110000;", "&#xD800;", "&#;", "&#x;"] {
        refused(&with_body(reference), &["not-well-formed"]);
    }
}

/// XML-07
#[test]
fn bytes_that_are_no_utf_8_are_refused() {
    let overlong: &[u8] = b"\xC0\xAF";
    for bytes in [overlong, b"\xE0\x80\xBC", b"\xED\xA0\x80", b"\xE2\x82\x3C", b"\xF5\x80\x80\x80", b"\x80"] {
        let mut text = HELLO.split("hello").map(str::as_bytes);
        let (before, after) = (text.next().unwrap(), text.next().unwrap());
        refused(&[before, bytes, after].concat(), &["bad-format", "not-well-formed"]);
    }
}

/// XML-08: at every offset, one byte sequence split in two.
#[test]
fn character_split_between_reads_is_forwarded_whole() {
    let message = HELLO.replace("hello", "ü€𝄞ẞ漢字");
    for at in 1..message.len() {
        let mut town = Town::new();
        let peer = town.proven();
        let (first, second) = message.as_bytes().split_at(at);
        town.says_bytes(peer, first);
        town.says_bytes(peer, second);
        let backend = town.backend_takes();
        assert_eq!(town.hears(backend), message, "split at {at}");
    }
}

/// XML-10
#[test]
fn undeclared_prefix_is_refused() {
    refused(&with_body("<x:y/>"), &["bad-namespace-prefix", "not-well-formed"]);
}

/// XML-11
#[test]
fn mismatched_end_tag_ends_the_stream_after_the_stanzas_before_it() {
    let mut town = Town::new();
    let peer = town.proven();
    town.says(peer, &format!("{HELLO}<message from='a@remote.example' to='b@local.example'></presence>"));
    town.ends_with(peer, "not-well-formed");
    let backend = town.backend_takes();
    assert_eq!(town.hears(backend), HELLO);
}

/// XML-12
#[test]
fn characters_that_xml_does_not_have_are_refused() {
    for text in ["\u{FFFE}", "\u{FFFF}", "\0", "\u{1}", "\u{8}", "\u{B}", "\u{1F}"] {
        refused(&with_body(text), &["not-well-formed"]);
    }
}

/// XML-15: a byte order mark stands before the first header or nowhere; the same on every listener.
#[test]
fn byte_order_mark_at_the_start_is_accepted_on_both_listeners_alike() {
    let mut town = Town::new();
    let (peer, backend) = (town.connects(), town.backend_connects());
    town.says(peer, &format!("\u{FEFF}{}", header(TO_LOCAL)));
    town.says(backend, &format!("\u{FEFF}{}", header("from='local.example' to='remote.example' version='1.0'")));
    let (one, other) = (town.hears(peer), town.hears(backend));
    assert_eq!(one.contains("</stream:features>"), other.contains("</stream:features>"), "{one}\n{other}");
    assert_eq!(one.contains("<not-well-formed "), other.contains("<not-well-formed "));
}
