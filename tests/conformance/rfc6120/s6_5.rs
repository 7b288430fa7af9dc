//! RFC 6120 §6.5: SASL failures; each leaves the stream for another attempt or for dialback.

use ringgate_proto::stream::Untrusted;

use crate::peer::*;

#[track_caller]
fn fails(peer: &mut Peer<ringgate_proto::stream::Receiving>, request: &str, condition: &str) {
    peer.says(request);
    assert_eq!(peer.hears(), sasl_failure(condition), "{request}");
    assert_eq!((peer.proven(), peer.error), (None, None));
    assert!(peer.machine.takes_dialback().is_ok(), "the stream is kept");
}

/// SAS-01, SAS-02
#[test]
fn certificate_that_does_not_prove_from_is_not_authorized() {
    for shown in [
        untrusted(Untrusted::Absent),
        untrusted(Untrusted::UnknownIssuer),
        untrusted(Untrusted::SelfSigned),
        untrusted(Untrusted::Expired),
        untrusted(Untrusted::NotYetValid),
        untrusted(Untrusted::WrongPurpose),
        certificate(&["else.example"]),
        certificate(&[]),
    ] {
        let mut peer = is_encrypted(DEFAULT, shown);
        fails(&mut peer, &auth("="), "not-authorized");
        fails(&mut peer, &auth("cmVtb3RlLmV4YW1wbGU="), "not-authorized");
    }
}

/// SAS-03: the identity is exactly `from`, even if the certificate proves the other domain too.
#[test]
fn identity_other_than_from_is_an_invalid_authzid() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE, "else.example"]));
    // else.example; u@remote.example; `/`
    for payload in ["ZWxzZS5leGFtcGxl", "dUByZW1vdGUuZXhhbXBsZQ==", "Lw=="] {
        fails(&mut peer, &auth(payload), "invalid-authzid");
    }
    fails(&mut peer, &auth("/w=="), "invalid-authzid");
}

/// SAS-16
#[test]
fn other_mechanisms_are_invalid() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    for mechanism in ["mechanism='PLAIN'", "mechanism='SCRAM-SHA-1'", "mechanism='external'", ""] {
        let request = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' {mechanism}>=</auth>");
        fails(&mut peer, &request, "invalid-mechanism");
    }
}

#[test]
fn external_is_an_invalid_mechanism_where_the_policy_wants_dialback() {
    let mut peer = is_encrypted(DIALBACK_ONLY, certificate(&[REMOTE]));
    fails(&mut peer, &auth("="), "invalid-mechanism");
}

/// SAS-18
#[test]
fn garbage_is_incorrectly_encoded() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    for payload in ["!!!!", "cmVtb3RlLmV4YW1wbGU", " cmVtb3RlLmV4YW1wbGU=", "===="] {
        fails(&mut peer, &auth(payload), "incorrect-encoding");
    }
}

/// SAS-19
#[test]
fn child_elements_are_malformed() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    fails(&mut peer, &auth("<x/>="), "malformed-request");
}

#[test]
fn authentication_in_clear_takes_encryption_first() {
    let mut peer = connects(OPTIONAL);
    peer.says(&header(TO_LOCAL)).hears();
    fails(&mut peer, &auth("="), "encryption-required");
}

/// Nothing that the peer sent comes back to it.
#[test]
fn failure_echoes_nothing() {
    let mut peer = is_encrypted(DEFAULT, certificate(&["else.example"]));
    peer.says(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='X&lt;y&gt;\u{1b}'>Z</auth>"
            .replace('\u{1b}', "")
            .as_str(),
    );
    assert_eq!(peer.hears(), sasl_failure("invalid-mechanism"));
}
