//! What real servers do (shared interop notes), each a `COMPAT:` of the gate.

use super::*;
use crate::process::domain;

/// Prosody 0.12 sends the answers to a multiplexed domain on its stream to the connection's first domain.
#[test]
fn answer_on_the_stream_of_another_domain_goes_by_its_to() {
    for shards in 1..=3 {
        let mut world = World::new(shards);
        let towns = towns::towns(&mut world, (shards as usize, 1));
        let first = message(&mut world, towns.backend_a, "a.example", "external.example");
        world.run_secs(5);
        for to in ["dialback.example", "clear.example", "b.example", "second.example"] {
            let other = pair("a.example", "external.example");
            let (number, xml) = world.ledger.issue(&pair("a.example", to), Kind::Result, 0);
            world.with_server(towns.backend_a, |server, ctx| server.submit_on(&other, number, &xml, ctx));
            world.run_secs(5);
            assert_delivered(&world, number);
        }
        assert_delivered(&world, first);
        finish(&mut world);
    }
}

/// jabberd2: one connection for all our domains.
#[test]
fn stream_may_prove_further_targets_by_dialback() {
    let (mut world, towns) = world();
    world.servers[towns.dialback].config.multiplexes = true;
    let targets = ["a.example", "rooms.a.example", "second.example"];
    world.servers[towns.dialback].config.smart_host = None;
    let sent = targets.map(|to| message(&mut world, towns.dialback, "dialback.example", to));
    world.run_secs(10);
    sent.iter().for_each(|number| assert_delivered(&world, *number));
    finish(&mut world);
}

#[test]
fn peer_that_policy_exempts_from_tls_federates_in_clear() {
    let (mut world, towns) = world();
    let out = message(&mut world, towns.backend_a, "a.example", "clear.example");
    let back = message(&mut world, towns.clear, "clear.example", "a.example");
    world.run_secs(5);
    assert_delivered(&world, out);
    assert_delivered(&world, back);
    finish(&mut world);
}

#[test]
fn local_domain_in_any_spelling_of_dialback_is_one_domain() {
    let (mut world, _) = world();
    let peer = encrypted_peer(&mut world, "dialback.example", false);
    world.raw_say(peer, "<db:verify from='Dialback.EXAMPLE' to='A.example' id='5'>key</db:verify>");
    world.run_secs(2);
    let heard = world.heard(peer);
    assert!(heard.contains("to='dialback.example' id='5' type='invalid'"), "{heard}");
    assert_eq!(domain("A.example"), domain("a.example"));
    finish(&mut world);
}
