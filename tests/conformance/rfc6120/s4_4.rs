//! RFC 6120 §4.4: closing a stream.

use ringgate_proto::stream::{Condition, StreamError, StreamEvent};

use crate::peer::*;

const STANZA: &str = "<message from='a@remote.example' to='b@local.example'/>";

#[test]
fn peers_end_tag_is_answered_with_ours() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(END);
    assert_eq!(peer.hears(), END);
    assert!(matches!(peer.next_event(), Some(StreamEvent::PeerClosed)));
    assert!(peer.machine.is_over());
}

/// §4.4: what was on its way when we closed is not lost.
#[test]
fn stanzas_after_our_end_tag_are_taken_until_the_peers() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.is_closed().says(STANZA);
    assert_eq!((peer.taken.len(), peer.machine.is_over()), (1, false));
    peer.says(END);
    assert!(peer.machine.is_over());
    assert_eq!(peer.hears(), END);
}

#[test]
fn nothing_is_answered_after_our_end_tag() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.is_closed().says(&auth("=")).says(STARTTLS).says("<r xmlns='urn:xmpp:sm:3'/>").says("<x xmlns='urn:x'/>");
    assert_eq!(peer.hears(), END);
    assert_eq!((peer.error, peer.proven()), (None, None));
}

#[test]
fn closing_twice_writes_one_end_tag() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.is_closed().is_closed();
    assert_eq!(peer.hears(), END);
    peer.says(STANZA);
    assert_eq!((peer.taken.len(), peer.machine.is_over()), (1, false), "the peer may still finish");
}

#[test]
fn error_after_our_end_tag_is_not_written_and_ends_the_stream() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.is_closed().is_refused(StreamError::us(Condition::ConnectionTimeout, "no end tag came"));
    assert_eq!(peer.hears(), END);
    assert!(peer.machine.is_over());
}

#[test]
fn stream_is_closed_before_any_header_by_header_and_end_tag() {
    let mut peer = connects(DEFAULT);
    peer.is_closed();
    let heard = peer.hears();
    assert!(heard.starts_with("<?xml version='1.0'?><stream:stream ") && heard.ends_with(END), "{heard}");
}

/// STZ-29
#[test]
fn bytes_after_the_peers_end_tag_are_not_read() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&format!("{END}{STANZA}<not-well"));
    assert_eq!((peer.taken.len(), peer.error), (0, None));
    assert_eq!(peer.hears(), END);
}

#[test]
fn outbound_stream_is_closed_by_both_end_tags() {
    let mut peer = is_called_encrypted(DIALBACK_ONLY, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(DIALBACK)).is_closed();
    assert_eq!(peer.hears(), END);
    assert!(!peer.machine.is_over());
    peer.says(END);
    assert!(peer.machine.is_over());
    assert_eq!(peer.hears(), "");
}

/// Between `<proceed/>` and TLS no byte in clear may be written, not even an end tag.
#[test]
fn closing_while_tls_is_agreed_writes_nothing() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL)).says(STARTTLS);
    assert!(peer.hears().ends_with(PROCEED));
    peer.is_closed();
    assert_eq!((peer.hears().as_str(), peer.machine.is_over()), ("", true));
}
