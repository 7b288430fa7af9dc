//! RFC 6120 §4.8: namespaces and prefixes.

use crate::peer::*;

/// HDR-08
#[test]
fn client_namespace_is_invalid_between_servers() {
    let mut peer = connects(DEFAULT);
    peer.says(
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
         to='local.example' version='1.0'>",
    );
    assert!(peer.out_contains("<?xml version='1.0'?><stream:stream "));
    peer.hears_error("invalid-namespace");
}

/// HDR-09
#[test]
fn missing_content_namespace_is_invalid() {
    let mut peer = connects(DEFAULT);
    peer.says("<stream:stream xmlns:stream='http://etherx.jabber.org/streams' to='local.example' version='1.0'>");
    peer.hears_error("invalid-namespace");
}

/// HDR-10: the prefix is free; we answer with our own.
#[test]
fn another_stream_prefix_is_accepted_and_answered_with_ours() {
    let mut peer = connects(DEFAULT);
    peer.says(
        "<s:stream xmlns='jabber:server' xmlns:s='http://etherx.jabber.org/streams' from='remote.example' \
         to='local.example' version='1.0'>",
    );
    assert!(peer.hears().ends_with(&features(STARTTLS_REQUIRED)));
    peer.says("</s:stream>");
    assert_eq!(peer.hears(), END);
}

#[test]
fn wrong_stream_namespace_is_invalid() {
    let mut peer = connects(DEFAULT);
    peer.says("<stream:stream xmlns='jabber:server' xmlns:stream='urn:streams' to='local.example' version='1.0'>");
    peer.hears_error("invalid-namespace");
}

/// Elements are known by their expanded names, whatever the prefix.
#[test]
fn features_and_mechanisms_with_foreign_prefixes_are_understood() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(
        "<f:features xmlns:f='http://etherx.jabber.org/streams'><s:mechanisms \
         xmlns:s='urn:ietf:params:xml:ns:xmpp-sasl'><s:mechanism> EXTERNAL\n</s:mechanism></s:mechanisms></f:features>",
    );
    assert!(peer.hears().starts_with("<auth "));
}

#[test]
fn lookalikes_in_another_namespace_are_not_features() {
    let mut peer = is_called(intent(DEFAULT), None);
    peer.says(&header(RESPONSE)).says(&features("<starttls xmlns='urn:not-tls'/>"));
    peer.hears_error("policy-violation");
}
