//! RFC 6120 §13.7: the peer's certificate, in both directions.

use ringgate_proto::stream::{PeerCertificate, Untrusted};

use crate::peer::*;

fn offers_external(shown: PeerCertificate) -> bool {
    let mut peer = connects_encrypted(DEFAULT, shown);
    peer.says(&header(TO_LOCAL));
    peer.hears().contains(EXTERNAL)
}

/// SAS-06 to SAS-08
#[test]
fn wildcards_prove_one_whole_label_only() {
    assert!(!offers_external(certificate(&["*.remote.example"])));
    assert!(!offers_external(certificate(&["*.example"])));
    assert!(!offers_external(certificate(&["r*.example", "*emote.example"])));
    let mut peer = connects_encrypted(DEFAULT, certificate(&["*.remote.example"]));
    peer.says(&header("from='chat.remote.example' to='local.example' version='1.0'"));
    assert!(peer.hears().contains(EXTERNAL));
}

/// SAS-11 to SAS-13
#[test]
fn srv_name_and_xmpp_addr_prove_the_domain() {
    let srv = |name: &str| PeerCertificate { srv_names: vec![name.into()], ..certificate(&[]) };
    assert!(offers_external(srv("_xmpp-server.remote.example")));
    assert!(!offers_external(srv("_xmpp-client.remote.example")));
    assert!(offers_external(PeerCertificate { xmpp_addrs: vec!["Remote.Example".into()], ..certificate(&[]) }));
}

/// TCP-18 and TCP-19, at the machine: trust was decided for the server purpose.
#[test]
fn certificate_for_clients_only_is_not_offered_external() {
    assert!(!offers_external(untrusted(Untrusted::WrongPurpose)));
}

/// §13.7.2.1
#[test]
fn we_do_not_authenticate_to_a_server_that_does_not_prove_the_domain() {
    for shown in [untrusted(Untrusted::SelfSigned), untrusted(Untrusted::Expired), certificate(&["else.example"])] {
        let mut peer = is_called_encrypted(EXTERNAL_ONLY, shown);
        peer.says(&header(RESPONSE)).says(&features(&format!("{EXTERNAL}{DIALBACK}")));
        assert!(!peer.out_contains("<auth"));
        peer.hears_error("not-authorized");
        assert_eq!((peer.proven(), peer.is_negotiated()), (None, false));
    }
}

/// Where dialback is allowed, an unprovable certificate is no failure.
#[test]
fn server_that_does_not_prove_the_domain_is_spoken_to_by_dialback_where_that_is_allowed() {
    for shown in [untrusted(Untrusted::SelfSigned), certificate(&["else.example"])] {
        let mut peer = is_called_encrypted(DEFAULT, shown);
        peer.says(&header(RESPONSE)).says(&features(&format!("{EXTERNAL}{DIALBACK}")));
        assert_eq!((peer.hears().as_str(), peer.is_negotiated()), ("", true));
    }
}

/// ADR-03: certificates name A-labels, headers U-labels.
#[test]
fn international_domain_is_proven_by_its_a_label() {
    let mut peer = connects_encrypted(DEFAULT, certificate(&["xn--bcher-kva.example"]));
    peer.says(&header("from='BÜCHER.example' to='local.example' version='1.0'")).says(&auth("="));
    assert_eq!(peer.proven(), Some(pair("bücher.example", LOCAL)));
    assert!(peer.hears().contains(" to='bücher.example' "));
}
