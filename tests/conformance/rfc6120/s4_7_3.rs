//! RFC 6120 §4.7.3: `id` of a stream header.

use crate::peer::*;

/// A1.25
#[test]
fn our_ids_are_all_the_entropy_that_was_drawn() {
    let mut first = connects(DEFAULT);
    first.says(&header(TO_LOCAL));
    assert_eq!(first.machine.id(), "00000000000000000000000000000001");
    assert!(first.hears().contains(" id='00000000000000000000000000000001' "));
}

/// HDR-22
#[test]
fn short_or_repeated_id_of_a_peer_is_taken_as_it_is() {
    for id in ["1", "1"] {
        let mut peer = is_called(intent(CLEAR), None);
        peer.says(&header(&format!("from='remote.example' id='{id}' version='1.0'"))).says(&features(DIALBACK));
        assert!(peer.is_negotiated());
        assert_eq!(peer.machine.id(), Some("1"));
    }
}

/// HDR-23
#[test]
fn without_id_only_external_is_possible() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header("from='remote.example' version='1.0'")).says(&features(&format!("{EXTERNAL}{DIALBACK}")));
    assert!(peer.hears().starts_with("<auth "));
    assert_eq!(peer.machine.id(), None);
}

/// HDR-23
#[test]
fn without_id_and_without_external_the_stream_is_given_up() {
    for id in ["", "id=''"] {
        let mut peer = is_called_encrypted(DEFAULT, certificate(&["else.example"]));
        peer.says(&header(&format!("from='remote.example' {id} version='1.0'")));
        peer.says(&features(&format!("{EXTERNAL}{DIALBACK}")));
        peer.hears_error("not-authorized");
        assert!(!peer.is_negotiated());
    }
}

#[test]
fn id_is_decoded_before_keys_are_made_of_it() {
    let mut peer = is_called(intent(CLEAR), None);
    peer.says(&header("id='a&amp;b&#x3c;' version='1.0'"));
    assert_eq!(peer.machine.id(), Some("a&b<"));
}
