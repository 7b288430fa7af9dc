//! Too much at once.

use ringgate_proto::limits;

use super::*;
use crate::net::Owner;
use crate::world::{Ear, MS};

/// The gate's end of its stream to a server.
fn gate_end(world: &World, server: usize) -> SocketId {
    let of_server = |owner: Owner| matches!(owner, Owner::Server { server: s, .. } if s == server);
    let is_ours = |socket: &crate::net::Socket| {
        socket.is_client && matches!(socket.owner, Owner::Shard { .. }) && of_server(world.sockets[socket.peer.0].owner)
    };
    SocketId(world.sockets.iter().position(is_ours).expect("a stream to it"))
}

#[test]
fn sender_is_not_read_while_its_target_does_not_read_and_nothing_is_lost() {
    let (mut world, towns) = world();
    let first = message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_secs(5);
    let out = gate_end(&world, towns.external);
    world.stall(out, 20_000);
    let pair = pair("a.example", "external.example");
    let sent: Vec<usize> = (0..400).map(|_| world.submit(towns.backend_a, &pair, Kind::Message, 10_000)).collect();
    world.run_secs(10);
    let (pauses, resumes) = world.processes[towns.a].pauses;
    assert!(pauses == resumes + 1, "{pauses} pauses, {resumes} resumes");
    let account = world.processes[towns.a].account("a.example", "external.example");
    let bound = limits::OUTBOX_HIGH_BYTES / 10_000 * 2 + 20;
    assert!(account.queued < bound as u64, "{account:?}");
    world.run_secs(20);
    assert_delivered(&world, first);
    sent.iter().for_each(|number| assert_delivered(&world, *number));
    let (pauses, resumes) = world.processes[towns.a].pauses;
    assert_eq!(pauses, resumes);
    finish(&mut world);
}

#[test]
fn sender_is_read_again_when_the_target_it_waited_for_breaks() {
    let (mut world, towns) = world();
    message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_secs(5);
    let out = gate_end(&world, towns.external);
    world.stall(out, 1_000_000);
    let pair = pair("a.example", "external.example");
    let sent: Vec<usize> = (0..100).map(|_| world.submit(towns.backend_a, &pair, Kind::Message, 10_000)).collect();
    world.run_secs(3);
    world.cut(out);
    world.run_secs(5);
    // What the kernel had taken is in doubt; the rest went out on a new stream at once.
    let account = world.processes[towns.a].account("a.example", "external.example");
    let delivered = sent.iter().filter(|number| world.ledger.records[**number].delivered == 1).count() as u64;
    assert!(delivered > 20 && delivered + account.in_doubt >= 100 && account.bounced == 0, "{delivered}, {account:?}");
    let other = message(&mut world, towns.backend_a, "a.example", "external.example");
    world.run_secs(10);
    assert_delivered(&world, other);
    let (pauses, resumes) = world.processes[towns.a].pauses;
    assert!(pauses > 0 && pauses == resumes, "{pauses} pauses, {resumes} resumes");
    finish(&mut world);
}

#[test]
fn stanzas_beyond_the_waiting_room_are_resource_constraint() {
    let (mut world, towns) = world();
    world.dns.publish("hole.example", address("11.9.0.2:5269"));
    world.ears.insert(address("11.9.0.2:5269"), Ear::BlackHole);
    let pair = pair("a.example", "hole.example");
    let bound = limits::WAITING_STANZAS_PER_PAIR;
    let sent: Vec<usize> = (0..bound + 5).map(|_| world.submit(towns.backend_a, &pair, Kind::Message, 10)).collect();
    world.run_secs(5);
    for number in &sent[..bound] {
        assert_nowhere(&world, *number);
    }
    for number in &sent[bound..] {
        assert_bounced(&world, *number, "resource-constraint");
    }
    world.run_secs(60);
    for number in &sent[..bound] {
        assert_bounced(&world, *number, "remote-server-timeout");
    }
    finish(&mut world);
}

#[test]
fn bytes_beyond_the_waiting_room_are_resource_constraint() {
    let (mut world, towns) = world();
    world.dns.publish("hole.example", address("11.9.0.2:5269"));
    world.ears.insert(address("11.9.0.2:5269"), Ear::BlackHole);
    let pair = pair("a.example", "hole.example");
    let sent: Vec<usize> = (0..50).map(|_| world.submit(towns.backend_a, &pair, Kind::Message, 100_000)).collect();
    world.run_secs(5);
    let full = sent.iter().filter(|n| world.ledger.records[**n].bounced.as_deref() == Some("resource-constraint"));
    assert_eq!(full.count(), 50 - limits::WAITING_BYTES_PER_PAIR / 100_000);
    world.run_secs(60);
    finish(&mut world);
}

/// A stanza larger than the peer takes (XEP-0478) is not sent: here, none says so, and the largest of ours passes.
#[test]
fn largest_stanza_passes_in_one_piece_at_any_read_size() {
    let (mut world, towns) = world();
    world.weather.read_bytes = 999;
    let size = limits::STANZA_BYTES as usize - 400;
    let number = world.submit(towns.external, &pair("external.example", "a.example"), Kind::Message, size);
    world.run_for(std::time::Duration::from_nanos(20_000 * MS));
    assert_delivered(&world, number);
    finish(&mut world);
}

/// Requests beyond `limits::PAIRS_PER_STREAM` were marked as sent and timed out; now they follow when others are answered.
#[test]
fn more_pairs_than_one_stream_may_ask_for_at_a_time_all_get_through() {
    let (mut world, towns) = world();
    let names: Vec<String> = (0..limits::PAIRS_PER_STREAM + 50).map(|n| format!("n{n}.many.example")).collect();
    let domains: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = world.add_server(ServerConfig::remote(&domains, address("11.7.0.9:5269")));
    let first = message(&mut world, many, domains[0], "a.example");
    world.run_secs(5);
    let inside = gate_end(&world, towns.backend_a);
    world.stall(inside, 25_000);
    let mut sent = vec![first];
    for domain in &domains[1..] {
        sent.push(message(&mut world, many, domain, "a.example"));
        world.run_for(std::time::Duration::from_millis(15));
    }
    world.run_secs(40);
    sent.iter().for_each(|number| assert_delivered(&world, *number));
    finish(&mut world);
}
