//! RFC 6120 §4: streams, their deadlines and their errors.

use std::net::SocketAddr;
use std::time::Duration;

use ringgate_proto::event::{CloseCause, Event};
use ringgate_proto::gate::{Breakage, Input};
use ringgate_proto::limits;
use ringgate_proto::stream::{Condition, TlsTerms};

use super::town::*;
use crate::peer::*;

const SECOND: Duration = Duration::from_secs(1);

/// TCP-01: nobody says anything.
#[test]
fn silent_connection_hears_connection_timeout_after_a_header_of_ours() {
    let mut town = Town::new();
    let peer = town.connects();
    town.passes(limits::NEGOTIATION - SECOND);
    assert_eq!(town.hears(peer), "");
    town.passes(2 * SECOND);
    let heard = town.hears(peer);
    assert!(heard.starts_with("<?xml version='1.0'?><stream:stream "), "{heard}");
    assert!(heard.contains("<connection-timeout ") && heard.ends_with("</stream:stream>"), "{heard}");
    assert!(town.line(peer).is_closed);
    assert_eq!(town.gate.connections(), 0);
}

/// TCP-02 (slowloris): the deadline is one, and no byte moves it.
#[test]
fn header_that_trickles_in_hears_connection_timeout_at_the_same_time() {
    let mut town = Town::new();
    let (slow, other) = (town.connects(), town.proven());
    let began = town.now;
    for byte in header(TO_LOCAL).bytes() {
        if town.line(slow).is_closed {
            break;
        }
        town.says_bytes(slow, &[byte]);
        town.passes(5 * SECOND);
    }
    assert!(town.now.since(began) <= limits::NEGOTIATION + 5 * SECOND);
    town.ends_with(slow, "connection-timeout");
    town.says(other, HELLO);
    town.goes_on(other);
}

/// TCP-02 after the header: elements that achieve nothing do not move the deadline either.
#[test]
fn refused_requests_do_not_extend_the_negotiation() {
    let mut town = Town::new();
    let peer = town.encrypted();
    for _ in 0..4 {
        town.says(peer, &auth("b3RoZXIuZXhhbXBsZQ=="));
        town.passes(20 * SECOND);
    }
    town.ends_with(peer, "connection-timeout");
}

/// TCP-03: one address may not hold more than its share of unauthenticated connections; the proven ones do not count.
#[test]
fn connections_of_one_address_over_the_bound_are_refused_at_accept() {
    let mut town = Town::new();
    let proven = town.proven();
    let from = |port| SocketAddr::new(REMOTE_ADDRESS.ip(), port);
    for port in 0..limits::UNAUTHENTICATED_PER_ADDRESS as u16 {
        assert!(town.connects_from(from(port)).is_some());
    }
    for port in 0..1_000 {
        assert!(town.connects_from(from(port)).is_none());
    }
    let refused = |event: &&Event| matches!(event, Event::ConnectionRefused { reason: "too-many-unauthenticated", address } if address.ip() == REMOTE_ADDRESS.ip());
    assert_eq!(town.events.iter().filter(refused).count(), 1_000);
    assert!(town.connects_from("9.9.9.10:1".parse().unwrap()).is_some(), "another address has its own share");
    town.says(proven, HELLO);
    town.goes_on(proven);
    town.passes(limits::NEGOTIATION + SECOND);
    assert!(town.connects_from(from(1)).is_some(), "time-outs make room");
}

/// TCP-05, inbound: a reset at every byte of the negotiation leaves nothing behind.
#[test]
fn reset_at_any_offset_of_an_inbound_negotiation_leaves_nothing_behind() {
    let clear = format!("{}{STARTTLS}", header(TO_LOCAL));
    let secure = format!("{}{}{}{HELLO}", header(TO_LOCAL), auth("="), header(TO_LOCAL));
    let mut town = Town::new();
    town.knows_remote();
    for cut in 0..clear.len() + secure.len() {
        let peer = town.connects();
        town.says(peer, &clear[..cut.min(clear.len())]);
        if cut >= clear.len() {
            town.completes_tls(peer, certificate(&[REMOTE]));
            town.says(peer, &secure[..cut - clear.len()]);
        }
        town.resets(peer);
        while let Some(call) = town.calls.front() {
            let address = call.address;
            town.refuses_call(address);
        }
        assert_eq!(town.gate.connections(), 0, "offset {cut}");
    }
    // Each of them was counted against the address, and none still is.
    for port in 0..limits::UNAUTHENTICATED_PER_ADDRESS as u16 {
        assert!(town.connects_from(SocketAddr::new(REMOTE_ADDRESS.ip(), port)).is_some());
    }
}

/// TCP-05, outbound: what waits for a stream that is reset is tried again or comes back, and never vanishes.
#[test]
fn reset_at_any_element_of_an_outbound_negotiation_brings_the_stanza_back() {
    let script = [header(RESPONSE), features(STARTTLS_REQUIRED), PROCEED.into()];
    for cut in 0..=script.len() {
        let mut town = Town::new();
        town.knows_remote();
        let (backend, back) = town.backend_calls();
        town.says(backend, "<message from='b@local.example' to='a@remote.example' id='m2'/>");
        let stream = town.takes_call(REMOTE_ADDRESS);
        script[..cut].iter().for_each(|text| town.says(stream, text));
        town.resets(stream);
        town.grants(back);
        let heard = town.hears(back);
        assert_eq!(town.account(LOCAL, REMOTE).bounced, 1, "after {cut} elements: {heard}");
        assert!(heard.contains("id='m2'") && heard.contains("<remote-server-timeout "), "{heard}");
    }
}

/// TCP-08
#[test]
fn http_request_is_not_well_formed() {
    let mut town = Town::new();
    let peer = town.connects();
    town.says(peer, "GET / HTTP/1.1\r\nHost: local.example\r\n\r\n");
    town.ends_with(peer, "not-well-formed");
    assert!(matches!(town.causes()[..], [CloseCause::SentError(Condition::NotWellFormed, _)]));
}

/// HDR-01: a header that names nobody.
#[test]
fn header_without_to_hears_improper_addressing_from_the_default_domain() {
    let mut town = Town::new();
    let peer = town.connects();
    town.says(peer, &header("from='remote.example' version='1.0'"));
    assert!(std::str::from_utf8(town.heard(peer)).unwrap().contains("from='local.example'"));
    town.ends_with(peer, "improper-addressing");
}

/// HDR-02
#[test]
fn header_to_a_domain_that_is_not_served_hears_host_unknown() {
    let mut town = Town::new();
    let peer = town.connects();
    town.says(peer, &header("from='remote.example' to='elsewhere.example' version='1.0'"));
    town.ends_with(peer, "host-unknown");
}

/// HDR-06: a stranger that calls himself one of ours.
#[test]
fn header_from_a_domain_of_ours_hears_invalid_from() {
    let mut town = Town::new();
    let peer = town.connects();
    town.says(peer, &header("from='other.example' to='local.example' version='1.0'"));
    town.ends_with(peer, "invalid-from");
    assert!(matches!(town.causes()[..], [CloseCause::SentError(Condition::InvalidFrom, _)]));
}

/// HDR-13, the default: who knows no features knows no TLS.
#[test]
fn header_without_version_ends_where_tls_is_required() {
    let mut town = Town::new();
    let peer = town.connects();
    town.says(peer, &header("from='remote.example' to='local.example'"));
    town.ends_with(peer, "policy-violation");
}

/// HDR-13, where clear streams are allowed.
#[test]
fn header_without_version_gets_no_features_and_dialback_where_clear_streams_are_allowed() {
    let mut town = Town::with_policy(policy(TlsTerms::Optional));
    town.knows_remote();
    let peer = town.connects();
    town.says(peer, &header("from='remote.example' to='local.example'"));
    assert!(!town.hears(peer).contains("features"));
    town.says(peer, "<db:result from='remote.example' to='local.example'>key</db:result>");
    town.next_call(REMOTE_ADDRESS);
}

/// HDR-16: 1 MB of attributes, in pieces as a socket gives them.
#[test]
fn header_of_a_megabyte_ends_at_the_bound_before_authentication() {
    let mut town = Town::new();
    let peer = town.connects();
    let long = format!("<?xml version='1.0'?><stream:stream {NAMESPACES} x='{}'", "x".repeat(1 << 20));
    let mut taken = 0;
    for piece in long.as_bytes().chunks(1024) {
        if town.line(peer).is_closed {
            break;
        }
        town.says_bytes(peer, piece);
        taken += piece.len();
    }
    assert!(taken <= limits::PREAUTH_BYTES as usize + 1024, "{taken} bytes were taken");
    town.ends_with(peer, "policy-violation");
}

/// HDR-19: a stream in a stream.
#[test]
fn second_header_inside_an_open_stream_ends_it() {
    let mut town = Town::new();
    let peer = town.proven();
    town.says(peer, &header(TO_LOCAL).replace("<?xml version='1.0'?>", ""));
    town.says(peer, HELLO);
    town.says(peer, END);
    let heard = town.hears(peer);
    let is_refused = heard.contains("<bad-format ") || heard.contains("<unsupported-stanza-type ");
    assert!(is_refused && town.line(peer).is_closed, "{heard}");
    assert_eq!(town.account(REMOTE, LOCAL).accepted, 0, "the stanza inside is none");
}

/// STZ-29
#[test]
fn bytes_after_the_end_tag_are_discarded() {
    let mut town = Town::new();
    let peer = town.proven();
    town.says(peer, &format!("{HELLO}{END}{HELLO}<message"));
    assert_eq!(town.account(REMOTE, LOCAL).accepted, 1);
    assert_eq!(town.hears(peer), END);
    assert!(town.line(peer).is_closed);
}

/// STZ-31: a server that only goes away is worth another stream at once; nothing is lost or doubled.
#[test]
fn peer_that_restarts_gets_the_next_stanza_on_a_new_stream() {
    for condition in ["reset", "see-other-host", "system-shutdown"] {
        let mut town = Town::new();
        town.knows_remote();
        let (backend, _) = town.backend_calls();
        town.says(backend, "<message from='b@local.example' to='a@remote.example' id='m1'/>");
        let stream = town.remote_takes();
        assert!(town.hears(stream).contains("id='m1'"));
        town.says(stream, &stream_error(condition));
        assert!(town.line(stream).is_closed);
        town.says(backend, "<message from='b@local.example' to='a@remote.example' id='m2'/>");
        let again = town.remote_takes();
        let heard = town.hears(again);
        assert!(heard.contains("id='m2'") && !heard.contains("id='m1'"), "{condition}: {heard}");
    }
}

/// STZ-31: an answer during negotiation is final for what waits; who says `host-unknown` means not found.
#[test]
fn stream_error_bounces_what_waits_with_its_condition() {
    let cases = [("host-unknown", "remote-server-not-found"), ("policy-violation", "remote-server-timeout")];
    for (condition, bounce) in cases {
        let mut town = Town::new();
        town.knows_remote();
        let (backend, back) = town.backend_calls();
        town.says(backend, "<message from='b@local.example' to='a@remote.example' id='m1'/>");
        let stream = town.takes_call(REMOTE_ADDRESS);
        town.says(stream, &header(RESPONSE));
        town.says(stream, &stream_error(condition));
        town.grants(back);
        let heard = town.hears(back);
        assert!(heard.contains(&format!("<{bounce} ")), "{condition}: {heard}");
    }
}

fn stream_error(condition: &str) -> String {
    format!("<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
}

/// TCP-12, outbound: a server whose TLS fails is one target of several.
#[test]
fn target_whose_tls_fails_is_followed_by_the_next_one() {
    let mut town = Town::new();
    town.knows_remote();
    let second: SocketAddr = "9.9.9.8:5269".parse().unwrap();
    town.adds_target(REMOTE, second);
    let (backend, back) = town.backend_calls();
    town.says(backend, "<message from='b@local.example' to='a@remote.example' id='m1'/>");
    for address in [REMOTE_ADDRESS, second] {
        let stream = town.takes_call(address);
        town.says(stream, &header(RESPONSE));
        town.says(stream, &features(STARTTLS_REQUIRED));
        town.says(stream, PROCEED);
        town.line(stream).is_closed = true;
        let detail = "received fatal alert: ProtocolVersion".into();
        town.gives(Input::Broken { conn: stream, breakage: Breakage::Tls, detail });
    }
    town.grants(back);
    assert!(town.hears(back).contains("<remote-server-timeout "));
}
