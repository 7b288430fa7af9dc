//! RFC 6120 §4.3.2: stream features.

use ringgate_proto::stream::{Blame, Terms, TlsTerms, Untrusted};

use crate::peer::*;

#[test]
fn before_required_tls_only_starttls_is_offered() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL));
    assert!(peer.hears().ends_with(&format!("'>{}", features(STARTTLS_REQUIRED))));
}

#[test]
fn header_and_features_come_in_one_write() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL));
    let heard = peer.hears();
    assert!(heard.starts_with("<?xml version='1.0'?><stream:stream xmlns:stream='"), "{heard}");
    assert!(heard.ends_with("</stream:features>"), "{heard}");
}

#[test]
fn on_an_optional_clear_stream_starttls_stands_beside_dialback() {
    let mut peer = connects(OPTIONAL);
    peer.says(&header(TO_LOCAL));
    let heard = peer.hears();
    assert!(heard.contains(STARTTLS) && heard.contains(DIALBACK) && !heard.contains("mechanisms"), "{heard}");
}

#[test]
fn after_tls_external_dialback_and_limits_are_offered_and_starttls_is_not() {
    let mut peer = connects_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(TO_LOCAL));
    let heard = peer.hears();
    let limits = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes></limits>";
    assert!(heard.ends_with(&features(&format!("{EXTERNAL}{DIALBACK}{limits}"))), "{heard}");
}

/// SAS-25: EXTERNAL is offered to nobody whom it cannot prove.
#[test]
fn external_is_not_offered_to_a_certificate_that_does_not_prove_from() {
    for shown in [untrusted(Untrusted::SelfSigned), untrusted(Untrusted::Absent), certificate(&["else.example"])] {
        let mut peer = connects_encrypted(DEFAULT, shown);
        peer.says(&header(TO_LOCAL));
        let heard = peer.hears();
        assert!(!heard.contains("EXTERNAL") && heard.contains(DIALBACK), "{heard}");
    }
}

/// SAS-25: a peer with no way left is told why.
#[test]
fn peer_that_cannot_be_proven_under_an_external_only_policy_is_refused_with_the_reason() {
    for (shown, reason) in [
        (untrusted(Untrusted::SelfSigned), "the certificate is self-signed"),
        (untrusted(Untrusted::Absent), "no certificate was presented"),
        (certificate(&["else.example"]), "the certificate does not name the domain"),
    ] {
        let mut peer = connects_encrypted(EXTERNAL_ONLY, shown);
        peer.says(&header(TO_LOCAL));
        assert_eq!(peer.error.unwrap().text, reason);
        peer.hears_error("policy-violation");
    }
}

/// FEA-03
#[test]
fn starttls_offered_again_after_tls_is_ignored() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(&format!("{STARTTLS_REQUIRED}{EXTERNAL}")));
    let heard = peer.hears();
    assert!(heard.starts_with("<auth ") && !heard.contains("starttls"), "{heard}");
}

/// FEA-10 behind FEA-01: what matters to the operator is that TLS is missing.
#[test]
fn stripped_starttls_is_named_although_an_unknown_feature_is_required_too() {
    let mut peer = is_called(intent(DEFAULT), None);
    peer.says(&header(RESPONSE)).says(&features("<rite xmlns='urn:example:rite'><required/></rite>"));
    assert_eq!(peer.error.unwrap().text, "tls-required");
    peer.hears_error("policy-violation");
}

/// FEA-10
#[test]
fn unknown_feature_that_is_required_ends_the_stream_with_unsupported_feature() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    let unknown = "<rite xmlns='urn:example:rite'><required/></rite>";
    peer.says(&header(RESPONSE)).says(&features(&format!("{EXTERNAL}{unknown}{DIALBACK}")));
    assert_eq!(peer.error.unwrap().blame, Blame::Us);
    peer.hears_error("unsupported-feature");
}

/// FEA-10: also when it is demanded after authentication.
#[test]
fn unknown_required_feature_after_success_ends_the_stream_unproven() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(EXTERNAL)).says(SUCCESS);
    peer.says(&header(RESPONSE)).says(&features("<rite xmlns='urn:example:rite'><required/></rite>"));
    peer.hears_error("unsupported-feature");
    assert_eq!(peer.proven(), None);
}

#[test]
fn unknown_feature_that_is_voluntary_is_ignored() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(&format!("<rite xmlns='urn:example:rite'/>{EXTERNAL}")));
    assert!(peer.hears().starts_with("<auth "));
}

/// §4.3.4
#[test]
fn features_that_come_again_change_nothing() {
    let mut peer = is_called_encrypted(DIALBACK_ONLY, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(DIALBACK));
    assert!(peer.is_negotiated());
    peer.says(&features(&format!("{EXTERNAL}{STARTTLS}")));
    assert_eq!((peer.hears().as_str(), peer.error), ("", None));
}

#[test]
fn features_from_an_initiating_entity_are_an_unsupported_stanza_type() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&features(""));
    peer.hears_error("unsupported-stanza-type");
}

#[test]
fn peer_that_requires_tls_where_our_policy_forbids_it_is_left() {
    let terms = Terms { tls: TlsTerms::None, ..DEFAULT };
    let mut peer = is_called(intent(terms), None);
    peer.says(&header(RESPONSE)).says(&features(STARTTLS_REQUIRED));
    peer.hears_error("unsupported-feature");
}
