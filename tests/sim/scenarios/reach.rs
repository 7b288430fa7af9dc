//! Remote servers that cannot be reached, or not so.

use std::time::Duration;

use ringgate_proto::limits;

use super::*;
use crate::server::TlsMode;
use crate::world::{Ear, Fault};

fn bounced_with(prepare: impl FnOnce(&mut World, &Towns), to: &str, condition: &str, seconds: u64) {
    let (mut world, towns) = world();
    prepare(&mut world, &towns);
    let number = message(&mut world, towns.backend_a, "a.example", to);
    world.run_secs(seconds);
    assert_bounced(&world, number, condition);
    finish(&mut world);
}

#[test]
fn domain_that_does_not_exist_is_remote_server_not_found() {
    bounced_with(|_, _| {}, "nowhere.example", "remote-server-not-found", 5);
}

#[test]
fn domain_whose_dns_gives_no_answer_is_remote_server_timeout() {
    let prepare = |world: &mut World, _: &Towns| {
        world.dns.broken_until.insert("external.example".into(), u64::MAX);
    };
    bounced_with(prepare, "external.example", "remote-server-timeout", 5);
}

#[test]
fn server_that_refuses_connections_is_remote_server_timeout() {
    let prepare = |world: &mut World, _: &Towns| world.dns.publish("dead.example", address("11.9.0.1:5269"));
    bounced_with(prepare, "dead.example", "remote-server-timeout", 5);
}

#[test]
fn server_that_never_answers_is_remote_server_timeout() {
    let prepare = |world: &mut World, _: &Towns| {
        world.dns.publish("hole.example", address("11.9.0.2:5269"));
        world.ears.insert(address("11.9.0.2:5269"), Ear::BlackHole);
    };
    bounced_with(prepare, "hole.example", "remote-server-timeout", limits::CONNECT_TIMEOUT.as_secs() + 2);
}

/// DBK-13's sister: it accepts the connection and says nothing.
#[test]
fn server_that_accepts_and_says_nothing_is_remote_server_timeout() {
    let prepare = |world: &mut World, _: &Towns| {
        world.dns.publish("mute.example", address("11.9.0.3:5269"));
        world.ears.insert(address("11.9.0.3:5269"), Ear::Raw);
    };
    bounced_with(prepare, "mute.example", "remote-server-timeout", limits::NEGOTIATION.as_secs() + 2);
}

/// STZ-31: host-unknown.
#[test]
fn server_that_does_not_know_the_domain_is_remote_server_not_found() {
    let prepare = |world: &mut World, _: &Towns| world.dns.publish("ghost.example", address("11.3.0.1:5269"));
    bounced_with(prepare, "ghost.example", "remote-server-not-found", 5);
}

#[test]
fn address_on_our_own_network_is_not_dialled() {
    let (mut world, towns) = world();
    world.dns.publish("inner.example", address("10.1.0.3:15269"));
    let number = message(&mut world, towns.backend_a, "a.example", "inner.example");
    world.run_secs(5);
    assert_bounced(&world, number, "remote-server-timeout");
    assert!(!world.dialled.contains(&address("10.1.0.3:15269")));
    finish(&mut world);
}

#[test]
fn partner_that_policy_denies_is_not_allowed_and_never_looked_up() {
    let (mut world, towns) = world();
    let number = message(&mut world, towns.backend_a, "a.example", "denied.example");
    world.run_secs(5);
    assert_bounced(&world, number, "not-allowed");
    assert!(world.asked.iter().all(|question| !question.name.contains("denied")), "{:?}", world.asked);
    finish(&mut world);
}

/// FEA-01: an attacker on the path cuts STARTTLS out of the features.
#[test]
fn stanza_does_not_go_out_when_starttls_was_stripped() {
    let (mut world, towns) = world();
    world.servers[towns.external].config.tls = TlsMode::Never;
    let number = message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_secs(5);
    assert_bounced(&world, number, "remote-server-timeout");
    let events = &world.processes[towns.a].events;
    assert!(events.iter().any(|e| e.contains("Unreachable") && e.contains("tls-stripped")), "{events:#?}");
    finish(&mut world);
}

#[test]
fn next_srv_record_is_tried_when_the_first_server_is_down() {
    let (mut world, towns) = world();
    let to = "backup.example";
    world.dns.add_srv("_xmpp-server._tcp.backup.example", 1, 0, 5269, "down.backup.example");
    world.dns.add_srv("_xmpp-server._tcp.backup.example", 2, 0, 5269, "up.backup.example");
    world.dns.add_host("down.backup.example", "11.9.0.1".parse().unwrap());
    world.dns.add_host("up.backup.example", "11.8.0.1".parse().unwrap());
    let config = ServerConfig::remote(&[to], address("11.8.0.1:5269"));
    let number = world.servers.len();
    world.ears.insert(config.address, Ear::Server(number));
    world.servers.push(crate::server::Server::new(number, config));
    let number = message(&mut world, towns.backend_a, "a.example", to);
    world.run_secs(5);
    assert_delivered(&world, number);
    assert_eq!(world.dialled.iter().filter(|to| to.ip().to_string() == "11.9.0.1").count(), 1);
    finish(&mut world);
}

/// RFC 6120 §3.3: not every stanza makes a new attempt.
#[test]
fn stanza_to_a_backed_off_domain_is_answered_at_once() {
    let (mut world, towns) = world();
    world.dns.publish("dead.example", address("11.9.0.1:5269"));
    let first = message(&mut world, towns.backend_a, "a.example", "dead.example");
    world.run_for(Duration::from_millis(800));
    assert_bounced(&world, first, "remote-server-timeout");
    let dialled = world.dialled.len();
    let second = message(&mut world, towns.backend_a, "a.example", "dead.example");
    world.run_for(Duration::from_millis(100));
    assert_bounced(&world, second, "remote-server-timeout");
    assert_eq!(world.dialled.len(), dialled, "no attempt was made for it");
    finish(&mut world);
}

#[test]
fn back_off_grows_and_ends() {
    let (mut world, towns) = world();
    world.with_server(towns.external, |server, ctx| server.crash(ctx));
    let attempts = |world: &World| world.dialled.iter().filter(|to| **to == address("11.3.0.1:5269")).count();
    for _ in 0..120 {
        message(&mut world, towns.backend_a, "a.example", "external.example");
        world.run_secs(5);
    }
    let made = attempts(&world);
    assert!((4..20).contains(&made), "{made} attempts in ten minutes");
    world.fault(Fault::Start(towns.external));
    world.run_secs(limits::BACKOFF_LAST.as_secs());
    let number = message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_secs(5);
    assert_delivered(&world, number);
    finish(&mut world);
}

/// STZ-19, STZ-20: RFC 6120 §8.3.1.
#[test]
fn error_and_result_that_cannot_be_delivered_are_dropped_and_counted() {
    let (mut world, towns) = world();
    for kind in [Kind::Error, Kind::Result] {
        let number = world.submit(towns.backend_a, &pair("a.example", "nowhere.example"), kind, 0);
        world.run_secs(5);
        assert_nowhere(&world, number);
    }
    assert_eq!(world.processes[towns.a].count("undeliverable-error-or-result"), 2);
    assert_eq!(world.processes[towns.a].account("a.example", "nowhere.example").dropped, 2);
    finish(&mut world);
}

/// STZ-22: errors are never answered, so two gates whose backends are down come to rest.
#[test]
fn two_gates_with_dead_backends_do_not_answer_each_other_for_ever() {
    let (mut world, towns) = world();
    let there = message(&mut world, towns.backend_a, "a.example", "b.example");
    let back = message(&mut world, towns.backend_b, "b.example", "a.example");
    world.run_secs(5);
    assert_delivered(&world, there);
    assert_delivered(&world, back);
    let crossing = [
        message(&mut world, towns.backend_a, "a.example", "b.example"),
        message(&mut world, towns.backend_b, "b.example", "a.example"),
    ];
    world.run_for(Duration::from_millis(2));
    for server in [towns.backend_a, towns.backend_b] {
        world.with_server(server, |server, ctx| server.crash(ctx));
    }
    world.run_secs(200);
    crossing.iter().for_each(|number| assert_eq!(world.ledger.records[*number].delivered, 0));
    let before = (world.processes[towns.a].total(), world.processes[towns.b].total());
    world.run_secs(600);
    assert_eq!((world.processes[towns.a].total(), world.processes[towns.b].total()), before);
    world.check_quiet();
    finish(&mut world);
}
