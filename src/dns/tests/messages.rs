//! What a message is taken for, without a network.

use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use ringgate_proto::discover::{Answer, RecordKind};

use super::*;
use crate::dns::message::{Asked, Finding, Reply, follow, to_name};
use crate::dns::{LIFETIME_MAX, LIFETIME_MIN, NEGATIVE_LIFETIME_MAX};

fn asked() -> Asked {
    Asked { id: 7, name: name("a.test"), kind: RecordType::A }
}

fn query() -> Message {
    Message::from_vec(&asked().to_message(true).unwrap()).unwrap()
}

fn finding(message: &Message) -> Finding {
    follow(message, RecordKind::A, &mut vec![name("a.test")], &mut u32::MAX.clone())
}

fn lifetime(answers: Vec<Record>) -> Duration {
    match finding(&reply(&query(), ResponseCode::NoError, answers)) {
        Finding::Final(_, lifetime) => lifetime,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_question_asks_for_recursion_and_says_how_much_fits() {
    let message = query();
    assert!(message.metadata.recursion_desired);
    assert_eq!((message.metadata.id, message.max_payload()), (7, 1232));
    let plain = Message::from_vec(&asked().to_message(false).unwrap()).unwrap();
    assert!(plain.edns.is_none());
}

#[test]
fn dns_08_a_lifetime_is_the_ttl_within_bounds() {
    assert_eq!(lifetime(vec![a("a.test", 60, [9; 4])]), Duration::from_secs(60));
    assert_eq!(lifetime(vec![a("a.test", 0, [9; 4])]), LIFETIME_MIN);
    assert_eq!(lifetime(vec![a("a.test", 1 << 31, [9; 4])]), LIFETIME_MIN, "RFC 2181 §8");
    assert_eq!(lifetime(vec![a("a.test", (1 << 31) - 1, [9; 4])]), LIFETIME_MAX);
}

#[test]
fn the_least_ttl_of_aliases_and_records_counts() {
    let answers = vec![cname("a.test", "b.test"), a("b.test", 3_600, [9; 4]), a("b.test", 90, [8; 4])];
    assert_eq!(lifetime(answers), Duration::from_secs(60), "that of the alias");
}

#[test]
fn an_absence_is_kept_as_the_zone_says_but_not_for_long() {
    let absent = |ttl, minimum| {
        let mut message = reply(&query(), ResponseCode::NXDomain, vec![]);
        message.add_authority(soa("test", ttl, minimum));
        finding(&message)
    };
    let seconds = Duration::from_secs;
    assert_eq!(absent(60, 3_600), Finding::Final(Answer::NoSuchName, seconds(60)));
    assert_eq!(absent(3_600, 90), Finding::Final(Answer::NoSuchName, seconds(90)));
    assert_eq!(absent(86_400, 86_400), Finding::Final(Answer::NoSuchName, NEGATIVE_LIFETIME_MAX));
    let without_soa = finding(&reply(&query(), ResponseCode::NoError, vec![]));
    assert_eq!(without_soa, Finding::Final(addresses(&[]), LIFETIME_MIN));
}

#[test]
fn records_of_other_names_and_kinds_are_passed_over() {
    let answers = vec![a("evil.test", 60, [6; 4]), srv("a.test", 0, 1, "x.test"), a("A.TEST", 60, [9; 4])];
    let message = reply(&query(), ResponseCode::NoError, answers);
    assert_eq!(finding(&message), Finding::Final(addresses(&[[9; 4]]), Duration::from_secs(60)));
}

#[test]
fn dns_09_only_a_reply_to_our_question_counts() {
    let good = reply(&query(), ResponseCode::NoError, vec![a("a.test", 60, [9; 4])]);
    assert!(matches!(asked().read(&good.to_vec().unwrap()), Reply::Answered(_)));
    let changed = |change: fn(&mut Message)| {
        let mut message = good.clone();
        change(&mut message);
        message.to_vec().unwrap()
    };
    let foreign = [
        changed(|message| message.metadata.id = 8),
        changed(|message| message.metadata.message_type = MessageType::Query),
        changed(|message| message.metadata.op_code = OpCode::Status),
        changed(|message| _ = message.queries[0].set_name(name("b.test"))),
        changed(|message| _ = message.queries[0].set_query_type(RecordType::AAAA)),
        changed(|message| message.queries.clear()),
        vec![],
        vec![0; 11],
    ];
    for (index, bytes) in foreign.iter().enumerate() {
        assert!(matches!(asked().read(bytes), Reply::Foreign), "{index}");
    }
}

#[test]
fn dns_11_a_message_of_nested_pointers_ends_and_yields_no_more_records_than_it_has() {
    let mut bytes = found(&query(), vec![]);
    let mut previous = 12_u16;
    let mut records = 0_u16;
    while bytes.len() < 16_000 {
        let here = bytes.len() as u16;
        bytes.extend((0xc000 | previous).to_be_bytes());
        bytes.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 9, 9, 9, 9]);
        previous = here;
        records += 1;
    }
    bytes[6..8].copy_from_slice(&records.to_be_bytes());
    match asked().read(&bytes) {
        Reply::Answered(message) => {
            assert_eq!(message.answers.len(), usize::from(records));
            let Finding::Final(Answer::Addresses(found), _) = finding(&message) else { panic!("no addresses") };
            assert_eq!(found.len(), ringgate_proto::limits::ADDRESSES_PER_TARGET);
        }
        other => assert!(matches!(other, Reply::Useless), "{other:?}"),
    }
}

#[test]
fn pointers_to_themselves_and_forwards_are_no_message() {
    for target in [29_u16, 24, 60, 0x3fff] {
        let mut bytes = found(&query(), vec![a("a.test", 60, [9; 4])]);
        bytes[24..26].copy_from_slice(&(0xc000 | target).to_be_bytes());
        assert!(matches!(asked().read(&bytes), Reply::Useless), "{target}");
    }
}

#[test]
fn no_damage_to_a_message_makes_the_reader_panic() {
    let good = found(&query(), vec![cname("a.test", "b.test"), srv("b.test", 0, 1, "c.test"), a("b.test", 1, [9; 4])]);
    let mut state = 1_u64;
    for round in 0..30_000 {
        let mut bytes = good.clone();
        for _ in 0..=round % 4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] = (state >> 24) as u8;
        }
        bytes.truncate(1 + (state >> 40) as usize % (2 * good.len()));
        if let Reply::Answered(message) = asked().read(&bytes) {
            let _ = finding(&message);
        }
    }
}

#[test]
fn names_that_no_host_can_have_are_not_asked_for() {
    let long_label = format!("{}.test", "a".repeat(64));
    let long_name = ["a"; 130].join(".");
    let bad = ["", ".", "..", ".a", "a..b", "a b", "a\0b", "bücher.test", "a\\.b", "a/b", &long_label, &long_name];
    for text in bad {
        assert_eq!(to_name(text), None, "{text:?}");
    }
    for text in ["a", "a.test.", "_xmpp-server._tcp.example.org", "xn--bcher-kva.test", "3com.com"] {
        assert!(to_name(text).is_some_and(|name| name.is_fqdn()), "{text:?}");
    }
}
