//! RFC 6120 §5.4: STARTTLS.

use ringgate_proto::stream::{StreamEvent, Terms, TlsTerms};

use crate::peer::*;

const STANZA: &str = "<message from='a@remote.example' to='b@local.example'><body>x</body></message>";
const RESULT: &str = "<db:result from='remote.example' to='local.example'>key</db:result>";

#[test]
fn command_is_answered_with_proceed_and_nothing_else() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL)).hears();
    peer.says(STARTTLS);
    assert_eq!(peer.hears(), PROCEED);
}

/// TCP-24 and A1.9 (STARTTLS injection): bytes after `<starttls/>` are never looked at, not even after TLS.
/// COMPAT test: some peers send white space or more there; it harms nobody.
#[test]
fn bytes_injected_after_starttls_are_discarded() {
    let mut peer = connects(DEFAULT);
    peer.says(&format!("{}{STARTTLS} {}{RESULT}{STANZA}<message", header(TO_LOCAL), header(TO_LOCAL)));
    peer.completes_tls(certificate(&[REMOTE])).hears();
    assert_eq!((peer.taken.len(), peer.error), (0, None));
    peer.says(&header(TO_LOCAL));
    assert!(peer.hears().ends_with("</stream:features>"));
}

/// An owner that reads on against the contract gets an error, not a stanza.
#[test]
fn pipelined_element_after_starttls_closes_with_policy_violation() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL)).says(STARTTLS);
    for answer in [peer.machine.takes_stanzas(), peer.machine.takes_dialback()] {
        assert_eq!(answer.unwrap_err().condition.as_str(), "policy-violation");
    }
}

/// TCP-25 and A1.9, outbound: a man in the middle appends a stream of his own to `<proceed/>`.
#[test]
fn bytes_injected_after_proceed_are_discarded() {
    let mut peer = is_called(intent(DEFAULT), None);
    let forged = header("from='remote.example' id='forged' version='1.0'");
    let answer = "<db:result from='remote.example' to='local.example' type='valid'/>";
    peer.says(&header(RESPONSE)).says(&features(STARTTLS));
    peer.says(&format!("{PROCEED}{forged}{}{answer}", features(DIALBACK)));
    peer.completes_tls(certificate(&[REMOTE]));
    assert_eq!((peer.machine.id(), peer.taken.len(), peer.is_negotiated()), (None, 0, false));
}

/// FEA-01 and A1.8 (stripping)
#[test]
fn stripped_starttls_ends_an_outbound_stream_before_anything_is_sent() {
    for offer in [features(""), features(&format!("{EXTERNAL}{DIALBACK}"))] {
        let mut peer = is_called(intent(DEFAULT), None);
        peer.hears();
        peer.says(&header(RESPONSE)).says(&offer);
        assert_eq!(peer.error.unwrap().text, "tls-required");
        assert!(!peer.is_negotiated() && peer.machine.takes_dialback().is_err());
        assert!(!peer.out_contains("<auth"));
        peer.hears_error("policy-violation");
    }
}

/// FEA-02
#[test]
fn optional_starttls_is_negotiated_whenever_it_is_offered() {
    for terms in [DEFAULT, OPTIONAL] {
        let mut peer = is_called(intent(terms), None);
        peer.hears();
        peer.says(&header(RESPONSE)).says(&features(&format!("{STARTTLS}{EXTERNAL}{DIALBACK}")));
        assert_eq!(peer.hears(), STARTTLS);
        assert!(!peer.is_negotiated());
    }
}

#[test]
fn without_an_offer_an_optional_stream_goes_on_in_clear_by_dialback_only() {
    let mut peer = is_called(intent(OPTIONAL), None);
    peer.hears();
    peer.says(&header(RESPONSE)).says(&features(&format!("{EXTERNAL}{DIALBACK}")));
    assert!(peer.is_negotiated());
    assert_eq!(peer.hears(), "");
}

#[test]
fn starttls_is_not_begun_where_the_policy_forbids_it() {
    let mut peer = is_called(intent(CLEAR), None);
    peer.hears();
    peer.says(&header(RESPONSE)).says(&features(&format!("{STARTTLS}{DIALBACK}")));
    assert_eq!((peer.hears().as_str(), peer.is_negotiated()), ("", true));
}

/// FEA-05
#[test]
fn second_starttls_after_tls_hears_failure_and_the_end() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(STARTTLS);
    assert_eq!(peer.hears(), format!("{TLS_FAILURE}{END}"));
    assert!(peer.machine.is_over());
}

#[test]
fn starttls_that_was_not_offered_hears_failure_and_the_end() {
    let mut peer = connects(CLEAR);
    peer.says(&header(TO_LOCAL)).hears();
    peer.says(STARTTLS);
    assert_eq!(peer.hears(), format!("{TLS_FAILURE}{END}"));
    assert!(peer.machine.is_over());
}

#[test]
fn peer_that_refuses_its_own_offer_is_left() {
    let mut peer = is_called(intent(OPTIONAL), None);
    peer.says(&header(RESPONSE)).says(&features(STARTTLS)).says(TLS_FAILURE);
    peer.hears_error("policy-violation");
    assert!(!peer.is_negotiated());
}

#[test]
fn unasked_proceed_or_failure_is_a_policy_violation() {
    for answer in [PROCEED, TLS_FAILURE] {
        let mut peer = is_called(intent(DEFAULT), None);
        peer.says(&header(RESPONSE)).says(answer);
        peer.hears_error("policy-violation");
        let mut peer = connects(DEFAULT);
        peer.says(&header(TO_LOCAL)).says(answer);
        peer.hears_error("policy-violation");
    }
}

#[test]
fn sasl_answer_instead_of_proceed_is_a_policy_violation() {
    let mut peer = is_called(intent(DEFAULT), None);
    peer.says(&header(RESPONSE)).says(&features(STARTTLS)).says(SUCCESS);
    peer.hears_error("policy-violation");
    assert_eq!(peer.proven(), None);
}

/// A1.8: the question is asked where content would be taken, not where features were sent.
#[test]
fn content_in_clear_is_refused_where_tls_is_required() {
    for content in [STANZA, RESULT] {
        let mut peer = connects(DEFAULT);
        peer.says(&header(TO_LOCAL)).says(content);
        assert_eq!(peer.error.unwrap().text, "TLS is required");
        assert!(peer.taken.is_empty());
        peer.hears_error("policy-violation");
    }
}

#[test]
fn content_in_clear_is_taken_where_tls_is_optional_or_absent() {
    for terms in [OPTIONAL, CLEAR] {
        let mut peer = connects(terms);
        peer.says(&header(TO_LOCAL)).says(RESULT);
        assert_eq!((peer.taken.len(), peer.error), (1, None));
    }
}

#[test]
fn after_tls_the_initiating_side_sends_a_new_header() {
    let mut peer = is_called(intent(DEFAULT), None);
    peer.says(&header(RESPONSE)).says(&features(STARTTLS)).hears();
    peer.says(PROCEED).completes_tls(certificate(&[REMOTE]));
    assert_eq!(
        peer.hears(),
        format!(
            "<?xml version='1.0'?><stream:stream {NAMESPACES} from='local.example' to='remote.example' version='1.0'>"
        )
    );
    assert!(peer.machine.is_encrypted());
}

#[test]
fn owner_is_told_to_begin_tls_on_both_sides() {
    let mut peer = connects(DEFAULT);
    peer.says(&header(TO_LOCAL)).says(STARTTLS);
    assert!(matches!(peer.next_event(), Some(StreamEvent::Opened)));
    assert!(matches!(peer.next_event(), Some(StreamEvent::StartTls)));
    let mut peer = is_called(intent(Terms { tls: TlsTerms::Optional, ..DEFAULT }), None);
    peer.says(&header(RESPONSE)).says(&features(STARTTLS)).says(PROCEED);
    assert!(matches!(peer.next_event(), Some(StreamEvent::Opened)));
    assert!(matches!(peer.next_event(), Some(StreamEvent::StartTls)));
}
