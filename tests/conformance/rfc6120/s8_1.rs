//! RFC 6120 §8.1: when stanzas may come at all; their addresses are the router's business.

use crate::peer::*;

const STANZA: &str = "<iq type='get' id='1' from='remote.example' to='local.example'/>";

/// STZ-08, before TLS: see also §5.4.
#[test]
fn stanza_instead_of_starttls_is_refused() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL)).says(STANZA);
    assert!(peer.taken.is_empty() && peer.error.is_some());
}

/// The machine lets stanzas through to the owner, which asks for each one's proven pair.
#[test]
fn stanzas_on_an_encrypted_stream_are_the_owners_question() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(STANZA);
    assert_eq!((peer.taken.as_slice(), peer.error), ([STANZA.to_owned()].as_slice(), None));
}

/// §4.5: the peer's stanzas come on its own stream.
#[test]
fn stanza_on_our_outbound_stream_is_not_authorized() {
    let mut peer = is_called_encrypted(DIALBACK_ONLY, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(DIALBACK)).says(STANZA);
    assert!(peer.taken.is_empty());
    peer.hears_error("not-authorized");
}
