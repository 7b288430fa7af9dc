//! XEP-0220: dialback between the streams of one gate.

use std::net::SocketAddr;
use std::time::Duration;

use ringgate_proto::event::ConnId;
use ringgate_proto::limits;
use ringgate_proto::policy::{Policy, Rule};
use ringgate_proto::proof::Method;

use super::town::*;
use crate::peer::*;

const REQUEST: &str = "<db:result from='remote.example' to='local.example'>some-key</db:result>";

/// The peer hears exactly this dialback error about its request, and its stream goes on.
#[track_caller]
fn hears_dialback_error(town: &mut Town, peer: ConnId, condition: &str) {
    let heard = town.hears(peer);
    assert!(heard.contains("type='error'"), "{heard}");
    assert!(heard.contains(&format!("<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>")), "{heard}");
    town.goes_on(peer);
}

/// The authoritative server of `remote.example` takes our call and answers the verification like this.
fn authoritative_says(town: &mut Town, rest: &str) -> ringgate_proto::event::ConnId {
    let stream = town.remote_negotiates(DIALBACK);
    town.answers_dialback(stream, rest);
    stream
}

/// DBK-08
#[test]
fn request_for_a_target_that_is_not_served_hears_item_not_found() {
    let mut town = Town::new();
    town.knows_remote();
    let peer = town.encrypted();
    town.says(peer, &REQUEST.replace("local.example", "elsewhere.example"));
    hears_dialback_error(&mut town, peer, "item-not-found");
    assert!(town.calls.is_empty() && town.asked.is_empty());
}

/// DBK-09
#[test]
fn verification_for_a_domain_that_is_not_served_hears_item_not_found() {
    let mut town = Town::new();
    let peer = town.encrypted();
    town.says(peer, "<db:verify from='remote.example' to='elsewhere.example' id='i'>key</db:verify>");
    hears_dialback_error(&mut town, peer, "item-not-found");
}

/// DBK-10
#[test]
fn request_whose_sender_is_its_target_hears_not_acceptable_and_calls_nobody() {
    let mut town = Town::new();
    let peer = town.encrypted();
    town.says(peer, &REQUEST.replace("remote.example", "local.example"));
    hears_dialback_error(&mut town, peer, "not-acceptable");
    assert!(town.calls.is_empty() && town.asked.is_empty());
}

/// DBK-11
#[test]
fn authoritative_server_that_refuses_connections_is_remote_connection_failed() {
    let mut town = Town::new();
    town.knows_remote();
    let peer = town.encrypted();
    town.says(peer, REQUEST);
    town.refuses_call(REMOTE_ADDRESS);
    hears_dialback_error(&mut town, peer, "remote-connection-failed");
}

/// DBK-12
#[test]
fn authoritative_server_without_dns_is_remote_server_not_found() {
    let mut town = Town::new();
    let peer = town.encrypted();
    town.says(peer, REQUEST);
    hears_dialback_error(&mut town, peer, "remote-server-not-found");
}

/// DBK-13: it accepts, negotiates and then says nothing.
#[test]
fn authoritative_server_that_never_answers_is_remote_server_timeout() {
    let mut town = Town::new();
    town.knows_remote();
    let peer = town.encrypted();
    town.says(peer, REQUEST);
    let stream = town.remote_negotiates(DIALBACK);
    assert!(town.hears(stream).contains("<db:verify "));
    town.passes(limits::DIALBACK + Duration::from_secs(1));
    hears_dialback_error(&mut town, peer, "remote-server-timeout");
    town.says(stream, "<db:verify from='remote.example' to='local.example' id='x' type='valid'/>");
    assert!(town.proven_domains().is_empty(), "an answer after the deadline is nobody's");
}

/// DBK-14
#[test]
fn wrong_key_for_the_only_pair_hears_invalid_and_the_stream_is_closed() {
    let mut town = Town::new();
    town.knows_remote();
    let peer = town.encrypted();
    town.says(peer, REQUEST);
    authoritative_says(&mut town, "type='invalid'/>");
    let heard = town.hears(peer);
    assert!(heard.contains("<db:result from='local.example' to='remote.example' type='invalid'/>"), "{heard}");
    assert!(heard.ends_with(END), "{heard}");
    town.says(peer, HELLO);
    assert_eq!(town.account(REMOTE, LOCAL).accepted, 0);
}

/// DBK-15
#[test]
fn wrong_key_beside_a_proven_pair_hears_forbidden_and_the_proven_pair_goes_on() {
    let mut town = Town::new();
    town.knows("third.example", "9.9.9.3:5269".parse().unwrap());
    let peer = town.proven();
    town.says(peer, &REQUEST.replace("remote.example", "third.example"));
    let stream = town.takes_call("9.9.9.3:5269".parse().unwrap());
    let response = RESPONSE.replace("remote.example", "third.example");
    town.says(stream, &header(&response));
    town.says(stream, &features(STARTTLS));
    town.says(stream, PROCEED);
    town.completes_tls(stream, certificate(&["third.example"]));
    town.says(stream, &header(&response));
    town.says(stream, &features(DIALBACK));
    town.answers_dialback(stream, "type='invalid'/>");
    hears_dialback_error(&mut town, peer, "forbidden");
    town.says(peer, HELLO);
    assert_eq!(town.account(REMOTE, LOCAL).accepted, 1);
}

fn stanza_waits_for_dialback() -> (Town, ringgate_proto::event::ConnId, ringgate_proto::event::ConnId) {
    let mut town = Town::new();
    town.knows_remote();
    let (backend, back) = town.backend_calls();
    town.says(backend, "<message from='b@local.example' to='a@remote.example' id='m1'/>");
    let stream = town.remote_negotiates(DIALBACK);
    (town, stream, back)
}

/// DBK-16
#[test]
fn our_request_answered_invalid_bounces_with_internal_server_error_and_backs_off() {
    let (mut town, stream, back) = stanza_waits_for_dialback();
    town.answers_dialback(stream, "type='invalid'/>");
    town.grants(back);
    let heard = town.hears(back);
    assert!(heard.contains("id='m1'") && heard.contains("<internal-server-error "), "{heard}");
    assert!(town.calls.is_empty(), "no second attempt at once");
}

/// DBK-17
#[test]
fn our_request_answered_with_an_error_bounces_with_remote_server_timeout() {
    let (mut town, stream, back) = stanza_waits_for_dialback();
    let error = "type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
                 </error></db:result>";
    town.answers_dialback(stream, error);
    town.grants(back);
    let heard = town.hears(back);
    assert!(heard.contains("id='m1'") && heard.contains("<remote-server-timeout "), "{heard}");
}

/// DBK-20
#[test]
fn dialback_where_certificates_are_required_hears_not_authorized_and_the_stream_goes_on() {
    let rule = Rule { methods: vec![Method::External], ..Rule::default() };
    let mut town = Town::with_policy(Policy { default: rule, partners: Vec::new() });
    town.knows("third.example", REMOTE_ADDRESS);
    let peer = town.proven();
    town.says(peer, &REQUEST.replace("remote.example", "third.example"));
    hears_dialback_error(&mut town, peer, "not-authorized");
    assert!(town.calls.is_empty() && town.asked.is_empty());
}

/// DBK-23: nothing is dialled because a stranger's DNS says so.
#[test]
fn sender_whose_server_is_inside_our_network_is_remote_connection_failed_and_never_dialled() {
    let own: SocketAddr = "9.9.9.1:5269".parse().unwrap();
    for address in ["127.0.0.1:5269", "169.254.169.254:80", "10.1.2.3:5269", "192.168.0.1:22", "9.9.9.1:5269"] {
        let mut town = Town::with(|config| config.egress.own.push(own));
        town.knows(REMOTE, address.parse().unwrap());
        let peer = town.encrypted();
        town.says(peer, REQUEST);
        hears_dialback_error(&mut town, peer, "remote-connection-failed");
        assert!(town.calls.is_empty(), "{address}");
    }
}

/// DBK-28 (suffix trick, CVE-2016-0756): the same characters in other fields are another key.
#[test]
fn key_for_one_pair_does_not_verify_a_pair_of_the_same_characters() {
    let (mut town, stream, _) = stanza_waits_for_dialback();
    let heard = town.hears(stream);
    let key = heard.split("</db:result>").next().unwrap().rsplit('>').next().unwrap().to_owned();
    assert_eq!(key.len(), 64, "{heard}");
    let verifier = town.encrypted();
    let mut verify = |to: &str, from: &str, id: &str| {
        town.says(verifier, &format!("<db:verify from='{from}' to='{to}' id='{id}'>{key}</db:verify>"));
        town.hears(verifier)
    };
    assert!(verify("local.example", "remote.example", "peer-id").contains("type='valid'"));
    for (to, from, id) in [
        ("local.example", "remote.examplep", "eer-id"),
        ("local.example", "aremote.example", "peer-id"),
        ("other.example", "remote.example", "peer-id"),
    ] {
        assert!(verify(to, from, id).contains("type='invalid'"), "{to} {from} {id}");
    }
}

/// DBK-33: spellings of one domain are one pair.
#[test]
fn request_in_upper_case_proves_the_same_pair() {
    let mut town = Town::new();
    town.knows_remote();
    let peer = town.encrypted();
    town.says(peer, &REQUEST.replace("remote.example", "Remote.EXAMPLE"));
    authoritative_says(&mut town, "type='valid'/>");
    assert!(town.hears(peer).contains("type='valid'"));
    town.says(peer, HELLO);
    assert_eq!(town.account(REMOTE, LOCAL).accepted, 1);
    assert_eq!(town.gate.accounts().count(), 1);
}

/// DBK-01, DBK-02 (CVE-2012-3525 and its family): answers that nobody asked for prove nothing.
#[test]
fn unsolicited_answers_on_an_inbound_stream_prove_nothing() {
    let mut town = Town::new();
    let peer = town.encrypted();
    town.says(peer, "<db:result from='remote.example' to='local.example' type='valid'/>");
    town.says(peer, "<db:verify from='remote.example' to='local.example' id='1' type='valid'/>");
    assert_eq!(town.count("unsolicited-dialback"), 2);
    town.says(peer, HELLO);
    town.ends_with(peer, "invalid-from");
    assert!(town.proven_domains().is_empty());
}

/// DBK-07 (routing hijack): a server grants a pair of which it was never asked.
#[test]
fn unsolicited_grant_on_an_outbound_stream_opens_no_pair() {
    let mut town = Town::new();
    town.knows_remote();
    let (backend, _) = town.backend_calls();
    town.says(backend, "<message from='b@local.example' to='a@remote.example' id='m1'/>");
    let stream = town.remote_takes();
    town.hears(stream);
    town.says(stream, "<db:result from='bank.example' to='local.example' type='valid'/>");
    town.says(backend, "<message from='b@local.example' to='a@bank.example' id='m2'/>");
    assert_eq!(town.hears(stream), "");
    assert_eq!(town.count("unsolicited-dialback"), 1);
}

/// A request that is repeated while it is open is answered once for each; none is forgotten.
#[test]
fn repeated_request_does_not_hold_a_verification_for_ever() {
    let mut town = Town::new();
    town.knows_remote();
    let peer = town.encrypted();
    for _ in 0..2 * limits::VERIFICATIONS_PER_STREAM {
        town.says(peer, REQUEST);
    }
    authoritative_says(&mut town, "type='valid'/>");
    town.passes(limits::DIALBACK + Duration::from_secs(1));
    town.hears(peer);
    // Nothing is open any more: the stream may ask as often again.
    town.dns_is_silent = true;
    for number in 0..limits::VERIFICATIONS_PER_STREAM {
        town.says(peer, &REQUEST.replace("remote.example", &format!("n{number}.example")));
    }
    assert_eq!(town.hears(peer), "");
}

/// The backend opens so many streams, each to another domain, and asks to be believed on each.
fn backend_asks_for(town: &mut Town, streams: usize) -> Vec<ConnId> {
    let ask = |number| {
        let (conn, remote) = (town.backend_connects(), format!("n{number}.example"));
        town.says(conn, &header(&format!("from='local.example' to='{remote}' version='1.0'")));
        town.says(conn, &format!("<db:result from='local.example' to='{remote}'>some-key</db:result>"));
        conn
    };
    (0..streams).map(ask).collect()
}

/// A server that restarts opens streams to all partners of its users at once. Once, all but the first 64 were told `resource-constraint`, since
/// a backend answers all verifications on one stream.
#[test]
fn backend_that_opens_hundreds_of_streams_at_once_has_each_of_them_proven() {
    let mut town = Town::new();
    let (_, back) = town.backend_calls();
    let streams = backend_asks_for(&mut town, 5 * limits::VERIFICATION_REQUESTS_PER_STREAM);
    let asked = String::from_utf8(town.heard(back).to_vec()).unwrap().matches("<db:verify").count();
    assert_eq!(asked, limits::VERIFICATION_REQUESTS_PER_STREAM, "asked at once");
    while !town.heard(back).is_empty() {
        town.grants(back);
    }
    for conn in streams {
        let heard = town.hears(conn);
        assert!(heard.contains(" type='valid'/>") && !heard.contains("type='error'"), "{heard}");
    }
}

/// Those that wait behind others hold their places no longer than these: a backend that never answers does not keep them.
#[test]
fn verifications_behind_unanswered_ones_fail_in_time() {
    let mut town = Town::new();
    let (_, back) = town.backend_calls();
    let streams = backend_asks_for(&mut town, 3 * limits::VERIFICATION_REQUESTS_PER_STREAM);
    town.passes(limits::DIALBACK - Duration::from_secs(1));
    for conn in &streams {
        assert!(!town.hears(*conn).contains("<db:result"));
    }
    town.passes(Duration::from_secs(1));
    for conn in &streams {
        assert!(town.hears(*conn).contains("<remote-server-timeout "));
    }
    // Nobody waits any more, and the next one is asked for.
    town.hears(back);
    backend_asks_for(&mut town, 1);
    let asked = town.hears(back);
    assert!(asked.contains(" from='n0.example'"), "{asked}");
}

/// Once, all that was open on a link failed when the time of the oldest was over, though it had been asked for a moment before.
#[test]
fn verification_has_its_own_time_whatever_else_is_open() {
    let mut town = Town::new();
    let (_, back) = town.backend_calls();
    let old = backend_asks_for(&mut town, 1)[0];
    town.hears(back);
    town.passes(limits::DIALBACK - Duration::from_secs(1));
    let young = backend_asks_for(&mut town, 1)[0];
    town.passes(Duration::from_secs(2));
    assert!(town.hears(old).contains("<remote-server-timeout "));
    assert!(!town.hears(young).contains("<db:result"));
    town.grants(back);
    assert!(town.hears(young).contains("type='valid'/>"));
}
