//! XEP-0220 §2.2.1: the Receiving Server takes a request.

use ringgate_proto::dialback::{DialbackError, FrameBody, FrameKind, Outcome};
use ringgate_proto::stream::Terms;

use super::{read, text};
use crate::peer::*;

const REQUEST: &str = "<db:result from='remote.example' to='local.example'>key</db:result>";

#[test]
fn request_is_read_with_its_pair_and_key() {
    let frame = read(REQUEST).unwrap();
    assert_eq!((frame.kind, frame.pair, frame.id), (FrameKind::Result, pair(REMOTE, LOCAL), None));
    assert_eq!(frame.body, FrameBody::Request("key".into()));
}

/// DBK-08, DBK-10 to DBK-13, DBK-15, DBK-20, DBK-22, DBK-23: the words for each; when to say which is the gate's.
#[test]
fn every_refusal_has_its_condition_and_goes_back_to_the_sender() {
    for (error, condition) in [
        (DialbackError::ItemNotFound, "item-not-found"),
        (DialbackError::NotAcceptable, "not-acceptable"),
        (DialbackError::RemoteConnectionFailed, "remote-connection-failed"),
        (DialbackError::RemoteServerNotFound, "remote-server-not-found"),
        (DialbackError::RemoteServerTimeout, "remote-server-timeout"),
        (DialbackError::Forbidden, "forbidden"),
        (DialbackError::NotAuthorized, "not-authorized"),
        (DialbackError::ResourceConstraint, "resource-constraint"),
        (DialbackError::PolicyViolation, "policy-violation"),
    ] {
        let mut out = Vec::new();
        read(REQUEST).unwrap().answer(Outcome::Error(error)).write(&mut out);
        assert_eq!(
            text(&mut out),
            format!(
                "<db:result from='local.example' to='remote.example' type='error'><error type='cancel'>\
                 <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>"
            )
        );
    }
}

#[test]
fn verdicts_are_written_without_content() {
    for (outcome, word) in [(Outcome::Valid, "valid"), (Outcome::Invalid, "invalid")] {
        let mut out = Vec::new();
        read(REQUEST).unwrap().answer(outcome).write(&mut out);
        assert_eq!(text(&mut out), format!("<db:result from='local.example' to='remote.example' type='{word}'/>"));
    }
}

/// DBK-33
#[test]
fn pair_is_the_same_in_every_spelling() {
    let frame = read("<db:result from='REMOTE.Example.' to='local&#x2e;example'>key</db:result>").unwrap();
    assert_eq!(frame.pair, pair(REMOTE, LOCAL));
}

#[test]
fn request_without_possible_addresses_is_improperly_addressed() {
    for attributes in [
        "",
        "from='remote.example'",
        "from='a@remote.example' to='local.example'",
        "from='127.0.0.1' to='local.example'",
    ] {
        let error = read(&format!("<db:result {attributes}>key</db:result>")).unwrap_err();
        assert_eq!(error.condition.as_str(), "improper-addressing", "{attributes}");
    }
}

#[test]
fn dialback_is_taken_after_tls_before_and_beside_external() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(REQUEST).says(&auth("=")).says(&header(TO_LOCAL)).says(REQUEST);
    assert_eq!((peer.taken.len(), peer.error), (2, None));
}

/// DBK-20, at the machine: the feature is not offered, and a request is left to the gate, which answers it with
/// `not-authorized` for its pair and keeps the stream.
#[test]
fn request_where_only_a_certificate_counts_does_not_end_the_stream() {
    let mut peer = connects_encrypted(EXTERNAL_ONLY, certificate(&[REMOTE]));
    peer.says(&header(TO_LOCAL));
    assert!(!peer.hears().contains(DIALBACK));
    peer.says(REQUEST);
    assert_eq!((peer.taken.len(), peer.error), (1, None));
    let mut peer = connects(Terms { dialback: false, ..OPTIONAL });
    peer.says(&header(TO_LOCAL));
    assert!(!peer.hears().contains(DIALBACK));
}
