//! RFC 6120 §5: STARTTLS, and what must not survive it.

use std::time::Duration;

use ringgate_proto::limits;
use ringgate_proto::policy::{Policy, Rule};
use ringgate_proto::proof::Method;
use ringgate_proto::stream::{TlsTerms, Untrusted};

use super::town::*;
use crate::peer::*;

const TO_REMOTE: &str = "<message from='b@local.example' to='a@remote.example' id='m1'><body>x</body></message>";

fn external_only() -> Policy {
    Policy { default: Rule { methods: vec![Method::External], ..Rule::default() }, partners: Vec::new() }
}

/// TCP-24 (STARTTLS injection)
#[test]
fn stanza_injected_after_starttls_is_not_forwarded() {
    let mut town = Town::new();
    let peer = town.connects();
    town.says(peer, &format!("{}{STARTTLS}{}{HELLO}", header(TO_LOCAL), header(TO_LOCAL)));
    town.says(peer, HELLO);
    town.completes_tls(peer, certificate(&[REMOTE]));
    town.says(peer, &header(TO_LOCAL));
    town.says(peer, &auth("="));
    town.says(peer, &header(TO_LOCAL));
    assert_eq!(town.account(REMOTE, LOCAL).accepted, 0);
    assert!(town.calls.is_empty(), "nothing goes to the backend");
}

/// TCP-25: a man in the middle appends a stream of his own to `<proceed/>`.
#[test]
fn stream_injected_after_proceed_grants_nothing() {
    let mut town = Town::new();
    town.knows_remote();
    let (backend, _) = town.backend_calls();
    town.says(backend, TO_REMOTE);
    let stream = town.takes_call(REMOTE_ADDRESS);
    town.says(stream, &header(RESPONSE));
    town.says(stream, &features(STARTTLS));
    let granted = "<db:result from='remote.example' to='local.example' type='valid'/>";
    town.says(stream, &format!("{PROCEED}{}{}{granted}", header(RESPONSE), features(DIALBACK)));
    town.hears(stream);
    town.completes_tls(stream, certificate(&[REMOTE]));
    let heard = town.hears(stream);
    assert!(heard.starts_with("<?xml") && !heard.contains("<message"), "{heard}");
    assert_eq!(town.account(LOCAL, REMOTE).queued, 1);
}

/// FEA-01 and A1.8 (stripping): nothing but the header is sent, the next target is tried, and the stanza comes back.
#[test]
fn stripped_starttls_sends_nothing_tries_the_next_target_and_bounces() {
    let mut town = Town::new();
    town.knows_remote();
    let second = "9.9.9.8:5269".parse().unwrap();
    town.adds_target(REMOTE, second);
    let (backend, back) = town.backend_calls();
    town.says(backend, TO_REMOTE);
    for address in [REMOTE_ADDRESS, second] {
        let stream = town.takes_call(address);
        town.says(stream, &header(RESPONSE));
        town.says(stream, &features(DIALBACK));
        let heard = town.hears(stream);
        assert!(!heard.contains("<db:") && !heard.contains("<message"), "{heard}");
        assert!(town.line(stream).is_closed);
    }
    town.grants(back);
    let heard = town.hears(back);
    assert!(heard.contains("<remote-server-timeout ") && heard.contains("tls-stripped"), "{heard}");
}

/// FEA-02
#[test]
fn optional_starttls_is_taken_even_where_clear_streams_are_allowed() {
    let mut town = Town::with_policy(policy(TlsTerms::Optional));
    town.knows_remote();
    let (backend, _) = town.backend_calls();
    town.says(backend, TO_REMOTE);
    let stream = town.takes_call(REMOTE_ADDRESS);
    town.says(stream, &header(RESPONSE));
    town.says(stream, &features(&format!("{STARTTLS}{DIALBACK}")));
    assert!(town.hears(stream).ends_with(STARTTLS));
    town.says(stream, PROCEED);
    assert!(town.line(stream).secures);
}

/// FEA-11: a server that declares dialback and offers nothing else.
#[test]
fn empty_features_lead_to_dialback_where_it_is_allowed() {
    let mut town = Town::new();
    town.knows_remote();
    let (backend, _) = town.backend_calls();
    town.says(backend, TO_REMOTE);
    let stream = town.remote_negotiates("");
    let heard = town.hears(stream);
    assert!(heard.contains("<db:result from='local.example' to='remote.example'>"), "{heard}");
    town.says(stream, "<db:result from='remote.example' to='local.example' type='valid'/>");
    assert!(town.hears(stream).contains("id='m1'"));
}

/// FEA-11, without leave for dialback.
#[test]
fn empty_features_end_the_stream_and_bounce_where_dialback_is_not_allowed() {
    let mut town = Town::with_policy(external_only());
    town.knows_remote();
    let (backend, back) = town.backend_calls();
    town.says(backend, TO_REMOTE);
    let stream = town.remote_negotiates("");
    assert!(town.line(stream).is_closed && !town.hears(stream).contains("<db:result"));
    town.grants(back);
    assert!(town.hears(back).contains("<remote-server-timeout "));
}

/// SAS-25, inbound: a self-signed certificate where only certificates count.
#[test]
fn self_signed_peer_that_has_no_other_way_hears_policy_violation() {
    let mut town = Town::with_policy(external_only());
    let peer = town.encrypted_with(TO_LOCAL, untrusted(Untrusted::SelfSigned));
    assert!(!std::str::from_utf8(town.heard(peer)).unwrap().contains("EXTERNAL"));
    town.ends_with(peer, "policy-violation");
}

/// SAS-25, outbound.
#[test]
fn self_signed_server_gets_no_stanza_where_only_certificates_count() {
    let mut town = Town::with_policy(external_only());
    town.knows_remote();
    let (backend, back) = town.backend_calls();
    town.says(backend, TO_REMOTE);
    let stream = town.takes_call(REMOTE_ADDRESS);
    town.says(stream, &header(RESPONSE));
    town.says(stream, &features(STARTTLS_REQUIRED));
    town.says(stream, PROCEED);
    town.completes_tls(stream, untrusted(Untrusted::SelfSigned));
    if !town.line(stream).is_closed {
        town.says(stream, &header(RESPONSE));
        town.says(stream, &features(EXTERNAL));
    }
    assert!(town.line(stream).is_closed && !town.hears(stream).contains("<message"));
    town.grants(back);
    assert!(town.hears(back).contains("<remote-server-timeout "));
}

/// TCP-19: a certificate for clients only proves nothing; dialback remains where it is allowed.
#[test]
fn certificate_for_clients_only_is_offered_dialback_and_no_external() {
    let mut town = Town::new();
    let peer = town.encrypted_with(TO_LOCAL, untrusted(Untrusted::WrongPurpose));
    let heard = town.hears(peer);
    assert!(!heard.contains("EXTERNAL") && heard.contains("urn:xmpp:features:dialback"), "{heard}");
    let mut town = Town::with_policy(external_only());
    let peer = town.encrypted_with(TO_LOCAL, untrusted(Untrusted::WrongPurpose));
    town.ends_with(peer, "policy-violation");
}

/// A server that never answers `<starttls/>` costs its senders the deadline and no more.
#[test]
fn server_that_never_proceeds_is_given_up_at_the_deadline() {
    let mut town = Town::new();
    town.knows_remote();
    let (backend, back) = town.backend_calls();
    town.says(backend, TO_REMOTE);
    let stream = town.takes_call(REMOTE_ADDRESS);
    town.says(stream, &header(RESPONSE));
    town.says(stream, &features(STARTTLS_REQUIRED));
    town.passes(limits::NEGOTIATION + Duration::from_secs(1));
    assert!(town.line(stream).is_closed);
    town.grants(back);
    assert_eq!(town.account(LOCAL, REMOTE).bounced, 1);
}
