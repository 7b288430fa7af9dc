//! The resolver as the gate sees it.

use std::cell::Cell;
use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use ringgate_proto::discover::{Answer, RecordKind, Srv};
use ringgate_proto::limits;

use super::scripted::{Over, Scripted, Send};
use super::*;
use crate::clock;

fn name_of(query: &Message) -> String {
    query.queries[0].name.to_ascii().trim_end_matches('.').to_owned()
}

/// Answers every question for an address with 9.9.9.9.
fn nine() -> Scripted {
    Scripted::answering(|query| found(query, vec![a(&name_of(query), 60, [9; 4])]))
}

/// A port of this host at which nobody listens.
fn closed_port() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn one_lookup(servers: &[SocketAddr], asked: &str, kind: RecordKind) -> Answer {
    run(async { lookup(&Resolver::new(config(servers)), asked, kind).await })
}

#[test]
fn service_records_arrive_with_targets_in_lower_case() {
    let server = Scripted::answering(|query| {
        let owner = name_of(query);
        found(query, vec![srv(&owner, 5, 5269, "XMPP.a.test"), srv(&owner, 1, 0, ".")])
    });
    let answer = one_lookup(&[server.address], "_xmpp-server._tcp.a.test", RecordKind::Srv);
    let record = |priority, port, target: &str| Srv { priority, weight: 0, port, target: target.into() };
    assert_eq!(answer, Answer::Srv(vec![record(1, 0, ""), record(5, 5269, "xmpp.a.test")]));
}

#[test]
fn both_kinds_of_addresses_are_found() {
    let server = Scripted::answering(|query| {
        let v6 = hickory_proto::rr::rdata::AAAA("2620:fe::9".parse().unwrap());
        let mut records = vec![a("a.test", 60, [9; 4])];
        records.push(hickory_proto::rr::Record::from_rdata(name("a.test"), 60, RData::AAAA(v6)));
        found(query, records)
    });
    assert_eq!(one_lookup(&[server.address], "a.test", RecordKind::A), addresses(&[[9; 4]]));
    let v6 = Answer::Addresses(vec!["2620:fe::9".parse().unwrap()]);
    assert_eq!(one_lookup(&[server.address], "a.test", RecordKind::Aaaa), v6);
}

#[test]
fn nxdomain_and_nodata_are_told_apart() {
    let server = Scripted::answering(|query| match name_of(query).as_str() {
        "gone.test" => denied(query, ResponseCode::NXDomain),
        _ => denied(query, ResponseCode::NoError),
    });
    assert_eq!(one_lookup(&[server.address], "gone.test", RecordKind::A), Answer::NoSuchName);
    assert_eq!(one_lookup(&[server.address], "bare.test", RecordKind::A), addresses(&[]));
    assert_eq!(one_lookup(&[server.address], "bare.test", RecordKind::Srv), Answer::Srv(vec![]));
}

#[test]
fn a_server_that_cannot_say_is_passed_over() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused] {
        let bad = Scripted::answering(move |query| denied(query, code));
        assert_eq!(one_lookup(&[bad.address], "a.test", RecordKind::A), Answer::Failed);
        let good = nine();
        assert_eq!(one_lookup(&[bad.address, good.address], "a.test", RecordKind::A), addresses(&[[9; 4]]));
    }
}

#[test]
fn a_silent_server_is_passed_over_after_its_time_and_asked_last_from_then_on() {
    let (silent, good) = (Scripted::silent(), nine());
    run(async {
        let resolver = Resolver::new(impatient(&[silent.address, good.address]));
        assert_eq!(lookup(&resolver, "a.test", RecordKind::A).await, addresses(&[[9; 4]]));
        assert_eq!(lookup(&resolver, "b.test", RecordKind::A).await, addresses(&[[9; 4]]));
    });
    assert_eq!((silent.seen().len(), good.seen().len()), (1, 2));
}

#[test]
fn a_silent_server_is_asked_as_often_as_configured() {
    let silent = Scripted::silent();
    let configured = ResolverConfig { attempts: 3, timeout: Duration::from_millis(20), ..config(&[silent.address]) };
    let answer = run(async { lookup(&Resolver::new(configured), "a.test", RecordKind::A).await });
    assert_eq!(answer, Answer::Failed);
    assert_eq!(silent.seen().len(), 3);
}

#[test]
fn a_closed_port_is_passed_over_at_once() {
    let good = nine();
    let slow = ResolverConfig { timeout: Duration::from_secs(60), ..config(&[closed_port(), good.address]) };
    assert_eq!(run(async { lookup(&Resolver::new(slow), "a.test", RecordKind::A).await }), addresses(&[[9; 4]]));
}

#[test]
fn without_servers_there_is_no_answer() {
    assert_eq!(one_lookup(&[], "a.test", RecordKind::A), Answer::Failed);
}

#[test]
fn dns_09_answers_with_wrong_id_source_or_question_are_ignored() {
    let server = Scripted::new(|query, _| {
        let forged = || reply(query, ResponseCode::NoError, vec![a("a.test", 60, [6; 4])]);
        let mut wrong_id = forged();
        wrong_id.metadata.id ^= 1;
        let mut wrong_question = forged();
        wrong_question.queries[0].set_name(name("b.test"));
        vec![
            Send::FromElsewhere(forged().to_vec().unwrap()),
            Send::Back(wrong_id.to_vec().unwrap()),
            Send::Back(wrong_question.to_vec().unwrap()),
            Send::Back(b"no message".to_vec()),
            Send::Back(found(query, vec![a("a.test", 60, [9; 4])])),
        ]
    });
    assert_eq!(one_lookup(&[server.address], "a.test", RecordKind::A), addresses(&[[9; 4]]));
}

#[test]
fn dns_09_ids_and_ports_differ_from_question_to_question() {
    let server = nine();
    run(async {
        let resolver = Resolver::new(config(&[server.address]));
        for n in 0..20 {
            lookup(&resolver, &format!("n{n}.test"), RecordKind::A).await;
        }
    });
    let seen = server.seen();
    let ids: HashSet<u16> = seen.iter().map(|seen| seen.message().metadata.id).collect();
    let ports: HashSet<u16> = seen.iter().map(|seen| seen.client.port()).collect();
    assert!(ids.len() >= 18 && ports.len() >= 10, "{ids:?} {ports:?}");
}

#[test]
fn someone_who_guesses_ids_makes_us_ask_over_tcp() {
    let server = Scripted::new(|query, over| {
        let mut forged = reply(query, ResponseCode::NoError, vec![a("a.test", 60, [6; 4])]);
        let right = found(query, vec![a("a.test", 60, [9; 4])]);
        if over == Over::Tcp {
            return vec![Send::Back(right)];
        }
        let mut guesses = Vec::new();
        for _ in 0..crate::dns::FOREIGN_DATAGRAMS {
            forged.metadata.id = forged.metadata.id.wrapping_add(1);
            guesses.push(Send::Back(forged.to_vec().unwrap()));
        }
        guesses
    });
    assert_eq!(one_lookup(&[server.address], "a.test", RecordKind::A), addresses(&[[9; 4]]));
    assert_eq!(server.seen().last().map(|seen| seen.over), Some(Over::Tcp));
}

#[test]
fn dns_10_a_truncated_answer_is_fetched_over_tcp_and_dns_06_capped() {
    let server = Scripted::new(|query, over| {
        let owner = name_of(query);
        let mut message = reply(query, ResponseCode::NoError, vec![]);
        match over {
            Over::Udp => message.metadata.truncation = true,
            Over::Tcp => {
                for n in 0..500_u16 {
                    message.add_answer(srv(&owner, 500 - n, 5269, &format!("t{n}.test")));
                }
            }
        }
        vec![Send::Back(message.to_vec().unwrap())]
    });
    let Answer::Srv(records) = one_lookup(&[server.address], "_xmpp-server._tcp.a.test", RecordKind::Srv) else {
        panic!("no records")
    };
    assert_eq!(records.len(), limits::SRV_RECORDS);
    assert_eq!((records[0].priority, records[0].target.as_str()), (1, "t499.test"), "the lowest priorities stay");
    assert_eq!(server.seen().iter().map(|seen| seen.over).collect::<Vec<_>>(), [Over::Udp, Over::Tcp]);
}

#[test]
fn a_server_that_hangs_up_or_truncates_over_tcp_too_is_passed_over() {
    for hang_up in [true, false] {
        let server = Scripted::new(move |query, over| {
            let mut message = reply(query, ResponseCode::NoError, vec![]);
            message.metadata.truncation = true;
            if over == Over::Tcp && hang_up { vec![] } else { vec![Send::Back(message.to_vec().unwrap())] }
        });
        assert_eq!(one_lookup(&[server.address], "a.test", RecordKind::A), Answer::Failed);
        assert_eq!(server.seen().len(), 2);
    }
}

#[test]
fn a_server_without_edns_is_asked_again_without_it() {
    let server = Scripted::answering(|query| {
        if query.edns.is_none() {
            return found(query, vec![a("a.test", 60, [9; 4])]);
        }
        let mut message = reply(query, ResponseCode::FormErr, vec![]);
        message.queries.clear();
        message.to_vec().unwrap()
    });
    assert_eq!(one_lookup(&[server.address], "a.test", RecordKind::A), addresses(&[[9; 4]]));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn aliases_within_a_message_are_followed() {
    let server = Scripted::answering(|query| {
        // Out of order, as some servers rotate them.
        found(query, vec![a("c.test", 60, [9; 4]), cname("b.test", "c.test"), cname("a.test", "b.test")])
    });
    assert_eq!(one_lookup(&[server.address], "a.test", RecordKind::A), addresses(&[[9; 4]]));
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn an_alias_without_its_records_is_asked_for() {
    let server = Scripted::answering(|query| match name_of(query).as_str() {
        "a.test" => found(query, vec![cname("a.test", "b.test")]),
        "b.test" => found(query, vec![a("b.test", 60, [9; 4])]),
        _ => denied(query, ResponseCode::NXDomain),
    });
    assert_eq!(one_lookup(&[server.address], "a.test", RecordKind::A), addresses(&[[9; 4]]));
    assert_eq!(server.seen().iter().map(|seen| seen.name()).collect::<Vec<_>>(), ["a.test.", "b.test."]);
}

#[test]
fn an_alias_to_a_name_that_does_not_exist_is_nxdomain() {
    let server = Scripted::answering(|query| {
        let mut message = reply(query, ResponseCode::NXDomain, vec![cname("a.test", "b.test")]);
        message.add_authority(soa("test", 60, 60));
        message.to_vec().unwrap()
    });
    assert_eq!(one_lookup(&[server.address], "a.test", RecordKind::A), Answer::NoSuchName);
}

#[test]
fn dns_07_alias_loops_fail_without_asking_on() {
    let within = Scripted::answering(|query| found(query, vec![cname("a.test", "b.test"), cname("b.test", "a.test")]));
    assert_eq!(one_lookup(&[within.address], "a.test", RecordKind::A), Answer::Failed);
    assert_eq!(within.seen().len(), 1);
    let across = Scripted::answering(|query| {
        let other = if name_of(query) == "a.test" { "b.test" } else { "a.test" };
        found(query, vec![cname(&name_of(query), other)])
    });
    assert_eq!(one_lookup(&[across.address], "a.test", RecordKind::A), Answer::Failed);
    assert_eq!(across.seen().len(), 2);
}

#[test]
fn dns_07_a_chain_of_fifty_aliases_is_cut() {
    let long = Scripted::answering(|query| {
        let owner = name_of(query);
        let n: usize = owner.trim_start_matches('n').trim_end_matches(".test").parse().unwrap();
        found(query, vec![cname(&owner, &format!("n{}.test", n + 1))])
    });
    assert_eq!(one_lookup(&[long.address], "n0.test", RecordKind::A), Answer::Failed);
    assert_eq!(long.seen().len(), crate::dns::CNAMES + 1);
    let whole = Scripted::answering(|query| {
        let mut records: Vec<_> = (0..50).map(|n| cname(&format!("n{n}.test"), &format!("n{}.test", n + 1))).collect();
        records.push(a("n50.test", 60, [9; 4]));
        found(query, records)
    });
    assert_eq!(one_lookup(&[whole.address], "n0.test", RecordKind::A), Answer::Failed);
    assert_eq!(one_lookup(&[whole.address], "n42.test", RecordKind::A), addresses(&[[9; 4]]), "eight are followed");
    assert_eq!(one_lookup(&[whole.address], "n41.test", RecordKind::A), Answer::Failed);
}

#[test]
fn what_is_known_is_not_asked_again() {
    let server = Scripted::answering(|query| match name_of(query).as_str() {
        "a.test" => found(query, vec![a("a.test", 0, [9; 4])]),
        "gone.test" => denied(query, ResponseCode::NXDomain),
        _ => denied(query, ResponseCode::ServFail),
    });
    run(async {
        let resolver = Resolver::new(config(&[server.address]));
        for _ in 0..3 {
            assert_eq!(lookup(&resolver, "a.test", RecordKind::A).await, addresses(&[[9; 4]]));
            assert_eq!(lookup(&resolver, "A.Test.", RecordKind::A).await, addresses(&[[9; 4]]));
            assert_eq!(lookup(&resolver, "gone.test", RecordKind::A).await, Answer::NoSuchName);
            assert_eq!(lookup(&resolver, "sick.test", RecordKind::A).await, Answer::Failed);
        }
    });
    let names: Vec<String> = server.seen().iter().map(|seen| seen.name()).collect();
    assert_eq!(names, ["a.test.", "gone.test.", "sick.test."]);
}

#[test]
fn the_cache_keeps_to_its_bound() {
    let server = nine();
    run(async {
        let resolver = Resolver::new(ResolverConfig { cache_entries: 10, ..config(&[server.address]) });
        for n in 0..30 {
            lookup(&resolver, &format!("n{n}.test"), RecordKind::A).await;
            assert!(resolver.cached() <= 10);
        }
        assert_eq!(resolver.cached(), 10);
    });
}

#[test]
fn many_tasks_with_one_question_ask_once() {
    let server = nine();
    run(async {
        let resolver = Resolver::new(config(&[server.address]));
        let ask = || {
            let resolver = resolver.clone();
            glommio::spawn_local(async move { lookup(&resolver, "a.test", RecordKind::A).await })
        };
        let tasks: Vec<_> = (0..100).map(|_| ask()).collect();
        for task in tasks {
            assert_eq!(task.await, addresses(&[[9; 4]]));
        }
        assert_eq!(resolver.sent(), 1);
    });
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn an_answer_that_the_first_asker_no_longer_wants_reaches_the_second() {
    let first_is_gone = Arc::new(AtomicBool::new(false));
    let server = Scripted::answering({
        let first_is_gone = first_is_gone.clone();
        move |query| {
            for _ in 0..5_000 {
                if first_is_gone.load(Ordering::Relaxed) {
                    break;
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
            found(query, vec![a(&name_of(query), 60, [9; 4])])
        }
    });
    run(async {
        let resolver = Resolver::new(config(&[server.address]));
        let first = glommio::spawn_local({
            let resolver = resolver.clone();
            async move { lookup(&resolver, "a.test", RecordKind::A).await }
        });
        glommio::executor().yield_task_queue_now().await;
        assert_eq!(first.cancel().await, None, "it was still waiting");
        first_is_gone.store(true, Ordering::Relaxed);
        assert_eq!(lookup(&resolver, "a.test", RecordKind::A).await, addresses(&[[9; 4]]));
        assert_eq!(resolver.sent(), 1);
    });
}

#[test]
fn one_question_too_many_fails_at_once() {
    let silent = Scripted::silent();
    run(async {
        let slow = ResolverConfig { timeout: Duration::from_secs(60), ..config(&[silent.address]) };
        let resolver = Resolver::bounded(slow, 3);
        let mut waiting = Vec::new();
        for n in 0..3 {
            let resolver = resolver.clone();
            waiting.push(glommio::spawn_local(
                async move { lookup(&resolver, &format!("n{n}.test"), RecordKind::A).await },
            ));
        }
        glommio::executor().yield_task_queue_now().await;
        assert_eq!(lookup(&resolver, "n3.test", RecordKind::A).await, Answer::Failed);
    });
}

#[test]
fn dns_15_a_silent_server_stops_nobody_else() {
    let silent = Scripted::silent();
    run(async {
        let resolver = Resolver::new(impatient(&[silent.address]));
        let turns = Rc::new(Cell::new(0_u32));
        let busy = glommio::spawn_local({
            let turns = turns.clone();
            async move {
                loop {
                    turns.set(turns.get() + 1);
                    glommio::timer::sleep(Duration::from_millis(5)).await;
                }
            }
        });
        let started = clock::now();
        assert_eq!(lookup(&resolver, "a.test", RecordKind::A).await, Answer::Failed);
        assert!(clock::now().since(started) >= Duration::from_millis(400));
        assert!(turns.get() >= 5, "{} turns", turns.get());
        drop(busy);
    });
}

#[test]
fn dns_16_other_servers_are_used_after_a_reload() {
    let (before, after) = (nine(), nine());
    run(async {
        let resolver = Resolver::new(config(&[before.address]));
        lookup(&resolver, "a.test", RecordKind::A).await;
        resolver.reconfigure(config(&[after.address]));
        lookup(&resolver, "a.test", RecordKind::A).await;
        lookup(&resolver, "b.test", RecordKind::A).await;
    });
    assert_eq!((before.seen().len(), after.seen().len()), (1, 1));
}

#[test]
fn names_that_no_host_can_have_do_not_exist_and_are_not_asked_for() {
    let server = nine();
    for bad in ["", "a b.test", "a..test", &"a.".repeat(200)] {
        assert_eq!(one_lookup(&[server.address], bad, RecordKind::A), Answer::NoSuchName, "{bad:?}");
    }
    assert_eq!(server.seen().len(), 0);
}
