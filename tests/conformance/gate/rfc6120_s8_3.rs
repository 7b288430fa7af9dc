//! RFC 6120 §8.3: stanza errors, and what is never answered with one.

use std::time::Duration;

use ringgate_proto::limits;

use super::town::*;
use crate::peer::*;

/// The backend sends this to a domain that does not exist.
fn bounced(stanza: &str) -> (Town, String) {
    let mut town = Town::new();
    let (backend, back) = town.backend_calls();
    town.says(backend, stanza);
    town.grants(back);
    // Granted or never asked: the answer is what remains to be heard.
    let heard = town.hears(back);
    town.goes_on(backend);
    (town, heard)
}

/// STZ-19: an error that cannot be delivered is dropped.
#[test]
fn error_is_never_bounced() {
    let error =
        "<message from='b@local.example' to='a@remote.example' id='e' type='error'><error type='cancel'/></message>";
    let (town, heard) = bounced(error);
    assert_eq!(heard, "");
    let account = town.account(LOCAL, REMOTE);
    assert_eq!((account.dropped, account.bounced), (1, 0));
    assert_eq!(town.count("undeliverable-error-or-result"), 1);
}

/// STZ-20
#[test]
fn result_is_never_bounced() {
    let (town, heard) = bounced("<iq from='b@local.example' to='a@remote.example' id='r' type='result'/>");
    assert_eq!(heard, "");
    assert_eq!((town.account(LOCAL, REMOTE).dropped, town.count("undeliverable-error-or-result")), (1, 1));
}

/// A reference made an error look like a message that may be answered: two servers could have sent errors to and fro.
#[test]
fn error_or_result_spelt_with_references_is_never_bounced() {
    for stanza in [
        "<message from='b@local.example' to='a@remote.example' id='e' type='&#101;rror'/>",
        "<iq from='b@local.example' to='a@remote.example' id='r' type='resul&#x74;'/>",
    ] {
        let (town, heard) = bounced(stanza);
        assert_eq!((heard.as_str(), town.count("undeliverable-error-or-result")), ("", 1), "{stanza}");
    }
}

/// STZ-21: a probe to a domain that does not exist; while the failure is remembered, the DNS is not asked again.
#[test]
fn probe_to_an_unreachable_domain_comes_back_and_the_failure_is_remembered() {
    let probe = "<presence from='b@local.example' to='a@remote.example' type='probe' id='p'/>";
    let mut town = Town::new();
    let (backend, back) = town.backend_calls();
    for round in 1..=20 {
        town.says(backend, probe);
        town.grants(back);
        assert_eq!(town.account(LOCAL, REMOTE).bounced, round);
    }
    let services =
        town.asked.iter().filter(|(question, _)| question.name.starts_with("_xmpp-server._tcp.remote")).count();
    assert_eq!(services, 1, "{:?}", town.asked);
    town.passes(limits::BACKOFF_FIRST + Duration::from_secs(1));
    town.says(backend, probe);
    let services =
        town.asked.iter().filter(|(question, _)| question.name.starts_with("_xmpp-server._tcp.remote")).count();
    assert_eq!(services, 2);
}

/// STZ-21: the words of the answer.
#[test]
fn probe_to_a_domain_without_dns_hears_remote_server_not_found_from_it() {
    let (_, heard) = bounced("<presence from='b@local.example' to='a@remote.example' type='probe' id='p'/>");
    assert!(heard.contains("<presence from='a@remote.example' to='b@local.example' id='p' type='error'>"), "{heard}");
    assert!(heard.contains("<remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"), "{heard}");
}

/// STZ-22: two proxies, both backends down: the answer to a stanza is an error, and an error has no answer.
#[test]
fn two_proxies_without_backends_come_to_rest() {
    let mut town = Town::new();
    town.knows_remote();
    let peer = town.proven();
    town.says(peer, HELLO);
    town.refuses_call(BACKEND);
    let stream = town.remote_takes();
    let heard = town.hears(stream);
    assert!(heard.contains("type='error'") && heard.contains("<remote-server-timeout "), "{heard}");
    // The other proxy cannot deliver it either: by the same rules it drops it. Let it send it to us even so.
    town.says(peer, "<message from='a@remote.example/x' to='b@local.example' id='m1' type='error'/>");
    town.passes(Duration::from_secs(30));
    while !town.calls.is_empty() {
        town.refuses_call(BACKEND);
        town.passes(Duration::from_secs(30));
    }
    assert_eq!(town.hears(stream), "");
    let account = town.account(REMOTE, LOCAL);
    assert_eq!((account.accepted, account.bounced, account.dropped, account.queued), (2, 1, 1, 0));
}

/// ADR-08
#[test]
fn malformed_localpart_hears_jid_malformed_and_the_stream_goes_on() {
    for localpart in ["a&quot;b", "a&amp;b", "a&apos;b", "a:b", "a&lt;b", "a&gt;b", "a b"] {
        let mut town = Town::new();
        town.knows_remote();
        let peer = town.proven();
        town.says(peer, &HELLO.replace("b@local.example", &format!("{localpart}@local.example")));
        town.goes_on(peer);
        let back = town.remote_takes();
        let heard = town.hears(back);
        assert!(heard.contains("<jid-malformed "), "{localpart}: {heard}");
        assert!(town.calls.is_empty(), "the backend does not see it");
    }
}

/// A failure to find the backend is the remote sender's to hear, once per stanza, in order.
#[test]
fn backend_that_is_down_bounces_each_stanza_in_order() {
    let mut town = Town::new();
    town.knows_remote();
    let peer = town.proven();
    for id in ["m1", "m2", "m3"] {
        town.says(peer, &HELLO.replace("m1", id));
    }
    town.refuses_call(BACKEND);
    let back = town.remote_takes();
    let heard = town.hears(back);
    let at: Vec<usize> = ["m1", "m2", "m3"].iter().map(|id| heard.find(&format!("id='{id}'")).unwrap()).collect();
    assert!(at.is_sorted(), "{heard}");
    assert_eq!(town.account(REMOTE, LOCAL).bounced, 3);
}
