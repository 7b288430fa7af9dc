//! What a peer's certificate is worth, presented as a client and as a server.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, SanType, date_time_ymd,
};
use ringgate_proto::gate::Listener;
use ringgate_proto::stream::{PeerCertificate, Untrusted};
use rustls::version::{TLS12, TLS13};

use crate::authority::{Authority, Issued, params, self_signed};
use crate::wire::{self, Seen, converse_with, names};

const SRV_NAME: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 8, 7];
const XMPP_ADDR: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 8, 5];

/// What we make of `issued` when its owner connects to us and when we connect to it, in both versions: always the same.
fn judged(authority: &Authority, issued: &Issued) -> PeerCertificate {
    let store = authority.store(&["example.org"]);
    let mut verdicts = Vec::new();
    for version in [&TLS12, &TLS13] {
        let mut peer = wire::client(wire::client_config(version, Some(issued)), "example.org");
        let mut session = store.server(Listener::Public, None);
        let mut seen = Seen::default();
        converse_with(&mut session, &mut peer, &mut seen).unwrap_or_else(|(error, _)| panic!("{error}"));
        verdicts.push(seen.peer.unwrap());
        verdicts.push(session.peer());
        let mut peer = wire::server(wire::server_config(version, issued));
        let mut session = store.client(&names("partner.example", "example.org"), false).unwrap();
        let mut seen = Seen::default();
        converse_with(&mut session, &mut peer, &mut seen).unwrap_or_else(|(error, _)| panic!("{error}"));
        verdicts.push(seen.peer.unwrap());
    }
    let first = verdicts.swap_remove(0);
    assert!(verdicts.iter().all(|verdict| verdict.trust == first.trust && verdict.dns_names == first.dns_names));
    first
}

fn partner() -> CertificateParams {
    params(&["partner.example"])
}

#[test]
fn no_certificate_is_absent() {
    let store = Authority::new("root").store(&["example.org"]);
    let mut peer = wire::client(wire::client_config(&TLS13, None), "example.org");
    let mut session = store.server(Listener::Public, None);
    assert_eq!(session.peer().trust, Err(Untrusted::Absent));
    let mut seen = Seen::default();
    converse_with(&mut session, &mut peer, &mut seen).unwrap_or_else(|(error, _)| panic!("{error}"));
    assert_eq!(seen.trust(), Err(Untrusted::Absent));
}

/// TCP-18 and TCP-19: the purpose is that of a server, in both directions.
#[test]
fn server_purpose_or_none_is_trusted_and_client_purpose_alone_is_not() {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    let authority = Authority::new("root");
    let cases = [
        (vec![ServerAuth], Ok(())),
        (vec![ServerAuth, ClientAuth], Ok(())),
        (vec![], Ok(())),
        (vec![ClientAuth], Err(Untrusted::WrongPurpose)),
    ];
    for (purposes, expected) in cases {
        let mut params = partner();
        params.extended_key_usages = purposes.clone();
        assert_eq!(judged(&authority, &authority.issue_with(params)).trust, expected, "{purposes:?}");
    }
}

#[test]
fn self_signed_certificates_complete_the_handshake_and_are_reported() {
    let authority = Authority::new("root");
    let mut as_ca = partner();
    as_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for params in [partner(), as_ca] {
        let peer = judged(&authority, &self_signed(&params));
        assert_eq!(peer.trust, Err(Untrusted::SelfSigned));
        assert_eq!(peer.dns_names, ["partner.example"]);
        assert_ne!(peer.fingerprint, [0; 32]);
    }
}

#[test]
fn expired_and_not_yet_valid_are_told_apart() {
    let authority = Authority::new("root");
    let mut expired = partner();
    expired.not_after = date_time_ymd(2020, 1, 1);
    assert_eq!(judged(&authority, &authority.issue_with(expired)).trust, Err(Untrusted::Expired));
    let mut early = partner();
    early.not_before = date_time_ymd(4000, 1, 1);
    assert_eq!(judged(&authority, &authority.issue_with(early)).trust, Err(Untrusted::NotYetValid));
}

#[test]
fn another_authority_is_unknown_even_with_the_same_name() {
    let authority = Authority::new("root");
    for name in ["another root", "root"] {
        let other = Authority::new(name);
        assert_eq!(
            judged(&authority, &other.issue(&["partner.example"])).trust,
            Err(Untrusted::UnknownIssuer),
            "{name}"
        );
    }
}

#[test]
fn an_intermediate_is_used_when_the_peer_sends_it() {
    let authority = Authority::new("root");
    let intermediate = authority.intermediate("intermediate");
    let mut issued = intermediate.issue(&["partner.example"]);
    assert_eq!(judged(&authority, &issued).trust, Err(Untrusted::UnknownIssuer));
    issued.chain.push_str(&intermediate.pem);
    assert_eq!(judged(&authority, &issued).trust, Ok(()));
}

#[test]
fn srv_names_xmpp_addresses_and_idns_are_read_and_the_cn_is_not() {
    let authority = Authority::new("root");
    let mut params = params(&["*.Partner.example", "bücher.example"]);
    params.distinguished_name.push(DnType::CommonName, "cn.example");
    params.subject_alt_names.extend([
        SanType::OtherName((SRV_NAME.to_vec(), "_xmpp-server.partner.example".into())),
        SanType::OtherName((XMPP_ADDR.to_vec(), "bücher.example".into())),
        SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3], "someone@partner.example".into())),
        SanType::IpAddress([127, 0, 0, 1].into()),
    ]);
    let peer = judged(&authority, &authority.issue_with(params));
    assert_eq!(peer.trust, Ok(()));
    assert_eq!(peer.dns_names, ["*.partner.example", "xn--bcher-kva.example"]);
    assert_eq!(peer.srv_names, ["_xmpp-server.partner.example"]);
    assert_eq!(peer.xmpp_addrs, ["bücher.example"]);
}

/// One DER element; contents up to 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    match length {
        0..=127 => bytes.push(length as u8),
        128..=255 => bytes.extend([0x81, length as u8]),
        _ => {
            bytes.push(0x82);
            bytes.extend((length as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

/// id-on-dnsSRV or id-on-xmppAddr with this value inside `[0]`.
fn other_name(last_arc: u8, value: &[u8]) -> Vec<u8> {
    let mut content = der(6, &[0x2b, 6, 1, 5, 5, 7, 8, last_arc]);
    content.extend(der(0xa0, value));
    der(0xa0, &content)
}

/// A trusted certificate whose subjectAltName is these bytes.
fn with_alternative_names(authority: &Authority, content: Vec<u8>) -> PeerCertificate {
    let mut params = partner();
    params.subject_alt_names.clear();
    params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 17], content));
    judged(authority, &authority.issue_with(params))
}

#[test]
fn a_srv_name_as_ia5_string_is_read() {
    let authority = Authority::new("root");
    let content = der(0x30, &other_name(7, &der(22, b"_XMPP-server.partner.example")));
    let peer = with_alternative_names(&authority, content);
    assert_eq!((peer.trust, peer.srv_names), (Ok(()), vec!["_xmpp-server.partner.example".to_owned()]));
}

#[test]
fn malformed_alternative_names_prove_nothing() {
    let authority = Authority::new("root");
    let dns = |name: &[u8]| der(0x82, name);
    let mut two_strings = der(12, b"a.example");
    two_strings.extend(der(12, b"b.example"));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("not a sequence", der(4, b"partner.example")),
        ("cut short", vec![0x30, 20, 0x82, 15, b'p']),
        ("NUL in a dNSName", der(0x30, &dns(b"partner.example\0.evil.example"))),
        ("blank in a dNSName", der(0x30, &dns(b"partner.example evil"))),
        ("not UTF-8", der(0x30, &dns(b"\xff\xfe"))),
        ("U-label in a dNSName", der(0x30, &dns("bücher.example".as_bytes()))),
        ("empty dNSName", der(0x30, &dns(b""))),
        ("SRVName as octet string", der(0x30, &other_name(7, &der(4, b"_xmpp-server.partner.example")))),
        ("xmppAddr as IA5String", der(0x30, &other_name(5, &der(22, b"partner.example")))),
        ("xmppAddr not UTF-8", der(0x30, &other_name(5, &der(12, b"\xc3\x28")))),
        ("xmppAddr with a control character", der(0x30, &other_name(5, &der(12, b"partner.example\n")))),
        ("otherName without a value", der(0x30, &other_name(5, b""))),
        ("otherName with two values", der(0x30, &other_name(5, &two_strings))),
        ("too many", der(0x30, &dns(b"a.example").repeat(257))),
    ];
    for (case, content) in cases {
        let peer = with_alternative_names(&authority, content);
        assert_eq!(peer.trust, Err(Untrusted::Malformed), "{case}");
        assert!(peer.dns_names.is_empty() && peer.srv_names.is_empty() && peer.xmpp_addrs.is_empty(), "{case}");
    }
    let most = with_alternative_names(&authority, der(0x30, &dns(b"a.example").repeat(256)));
    assert_eq!((most.trust, most.dns_names.len()), (Ok(()), 256));
}

/// The chain cannot be judged, but the key still signs: dialback may go on.
#[test]
fn an_unknown_critical_extension_proves_nothing_and_ends_nothing() {
    let authority = Authority::new("root");
    let mut params = partner();
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions.push(extension);
    assert_eq!(judged(&authority, &authority.issue_with(params)).trust, Err(Untrusted::Malformed));
}

#[test]
fn a_certificate_without_alternative_names_is_trusted_but_names_nobody() {
    let authority = Authority::new("root");
    let mut params = partner();
    params.subject_alt_names.clear();
    params.distinguished_name.push(DnType::CommonName, "partner.example");
    let peer = judged(&authority, &authority.issue_with(params));
    assert_eq!(peer.trust, Ok(()));
    assert!(peer.dns_names.is_empty());
}
