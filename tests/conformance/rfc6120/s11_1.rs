//! RFC 6120 §11.1, §11.3, §11.5: what the XML of a negotiation may not be.

use crate::peer::*;

/// HDR-15
#[test]
fn xml_declaration_after_white_space_or_twice_is_not_well_formed() {
    for input in [format!(" {}", header(TO_LOCAL)), format!("<?xml version='1.0'?>{}", header(TO_LOCAL))] {
        let mut peer = connects(DEFAULT);
        peer.says(&input);
        let condition = peer.error.unwrap().condition.as_str();
        assert!(["not-well-formed", "restricted-xml"].contains(&condition), "{condition}");
        peer.hears_error(condition);
    }
}

/// HDR-16 and A1.13: nothing is kept beyond the bound.
#[test]
fn header_beyond_the_bound_is_a_policy_violation() {
    let attributes: String = (0..40).map(|n| format!(" a{n}='{}'", "x".repeat(1_000))).collect();
    let mut peer = connects(DEFAULT);
    peer.says(&header(&format!("{TO_LOCAL}{attributes}")));
    peer.hears_error("policy-violation");
}

/// HDR-17 and A1.12
#[test]
fn header_of_many_declarations_is_a_policy_violation() {
    let declarations: String = (0..500).map(|n| format!(" xmlns:p{n}='u'")).collect();
    let mut peer = connects(DEFAULT);
    peer.says(&header(&declarations));
    peer.hears_error("policy-violation");
}

/// HDR-18
#[test]
fn header_with_an_attribute_twice_is_not_well_formed() {
    let mut peer = connects(DEFAULT);
    peer.says(&header("to='local.example' to='other.example' version='1.0'"));
    peer.hears_error("not-well-formed");
}

/// HDR-25
#[test]
fn language_of_64_kib_is_a_policy_violation() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(&format!("xml:lang='{}' {TO_LOCAL}", "x".repeat(65_536))));
    peer.hears_error("policy-violation");
}

/// A1.11
#[test]
fn document_type_is_restricted() {
    let mut peer = connects(DEFAULT);
    peer.says("<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'>]>");
    peer.hears_error("restricted-xml");
}

/// XML-03, before authentication.
#[test]
fn comment_in_the_negotiation_is_restricted() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says("<!-- -->");
    peer.hears_error("restricted-xml");
}

/// SAS-19, the size: the scanner's bound before authentication.
#[test]
fn auth_of_a_megabyte_is_a_policy_violation() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&auth(&"QUFB".repeat(262_144)));
    peer.hears_error("policy-violation");
}

/// COMPAT test: white space between any two elements is a keepalive, in every phase (FEA-06).
#[test]
fn white_space_between_elements_is_no_content() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL)).says(" \n").says(STARTTLS);
    assert!(peer.hears().ends_with(PROCEED));
    peer.completes_tls(certificate(&[REMOTE])).says(&header(TO_LOCAL)).says("\n\n").says(&auth("=")).says("");
    assert!(peer.hears().ends_with(SUCCESS));
    let mut peer = is_called(intent(DEFAULT), None);
    peer.says(&header(RESPONSE)).says("\n").says(&features(STARTTLS)).says(" ").says(PROCEED);
    peer.completes_tls(certificate(&[REMOTE]));
    assert!(peer.hears().ends_with("version='1.0'>"));
}

/// Any split of a whole negotiation leads to the same end.
#[test]
fn negotiation_that_arrives_byte_by_byte_succeeds() {
    let mut peer = connects(DEFAULT);
    for byte in format!("{}{STARTTLS}", header(TO_LOCAL)).bytes() {
        peer.says_bytes(&[byte]);
    }
    peer.completes_tls(certificate(&[REMOTE]));
    for byte in
        format!("{}{}{}", header(TO_LOCAL), auth(""), "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>").bytes()
    {
        peer.says_bytes(&[byte]);
    }
    for byte in header(TO_LOCAL).bytes() {
        peer.says_bytes(&[byte]);
    }
    assert_eq!(peer.proven(), Some(pair(REMOTE, LOCAL)));
    assert!(peer.machine.takes_stanzas().is_ok());
}
