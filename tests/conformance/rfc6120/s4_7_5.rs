//! RFC 6120 §4.7.5: `version` of a stream header.

use ringgate_proto::stream::Terms;

use crate::peer::*;

/// HDR-11
#[test]
fn higher_version_is_answered_with_1_0() {
    for version in ["2.0", "1.1", "4294967296.0"] {
        let mut peer = connects(DEFAULT);
        peer.says(&header(&format!("from='remote.example' to='local.example' version='{version}'")));
        let heard = peer.hears();
        assert!(heard.contains(" version='1.0'><stream:features>"), "{heard}");
    }
}

/// HDR-12
#[test]
fn lower_or_impossible_version_is_unsupported() {
    for version in ["0.9", "1", "abc", "-1", ""] {
        let attributes = format!("from='remote.example' to='local.example' id='x' version='{version}'");
        let mut peer = connects(DEFAULT);
        peer.says(&header(&attributes));
        peer.hears_error("unsupported-version");
        let mut peer = is_called(intent(DEFAULT), None);
        peer.says(&header(&format!("id='x' version='{version}'")));
        peer.hears_error("unsupported-version");
    }
}

/// HDR-13
#[test]
fn peer_without_version_is_told_that_tls_is_required() {
    let mut peer = connects(DEFAULT);
    peer.says(&header("from='remote.example' to='local.example'"));
    assert!(!peer.out_contains("stream:features") && !peer.out_contains("version='1.0'>"));
    assert_eq!(peer.error.unwrap().text, "TLS is required");
    peer.hears_error("policy-violation");
}

/// HDR-13: where the policy lets dialback run in clear. COMPAT test: jabberd2 in clear has no version.
#[test]
fn peer_without_version_gets_a_header_without_version_and_no_features_and_may_use_dialback() {
    let mut peer = connects(OPTIONAL);
    peer.says(&header("from='remote.example' to='local.example'"));
    let heard = peer.hears();
    assert!(heard.ends_with("id='00000000000000000000000000000001'>"), "{heard}");
    peer.says("<db:result from='remote.example' to='local.example'>key</db:result>");
    assert_eq!(peer.taken.len(), 1);
}

/// COMPAT test: jabberd2 in clear names neither itself nor us.
#[test]
fn nameless_header_without_version_is_taken_where_the_rules_take_it() {
    let mut peer = connects(CLEAR);
    peer.house.takes_nameless = true;
    peer.says(&header(""));
    let heard = peer.hears();
    assert!(heard.contains(" from='local.example' id='") && !heard.contains(" to="), "{heard}");
    assert!(peer.machine.takes_dialback().is_ok());
}

#[test]
fn peer_without_version_is_refused_where_only_a_certificate_counts() {
    let mut peer = connects(Terms { dialback: false, ..OPTIONAL });
    peer.says(&header("from='remote.example' to='local.example'"));
    peer.hears_error("policy-violation");
}

/// COMPAT test: a response header without version means dialback at once, without features.
#[test]
fn response_without_version_is_negotiated_at_once_where_clear_dialback_may_be() {
    let mut peer = is_called(intent(OPTIONAL), None);
    peer.hears();
    peer.says(&header("from='remote.example' to='local.example' id='x'"));
    assert!(peer.is_negotiated() && peer.machine.takes_dialback().is_ok());
    assert_eq!(peer.hears(), "");
}

#[test]
fn response_without_version_is_left_where_tls_is_required() {
    let mut peer = is_called(intent(DEFAULT), None);
    peer.says(&header("from='remote.example' to='local.example' id='x'"));
    assert_eq!(peer.error.unwrap().text, "tls-required");
    peer.hears_error("policy-violation");
}

#[test]
fn response_without_version_inside_direct_tls_is_negotiated_by_dialback() {
    let mut peer = is_called(intent(DEFAULT), Some(certificate(&["else.example"])));
    peer.says(&header("id='x'"));
    assert!(peer.is_negotiated());
}
