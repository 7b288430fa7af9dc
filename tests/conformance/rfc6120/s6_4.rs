//! RFC 6120 §6.4: SASL, as we receive it and as we initiate it.

use ringgate_proto::stream::{Intent, SaslFailure, Terms};

use crate::peer::*;

/// base64 of `remote.example`
const REMOTE_64: &str = "cmVtb3RlLmV4YW1wbGU=";
const RESPONSE_EMPTY: &str = "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</response>";
const CHALLENGE: &str = "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";

/// SAS-04. COMPAT test: `=`, the domain, and the domain in another spelling are all the same identity.
#[test]
fn certificate_for_from_succeeds_with_an_empty_or_a_matching_identity() {
    for payload in ["=", REMOTE_64, "UkVNT1RFLmV4YW1wbGUu"] {
        let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
        peer.says(&auth(payload));
        assert_eq!(peer.hears(), SUCCESS);
        assert_eq!(peer.proven(), Some(pair(REMOTE, LOCAL)), "{payload}");
    }
}

/// SAS-05. COMPAT test: peers that leave the initial response out.
#[test]
fn missing_initial_response_is_asked_for_by_an_empty_challenge() {
    for response in ["=", "", REMOTE_64] {
        let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
        peer.says(&auth(""));
        assert_eq!(peer.hears(), CHALLENGE);
        assert_eq!(peer.proven(), None);
        peer.says(&format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{response}</response>"));
        assert_eq!(peer.hears(), SUCCESS);
        assert_eq!(peer.proven(), Some(pair(REMOTE, LOCAL)));
    }
}

#[test]
fn second_auth_instead_of_a_response_fails_and_the_next_attempt_succeeds() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&auth("")).says(&auth("="));
    assert_eq!(peer.hears(), format!("{CHALLENGE}{}", sasl_failure("malformed-request")));
    peer.says(&auth("="));
    assert_eq!(peer.hears(), SUCCESS);
}

#[test]
fn response_without_challenge_is_malformed() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(RESPONSE_EMPTY);
    assert_eq!(peer.hears(), sasl_failure("malformed-request"));
    assert_eq!(peer.proven(), None);
}

/// SAS-20
#[test]
fn abort_is_answered_with_aborted_and_the_stream_is_kept() {
    let abort = "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&auth("")).hears();
    peer.says(abort);
    assert_eq!(peer.hears(), sasl_failure("aborted"));
    peer.says(abort).says(&auth("="));
    assert_eq!(peer.hears(), format!("{}{SUCCESS}", sasl_failure("aborted")));
}

/// SAS-22
#[test]
fn auth_after_success_is_a_policy_violation() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&auth("=")).says(&header(TO_LOCAL)).says(&auth("="));
    peer.hears_error("policy-violation");
}

/// SAS-23
#[test]
fn stanza_between_auth_and_success_is_not_authorized() {
    let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&auth("")).says("<message from='a@remote.example' to='b@local.example'/>");
    assert!(peer.taken.is_empty());
    peer.hears_error("not-authorized");
}

#[test]
fn other_elements_while_a_response_is_awaited_are_not_authorized() {
    for element in
        [STARTTLS, "<r xmlns='urn:xmpp:sm:3'/>", "<db:result from='remote.example' to='local.example'>k</db:result>"]
    {
        let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
        peer.says(&auth("")).says(element);
        peer.hears_error("not-authorized");
    }
}

/// §6.4.5: the number of attempts is bounded.
#[test]
fn fifth_failure_is_answered_and_ends_the_stream() {
    let mut peer = is_encrypted(DEFAULT, certificate(&["else.example"]));
    for _ in 0..4 {
        peer.says(&auth("="));
        assert_eq!(peer.hears(), sasl_failure("not-authorized"));
    }
    peer.says(&auth("="));
    assert!(peer.out_contains(&sasl_failure("not-authorized")));
    assert_eq!(peer.sasl_failures(), [SaslFailure::NotAuthorized; 5]);
    peer.hears_error("policy-violation");
}

#[test]
fn receiving_entitys_elements_from_an_initiating_one_are_a_policy_violation() {
    for element in [SUCCESS, CHALLENGE, &sasl_failure("aborted")] {
        let mut peer = is_encrypted(DEFAULT, certificate(&[REMOTE]));
        peer.says(element);
        peer.hears_error("policy-violation");
    }
}

/// SAS-24
#[test]
fn success_that_was_not_asked_for_is_a_policy_violation() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(SUCCESS);
    peer.hears_error("policy-violation");
    assert_eq!(peer.proven(), None);
    let mut peer = is_called_encrypted(DIALBACK_ONLY, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(DIALBACK)).says(SUCCESS);
    peer.hears_error("policy-violation");
    assert_eq!(peer.proven(), None);
}

/// COMPAT test: MongooseIM needs the identity in the payload.
#[test]
fn we_send_our_domain_as_identity() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(EXTERNAL));
    assert_eq!(peer.hears(), auth("bG9jYWwuZXhhbXBsZQ=="));
}

#[test]
fn pair_is_proven_only_after_the_features_that_follow_success() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(EXTERNAL)).says(SUCCESS);
    assert_eq!(peer.proven(), None);
    peer.says(&header(RESPONSE));
    assert_eq!(peer.proven(), None);
    assert!(peer.machine.takes_dialback().is_err());
    peer.says(&features(DIALBACK));
    assert_eq!(peer.proven(), Some(pair(LOCAL, REMOTE)));
    assert!(peer.machine.takes_dialback().is_ok() && peer.machine.peer_knows_dialback_errors());
}

#[test]
fn peer_that_challenges_hears_our_identity_once() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(EXTERNAL)).hears();
    peer.says(CHALLENGE);
    assert_eq!(peer.hears(), "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>bG9jYWwuZXhhbXBsZQ==</response>");
    peer.says(CHALLENGE);
    peer.hears_error("policy-violation");
}

#[test]
fn refused_external_falls_back_to_dialback_where_the_policy_allows_it() {
    let mut peer = is_called_encrypted(DEFAULT, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(&format!("{EXTERNAL}{DIALBACK}"))).hears();
    peer.says(&sasl_failure("not-authorized"));
    assert_eq!(peer.sasl_failures(), [SaslFailure::NotAuthorized]);
    assert!(peer.is_negotiated() && peer.machine.takes_dialback().is_ok());
}

#[test]
fn refused_external_ends_the_stream_where_nothing_else_is_allowed() {
    let mut peer = is_called_encrypted(EXTERNAL_ONLY, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(&format!("{EXTERNAL}{DIALBACK}")));
    peer.says(&sasl_failure("made-up"));
    assert_eq!(peer.sasl_failures(), [SaslFailure::Other]);
    assert!(!peer.is_negotiated());
    peer.hears_error("not-authorized");
}

#[test]
fn dialback_comes_first_where_the_policy_says_so() {
    let terms = Terms { dialback_first: true, ..DEFAULT };
    let mut peer = is_called_encrypted(terms, certificate(&[REMOTE]));
    peer.says(&header(RESPONSE)).says(&features(&format!("{EXTERNAL}{DIALBACK}")));
    assert_eq!((peer.hears().as_str(), peer.is_negotiated()), ("", true));
}

#[test]
fn external_is_used_although_dialback_comes_first_where_the_peer_knows_no_dialback() {
    let terms = Terms { dialback_first: true, ..DEFAULT };
    let mut peer = is_called_encrypted(terms, certificate(&[REMOTE]));
    peer.says(&format!(
        "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' {RESPONSE}>"
    ));
    peer.says(&features(EXTERNAL));
    assert!(peer.hears().starts_with("<auth "));
}

#[test]
fn stream_for_verifications_never_authenticates() {
    let mut peer = is_called(Intent { dialback_only: true, ..intent(DEFAULT) }, Some(certificate(&[REMOTE])));
    peer.hears();
    peer.says(&header(RESPONSE)).says(&features(&format!("{EXTERNAL}{DIALBACK}")));
    assert_eq!((peer.hears().as_str(), peer.is_negotiated()), ("", true));
}
