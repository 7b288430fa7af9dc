//! Dialback: who is believed, and what is said to whom is not. XEP-0220.

use super::*;

fn request(from: &str, to: &str, key: &str) -> String {
    format!("<db:result from='{from}' to='{to}'>{key}</db:result>")
}

/// DBK-07: CVE-2012-3525 and its family, on a stream of ours.
#[test]
fn answer_to_a_request_we_never_made_authorises_nothing() {
    let (mut world, towns) = world();
    let mischief = "<db:result from='evil.example' to='second.example' type='valid'/>\
                    <db:result from='dialback.example' to='a.example' type='valid'/>";
    let config = ServerConfig {
        mischief: Some(mischief.into()),
        ..ServerConfig::remote(&["evil.example"], address("11.7.0.1:5269"))
    };
    let evil = world.add_server(config);
    let first = message(&mut world, towns.backend_a, "a.example", "evil.example");
    world.run_secs(5);
    let second = message(&mut world, towns.second_a, "second.example", "evil.example");
    let third = message(&mut world, towns.backend_a, "a.example", "dialback.example");
    world.run_secs(5);
    [first, second, third].iter().for_each(|number| assert_delivered(&world, *number));
    assert!(world.processes[towns.a].count("unsolicited-dialback") >= 2);
    assert!(world.servers[evil].streams.values().filter(|s| !s.is_out).count() == 2, "each pair has its own stream");
    finish(&mut world);
}

/// DBK-01, DBK-02
#[test]
fn unasked_answers_on_an_inbound_stream_prove_nothing() {
    let (mut world, towns) = world();
    let peer = encrypted_peer(&mut world, "evil.example", false);
    world.raw_say(peer, "<db:result from='evil.example' to='a.example' type='valid'/>");
    world.raw_say(peer, "<db:verify from='evil.example' to='a.example' id='1' type='valid'/>");
    let (number, forged) = stanza(&mut world, "evil.example", "a.example", Kind::Forged);
    world.raw_say(peer, &forged);
    world.run_secs(2);
    assert_stream_error(&world.heard(peer), "invalid-from");
    assert_nowhere(&world, number);
    assert_eq!(world.processes[towns.a].count("unsolicited-dialback"), 2);
    finish(&mut world);
}

/// DBK-08
#[test]
fn request_for_a_target_that_is_not_ours_is_item_not_found_and_the_stream_stays() {
    let (mut world, _) = world();
    let peer = encrypted_peer(&mut world, "dialback.example", false);
    world.raw_say(peer, &request("dialback.example", "elsewhere.example", "k"));
    world.run_secs(2);
    let heard = world.heard(peer);
    assert!(heard.contains("type='error'") && heard.contains("<item-not-found"), "{heard}");
    assert!(!heard.contains("</stream:stream>"), "{heard}");
    finish(&mut world);
}

/// DBK-10
#[test]
fn sender_that_is_its_own_target_is_not_acceptable_and_nobody_is_dialled() {
    let (mut world, _) = world();
    let peer = encrypted_peer(&mut world, "evil.example", false);
    world.raw_say(peer, &request("a.example", "a.example", "k"));
    world.run_secs(2);
    let heard = world.heard(peer);
    assert!(heard.contains("<not-acceptable"), "{heard}");
    assert!(world.dialled.is_empty());
    finish(&mut world);
}

#[test]
fn stranger_that_claims_one_of_our_domains_is_forbidden() {
    let (mut world, _) = world();
    let peer = encrypted_peer(&mut world, "evil.example", false);
    world.raw_say(peer, &request("second.example", "a.example", "k"));
    world.run_secs(2);
    assert!(world.heard(peer).contains("<forbidden"));
    assert!(world.dialled.is_empty());
    finish(&mut world);
}

/// DBK-11, DBK-12
#[test]
fn authoritative_server_that_cannot_be_reached_is_an_error_of_its_own_and_the_stream_stays() {
    let (mut world, _) = world();
    world.dns.publish("dead.example", address("11.9.0.1:5269"));
    let peer = encrypted_peer(&mut world, "dead.example", false);
    world.raw_say(peer, &request("dead.example", "a.example", "k"));
    world.raw_say(peer, &request("nowhere.example", "a.example", "k"));
    world.run_secs(5);
    let heard = world.heard(peer);
    assert!(heard.contains("<remote-connection-failed"), "{heard}");
    assert!(heard.contains("<remote-server-not-found"), "{heard}");
    assert!(!heard.contains("</stream:stream>"), "{heard}");
    finish(&mut world);
}

/// DBK-13
#[test]
fn authoritative_server_that_says_nothing_is_a_timeout() {
    let (mut world, towns) = world();
    world.servers[towns.dialback].config.mischief = None;
    world.dns.publish("mute.example", address("11.9.0.3:5269"));
    world.ears.insert(address("11.9.0.3:5269"), crate::world::Ear::Raw);
    let peer = encrypted_peer(&mut world, "evil.example", true);
    world.raw_say(peer, EXTERNAL);
    world.run_secs(1);
    world.raw_say(peer, &header("evil.example", "a.example"));
    world.raw_say(peer, &request("mute.example", "a.example", "k"));
    world.run_secs(70);
    let heard = world.heard(peer);
    assert!(heard.contains("<remote-server-timeout"), "{heard}");
    assert!(!heard.contains("</stream:stream>"), "{heard}");
    finish(&mut world);
}

/// DBK-14
#[test]
fn wrong_key_of_the_only_pair_is_invalid_and_ends_the_stream() {
    let (mut world, _) = world();
    let peer = encrypted_peer(&mut world, "dialback.example", false);
    let (number, forged) = stanza(&mut world, "dialback.example", "a.example", Kind::Forged);
    world.raw_say(peer, &request("dialback.example", "a.example", "wrong"));
    world.run_secs(5);
    let heard = world.heard(peer);
    assert_eq!(heard, "<db:result from='a.example' to='dialback.example' type='invalid'/></stream:stream>");
    world.raw_say(peer, &forged);
    world.run_secs(5);
    assert_nowhere(&world, number);
    finish(&mut world);
}

/// DBK-15
#[test]
fn wrong_key_beside_a_proven_pair_is_an_error_and_the_proven_pair_works_on() {
    let (mut world, _) = world();
    let peer = proven_peer(&mut world, "evil.example");
    world.raw_say(peer, &request("dialback.example", "a.example", "wrong"));
    world.run_secs(5);
    let heard = world.heard(peer);
    assert!(heard.contains("type='error'") && heard.contains("<forbidden"), "{heard}");
    let (number, own) = stanza(&mut world, "evil.example", "a.example", Kind::Message);
    world.raw_say(peer, &own);
    world.run_secs(5);
    assert_delivered(&world, number);
    finish(&mut world);
}

/// DBK-16
#[test]
fn our_request_answered_invalid_brings_stanzas_back_as_internal_server_error() {
    let (mut world, towns) = world();
    world.servers[towns.dialback].config.verdict = Some("invalid");
    let number = message(&mut world, towns.backend_a, "a.example", "dialback.example");
    world.run_secs(5);
    assert_bounced(&world, number, "internal-server-error");
    finish(&mut world);
}

/// DBK-17
#[test]
fn our_request_answered_with_an_error_brings_stanzas_back_as_remote_server_timeout() {
    let (mut world, towns) = world();
    world.servers[towns.dialback].config.verdict = Some("error");
    let number = message(&mut world, towns.backend_a, "a.example", "dialback.example");
    world.run_secs(5);
    assert_bounced(&world, number, "remote-server-timeout");
    finish(&mut world);
}

/// DBK-17 on a stream that pairs share: the others are not touched.
#[test]
fn backend_that_refuses_one_remote_domain_still_takes_the_others() {
    let (mut world, towns) = world();
    let first = message(&mut world, towns.external, "external.example", "a.example");
    world.run_secs(5);
    world.servers[towns.backend_a].config.verdict = Some("error");
    let refused = message(&mut world, towns.clear, "clear.example", "a.example");
    world.run_secs(5);
    let second = message(&mut world, towns.external, "external.example", "a.example");
    world.run_secs(5);
    assert_delivered(&world, first);
    assert_bounced(&world, refused, "remote-server-timeout");
    assert_delivered(&world, second);
    finish(&mut world);
}

/// DBK-22: reflection. Requests beyond the bound cost nothing but an answer.
#[test]
fn requests_beyond_the_open_verifications_are_resource_constraint() {
    let (mut world, _) = world();
    world.weather.dns_ms = (4_000, 4_000);
    let peer = encrypted_peer(&mut world, "evil.example", false);
    for n in 0..100 {
        world.raw_say(peer, &request(&format!("n{n}.example"), "a.example", "k"));
    }
    world.run_secs(2);
    let heard = world.heard(peer);
    let refused = heard.matches("<resource-constraint").count();
    assert_eq!(refused, 100 - ringgate_proto::limits::VERIFICATIONS_PER_STREAM, "{heard}");
    world.run_secs(30);
    let heard = world.heard(peer);
    assert_eq!(heard.matches("<remote-server-not-found").count(), 64, "{heard}");
    finish(&mut world);
}

/// Prosody's stream without authentication carries `db:verify` and its own `db:result`.
#[test]
fn verification_is_answered_on_a_stream_that_has_proven_nothing() {
    let (mut world, _) = world();
    let peer = encrypted_peer(&mut world, "evil.example", false);
    world.raw_say(peer, "<db:verify from='evil.example' to='a.example' id='5'>key</db:verify>");
    world.raw_say(peer, "<db:verify from='evil.example' to='not.ours.example' id='6'>key</db:verify>");
    world.run_secs(2);
    let heard = world.heard(peer);
    assert!(heard.contains("<db:verify from='a.example' to='evil.example' id='5' type='invalid'/>"), "{heard}");
    assert!(heard.contains("id='6' type='error'") && heard.contains("<item-not-found"), "{heard}");
    finish(&mut world);
}
