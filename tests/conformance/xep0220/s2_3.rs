//! XEP-0220 §2.3, §2.4: namespace, prefix and feature.

use ringgate_proto::dialback::FrameKind;

use super::{read_after, text};
use crate::peer::*;

const WITHOUT_DIALBACK: &str = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
                                from='remote.example' to='local.example' id='peer-id' version='1.0'>";

/// FEA-11
#[test]
fn empty_features_mean_dialback_where_the_header_declares_it() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says("<stream:features/>");
    assert!(peer.is_negotiated());
    assert!(!peer.machine.peer_knows_dialback_errors());
}

/// FEA-11
#[test]
fn empty_features_without_the_namespace_end_the_stream() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(WITHOUT_DIALBACK).says(&features(""));
    assert!(!peer.is_negotiated());
    peer.hears_error("not-authorized");
}

#[test]
fn feature_means_dialback_although_the_header_does_not_declare_it() {
    let mut peer = is_called_encrypted(DIALBACK_ONLY, certificate(&[REMOTE]));
    peer.says(WITHOUT_DIALBACK).says(&features(DIALBACK));
    assert!(peer.is_negotiated() && peer.machine.peer_knows_dialback_errors());
}

/// COMPAT test: ejabberd 23.01 in clear, and Tigase, send an empty list of mechanisms.
#[test]
fn empty_mechanisms_beside_dialback_mean_dialback() {
    let mut peer = is_called(intent(OPTIONAL), None);
    let mechanisms = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
    peer.says(&header(RESPONSE)).says(&features(&format!("{mechanisms}{DIALBACK}")));
    assert!(peer.is_negotiated());
}

#[test]
fn feature_without_errors_is_dialback_without_errors() {
    let mut peer = is_called_encrypted(DIALBACK_ONLY, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features("<dialback xmlns='urn:xmpp:features:dialback'/>"));
    assert!(peer.is_negotiated() && !peer.machine.peer_knows_dialback_errors());
}

/// DBK-31. COMPAT test: MongooseIM and others know the prefix `db` only, so that is what we write.
#[test]
fn any_prefix_is_read_and_db_is_written() {
    let opened = header("").replace("xmlns:db", "xmlns:back");
    let prefixed = "<back:result from='remote.example' to='local.example'>key</back:result>";
    let own = "<result xmlns='jabber:server:dialback' from='remote.example' to='local.example'>key</result>";
    for element in [prefixed, own] {
        let frame = read_after(&opened, element).unwrap();
        assert_eq!((frame.kind, &frame.pair), (FrameKind::Result, &pair(REMOTE, LOCAL)));
        let mut out = Vec::new();
        frame.write(&mut out);
        assert_eq!(text(&mut out), "<db:result from='remote.example' to='local.example'>key</db:result>");
    }
}
