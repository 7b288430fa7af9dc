//! Stanzas through whole shards.

use crate::peer::Peer;
use crate::scripts::{accept_stream, backend_to, encrypted, header, message, remote, standing, verify};
use crate::share::elements;
use crate::world::{INSIDE, REMOTES, Settings, World};

#[test]
fn starttls_leads_to_an_encrypted_stream() {
    let world = World::start(1);
    let mut peer = encrypted(world.public, &world.tls, REMOTES[0]);
    peer.say(&header(REMOTES[0], INSIDE));
    let features = peer.expect("</stream:features>");
    assert!(!features.contains("<starttls"), "{features}");
    assert!(features.contains("EXTERNAL"), "{features}");
    assert_eq!(world.count(|counters| counters.handshakes), 1);
    drop(peer);
    world.drain();
}

#[test]
fn first_byte_of_tls_on_the_public_listener_begins_direct_tls() {
    let world = World::start(1);
    let mut peer = Peer::connect(world.public);
    peer.tls_to(&world.tls, REMOTES[0], INSIDE);
    peer.say(&header(REMOTES[0], INSIDE));
    let features = peer.expect("</stream:features>");
    assert!(!features.contains("<starttls"), "{features}");
    drop(peer);
    world.drain();
}

#[test]
fn clear_bytes_before_the_handshake_do_not_enter_the_stream() {
    let world = World::start(1);
    let mut peer = Peer::connect(world.public);
    peer.say(&header(REMOTES[0], INSIDE));
    peer.expect("</stream:features>");
    // CVE-2011-0411: commands behind STARTTLS in the same packet must not be taken for encrypted ones.
    let injected = message("evil.test", INSIDE, "injected");
    peer.say(&format!("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{injected}"));
    peer.expect("<proceed");
    peer.expect(">");
    peer.tls_to(&world.tls, REMOTES[0], INSIDE);
    peer.say(&header(REMOTES[0], INSIDE));
    let features = peer.expect("</stream:features>");
    assert!(!features.contains("stream:error"), "{features}");
    drop(peer);
    assert!(world.drain()[0].accounts.is_empty(), "no stanza was taken");
}

#[test]
fn stanzas_of_a_backend_reach_the_remote_server_in_order() {
    let world = World::start(1);
    let remote = remote(&world);
    let mut backend = backend_to(&world, REMOTES[0]);
    for number in 0..100 {
        backend.say(&message(INSIDE, REMOTES[0], &format!("number {number}.")));
    }
    let (mut remote, name) = remote.join().expect("remote");
    assert_eq!(name, REMOTES[0]);
    for number in 0..100 {
        let stanza = remote.expect("</message>");
        assert!(stanza.contains(&format!("number {number}.")), "{number}: {stanza}");
    }
    // The remote server closes its stream in an orderly way: a broken one would put the stanzas in doubt.
    drop(backend);
    let closing = std::thread::spawn(move || {
        remote.expect("</stream:stream>");
        remote.say("</stream:stream>");
        remote.expect_end()
    });
    let reports = world.drain();
    closing.join().expect("remote");
    let account = reports[0].accounts.iter().find(|(pair, _)| pair.to.as_str() == REMOTES[0]).expect("pair").1;
    assert_eq!((account.accepted, account.queued), (100, 0));
    assert_eq!(account.handed_over + account.delivered, 100, "{account:?}");
    assert_eq!(reports[0].observations.transit[1].len(), 100);
    assert!(reports[0].observations.traffic[1].bytes_out > 100 * 80);
}

#[test]
fn stanzas_of_one_read_leave_in_few_sends() {
    let world = World::start(1);
    let remote = remote(&world);
    let mut backend = backend_to(&world, REMOTES[0]);
    backend.say(&message(INSIDE, REMOTES[0], "first"));
    let (mut remote, _) = remote.join().expect("remote");
    remote.expect("</message>");
    let before = world.count(|counters| counters.flushes);
    let burst: String = (0..64).map(|number| message(INSIDE, REMOTES[0], &number.to_string())).collect();
    backend.say(&burst);
    remote.expect("<body>63</body></message>");
    let flushes = world.count(|counters| counters.flushes) - before;
    assert!(flushes <= 4, "{flushes} sends for one burst");
    drop((backend, remote));
    world.drain();
}

#[test]
fn backend_stream_moves_to_the_shard_that_owns_its_remote_domain() {
    let world = World::start(2);
    for name in REMOTES {
        let remote = remote(&world);
        let mut backend = backend_to(&world, name);
        let burst: String = (0..20).map(|number| message(INSIDE, name, &format!("number {number}."))).collect();
        backend.say(&burst);
        let (mut remote, found) = remote.join().expect("remote");
        assert_eq!(found, name);
        for number in 0..20 {
            assert!(remote.expect("</message>").contains(&format!("number {number}.")), "{number}");
        }
    }
    let moved = world.count(|counters| counters.handed_over);
    assert_eq!(moved, world.count(|counters| counters.adopted));
    assert_eq!(world.count(|counters| counters.panics), 0);
    let accepted: u64 =
        world.drain().iter().flat_map(|report| &report.accounts).map(|(_, account)| account.accepted).sum();
    assert!(accepted >= 120, "{accepted}");
}

/// A backend's stream that has to move while some of what it said waits; `false` if it was accepted where it belongs.
fn moves_while_bytes_wait() -> bool {
    let world = World::start(2);
    let mut backend = Peer::connect(world.internal);
    backend.say(&header(INSIDE, REMOTES[0]));
    backend.expect("</stream:features>");
    // The refusal takes a share, and the first request is what moves the stream.
    let refused = format!("<compress xmlns='http://jabber.org/protocol/compress'>{}</compress>", elements(19));
    let request = |remote| format!("<db:result from='{INSIDE}' to='{remote}'>0123456789abcdef</db:result>");
    let requests: Vec<String> = REMOTES.iter().map(request).collect();
    let held = [world.hold(0), world.hold(1)];
    backend.say(&(refused + &requests.join(&" ".repeat(4 << 10))));
    (0..2).for_each(|shard| world.post(shard, 500));
    drop(held);
    let mut authority = Peer::new(world.backend.accept().expect("accept").0);
    accept_stream(&mut authority);
    let asked = REMOTES.map(|_| verify(&mut authority));
    assert_eq!(asked, REMOTES, "in the order in which they were requested");
    REMOTES.iter().for_each(|_| drop(backend.expect("type='valid'")));
    assert!(world.count(|counters| counters.deferrals) > 0);
    let moved = world.count(|counters| counters.handed_over) == 1;
    drop((backend, authority));
    world.drain();
    moved
}

#[test]
fn stream_does_not_move_before_what_waits_is_taken_in() {
    // The kernel deals connections out: half of them have to move.
    assert!((0..16).any(|_| moves_while_bytes_wait()));
}

#[test]
fn slow_remote_server_stops_the_backend_and_loses_nothing() {
    const STANZAS: usize = 3_000;
    let world = World::start(1);
    let (mut backend, mut remote) = standing(&world, REMOTES[0]);
    let body = "x".repeat(4_000);
    let writer = std::thread::spawn(move || {
        for number in 0..STANZAS {
            backend.say(&message(INSIDE, REMOTES[0], &format!("{body} number {number}.")));
        }
        backend
    });
    // 12 MB are more than the sockets and the outbox hold: the send blocks, and the backend is not read.
    world.eventually(|world| world.count(|counters| counters.blocked_sends) > 0);
    for number in 0..STANZAS {
        let stanza = remote.expect("</message>");
        assert!(stanza.contains(&format!(" number {number}.")), "{number}");
    }
    drop((writer.join().expect("writer"), remote));
    world.drain();
}

#[test]
fn tiny_receive_buffers_carry_large_stanzas() {
    let ring = ringgate::ring::RingConfig { buffers: 4, buffer_bytes: 512, ..Default::default() };
    let world = World::with(Settings { ring, ..Settings::default() });
    let remote = remote(&world);
    let mut backend = backend_to(&world, REMOTES[0]);
    let body = "y".repeat(100_000);
    backend.say(&message(INSIDE, REMOTES[0], &body));
    let (mut remote, _) = remote.join().expect("remote");
    assert!(remote.expect("</message>").contains(&body));
    drop((backend, remote));
    world.drain();
}
