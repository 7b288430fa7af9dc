//! Stanzas whose addresses are not those of their stream.

use super::*;

/// STZ-01
#[test]
fn stanza_of_an_unproven_sender_ends_the_stream_and_goes_nowhere() {
    let (mut world, _) = world();
    let peer = proven_peer(&mut world, "evil.example");
    let (number, forged) = stanza(&mut world, "external.example", "a.example", Kind::Forged);
    world.raw_say(peer, &forged);
    world.run_secs(2);
    assert_stream_error(&world.heard(peer), "invalid-from");
    assert_nowhere(&world, number);
    finish(&mut world);
}

/// STZ-02: another tenant of the same gate.
#[test]
fn stanza_to_a_target_that_was_not_proven_ends_the_stream_and_goes_nowhere() {
    let (mut world, _) = world();
    let peer = proven_peer(&mut world, "evil.example");
    let (number, forged) = stanza(&mut world, "evil.example", "second.example", Kind::Forged);
    world.raw_say(peer, &forged);
    world.run_secs(2);
    assert_stream_error(&world.heard(peer), "not-authorized");
    assert_nowhere(&world, number);
    finish(&mut world);
}

/// STZ-04, STZ-05
#[test]
fn stanza_without_usable_addresses_ends_the_stream() {
    for bad in
        ["to='a.example'", "from='evil.example'", "from='evil.example' to=''", "from='@evil.example' to='a.example'"]
    {
        let (mut world, _) = world();
        let peer = proven_peer(&mut world, "evil.example");
        world.raw_say(peer, &format!("<message {bad}/>"));
        world.run_secs(2);
        assert_stream_error(&world.heard(peer), "improper-addressing");
        finish(&mut world);
    }
}

/// STZ-08
#[test]
fn stanza_before_tls_or_authentication_goes_nowhere() {
    let (mut world, _) = world();
    let peer = world.raw_connect(address(GATE_A));
    let (number, forged) = stanza(&mut world, "evil.example", "a.example", Kind::Forged);
    world.raw_say(peer, &format!("{}{forged}", header("evil.example", "a.example")));
    world.run_secs(2);
    assert_stream_error(&world.heard(peer), "policy-violation");
    let peer = encrypted_peer(&mut world, "evil.example", true);
    let (second, forged) = stanza(&mut world, "evil.example", "a.example", Kind::Forged);
    world.raw_say(peer, &forged);
    world.run_secs(2);
    assert_stream_error(&world.heard(peer), "invalid-from");
    assert_nowhere(&world, number);
    assert_nowhere(&world, second);
    finish(&mut world);
}

/// STZ-10
#[test]
fn iq_request_without_id_is_bad_request_and_the_stream_stays() {
    let (mut world, _) = world();
    let peer = proven_peer(&mut world, "evil.example");
    world.ears.insert(address("11.66.0.1:5269"), crate::world::Ear::Raw);
    world.dns.publish("evil.example", address("11.66.0.1:5269"));
    world.raw_say(peer, "<iq from='u@evil.example' to='v@a.example' type='get'><ping xmlns='urn:xmpp:ping'/></iq>");
    let (number, next) = stanza(&mut world, "evil.example", "a.example", Kind::Message);
    world.raw_say(peer, &next);
    world.run_secs(5);
    assert_delivered(&world, number);
    let account = world.processes[0].account("evil.example", "a.example");
    assert_eq!((account.accepted, account.bounced), (2, 1), "{account:?}");
    assert_eq!(world.processes[0].count("bad-request"), 1);
    finish(&mut world);
}

/// ADR-08: one bad address costs one stanza.
#[test]
fn target_with_an_impossible_localpart_is_jid_malformed_and_the_stream_stays() {
    let (mut world, _) = world();
    let peer = proven_peer(&mut world, "evil.example");
    world.raw_say(peer, "<message from='u@evil.example' to='a b@a.example' id='1'/>");
    let (number, next) = stanza(&mut world, "evil.example", "a.example", Kind::Message);
    world.raw_say(peer, &next);
    world.run_secs(5);
    assert_delivered(&world, number);
    assert_eq!(world.processes[0].count("jid-malformed"), 1);
    finish(&mut world);
}

/// DBK-33
#[test]
fn domains_are_the_same_in_any_case() {
    let (mut world, _) = world();
    let peer = proven_peer(&mut world, "evil.example");
    let (number, next) = stanza(&mut world, "evil.example", "a.example", Kind::Message);
    world.raw_say(peer, &next.replace("@evil.example", "@Evil.EXAMPLE"));
    world.run_secs(5);
    assert_delivered(&world, number);
    finish(&mut world);
}

/// HDR-06
#[test]
fn stream_from_one_of_our_own_domains_is_invalid_from() {
    let (mut world, _) = world();
    let peer = world.raw_connect(address(GATE_A));
    world.raw_say(peer, &header("second.example", "a.example"));
    world.run_secs(2);
    assert_stream_error(&world.heard(peer), "invalid-from");
    finish(&mut world);
}

#[test]
fn stream_to_a_domain_that_is_not_ours_is_host_unknown() {
    let (mut world, _) = world();
    let peer = world.raw_connect(address(GATE_A));
    world.raw_say(peer, &header("evil.example", "elsewhere.example"));
    world.run_secs(2);
    assert_stream_error(&world.heard(peer), "host-unknown");
    finish(&mut world);
}

#[test]
fn stranger_on_the_internal_listener_cannot_speak_for_a_local_domain() {
    let (mut world, _) = world();
    let peer = world.raw_connect(address(towns::INSIDE_A));
    let (number, forged) = stanza(&mut world, "a.example", "external.example", Kind::Forged);
    let key = "<db:result from='a.example' to='external.example'>wrong</db:result>";
    world.raw_say(peer, &format!("{}{key}", header("a.example", "external.example")));
    world.run_secs(2);
    assert!(world.heard(peer).contains("type='invalid'/></stream:stream>"));
    world.raw_say(peer, &forged);
    world.run_secs(5);
    assert_nowhere(&world, number);
    finish(&mut world);
}
