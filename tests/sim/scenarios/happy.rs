//! Nothing goes wrong.

use super::*;

#[test]
fn external_peer_and_backend_exchange_messages_both_ways() {
    let (mut world, towns) = world();
    let out = message(&mut world, towns.backend_a, "a.example", "external.example");
    let back = message(&mut world, towns.external, "external.example", "a.example");
    world.run_secs(5);
    assert_delivered(&world, out);
    assert_delivered(&world, back);
    let events = &world.processes[towns.a].events;
    let by_external =
        |face: &str| events.iter().any(|e| e.contains("PairProven") && e.contains(face) && e.contains("External"));
    assert!(by_external("Inbound") && by_external("Outbound"), "{events:#?}");
    finish(&mut world);
}

#[test]
fn dialback_peer_and_backend_exchange_messages_both_ways() {
    let (mut world, towns) = world();
    let out = message(&mut world, towns.backend_a, "a.example", "dialback.example");
    let back = message(&mut world, towns.dialback, "dialback.example", "a.example");
    world.run_secs(5);
    assert_delivered(&world, out);
    assert_delivered(&world, back);
    finish(&mut world);
}

#[test]
fn direct_tls_is_used_in_both_directions_where_the_dns_names_it() {
    let (mut world, towns) = world();
    world.servers[towns.external].config.direct = true;
    world.dns.publish_direct("external.example", address("11.3.0.1:5269"));
    let out = message(&mut world, towns.backend_a, "a.example", "external.example");
    let back = message(&mut world, towns.external, "external.example", "a.example");
    world.run_secs(5);
    assert_delivered(&world, out);
    assert_delivered(&world, back);
    let events = &world.processes[towns.a].events;
    let opened: Vec<&String> = events.iter().filter(|e| e.contains("StreamOpened") && e.contains("11.3.0.1")).collect();
    assert!(opened.len() == 2 && opened.iter().all(|e| e.contains("encrypted: true")), "{opened:#?}");
    finish(&mut world);
}

#[test]
fn two_gates_federate_with_each_other() {
    let (mut world, towns) = world();
    let there = message(&mut world, towns.backend_a, "a.example", "b.example");
    let back = message(&mut world, towns.backend_b, "b.example", "rooms.a.example");
    world.run_secs(5);
    assert_delivered(&world, there);
    assert_delivered(&world, back);
    finish(&mut world);
}

#[test]
fn two_backends_of_one_gate_reach_each_other() {
    let (mut world, towns) = world();
    let there = message(&mut world, towns.backend_a, "rooms.a.example", "second.example");
    let back = message(&mut world, towns.second_a, "second.example", "a.example");
    world.run_secs(5);
    assert_delivered(&world, there);
    assert_delivered(&world, back);
    assert!(world.dialled.iter().all(|to| to.ip().to_string().starts_with("10.1.")), "{:?}", world.dialled);
    finish(&mut world);
}

#[test]
fn many_remote_domains_share_one_stream_to_a_backend() {
    let (mut world, towns) = world();
    let senders = [
        (towns.external, "external.example"),
        (towns.dialback, "dialback.example"),
        (towns.dialback, "chat.dialback.example"),
        (towns.clear, "clear.example"),
        (towns.backend_b, "b.example"),
    ];
    let sent = senders.map(|(server, from)| message(&mut world, server, from, "a.example"));
    world.run_secs(10);
    sent.iter().for_each(|number| assert_delivered(&world, *number));
    let to_backend = world.dialled.iter().filter(|to| **to == address(towns::BACKEND_A)).count();
    assert_eq!(to_backend, 1, "one stream of one shard carries all");
    finish(&mut world);
}

/// A stream that carries stanzas towards a remote domain lives on that domain's shard.
#[test]
fn stream_moves_to_the_owner_of_its_domain_with_what_was_pipelined() {
    let mut world = World::new(3);
    let (a, ..) = towns::town_a(&mut world, 3);
    // The backend says everything at once; its own listener is not asked, so the answer is an error, but an answer.
    let remotes = ["one.example", "two.example", "three.example", "four.example", "five.example", "six.example"];
    let sockets = remotes.map(|remote| {
        let socket = world.raw_connect(address(towns::INSIDE_A));
        let pipelined = format!(
            "{}<db:result from='a.example' to='{remote}'>wrong</db:result>\
             <db:verify from='a.example' to='{remote}' id='7'>wrong</db:verify>",
            header("a.example", remote)
        );
        world.raw_say(socket, &pipelined);
        socket
    });
    world.run_secs(10);
    for (remote, socket) in remotes.iter().zip(sockets) {
        let heard = world.heard(socket);
        assert!(heard.contains(&format!("<db:result from='{remote}' to='a.example' type='invalid'/>")), "{heard}");
        assert!(
            heard.contains(&format!("<db:verify from='{remote}' to='a.example' id='7' type='invalid'/>")),
            "{heard}"
        );
    }
    assert!(world.processes[a].handed_over > 0, "some domain belongs to another shard than accepted its stream");
    finish(&mut world);
}

#[test]
fn stanzas_are_delivered_over_every_number_of_shards() {
    for shards in 1..=3 {
        let mut world = World::new(shards);
        let towns = towns::towns(&mut world, (shards as usize, shards as usize));
        let remotes = ["external.example", "dialback.example", "chat.dialback.example", "clear.example", "b.example"];
        let out = remotes.map(|to| message(&mut world, towns.backend_a, "a.example", to));
        world.run_secs(10);
        out.iter().for_each(|number| assert_delivered(&world, *number));
        finish(&mut world);
    }
}
