//! RFC 6120 §4.3.3: restarts.

use ringgate_proto::stream::StreamEvent;

use crate::peer::*;

/// Until after `<success/>`.
fn is_authenticated() -> Peer<ringgate_proto::stream::Receiving> {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE, "second.example"]));
    peer.says(&auth("="));
    assert_eq!(peer.hears(), SUCCESS);
    peer
}

/// HDR-20 and A1.5 (class of CVE-2018-10847).
#[test]
fn restart_towards_another_of_our_domains_is_not_authorized() {
    let mut peer = is_authenticated();
    peer.says(&header("from='remote.example' to='other.example' version='1.0'"));
    peer.hears_error("not-authorized");
}

/// HDR-21 and A1.5: the certificate would even prove the second domain.
#[test]
fn restart_from_another_domain_is_an_invalid_from() {
    let mut peer = is_authenticated();
    peer.says(&header("from='second.example' to='local.example' version='1.0'"));
    peer.hears_error("invalid-from");
}

#[test]
fn restart_with_the_same_domains_in_another_spelling_goes_on() {
    let mut peer = is_authenticated();
    peer.says(&header("from='REMOTE.example.' to='Local.Example' version='1.0'"));
    assert!(peer.hears().ends_with("</stream:features>"));
}

/// COMPAT test: Prosody notes servers that leave the addresses out on a restart.
#[test]
fn restart_without_addresses_keeps_the_proven_ones() {
    let mut peer = is_authenticated();
    peer.says(&header("version='1.0'"));
    let heard = peer.hears();
    assert!(heard.contains(" from='local.example' to='remote.example' "), "{heard}");
    assert_eq!(peer.machine.domains(), (Some(&domain(REMOTE)), Some(&domain(LOCAL))));
}

#[test]
fn after_success_the_features_offer_no_mechanism_again() {
    let mut peer = is_authenticated();
    peer.says(&header(TO_LOCAL));
    let heard = peer.hears();
    assert!(heard.contains(DIALBACK) && !heard.contains("mechanism"), "{heard}");
}

#[test]
fn every_header_of_ours_has_a_new_id() {
    let mut peer = connects(DEFAULT);
    let mut ids = Vec::new();
    peer.says(&header(TO_LOCAL));
    ids.push(peer.machine.id().to_owned());
    peer.says(STARTTLS).completes_tls(certificate(&[REMOTE])).says(&header(TO_LOCAL));
    ids.push(peer.machine.id().to_owned());
    peer.says(&auth("=")).says(&header(TO_LOCAL));
    ids.push(peer.machine.id().to_owned());
    assert!(ids.iter().all(|id| id.len() == 32));
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
}

/// What was said in clear could have been said by anyone.
#[test]
fn domains_said_before_tls_do_not_outlive_it() {
    let mut peer = connects(DEFAULT);
    peer.says(&header("from='forged.example' to='other.example' version='1.0'")).says(STARTTLS);
    peer.completes_tls(certificate(&[REMOTE]));
    assert_eq!((peer.machine.domains(), peer.machine.terms()), ((None, None), None));
    peer.says(&header(TO_LOCAL)).says(&auth("="));
    assert_eq!(peer.proven(), Some(pair(REMOTE, LOCAL)));
}

#[test]
fn success_pipelined_with_nothing_restarts_both_directions() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(EXTERNAL));
    peer.hears();
    peer.says(&format!("{SUCCESS}{}{}", header("id='second' version='1.0'"), features("")));
    let heard = peer.hears();
    assert!(heard.starts_with("<?xml version='1.0'?><stream:stream "), "{heard}");
    assert_eq!(peer.machine.id(), Some("second"));
    assert_eq!(peer.proven(), Some(pair(LOCAL, REMOTE)));
}

#[test]
fn owner_is_told_of_proof_before_it_is_told_of_the_restart() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&auth("="));
    assert!(matches!(peer.next_event(), Some(StreamEvent::Proven(_))));
    assert!(matches!(peer.next_event(), Some(StreamEvent::Restart)));
    assert!(peer.next_event().is_none());
}

/// HDR-24 on a restart.
#[test]
fn restarted_response_from_another_domain_is_an_invalid_from() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(EXTERNAL)).says(SUCCESS);
    peer.says(&header("from='else.example' id='x' version='1.0'"));
    peer.hears_error("invalid-from");
    assert_eq!(peer.proven(), None);
}
