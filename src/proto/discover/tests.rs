//! Seen from the domain that is looked for: what its zone says, and whom we call.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::HashMap;

use super::*;
use crate::limits;

const XMPPS: &str = "_xmpps-server._tcp.example.org";
const XMPP: &str = "_xmpp-server._tcp.example.org";

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Srv {
    Srv { priority, weight, port, target: target.into() }
}

/// A zone, what answers from it, and what happened so far.
struct World {
    zone: HashMap<(String, RecordKind), Answer>,
    egress: Egress,
    search: Discovery,
    now: Timestamp,
    asked: Vec<Question>,
}

impl World {
    fn new(zone: &[(&str, Answer)]) -> Self {
        Self::seeded(zone, 7)
    }

    fn seeded(zone: &[(&str, Answer)], seed: u64) -> Self {
        let mut world = Self {
            zone: HashMap::new(),
            egress: Egress::default(),
            search: Discovery::named("example.org", seed, true),
            now: Timestamp::from_nanos(1_000_000_000),
            asked: Vec::new(),
        };
        for (name, answer) in zone {
            for kind in kinds(answer) {
                world.zone.insert(((*name).into(), kind), answer.clone());
            }
        }
        world
    }

    /// Answers everything at once, until there is something else to do. Names without records do not exist.
    fn next(&mut self) -> Action {
        for _ in 0..1_000 {
            match self.search.next(&self.egress, self.now) {
                Action::Ask(question) => {
                    let key = (question.name.clone(), question.kind);
                    let has_name = self.zone.keys().any(|(name, _)| *name == question.name);
                    let nothing = if has_name { nodata(question.kind) } else { Answer::NoSuchName };
                    let answer = self.zone.get(&key).cloned().unwrap_or(nothing);
                    self.asked.push(question.clone());
                    self.search.handle_answer(&question, &answer);
                }
                action => return action,
            }
        }
        panic!("asks without end");
    }

    /// Every connection in order, each failing at once, and the end.
    fn all_fail(&mut self) -> (Vec<(String, Transport)>, Unreachable) {
        let mut calls = Vec::new();
        loop {
            match self.next() {
                Action::Connect { address, transport } => {
                    calls.push((format!("{address}"), transport));
                    self.search.attempt_failed(address, self.now);
                }
                Action::Exhausted(why) => return (calls, why),
                Action::Wait(Some(then)) => self.now = then,
                other => panic!("{other:?} with everything answered"),
            }
        }
    }

    fn connects(&mut self) -> SocketAddr {
        match self.next() {
            Action::Connect { address, .. } => address,
            other => panic!("{other:?} instead of a connection"),
        }
    }
}

/// Addresses stand for both families' answers; a failure and a missing name for every kind.
fn kinds(answer: &Answer) -> Vec<RecordKind> {
    match answer {
        Answer::Srv(_) => vec![RecordKind::Srv],
        Answer::Addresses(_) => vec![RecordKind::A, RecordKind::Aaaa],
        _ => vec![RecordKind::Srv, RecordKind::A, RecordKind::Aaaa],
    }
}

fn nodata(kind: RecordKind) -> Answer {
    if kind == RecordKind::Srv { Answer::Srv(vec![]) } else { Answer::Addresses(vec![]) }
}

fn hosts(addresses: &[&str]) -> Answer {
    Answer::Addresses(addresses.iter().map(|ip| ip.parse().unwrap()).collect())
}

fn v4(last: usize) -> String {
    format!("9.9.9.{last}")
}

#[test]
fn both_services_are_asked_for_before_anything_else() {
    let mut search = Discovery::named("example.org", 1, true);
    let egress = Egress::default();
    let now = Timestamp::default();
    let ask = |name: &str| Action::Ask(Question { name: name.into(), kind: RecordKind::Srv });
    assert_eq!(search.next(&egress, now), ask(XMPPS));
    assert_eq!(search.next(&egress, now), ask(XMPP));
    assert_eq!(search.next(&egress, now), Action::Wait(None));
}

#[test]
fn an_internationalized_domain_is_asked_for_by_its_a_labels() {
    let domain = crate::address::Domain::parse("Bücher.example").unwrap();
    let mut search = Discovery::new(&domain, 1, false);
    let name = "_xmpp-server._tcp.xn--bcher-kva.example".into();
    let ask = Action::Ask(Question { name, kind: RecordKind::Srv });
    assert_eq!(search.next(&Egress::default(), Timestamp::default()), ask);
}

#[test]
fn without_direct_tls_only_xmpp_server_is_asked_for() {
    let mut world =
        World::new(&[(XMPPS, Answer::Srv(vec![srv(0, 0, 5270, "a.test")])), ("example.org", hosts(&["9.9.9.9"]))]);
    world.search = Discovery::named("example.org", 1, false);
    assert_eq!(world.all_fail().0, [("9.9.9.9:5269".into(), Transport::StartTls)]);
    assert!(world.asked.iter().all(|question| question.name != XMPPS));
}

#[test]
fn dns_02_srv_nxdomain_falls_back_to_the_domain_on_port_5269() {
    let mut world = World::new(&[("example.org", hosts(&["9.9.9.9", "2620:fe::9"]))]);
    let (calls, why) = world.all_fail();
    assert_eq!(
        calls,
        [("[2620:fe::9]:5269".into(), Transport::StartTls), ("9.9.9.9:5269".into(), Transport::StartTls)]
    );
    assert_eq!(why, Unreachable::Failed);
}

#[test]
fn nodata_for_both_services_falls_back() {
    let none = Answer::Srv(vec![]);
    let mut world = World::new(&[(XMPPS, none.clone()), (XMPP, none), ("example.org", hosts(&["9.9.9.9"]))]);
    assert_eq!(world.all_fail().0, [("9.9.9.9:5269".into(), Transport::StartTls)]);
}

#[test]
fn failed_srv_lookup_still_falls_back() {
    for failed in [XMPPS, XMPP] {
        let mut world = World::new(&[(failed, Answer::Failed), ("example.org", hosts(&["9.9.9.9"]))]);
        assert_eq!(world.all_fail().0, [("9.9.9.9:5269".into(), Transport::StartTls)], "{failed}");
    }
}

#[test]
fn a_domain_that_does_not_exist_is_not_found() {
    assert_eq!(World::new(&[]).all_fail(), (vec![], Unreachable::NotFound));
}

#[test]
fn nothing_resolved_after_a_failed_lookup_is_no_answer() {
    for failed in [XMPPS, XMPP, "example.org"] {
        assert_eq!(World::new(&[(failed, Answer::Failed)]).all_fail(), (vec![], Unreachable::NoAnswer), "{failed}");
    }
}

#[test]
fn srv_targets_that_fail_do_not_fall_back_to_the_domain() {
    let mut world = World::new(&[
        (XMPP, Answer::Srv(vec![srv(0, 0, 5299, "a.test")])),
        ("a.test", hosts(&["9.9.9.1"])),
        ("example.org", hosts(&["9.9.9.9"])),
    ]);
    assert_eq!(world.all_fail(), (vec![("9.9.9.1:5299".into(), Transport::StartTls)], Unreachable::Failed));
}

#[test]
fn srv_targets_that_do_not_resolve_do_not_fall_back_to_the_domain() {
    let records = Answer::Srv(vec![srv(0, 0, 5269, "nowhere.test")]);
    let mut world = World::new(&[(XMPP, records), ("example.org", hosts(&["9.9.9.9"]))]);
    assert_eq!(world.all_fail(), (vec![], Unreachable::NotFound));
}

#[test]
fn xmpp_server_target_dot_means_not_found_without_fallback() {
    let mut world = World::new(&[(XMPP, Answer::Srv(vec![srv(0, 0, 0, "")])), ("example.org", hosts(&["9.9.9.9"]))]);
    assert_eq!(world.all_fail(), (vec![], Unreachable::NotFound));
}

#[test]
fn xmpp_server_target_dot_leaves_direct_tls() {
    let mut world = World::new(&[
        (XMPP, Answer::Srv(vec![srv(0, 0, 0, ".")])),
        (XMPPS, Answer::Srv(vec![srv(0, 0, 5270, "a.test.")])),
        ("a.test", hosts(&["9.9.9.1"])),
    ]);
    assert_eq!(world.all_fail().0, [("9.9.9.1:5270".into(), Transport::DirectTls)]);
}

#[test]
fn xmpps_server_target_dot_leaves_xmpp_server_records() {
    let mut world = World::new(&[
        (XMPPS, Answer::Srv(vec![srv(0, 0, 0, "")])),
        (XMPP, Answer::Srv(vec![srv(0, 0, 5269, "a.test")])),
        ("a.test", hosts(&["9.9.9.1"])),
    ]);
    assert_eq!(world.all_fail().0, [("9.9.9.1:5269".into(), Transport::StartTls)]);
}

#[test]
fn xmpps_server_target_dot_forbids_the_fallback() {
    let declined = (XMPPS, Answer::Srv(vec![srv(0, 0, 0, "")]));
    let mut world = World::new(&[declined.clone(), ("example.org", hosts(&["9.9.9.9"]))]);
    assert_eq!(world.all_fail(), (vec![], Unreachable::NotFound));
    let mut world = World::new(&[declined, (XMPP, Answer::Failed), ("example.org", hosts(&["9.9.9.9"]))]);
    assert_eq!(world.all_fail(), (vec![], Unreachable::NoAnswer));
}

#[test]
fn dns_04_tenth_of_ten_records_is_reached_while_nine_hang() {
    let names: Vec<String> = (0..10).map(|n| format!("t{n}.test")).collect();
    let records = names.iter().enumerate().map(|(n, name)| srv(n as u16, 0, 5269, name)).collect();
    let addresses: Vec<Answer> = (0..10).map(|n| hosts(&[&v4(n)])).collect();
    let mut zone = vec![(XMPP, Answer::Srv(records))];
    zone.extend(names.iter().map(String::as_str).zip(addresses));
    let mut world = World::new(&zone);
    let started = world.now;
    for expected in 0..10 {
        assert_eq!(world.connects(), SocketAddr::new(v4(expected).parse().unwrap(), 5269));
        if expected < 9 {
            let Action::Wait(Some(then)) = world.next() else { panic!("no head start") };
            assert_eq!(then, world.now + limits::ATTEMPT_DELAY);
            world.now = then;
        }
    }
    world.search.attempt_connected("9.9.9.9:5269".parse().unwrap());
    assert_eq!(world.next(), Action::Wait(None));
    assert_eq!(world.now.since(started), limits::ATTEMPT_DELAY * 9);
}

#[test]
fn dns_05_first_choice_follows_the_weights() {
    let records = || vec![srv(1, 10, 1, "a"), srv(1, 30, 2, "b"), srv(1, 60, 3, "c"), srv(0, 0, 9, "first")];
    let mut firsts = HashMap::new();
    let rounds = 20_000_u64;
    for seed in 0..rounds {
        let order = srv::order(vec![], records(), seed);
        assert_eq!(order[0].host, "first", "priority comes before weight");
        *firsts.entry(order[1].host.clone()).or_insert(0_i64) += 1;
    }
    // 101 marks of which a has 0..=10, b 11..=40, c 41..=100.
    for (host, marks) in [("a", 11), ("b", 30), ("c", 60)] {
        let expected = rounds as i64 * marks / 101;
        assert!((firsts[host] - expected).abs() < rounds as i64 / 100, "{host}: {} for {expected}", firsts[host]);
    }
}

#[test]
fn dns_05_weight_zero_beside_65535_is_rarely_first_and_never_lost() {
    let mut zero_first = 0;
    for seed in 0..10_000 {
        let order = srv::order(vec![], vec![srv(0, 65_535, 1, "heavy"), srv(0, 0, 2, "light")], seed);
        assert_eq!(order.len(), 2);
        zero_first += u32::from(order[0].host == "light");
    }
    assert!(zero_first <= 5, "{zero_first} of 10000 with a chance of 1 in 65536");
}

#[test]
fn weightless_records_share_evenly() {
    let mut firsts = [0_i32; 3];
    for seed in 0..9_000 {
        let order = srv::order(vec![], vec![srv(0, 0, 0, "a"), srv(0, 0, 1, "b"), srv(0, 0, 2, "c")], seed);
        firsts[usize::from(order[0].port)] += 1;
    }
    assert!(firsts.iter().all(|count| (count - 3_000).abs() < 200), "{firsts:?}");
}

#[test]
fn one_seed_gives_one_order() {
    let records = || (0..20).map(|n| srv(n / 5, 5, n, "t")).collect::<Vec<_>>();
    assert_eq!(srv::order(vec![], records(), 42), srv::order(vec![], records(), 42));
    assert_ne!(srv::order(vec![], records(), 42), srv::order(vec![], records(), 43));
}

#[test]
fn dns_06_a_flood_of_records_is_capped() {
    let names: Vec<String> = (0..500).map(|n| format!("t{n}.test")).collect();
    let records: Vec<Srv> = names.iter().enumerate().map(|(n, name)| srv(n as u16, 0, 5269, name)).collect();
    let mut zone = vec![(XMPP, Answer::Srv(records.clone())), (XMPPS, Answer::Srv(records))];
    for (n, name) in names.iter().enumerate() {
        let many = (0..100).map(|k| IpAddr::from([9, (n / 256) as u8, (n % 256) as u8, k])).collect();
        zone.push((name, Answer::Addresses(many)));
    }
    let mut world = World::new(&zone);
    let (calls, why) = world.all_fail();
    assert_eq!((calls.len(), why), (limits::ATTEMPTS_PER_STREAM, Unreachable::Failed));
    assert_eq!(calls.iter().filter(|(address, _)| address.starts_with("9.0.0.")).count(), 16, "8 for each transport");
    assert!(world.asked.len() <= 2 + 2 * 3);
}

#[test]
fn dns_06_targets_without_addresses_are_asked_for_a_bounded_number_of_times() {
    let names: Vec<String> = (0..500).map(|n| format!("t{n}.test")).collect();
    let records = names.iter().map(|name| srv(0, 1, 5269, name)).collect();
    let mut world = World::new(&[(XMPP, Answer::Srv(records))]);
    assert_eq!(world.all_fail(), (vec![], Unreachable::NotFound));
    assert_eq!(world.asked.len(), 2 + 2 * limits::SRV_RECORDS);
}

#[test]
fn dns_07_other_targets_are_tried_when_one_is_a_cname_loop() {
    let mut world = World::new(&[
        (XMPP, Answer::Srv(vec![srv(0, 0, 5269, "loop.test"), srv(1, 0, 5269, "good.test")])),
        ("loop.test", Answer::Failed),
        ("good.test", hosts(&["9.9.9.1"])),
    ]);
    assert_eq!(world.all_fail().0, [("9.9.9.1:5269".into(), Transport::StartTls)]);
}

#[test]
fn dns_14_both_services_are_one_order_and_direct_tls_is_only_for_xmpps() {
    let mut world = World::new(&[
        (XMPPS, Answer::Srv(vec![srv(10, 0, 443, "a.test"), srv(30, 0, 444, "c.test")])),
        (XMPP, Answer::Srv(vec![srv(20, 0, 5269, "b.test"), srv(40, 0, 5268, "a.test")])),
        ("a.test", hosts(&["9.9.9.1"])),
        ("b.test", hosts(&["9.9.9.2"])),
        ("c.test", hosts(&["9.9.9.3"])),
    ]);
    assert_eq!(
        world.all_fail().0,
        [
            ("9.9.9.1:443".into(), Transport::DirectTls),
            ("9.9.9.2:5269".into(), Transport::StartTls),
            ("9.9.9.3:444".into(), Transport::DirectTls),
            ("9.9.9.1:5268".into(), Transport::StartTls),
        ]
    );
}

#[test]
fn families_take_turns_beginning_with_ipv6() {
    let all = ["9.9.9.1", "9.9.9.2", "9.9.9.3", "2620:fe::1", "2620:fe::2"];
    let mut world = World::new(&[("example.org", hosts(&all))]);
    let calls: Vec<String> = world.all_fail().0.into_iter().map(|(address, _)| address).collect();
    let expected = ["[2620:fe::1]:5269", "9.9.9.1:5269", "[2620:fe::2]:5269", "9.9.9.2:5269", "9.9.9.3:5269"];
    assert_eq!(calls, expected);
}

#[test]
fn duplicates_are_tried_once() {
    let mut world = World::new(&[
        (XMPP, Answer::Srv(vec![srv(0, 0, 5269, "a.test"), srv(1, 0, 5269, "b.test"), srv(2, 0, 5269, "A.test")])),
        ("a.test", hosts(&["9.9.9.1", "9.9.9.1"])),
        ("b.test", hosts(&["9.9.9.1", "9.9.9.2"])),
    ]);
    assert_eq!(world.all_fail().0.len(), 2);
}

#[test]
fn one_address_is_tried_in_one_way_at_a_time() {
    let mut world = World::new(&[
        (XMPPS, Answer::Srv(vec![srv(0, 0, 5269, "a.test")])),
        (XMPP, Answer::Srv(vec![srv(1, 0, 5269, "a.test")])),
        ("a.test", hosts(&["9.9.9.1"])),
    ]);
    let address = world.connects();
    world.now = world.now + Duration::from_secs(1);
    assert_eq!(world.next(), Action::Wait(None));
    world.search.attempt_failed(address, world.now);
    assert_eq!(world.next(), Action::Connect { address, transport: Transport::StartTls });
}

#[test]
fn a_failure_ends_the_head_start() {
    let mut world = World::new(&[("example.org", hosts(&["9.9.9.1", "9.9.9.2"]))]);
    let first = world.connects();
    assert!(matches!(world.next(), Action::Wait(Some(_))));
    world.search.attempt_failed(first, world.now);
    assert_ne!(world.connects(), first);
}

#[test]
fn the_rest_is_tried_when_a_connected_attempt_fails_later() {
    let mut world = World::new(&[("example.org", hosts(&["9.9.9.1", "9.9.9.2", "9.9.9.3"]))]);
    let loser = world.connects();
    world.now = world.now + limits::ATTEMPT_DELAY;
    let winner = world.connects();
    world.search.attempt_connected(winner);
    world.now = world.now + limits::ATTEMPT_DELAY;
    assert_eq!(world.next(), Action::Wait(None));
    world.search.attempt_failed(winner, world.now);
    assert_eq!(world.connects(), loser, "it was aborted, it did not fail");
    world.search.attempt_failed(loser, world.now);
    assert_eq!(world.connects(), "9.9.9.3:5269".parse().unwrap());
    world.search.attempt_failed("9.9.9.3:5269".parse().unwrap(), world.now);
    assert_eq!(world.next(), Action::Exhausted(Unreachable::Failed));
}

#[test]
fn a_loser_that_was_reported_as_failed_is_not_tried_again() {
    let mut world = World::new(&[("example.org", hosts(&["9.9.9.1", "9.9.9.2"]))]);
    let loser = world.connects();
    world.now = world.now + limits::ATTEMPT_DELAY;
    let winner = world.connects();
    world.search.attempt_connected(winner);
    world.search.attempt_failed(loser, world.now);
    world.search.attempt_failed(winner, world.now);
    assert_eq!(world.next(), Action::Exhausted(Unreachable::Failed));
}

#[test]
fn ipv4_waits_a_moment_for_ipv6_and_then_goes_on() {
    let mut search = Discovery::named("example.org", 1, false);
    let egress = Egress::default();
    let now = Timestamp::default();
    let question = |name: &str, kind| Question { name: name.into(), kind };
    search.handle_answer(&question(XMPP, RecordKind::Srv), &Answer::NoSuchName);
    let aaaa = question("example.org", RecordKind::Aaaa);
    assert_eq!(search.next(&egress, now), Action::Ask(aaaa.clone()));
    assert_eq!(search.next(&egress, now), Action::Ask(question("example.org", RecordKind::A)));
    search.handle_answer(&question("example.org", RecordKind::A), &hosts(&["9.9.9.1", "9.9.9.2"]));
    let then = now + limits::RESOLUTION_DELAY;
    assert_eq!(search.next(&egress, now), Action::Wait(Some(then)));
    assert!(matches!(search.next(&egress, then), Action::Connect { .. }));
    search.handle_answer(&aaaa, &hosts(&["2620:fe::1"]));
    let later = then + limits::ATTEMPT_DELAY;
    let late = "[2620:fe::1]:5269".parse().unwrap();
    assert_eq!(search.next(&egress, later), Action::Connect { address: late, transport: Transport::StartTls });
}

#[test]
fn a_target_whose_lookup_hangs_holds_up_the_next_for_a_second_only() {
    let mut world = World::new(&[]);
    let records = Answer::Srv(vec![srv(0, 0, 5269, "slow.test"), srv(1, 0, 5269, "b.test")]);
    world.search.handle_answer(&Question { name: XMPPS.into(), kind: RecordKind::Srv }, &Answer::NoSuchName);
    world.search.handle_answer(&Question { name: XMPP.into(), kind: RecordKind::Srv }, &records);
    let (egress, now) = (Egress::default(), world.now);
    let slow = |kind| Action::Ask(Question { name: "slow.test".into(), kind });
    assert_eq!(world.search.next(&egress, now), slow(RecordKind::Aaaa));
    assert_eq!(world.search.next(&egress, now), slow(RecordKind::A));
    let then = now + limits::TARGET_LOOKUP;
    assert_eq!(world.search.next(&egress, now), Action::Wait(Some(then)));
    let next = Action::Ask(Question { name: "b.test".into(), kind: RecordKind::Aaaa });
    assert_eq!(world.search.next(&egress, then), next);
}

#[test]
fn dbk_23_addresses_that_a_stranger_may_not_choose_are_never_dialled() {
    for ip in
        ["127.0.0.1", "169.254.169.254", "10.1.2.3", "172.20.0.1", "192.168.1.1", "::1", "fd00::1", "::ffff:10.0.0.1"]
    {
        let mut world = World::new(&[
            (XMPP, Answer::Srv(vec![srv(0, 0, 5269, "a.test")])),
            ("a.test", hosts(&[ip])),
            ("example.org", hosts(&["9.9.9.9"])),
        ]);
        assert_eq!(world.all_fail(), (vec![], Unreachable::Forbidden), "{ip}");
    }
}

#[test]
fn dbk_23_our_own_listener_is_never_dialled_even_if_its_network_is_allowed() {
    let own: SocketAddr = "9.9.9.9:5269".parse().unwrap();
    let mut world = World::new(&[("example.org", hosts(&["9.9.9.9", "::ffff:9.9.9.9"]))]);
    world.egress = Egress { allow: vec![("9.0.0.0".parse().unwrap(), 8)], own: vec![own] };
    assert_eq!(world.all_fail(), (vec![], Unreachable::Forbidden));
}

#[test]
fn forbidden_addresses_are_passed_over_for_permitted_ones() {
    let mut world = World::new(&[("example.org", hosts(&["10.0.0.1", "9.9.9.9"]))]);
    assert_eq!(world.all_fail(), (vec![("9.9.9.9:5269".into(), Transport::StartTls)], Unreachable::Failed));
}

#[test]
fn egress_refuses_what_is_not_the_public_internet() {
    let refused = "0.0.0.0 0.1.2.3 10.255.255.255 100.64.0.1 100.127.255.255 127.255.0.1 169.254.0.1 172.16.0.1 \
        172.31.255.255 192.0.0.8 192.0.2.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 \
        239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:192.168.0.1 64:ff9b::10.0.0.1 \
        64:ff9b::127.0.0.1 64:ff9b:1::1 100::1 2001::1 2001:2::1 2001:db8::1 3fff::1 2002:7f00:1:: 2002:c0a8:101::1 \
        fc00::1 fdff::1 fe80::1 febf::1 fec0::1 ff02::1 5f00::1";
    for ip in refused.split_whitespace() {
        let address = SocketAddr::new(ip.parse().unwrap(), 5269);
        assert!(!Egress::default().permits(address), "{ip}");
    }
}

#[test]
fn egress_permits_the_public_internet() {
    let permitted = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 192.167.255.255 \
        198.17.255.255 198.20.0.0 223.255.255.255 ::ffff:9.9.9.9 64:ff9b::9.9.9.9 2002:909:909::1 2620:fe::fe 2001:4860::1 \
        2a00::1";
    for ip in permitted.split_whitespace() {
        let ip: IpAddr = ip.parse().unwrap();
        assert!(Egress::default().permits(SocketAddr::new(ip, 5269)), "{ip}");
        assert!(!Egress::default().permits(SocketAddr::new(ip, 0)), "{ip} port 0");
    }
}

#[test]
fn egress_permits_what_the_operator_allows_and_no_more() {
    let allow =
        vec![("127.0.2.0".parse().unwrap(), 24), ("fd00::".parse().unwrap(), 8), ("10.0.0.1".parse().unwrap(), 200)];
    let egress = Egress { allow, own: vec!["0.0.0.0:5269".parse().unwrap(), "[fd00::5]:5269".parse().unwrap()] };
    let permits = |address: &str| egress.permits(address.parse().unwrap());
    assert!(permits("127.0.2.9:5270") && permits("[::ffff:127.0.2.9]:5270") && permits("[fd00::1]:5269"));
    assert!(permits("10.0.0.1:5269") && permits("[64:ff9b::10.0.0.1]:5269"));
    assert!(!permits("127.0.3.1:5270") && !permits("10.0.0.2:5269") && !permits("[fe80::1]:5269"));
    assert!(!permits("127.0.2.9:5269"), "a wildcard listener is on every loopback address");
    assert!(!permits("[fd00::5]:5269"));
    let all = Egress { allow: vec![("0.0.0.0".parse().unwrap(), 0)], own: vec![] };
    assert!(all.permits("127.0.0.1:1".parse().unwrap()) && !all.permits("[::1]:1".parse().unwrap()));
}

#[test]
fn a_fixed_place_is_tried_once_and_is_not_a_strangers_choice() {
    let address = "127.0.0.1:15269".parse().unwrap();
    let mut search = Discovery::fixed(address);
    let egress = Egress { allow: vec![], own: vec![address] };
    let now = Timestamp::default();
    assert_eq!(search.next(&egress, now), Action::Connect { address, transport: Transport::StartTls });
    assert_eq!(search.next(&egress, now), Action::Wait(None));
    search.attempt_failed(address, now);
    assert_eq!(search.next(&egress, now), Action::Exhausted(Unreachable::Failed));
    assert_eq!(search.next(&egress, now), Action::Exhausted(Unreachable::Failed));
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let mut world = World::new(&[("example.org", hosts(&["9.9.9.9"]))]);
    let unasked = Question { name: "example.org".into(), kind: RecordKind::A };
    world.search.handle_answer(&unasked, &hosts(&["9.9.9.1"]));
    let (calls, _) = world.all_fail();
    assert_eq!(calls, [("9.9.9.9:5269".into(), Transport::StartTls)]);
    world.search.handle_answer(&unasked, &hosts(&["9.9.9.1"]));
    assert_eq!(world.next(), Action::Exhausted(Unreachable::Failed));
}

#[test]
fn an_answer_of_the_wrong_kind_counts_as_none() {
    let mut world = World::new(&[]);
    world.zone.insert((XMPP.into(), RecordKind::Srv), hosts(&["9.9.9.9"]));
    world.zone.insert(("example.org".into(), RecordKind::A), Answer::Srv(vec![srv(0, 0, 1, "x")]));
    assert_eq!(world.all_fail(), (vec![], Unreachable::NoAnswer));
}
