//! XEP-0178 §3: EXTERNAL between servers, from end to end.

use ringgate_proto::proof::{DomainVerified, Method};
use ringgate_proto::stream::StreamEvent;

use crate::peer::*;

#[test]
fn remote_server_authenticates_by_starttls_and_external() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL)).says(STARTTLS).completes_tls(certificate(&[REMOTE])).says(&header(TO_LOCAL));
    assert!(peer.hears().contains(EXTERNAL));
    peer.says(&auth("=")).says(&header(TO_LOCAL));
    let proven = std::iter::from_fn(|| peer.next_event()).find_map(|event| match event {
        StreamEvent::Proven(accepted) => Some(DomainVerified::from(accepted)),
        _ => None,
    });
    let proven = proven.unwrap();
    assert_eq!((proven.pair(), proven.method()), (&pair(REMOTE, LOCAL), Method::External));
    assert!(peer.machine.takes_stanzas().is_ok());
}

#[test]
fn we_authenticate_by_direct_tls_and_external() {
    let mut peer = is_called(intent(DEFAULT), Some(certificate(&[REMOTE])));
    peer.says(&header(RESPONSE)).says(&features(EXTERNAL)).says(SUCCESS);
    peer.says(&header("from='remote.example' id='second' version='1.0'")).says(&features(""));
    assert_eq!(peer.proven(), Some(pair(LOCAL, REMOTE)));
    assert_eq!(peer.machine.id(), Some("second"));
}

#[test]
fn peer_without_external_is_left_where_nothing_else_is_allowed() {
    let mut peer = is_called_encrypted(EXTERNAL_ONLY, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(DIALBACK));
    assert_eq!(peer.error.unwrap().text, "the peer does not offer EXTERNAL to our certificate");
    peer.hears_error("not-authorized");
}
