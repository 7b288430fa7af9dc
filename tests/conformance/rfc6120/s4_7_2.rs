//! RFC 6120 §4.7.2: `to` of a stream header.

use crate::peer::*;

/// HDR-01
#[test]
fn missing_to_is_answered_with_a_header_from_one_of_our_domains_and_improper_addressing() {
    for to in ["", "to=''"] {
        let mut peer = connects(DEFAULT);
        peer.says(&header(&format!("from='remote.example' {to} version='1.0'")));
        assert!(peer.out_contains("<?xml version='1.0'?><stream:stream "));
        assert!(peer.out_contains(" from='local.example' to='remote.example' id='"));
        peer.hears_error("improper-addressing");
    }
}

/// HDR-02
#[test]
fn unknown_to_is_host_unknown_from_one_of_our_own_domains() {
    let mut peer = connects(DEFAULT);
    peer.says(&header("from='remote.example' to='unknown.example' version='1.0'"));
    assert!(peer.out_contains(" from='local.example' to='remote.example' id='"));
    assert!(!peer.out_contains("unknown.example"));
    peer.hears_error("host-unknown");
}

#[test]
fn every_served_domain_is_answered_in_its_own_name() {
    for name in ["local.example", "other.example"] {
        let mut peer = connects(DEFAULT);
        peer.says(&header(&format!("from='remote.example' to='{name}' version='1.0'")));
        assert!(peer.hears().contains(&format!(" from='{name}' ")));
    }
}

/// ADR-06, ADR-07
#[test]
fn to_that_is_no_domain_is_refused() {
    for (to, condition) in [
        ("192.0.2.1", "host-unknown"),
        ("::1", "host-unknown"),
        ("u@local.example", "improper-addressing"),
        ("local.example/r", "improper-addressing"),
        ("lo_cal.example", "improper-addressing"),
    ] {
        let mut peer = connects(DEFAULT);
        peer.says(&header(&format!("from='remote.example' to='{to}' version='1.0'")));
        peer.hears_error(condition);
    }
}

/// ADR-02, ADR-03
#[test]
fn to_is_prepared_before_it_is_compared() {
    for to in ["LOCAL.example", "local.example.", "local。example", "ｌocal.example", "loc&#97;l.example"] {
        let mut peer = connects(DEFAULT);
        peer.says(&header(&format!("from='remote.example' to='{to}' version='1.0'")));
        assert!(peer.hears().contains(" from='local.example' "), "{to}");
    }
}

#[test]
fn peer_that_the_policy_denies_is_refused_in_the_name_it_asked_for() {
    let mut peer = connects(DEFAULT);
    peer.says(&header("from='banned.example' to='other.example' version='1.0'"));
    assert!(peer.out_contains(" from='other.example' to='banned.example' "));
    assert!(peer.out_contains("denied-by-partner"));
    peer.hears_error("policy-violation");
}
