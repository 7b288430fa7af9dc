//! Peers that break the rules of the stream itself.

use super::*;
use crate::script::certificate;
use crate::world::Ear;

/// TCP-24: STARTTLS injection.
#[test]
fn stanza_pipelined_behind_starttls_is_never_looked_at() {
    let (mut world, _) = world();
    let peer = world.raw_connect(address(GATE_A));
    world.raw_say(peer, &header("evil.example", "a.example"));
    world.run_secs(1);
    let (number, forged) = stanza(&mut world, "evil.example", "a.example", Kind::Forged);
    world.heard(peer);
    world.raw_say(peer, &format!("{STARTTLS}{forged}"));
    world.run_secs(1);
    world.raw_secure(peer, "a.example", certificate(&["evil.example"], true));
    world.run_secs(1);
    world.raw_say(peer, &header("evil.example", "a.example"));
    world.run_secs(1);
    world.raw_say(peer, EXTERNAL);
    world.run_secs(1);
    world.raw_say(peer, &header("evil.example", "a.example"));
    world.run_secs(1);
    assert_nowhere(&world, number);
    finish(&mut world);
}

/// TCP-25: the same against our outbound side.
#[test]
fn answer_pipelined_behind_proceed_is_never_looked_at() {
    let (mut world, towns) = world();
    world.dns.publish("evil.example", address("11.66.0.1:5269"));
    world.ears.insert(address("11.66.0.1:5269"), Ear::Raw);
    let number = message(&mut world, towns.backend_a, "a.example", "evil.example");
    world.run_secs(1);
    let (_, socket) = world.accepted[0];
    let opening = header("evil.example", "a.example").replace(" from=", " id='i' from=");
    world.raw_say(socket, &format!("{opening}<stream:features>{STARTTLS}</stream:features>"));
    world.run_secs(1);
    assert!(world.heard(socket).ends_with(STARTTLS));
    let proceed = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    let answer = "<db:result from='evil.example' to='a.example' type='valid'/>";
    let dialback = "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>";
    world.raw_say(socket, &format!("{proceed}{opening}{dialback}{answer}"));
    world.run_secs(1);
    assert!(world.heard(socket).starts_with("[TLS evil.example]"));
    world.raw_answer_tls(socket, certificate(&[], false));
    world.run_secs(1);
    let heard = world.heard(socket);
    assert!(heard.contains("<stream:stream") && !heard.contains("<db:result"), "{heard}");
    world.run_secs(120);
    assert_bounced(&world, number, "remote-server-timeout");
    finish(&mut world);
}

#[test]
fn clear_bytes_during_the_handshake_break_the_connection_only() {
    let (mut world, towns) = world();
    let peer = world.raw_connect(address(GATE_A));
    world.raw_say(peer, &header("evil.example", "a.example"));
    world.run_secs(1);
    world.raw_say(peer, STARTTLS);
    world.run_secs(1);
    let (number, forged) = stanza(&mut world, "evil.example", "a.example", Kind::Forged);
    world.raw_say(peer, &forged);
    world.run_secs(1);
    assert!(world.heard(peer).ends_with("[RESET]"));
    assert_nowhere(&world, number);
    let events = &world.processes[towns.a].events;
    assert!(events.iter().any(|e| e.contains("StreamClosed") && e.contains("Tls")), "{events:#?}");
    finish(&mut world);
}

/// RFC 6120 §4.5: streams are one-way.
#[test]
fn stanza_on_a_stream_that_we_opened_ends_it_and_goes_nowhere() {
    let (mut world, towns) = world();
    let (number, forged) = stanza(&mut world, "evil.example", "a.example", Kind::Forged);
    let config = ServerConfig::remote(&["evil.example"], address("11.7.0.1:5269"));
    world.add_server(ServerConfig { mischief: Some(forged), ..config });
    let ours = message(&mut world, towns.backend_a, "a.example", "evil.example");
    world.run_secs(5);
    assert_nowhere(&world, number);
    assert_delivered(&world, ours);
    let events = &world.processes[towns.a].events;
    assert!(events.iter().any(|e| e.contains("StreamClosed") && e.contains("SentError(NotAuthorized")), "{events:#?}");
    finish(&mut world);
}

/// One bad stanza of one remote costs the remote's stream, never the backend's.
#[test]
fn broken_xml_of_one_peer_does_not_touch_the_shared_backend_stream() {
    let (mut world, towns) = world();
    let peer = proven_peer(&mut world, "evil.example");
    let (own, xml) = stanza(&mut world, "evil.example", "a.example", Kind::Message);
    world.raw_say(peer, &xml);
    let other = message(&mut world, towns.external, "external.example", "a.example");
    world.run_secs(5);
    world.raw_say(peer, "<message from='u@evil.example' to='v@a.example'><body></message>");
    world.run_secs(2);
    assert_stream_error(&world.heard(peer), "not-well-formed");
    let second = message(&mut world, towns.external, "external.example", "a.example");
    world.run_secs(5);
    [own, other, second].iter().for_each(|number| assert_delivered(&world, *number));
    let to_backend = world.dialled.iter().filter(|to| **to == address(towns::BACKEND_A)).count();
    assert_eq!(to_backend, 1);
    finish(&mut world);
}

/// STZ-13
#[test]
fn stanza_beyond_the_limit_ends_the_stream_and_goes_nowhere() {
    let (mut world, _) = world();
    let peer = proven_peer(&mut world, "evil.example");
    let (number, xml) = world.ledger.issue(&pair("evil.example", "a.example"), Kind::Forged, 262_144);
    world.raw_say(peer, &xml);
    world.run_secs(5);
    assert_stream_error(&world.heard(peer), "policy-violation");
    assert_nowhere(&world, number);
    finish(&mut world);
}

/// STZ-32: white space is nothing, however much of it.
#[test]
fn white_space_between_stanzas_is_harmless() {
    let (mut world, _) = world();
    let peer = proven_peer(&mut world, "evil.example");
    world.raw_say(peer, &" \n".repeat(500_000));
    let (number, xml) = stanza(&mut world, "evil.example", "a.example", Kind::Message);
    world.raw_say(peer, &xml);
    world.run_secs(5);
    assert_delivered(&world, number);
    finish(&mut world);
}

#[test]
fn connections_of_one_address_that_prove_nothing_are_bounded() {
    let (mut world, _) = world();
    let bound = ringgate_proto::limits::UNAUTHENTICATED_PER_ADDRESS;
    let peers: Vec<SocketId> = (0..bound + 3).map(|_| world.raw_connect(address(GATE_A))).collect();
    world.run_secs(1);
    let refused = peers.iter().filter(|peer| world.sockets[peer.0].heard.contains("[RESET]")).count();
    assert_eq!(refused, 3);
    peers.iter().for_each(|peer| world.put(*peer, crate::net::Wire::Fin));
    world.run_secs(2);
    proven_peer(&mut world, "evil.example");
    finish(&mut world);
}

/// RFC 6120 §5.4.3.3: a pair that was proven in clear is not proven after TLS.
#[test]
fn pair_proven_in_clear_is_unproven_after_starttls() {
    let (mut world, towns) = world();
    let peer = world.raw_connect(address(GATE_A));
    world.raw_say(peer, &header("clear.example", "a.example"));
    world.run_secs(1);
    let heard = world.heard(peer);
    let id = heard.split(" id='").nth(1).and_then(|rest| rest.split('\'').next()).expect("a stream id");
    let key = world.servers[towns.clear].key("a.example", "clear.example", id);
    world.raw_say(peer, &format!("<db:result from='clear.example' to='a.example'>{key}</db:result>"));
    world.run_secs(2);
    assert!(world.heard(peer).contains("type='valid'"));
    world.raw_say(peer, STARTTLS);
    world.run_secs(1);
    world.raw_secure(peer, "a.example", certificate(&["evil.example"], true));
    world.run_secs(1);
    world.raw_say(peer, &header("clear.example", "a.example"));
    world.run_secs(1);
    let (number, forged) = stanza(&mut world, "clear.example", "a.example", Kind::Forged);
    world.raw_say(peer, &forged);
    world.run_secs(2);
    assert_stream_error(&world.heard(peer), "invalid-from");
    assert_nowhere(&world, number);
    finish(&mut world);
}

/// The log has one line per stream.
#[test]
fn stream_is_announced_once_and_its_end_once() {
    let (mut world, towns) = world();
    message(&mut world, towns.backend_a, "a.example", "external.example");
    message(&mut world, towns.clear, "clear.example", "a.example");
    world.run_secs(5);
    finish(&mut world);
    let events = &world.processes[towns.a].events;
    let opened: Vec<&String> = events.iter().filter(|e| e.starts_with("StreamOpened")).collect();
    let closed = events.iter().filter(|e| e.starts_with("StreamClosed")).count();
    let mut numbers: Vec<&str> = opened.iter().filter_map(|e| e.split(", ").next()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!((opened.len(), opened.len()), (numbers.len(), closed), "{opened:#?}");
}
