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
