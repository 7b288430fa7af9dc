//! XEP-0198: stream management is not offered. COMPAT tests: Prosody speaks of it anyway.

use crate::peer::*;

#[test]
fn request_for_it_fails_and_the_stream_goes_on() {
    for version in ["urn:xmpp:sm:2", "urn:xmpp:sm:3"] {
        for name in ["enable", "r", "resume"] {
            let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
            peer.says(&format!("<{name} xmlns='{version}'/>"));
            assert_eq!(
                peer.hears(),
                format!(
                    "<failed xmlns='{version}'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
                )
            );
            peer.says(&auth("="));
            assert_eq!(peer.hears(), SUCCESS);
        }
    }
}

/// STZ-34, without acknowledgements: a flood is not answered for ever.
#[test]
fn flood_of_requests_is_a_policy_violation() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&"<r xmlns='urn:xmpp:sm:3'/>".repeat(1_000));
    assert_eq!(peer.hears().matches("<failed ").count(), 16);
    assert_eq!(peer.error.unwrap().condition.as_str(), "policy-violation");
}

#[test]
fn acknowledgement_that_nobody_asked_for_is_ignored() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says("<a xmlns='urn:xmpp:sm:3' h='1'/>");
    assert_eq!((peer.hears().as_str(), peer.error), ("", None));
}

/// FEA-16
#[test]
fn offers_of_it_known_or_unknown_are_not_taken_up() {
    let mut peer = is_called_encrypted(DIALBACK_ONLY, certificate(&[REMOTE]));
    let offers = "<sm xmlns='urn:xmpp:sm:2'/><sm xmlns='urn:xmpp:sm:3'/><sm xmlns='urn:xmpp:sm:9'/>";
    peer.says(&header(RESPONSE)).says(&features(&format!("{offers}{DIALBACK}")));
    peer.says("<r xmlns='urn:xmpp:sm:3'/><failed xmlns='urn:xmpp:sm:2'/>");
    assert_eq!((peer.hears().as_str(), peer.error, peer.is_negotiated()), ("", None, true));
}
