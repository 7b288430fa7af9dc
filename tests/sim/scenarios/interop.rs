//! What went wrong with real servers first.

use super::*;

/// SASL EXTERNAL proves the peer before the stream restarts, and the restart brought the bounds of a stranger's stream back:
/// a remote user's 40 kB message cost Prosody's and ejabberd's stream (policy-violation).
#[test]
fn external_peer_sends_stanzas_larger_than_a_stranger_may() {
    let (mut world, towns) = world();
    let large = world.submit(towns.external, &pair("external.example", "a.example"), Kind::Message, 40_000);
    world.run_secs(5);
    assert_delivered(&world, large);
    finish(&mut world);
}

/// The error in the name of the denied domain was itself denied: the user's client waited for ever.
#[test]
fn stanza_to_a_denied_domain_is_answered_with_not_allowed() {
    let (mut world, towns) = world();
    world.dns.publish("denied.example", towns::address("11.6.0.1:5269"));
    let denied = message(&mut world, towns.backend_a, "a.example", "denied.example");
    world.run_secs(5);
    assert_bounced(&world, denied, "not-allowed");
    finish(&mut world);
}
