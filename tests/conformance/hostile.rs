//! Strangers who want the whole shard, not only their own stream: bounds of memory, time and numbers.

use ringgate_proto::event::{CloseCause, Event};
use ringgate_proto::gate::{Input, Listener, Output};
use ringgate_proto::limits;
use ringgate_proto::stream::{Condition, TlsTerms, Untrusted};

use crate::house::House;
use crate::peer::*;

const NAMELESS: &str = "to='local.example' version='1.0'";

fn message(from: &str, body: &str) -> String {
    format!("<message from='a@{from}' to='b@{LOCAL}'><body>{body}</body></message>")
}

fn is_ended(house: &House, condition: Condition) -> bool {
    house.has_event(|event| {
        matches!(event, Event::StreamClosed { cause: CloseCause::SentError(sent, _), .. } if *sent == condition)
    })
}

/// A1.13: a stranger asked about keys and read no answer; each answer is larger than its question, and all were kept.
#[test]
fn peer_that_reads_no_answers_is_closed() {
    let mut house = House::new(TlsTerms::Required);
    let conn = house.connects(untrusted(Untrusted::SelfSigned), NAMELESS);
    house.hears(conn);
    let question = "<db:verify from='x.example' to='local.example' id='i'>k</db:verify>".repeat(500);
    let rounds = (0..1_000).take_while(|_| {
        house.says(conn, &question);
        !house.is_closed(conn)
    });
    assert!(rounds.count() < 20, "its answers are kept for ever");
    assert!(is_ended(&house, Condition::PolicyViolation));
}

/// A1.13: one question a minute kept a stream that had proven nothing open for ever.
#[test]
fn questions_about_keys_that_nobody_has_do_not_extend_negotiation() {
    let mut house = House::new(TlsTerms::Required);
    let conn = house.connects(untrusted(Untrusted::SelfSigned), NAMELESS);
    for _ in 0..3 {
        house.wait(25);
        house.says(conn, "<db:verify from='x.example' to='local.example' id='i'>k</db:verify>");
    }
    assert!(house.is_closed(conn) && is_ended(&house, Condition::ConnectionTimeout));
}

/// A1.18: a stanza of 50 bytes took a language of 8,000 bytes from its header to the backend.
#[test]
fn header_whose_language_would_be_added_to_every_stanza_is_refused_when_long() {
    let mut house = House::new(TlsTerms::Required);
    let conn = house.is_proven(&format!("xml:lang='{}'", "x".repeat(6_000)));
    assert!(house.is_closed(conn) && is_ended(&house, Condition::PolicyViolation));
}

/// A1.18: the same with a prefix whose namespace grows sixfold when it is written again.
#[test]
fn header_whose_prefixes_would_be_added_to_every_stanza_is_refused_when_long() {
    let mut house = House::new(TlsTerms::Required);
    let conn = house.is_proven(&format!("xmlns:p=\"{}\"", "'".repeat(300)));
    assert!(house.is_closed(conn) && is_ended(&house, Condition::PolicyViolation));
    let conn = house.is_proven("xmlns:p='urn:example:p' xml:lang='en'");
    assert!(!house.is_closed(conn));
}

/// A1.15: every stream that fed a backend could add what it had read before it was paused.
#[test]
fn outbox_has_a_bound_whatever_feeds_it() {
    let mut house = House::new(TlsTerms::Required);
    let first = house.is_proven("");
    house.says(first, &message(REMOTE, "x"));
    let backend = house.backend_answers("");
    assert!(house.takes(backend).contains("<db:result"));
    house.says(backend, "<db:result from='local.example' to='remote.example' type='valid'/>");
    let flood = message(REMOTE, &"x".repeat(60_000)).repeat(8);
    for _ in 0..150 {
        let conn = house.is_proven("");
        house.says(conn, &flood);
    }
    let queued = house.takes(backend).len();
    assert!(queued > limits::OUTBOX_HARD_BYTES && queued < limits::OUTBOX_MOST_BYTES + flood.len());
    house.balances();
    assert!(house.gate.accounts().any(|(_, account)| account.bounced > 0));
}

/// A1.16: the backend would have ended the stream that all remote domains share.
#[test]
fn stanza_that_its_splice_makes_too_large_comes_back() {
    let mut house = House::new(TlsTerms::Required);
    let conn = house.is_proven("xml:lang='de'");
    house.says(conn, &message(REMOTE, "x"));
    let max = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>";
    let backend = house.backend_answers(max);
    house.says(backend, "<db:result from='local.example' to='remote.example' type='valid'/>");
    house.hears(backend);
    let frame = message(REMOTE, "").len();
    house.says(conn, &message(REMOTE, &"x".repeat(10_000 - frame)));
    assert!(!house.takes(backend).contains("xxx"));
    house.says(conn, &message(REMOTE, &"x".repeat(10_000 - frame - " xml:lang='de'".len())));
    assert!(house.takes(backend).contains("xxx"));
    house.balances();
}

/// A1.12: an authenticated peer had ours build trees of 10,000 elements.
#[test]
fn large_element_that_is_no_stanza_ends_the_stream() {
    let mut house = House::new(TlsTerms::Required);
    let conn = house.is_proven("");
    let children = "<x/>".repeat(2_500);
    house.says(conn, &format!("<db:result from='y.example' to='local.example'>{children}</db:result>"));
    assert!(house.is_closed(conn) && is_ended(&house, Condition::PolicyViolation));
}

/// A1.9: the verdict on a request in clear went out in clear behind `<proceed/>`, and proved the pair for TLS.
#[test]
fn verdict_that_comes_while_tls_begins_is_not_told() {
    let mut house = House::new(TlsTerms::Optional);
    let conn = house.accepts("192.0.2.1:4000").unwrap();
    house.says(conn, &header(TO_LOCAL));
    house.says(conn, "<db:result from='remote.example' to='local.example'>key</db:result>");
    house.says(conn, STARTTLS);
    assert!(house.takes(conn).ends_with(PROCEED));
    house.resolves_none();
    assert_eq!(house.takes(conn), "", "the verification has failed by now");
}

/// A1.19: a stranger's 32 hosts that accept and say nothing held its verification for half an hour; 4,096 of them held
/// everybody's.
#[test]
fn verification_that_takes_too_long_is_answered_and_its_search_ends() {
    let mut house = House::new(TlsTerms::Required);
    let conn = house.connects(untrusted(Untrusted::SelfSigned), NAMELESS);
    house.says(conn, "<db:result from='remote.example' to='local.example'>key</db:result>");
    let mut dialled = 0;
    for second in 0..90 {
        house.resolves_all();
        while let Some(attempt) = house.dialled() {
            dialled += 1;
            house.handle(Input::Connected { conn: attempt });
        }
        house.wait(1);
        if second == 35 {
            assert!(house.takes(conn).contains("remote-server-timeout"));
        }
    }
    assert_eq!(dialled, 1, "the first silence was enough");
    assert_eq!(house.gate.connections(), 0);
}

/// A1.13: a host with IPv6 has 2^64 addresses.
#[test]
fn unauthenticated_connections_are_counted_by_ipv6_network() {
    let mut house = House::new(TlsTerms::Required);
    let connect = |house: &mut House, n: usize| house.accepts(&format!("[2001:db8:1:2::{n:x}]:4000"));
    let accepted: Vec<_> =
        (1..=2 * limits::UNAUTHENTICATED_PER_ADDRESS).filter_map(|n| connect(&mut house, n)).collect();
    assert_eq!(accepted.len(), limits::UNAUTHENTICATED_PER_ADDRESS);
    assert!(house.accepts("[2001:db8:1:3::1]:4000").is_some());
    accepted.into_iter().for_each(|conn| house.handle(Input::Eof { conn }));
    assert!(connect(&mut house, 1).is_some());
}

/// Proven streams have no bound of their own: all that come together leave room for backends.
#[test]
fn however_many_come_from_outside_a_backend_gets_in() {
    let mut house = House::new(TlsTerms::Required);
    let accepted = (0..2_000).filter(|n| house.accepts(&format!("[2001:db8:0:{n:x}::1]:4000")).is_some()).count();
    assert_eq!(accepted, 875, "of 1,000");
    assert!(house.gate.accept(Listener::Internal, "127.0.0.1:1".parse().expect("an address"), house.now).is_some());
}

/// A1.15: a full table of pairs forgot idle ones while a failing link still went through its pairs: the shard panicked.
#[test]
fn full_table_of_pairs_survives_a_failing_backend() {
    let mut house = House::new(TlsTerms::Required);
    let name = |n: usize| pair(&format!("x{n}.example"), LOCAL);
    let stanza = |n: usize, ty: &str| format!("<message type='{ty}' from='x{n}.example' to='{LOCAL}'/>");
    house.posts((0..limits::PAIRS_PER_SHARD).map(|n| (name(n), stanza(n, "error"))));
    let attempt = house.dialled().expect("the backend is dialled");
    house.breaks(attempt);
    house.wait(10);
    house.outputs.clear();
    let queued = |house: &House| house.gate.accounts().map(|(_, account)| account.queued).sum::<u64>();
    assert_eq!(queued(&house), 0);
    house.posts([(name(0), stanza(0, "chat"))].into_iter());
    let attempt = house.dialled().expect("the backend is dialled again");
    house.breaks(attempt);
    house.balances();
    assert_eq!(queued(&house), 1, "the answer waits for a stream to its sender");
    house.wait(2);
    house.handle(Input::Timer);
    assert!(house.gate.accounts().count() <= limits::PAIRS_PER_SHARD);
}

/// A1.15: a table full of pairs in use grew with every domain that a stranger could invent.
#[test]
fn new_pair_is_refused_when_the_table_is_full_of_pairs_in_use() {
    let mut house = House::new(TlsTerms::Required);
    let name = |n: usize| pair(&format!("x{n}.example"), LOCAL);
    house.posts(
        (0..limits::PAIRS_PER_SHARD).map(|n| (name(n), format!("<presence from='x{n}.example' to='{LOCAL}'/>"))),
    );
    let conn = house.connects(untrusted(Untrusted::SelfSigned), NAMELESS);
    house.says(conn, "<db:result from='remote.example' to='local.example'>key</db:result>");
    assert!(house.takes(conn).contains("<resource-constraint"));
    assert!(!house.outputs.iter().any(|output| matches!(output, Output::Ask(..))));
}

/// A1.21: a domain with two hosts, the first of which answered within the second's head start: the head start's time had
/// passed, was set again, and passed again: the shard never left its timers.
#[test]
fn host_that_connects_before_the_next_is_due_stops_no_shard() {
    let mut house = House::new(TlsTerms::Required);
    house.posts([(pair(LOCAL, REMOTE), format!("<message from='a@{LOCAL}' to='b@{REMOTE}'/>"))].into_iter());
    house.resolves_all();
    let attempt = house.dialled().expect("the first host is dialled");
    house.wait_briefly();
    house.handle(Input::Connected { conn: attempt });
    house.wait(1);
    assert!(house.takes(attempt).contains("<stream:stream"));
}

/// A backend's stream moves to its first target's shard; a further target on it may belong to another shard. Both shards
/// would have kept the pair, with no order between them (RFC 6120 §10.1): its stanzas go to the owner instead.
#[test]
fn further_target_of_another_shard_is_posted_to_its_owner() {
    let names: Vec<String> = (0..16).map(|n| format!("r{n}.example")).collect();
    let moves = |name: &String| {
        let mut house = House::first_of(2, TlsTerms::Required);
        house.backend_calls(name);
        house.outputs.iter().any(|output| matches!(output, Output::HandOver { .. }))
    };
    let (away, here): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| moves(name));
    let (away, here) = (away[0], here[0]);

    let mut house = House::first_of(2, TlsTerms::Required);
    let (conn, id) = house.backend_calls(here);
    let backend = house.backend_answers("");
    house.says(conn, &format!("<db:result from='{LOCAL}' to='{away}'>key</db:result>"));
    for target in [here, away] {
        house.says(backend, &format!("<db:verify from='{LOCAL}' to='{target}' id='{id}' type='valid'/>"));
    }
    house.says(conn, &format!("<message from='a@{LOCAL}' to='b@{away}'/>"));
    house.gate.end_tick();
    let posted = std::iter::from_fn(|| house.gate.next_output())
        .filter_map(|output| match output {
            Output::Post { envelope, .. } => Some(envelope.stanzas.len()),
            _ => None,
        })
        .sum::<usize>();
    assert_eq!(posted, 1);
    let kept = house.gate.accounts().find(|(pair, _)| pair.to.as_str() == away).map(|(_, account)| account.accepted);
    assert_eq!(kept.unwrap_or(0), 0, "the owner counts it");
}

/// COMPAT: a server that trusts no certificate of ours may refuse EXTERNAL and close, instead of going on with dialback:
/// it could not be reached at all. The next stream goes by dialback, where policy allows that.
#[test]
fn peer_that_closes_after_refusing_external_is_reached_by_dialback() {
    let mut house = House::new(TlsTerms::Required);
    let stanza = format!("<message from='a@{LOCAL}' to='b@{REMOTE}'/>");
    house.posts(std::iter::once((pair(LOCAL, REMOTE), stanza)));
    house.resolves_all();
    let offered = format!("{EXTERNAL}{DIALBACK}");
    let first = house.remote_answers(&offered);
    assert!(house.hears(first).contains("<auth "));
    house.says(first, &(sasl_failure("not-authorized") + END));
    house.resolves_all();
    let second = house.remote_answers(&offered);
    let heard = house.hears(second);
    assert!(heard.contains("<db:result ") && !heard.contains("<auth "), "{heard}");
}
