//! Streams end, and what that costs.

use std::time::Duration;

use ringgate_proto::limits;

use super::*;
use crate::world::Fault;

fn open_stream_to(world: &World, server: usize) -> usize {
    let server = &world.servers[server];
    *server.streams.iter().find(|(_, stream)| !stream.is_out).expect("a stream of the gate").0
}

/// RFC 6120 §4.4.
#[test]
fn stream_that_the_remote_server_closes_is_closed_and_made_anew_for_the_next_stanza() {
    let (mut world, towns) = world();
    let first = message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_secs(5);
    let stream = open_stream_to(&world, towns.external);
    world.with_server(towns.external, |server, ctx| server.close(stream, ctx));
    world.run_secs(1);
    assert!(!world.servers[towns.external].streams.contains_key(&stream), "the gate answered with its end tag");
    let second = message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_secs(5);
    assert_delivered(&world, first);
    assert_delivered(&world, second);
    finish(&mut world);
}

/// STZ-29
#[test]
fn what_follows_the_end_tag_is_not_looked_at() {
    let (mut world, _) = world();
    let peer = proven_peer(&mut world, "evil.example");
    let (number, late) = stanza(&mut world, "evil.example", "a.example", Kind::Forged);
    world.raw_say(peer, &format!("</stream:stream>{late}<!DOCTYPE"));
    world.run_secs(2);
    assert_eq!(world.heard(peer), "</stream:stream>[FIN]");
    assert_nowhere(&world, number);
    finish(&mut world);
}

#[test]
fn idle_stream_is_closed_with_both_end_tags() {
    let (mut world, towns) = world();
    let out = message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_secs(limits::IDLE.as_secs() + 20);
    assert_delivered(&world, out);
    assert!(world.servers[towns.external].streams.is_empty(), "{:?}", world.servers[towns.external].streams);
    assert!(world.servers[towns.backend_a].streams.is_empty());
    let events = &world.processes[towns.a].events;
    assert!(events.iter().any(|e| e.contains("StreamClosed") && e.contains("Outbound") && e.contains("Idle")));
    assert_eq!(world.processes[towns.a].account("a.example", "external.example").handed_over, 1);
    finish(&mut world);
}

#[test]
fn backend_that_restarts_is_connected_again_and_gets_what_waited() {
    let (mut world, towns) = world();
    let first = message(&mut world, towns.external, "external.example", "a.example");
    world.run_secs(5);
    world.with_server(towns.backend_a, |server, ctx| server.crash(ctx));
    world.run_secs(1);
    world.fault(Fault::Start(towns.backend_a));
    let second = message(&mut world, towns.external, "external.example", "a.example");
    let third = message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_secs(10);
    [first, second, third].iter().for_each(|number| assert_delivered(&world, *number));
    finish(&mut world);
}

#[test]
fn stanzas_to_a_backend_that_stays_down_come_back() {
    let (mut world, towns) = world();
    let first = message(&mut world, towns.external, "external.example", "a.example");
    world.run_secs(5);
    world.with_server(towns.backend_a, |server, ctx| server.crash(ctx));
    let second = message(&mut world, towns.external, "external.example", "a.example");
    world.run_secs(5);
    assert_delivered(&world, first);
    assert_bounced(&world, second, "remote-server-timeout");
    finish(&mut world);
}

#[test]
fn remote_server_that_restarts_is_connected_again() {
    let (mut world, towns) = world();
    let first = message(&mut world, towns.backend_a, "a.example", "dialback.example");
    world.run_secs(5);
    world.with_server(towns.dialback, |server, ctx| server.crash(ctx));
    world.run_secs(1);
    world.fault(Fault::Start(towns.dialback));
    let second = message(&mut world, towns.backend_a, "a.example", "dialback.example");
    world.run_secs(10);
    assert_delivered(&world, first);
    assert_delivered(&world, second);
    finish(&mut world);
}

/// What the kernel had taken shortly before a reset is in doubt; it is neither sent again nor answered.
#[test]
fn stanza_on_its_way_when_the_stream_is_reset_is_in_doubt() {
    let (mut world, towns) = world();
    let first = message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_secs(2 * limits::IN_DOUBT.as_secs() + 5);
    let second = message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_for(Duration::from_millis(7));
    world.with_server(towns.external, |server, ctx| server.crash(ctx));
    world.run_secs(60);
    assert_delivered(&world, first);
    assert_nowhere(&world, second);
    let account = world.processes[towns.a].account("a.example", "external.example");
    assert_eq!((account.handed_over, account.in_doubt), (1, 1), "{account:?}");
    finish(&mut world);
}

/// STZ-31: a peer that goes away is worth another stream.
#[test]
fn stanzas_after_a_system_shutdown_go_out_on_a_new_stream() {
    let (mut world, towns) = world();
    let first = message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_secs(5);
    let stream = open_stream_to(&world, towns.external);
    let error = "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    world.with_server(towns.external, |server, ctx| {
        ctx.send(stream, error);
        server.close(stream, ctx);
    });
    world.run_for(Duration::from_millis(3));
    let second = message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_secs(10);
    assert_delivered(&world, first);
    assert_delivered(&world, second);
    finish(&mut world);
}

#[test]
fn drain_takes_what_peers_still_send_and_answers_what_cannot_go_out() {
    let (mut world, towns) = world();
    world.dns.publish("mute.example", address("11.9.0.3:5269"));
    world.ears.insert(address("11.9.0.3:5269"), crate::world::Ear::Raw);
    let open = message(&mut world, towns.external, "external.example", "a.example");
    world.run_secs(5);
    let stuck = message(&mut world, towns.backend_a, "a.example", "mute.example");
    world.run_secs(1);
    world.drain(towns.a);
    world.run_for(Duration::from_micros(500));
    let last = message(&mut world, towns.external, "external.example", "a.example");
    world.run_secs(40);
    [open, last].iter().for_each(|number| assert_delivered(&world, *number));
    assert_bounced(&world, stuck, "remote-server-timeout");
    let process = &world.processes[towns.a];
    assert!(process.events.iter().any(|e| e.starts_with("PairClosed")), "the account is printed");
    finish(&mut world);
}

#[test]
fn drain_of_streams_that_answer_takes_no_longer_than_they_do() {
    let (mut world, towns) = world();
    let out = message(&mut world, towns.backend_a, "a.example", "external.example");
    let back = message(&mut world, towns.external, "external.example", "a.example");
    world.run_secs(5);
    world.drain(towns.a);
    world.run_secs(1);
    assert!(world.processes[towns.a].shards.iter().all(|shard| shard.gate.is_drained()));
    assert_delivered(&world, out);
    assert_delivered(&world, back);
    finish(&mut world);
}

#[test]
fn new_connections_are_refused_while_stopping() {
    let (mut world, towns) = world();
    world.drain(towns.a);
    world.run_secs(1);
    let peer = world.raw_connect(address(GATE_A));
    world.run_secs(1);
    assert_eq!(world.heard(peer), "[RESET]");
    finish(&mut world);
}

#[test]
fn peer_that_never_finishes_negotiation_is_told_and_closed() {
    let (mut world, _) = world();
    let peer = world.raw_connect(address(GATE_A));
    world.raw_say(peer, "<?xml version='1.0'?><stream:str");
    world.run_secs(30);
    world.raw_say(peer, "eam");
    world.run_secs(limits::NEGOTIATION.as_secs() - 28);
    assert_stream_error(&world.heard(peer), "connection-timeout");
    finish(&mut world);
}

#[test]
fn peer_that_does_not_answer_our_end_tag_is_cut_off() {
    let (mut world, towns) = world();
    let peer = proven_peer(&mut world, "evil.example");
    world.drain(towns.a);
    world.run_secs(limits::CLOSING.as_secs() + 2);
    assert_eq!(world.heard(peer), "</stream:stream>[FIN]");
    finish(&mut world);
}
