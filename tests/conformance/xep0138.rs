//! XEP-0138 §3: stream compression, never.

use crate::peer::*;

const REQUEST: &str = "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>";

/// FEA-12 and A1.14 (class of CVE-2014-2745)
#[test]
fn request_is_refused_and_the_stream_goes_on() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(REQUEST);
    assert_eq!(peer.hears(), "<failure xmlns='http://jabber.org/protocol/compress'><unsupported-method/></failure>");
    peer.says(&auth("="));
    assert_eq!(peer.hears(), SUCCESS);
}

/// FEA-12
#[test]
fn offer_is_not_taken_up() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    let offer = "<compression xmlns='http://jabber.org/features/compress'><method>zlib</method></compression>";
    peer.says(&header(RESPONSE)).says(&features(&format!("{offer}{EXTERNAL}")));
    let heard = peer.hears();
    assert!(heard.starts_with("<auth ") && !heard.contains("compress"), "{heard}");
}

#[test]
fn requests_without_end_are_a_policy_violation() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&REQUEST.repeat(16));
    assert_eq!(peer.error, None);
    peer.says(REQUEST);
    peer.hears_error("policy-violation");
}

#[test]
fn requests_before_tls_count_too() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL)).says(&REQUEST.repeat(16)).says(STARTTLS);
    peer.completes_tls(certificate(&[REMOTE])).says(&header(TO_LOCAL)).says(REQUEST);
    peer.hears_error("policy-violation");
}
