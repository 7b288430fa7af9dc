//! RFC 6120 §4.9.3: the conditions, sent and received.

use ringgate_proto::stream::Condition;

use crate::peer::*;

fn stream_error(content: &str) -> String {
    format!("<stream:error>{content}</stream:error>{END}")
}

/// HDR-19
#[test]
fn stream_inside_a_stream_is_refused() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL)).says(&format!("<stream:stream {NAMESPACES} {TO_LOCAL}>{END}"));
    let condition = peer.error.unwrap().condition;
    assert!(matches!(condition, Condition::BadFormat | Condition::UnsupportedStanzaType), "{condition:?}");
    peer.hears_error(condition.as_str());
}

/// STZ-06
#[test]
fn unknown_element_is_an_unsupported_stanza_type() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says("<foo xmlns='bar'/>");
    peer.hears_error("unsupported-stanza-type");
    let mut peer = is_called_encrypted(DIALBACK_ONLY, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(DIALBACK)).says("<foo xmlns='bar'/>");
    peer.hears_error("unsupported-stanza-type");
}

/// STZ-31, at the machine.
#[test]
fn peers_error_is_reported_and_answered_with_the_end_tag_only() {
    let content = "<system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>";
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&stream_error(content));
    assert_eq!(peer.hears(), END);
    assert_eq!(peer.peer_error(), Some(Condition::SystemShutdown));
    assert!(peer.machine.is_over());
    let mut peer = is_called(intent(DEFAULT), None);
    peer.hears();
    peer.says(&header(RESPONSE)).says(&stream_error(content));
    assert_eq!(peer.hears(), END);
    assert_eq!(peer.peer_error(), Some(Condition::SystemShutdown));
}

#[test]
fn peers_error_after_our_end_tag_is_still_reported() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.is_closed().says(&stream_error("<reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"));
    assert_eq!(peer.hears(), END);
    assert_eq!(peer.peer_error(), Some(Condition::Reset));
}

#[test]
fn unknown_missing_and_foreign_conditions_are_undefined() {
    for content in ["", "<host-gone xmlns='urn:x'/>", "<novel xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>", "text"] {
        let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
        peer.says(&stream_error(content));
        assert_eq!(peer.peer_error(), Some(Condition::UndefinedCondition), "{content}");
    }
}

#[test]
fn text_before_the_condition_is_no_condition() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&stream_error(
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>reset</text>\
         <conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><reset xmlns='urn:app'/>",
    ));
    assert_eq!(peer.peer_error(), Some(Condition::Conflict));
}

/// COMPAT test: the name of the condition in RFC 3920.
#[test]
fn old_name_of_not_well_formed_is_understood() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&stream_error("<xml-not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"));
    assert_eq!(peer.peer_error(), Some(Condition::NotWellFormed));
}

#[test]
fn peers_error_in_the_middle_of_sasl_and_of_starttls_is_reported() {
    let error = stream_error("<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
    let mut peer = is_called(intent(DEFAULT), None);
    peer.says(&header(RESPONSE)).says(&features(STARTTLS)).says(&error);
    assert_eq!(peer.peer_error(), Some(Condition::PolicyViolation));
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(EXTERNAL)).says(&error);
    assert_eq!(peer.peer_error(), Some(Condition::PolicyViolation));
}
