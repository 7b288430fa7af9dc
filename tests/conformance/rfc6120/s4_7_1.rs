//! RFC 6120 §4.7.1: `from` of a stream header.

use crate::peer::*;

/// HDR-06
#[test]
fn peer_that_claims_to_be_us_hears_invalid_from() {
    let mut peer = connects(DEFAULT);
    peer.says(&header("from='OTHER.example' to='local.example' version='1.0'"));
    peer.hears_error("invalid-from");
}

/// COMPAT test: MongooseIM says `from` only after TLS.
#[test]
fn from_may_be_missing_before_tls_and_external_works_once_it_is_there() {
    let mut peer = connects(DEFAULT);
    peer.says(&header("to='local.example' version='1.0'"));
    assert!(peer.hears().contains(STARTTLS_REQUIRED));
    peer.says(STARTTLS).completes_tls(certificate(&[REMOTE])).says(&header(TO_LOCAL)).says(&auth("="));
    assert_eq!(peer.proven(), Some(pair(REMOTE, LOCAL)));
}

#[test]
fn without_from_after_tls_dialback_is_offered_and_external_is_not() {
    let mut peer = connects_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header("to='local.example' version='1.0'"));
    let heard = peer.hears();
    assert!(heard.contains(DIALBACK) && !heard.contains("EXTERNAL"), "{heard}");
    peer.says(&auth("cmVtb3RlLmV4YW1wbGU="));
    assert_eq!(peer.hears(), sasl_failure("not-authorized"));
    assert!(peer.machine.takes_dialback().is_ok());
}

/// ADR-06, ADR-07
#[test]
fn from_that_is_no_domain_is_refused() {
    for (from, condition) in [
        ("192.0.2.1", "invalid-from"),
        ("[2001:db8::1]", "invalid-from"),
        ("u@remote.example", "improper-addressing"),
        ("re mote.example", "improper-addressing"),
        ("_remote.example", "improper-addressing"),
        ("a..example", "improper-addressing"),
    ] {
        let mut peer = connects(DEFAULT);
        peer.says(&header(&format!("from='{from}' to='local.example' version='1.0'")));
        assert!(!peer.out_contains(from), "what the peer sent is not echoed");
        peer.hears_error(condition);
    }
}

/// HDR-24
#[test]
fn response_from_another_domain_than_asked_is_an_invalid_from() {
    let mut peer = is_called(intent(DEFAULT), None);
    peer.says(&header("from='else.example' to='local.example' id='x' version='1.0'"));
    peer.hears_error("invalid-from");
}

#[test]
fn response_in_another_spelling_is_from_the_domain_we_asked_for() {
    let mut peer = is_called(intent(DEFAULT), None);
    peer.says(&header("from='Remote.EXAMPLE.' id='x' version='1.0'")).says(&features(STARTTLS));
    assert!(peer.hears().ends_with(STARTTLS));
}

/// COMPAT test: jabberd2 and ejabberd leave addresses out of response headers; Prosody sends them empty.
#[test]
fn response_without_or_with_empty_addresses_is_accepted() {
    for addresses in ["", "from='' to=''"] {
        let mut peer = is_called(intent(DEFAULT), None);
        peer.says(&header(&format!("{addresses} id='x' version='1.0'"))).says(&features(STARTTLS));
        assert!(peer.hears().ends_with(STARTTLS), "{addresses}");
    }
}

/// A refusal with a stream error often comes from no domain at all: its condition must be heard.
#[test]
fn stream_error_after_a_nameless_response_header_is_reported_as_such() {
    let mut peer = is_called(intent(DEFAULT), None);
    peer.hears();
    peer.says(&header("from='' id='x' version='1.0'"));
    peer.says(
        "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    );
    assert_eq!(peer.hears(), END);
    assert_eq!(peer.error, None);
    assert_eq!(peer.peer_error().map(|condition| condition.as_str()), Some("host-unknown"));
}
