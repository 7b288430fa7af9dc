//! XEP-0288: bidirectional streams are not offered.

use crate::peer::*;

/// FEA-13
#[test]
fn bidi_before_tls_is_ignored() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL)).hears();
    peer.says("<bidi xmlns='urn:xmpp:bidi'/>").says(STARTTLS);
    assert_eq!(peer.hears(), PROCEED);
}

/// COMPAT test: ejabberd 24.10 to 26.04 sends it in the namespace of the feature.
#[test]
fn bidi_after_tls_is_ignored_in_either_namespace() {
    for namespace in ["urn:xmpp:bidi", "urn:xmpp:features:bidi"] {
        let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
        peer.says(&format!("<bidi xmlns='{namespace}'/>")).says(&auth("="));
        assert_eq!(peer.hears(), SUCCESS);
    }
}

#[test]
fn offer_of_it_is_not_taken_up() {
    let mut peer = is_called_encrypted(DIALBACK_ONLY, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(&format!("<bidi xmlns='urn:xmpp:features:bidi'/>{DIALBACK}")));
    assert_eq!((peer.hears().as_str(), peer.is_negotiated()), ("", true));
}
