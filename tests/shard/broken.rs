//! Connections that break while some of what they brought waits.

use std::io::Write;
use std::time::Duration;

use ringgate::ring::RingConfig;

use crate::scripts::{message, remote, standing};
use crate::share::{Street, dear};
use crate::storm::Stepped;
use crate::world::{INSIDE, REMOTES, Settings, World};

/// What is answered on the stream that it comes on.
fn question(from: &str) -> String {
    format!("<db:verify from='{from}' to='{INSIDE}' id='of-no-stream'>0123456789abcdef</db:verify>")
}

/// 13 KB that a server which opened the stream takes without a word, and not at once.
fn unasked() -> String {
    let attributes: String = (0..60).map(|attribute| format!(" a{attribute}=''")).collect();
    format!("<r xmlns='urn:xmpp:sm:3'{attributes}/>").repeat(30)
}

/// A send that failed at once dropped what its connection had brought before.
#[test]
fn stanzas_that_wait_are_delivered_though_the_answer_between_them_cannot_be_sent() {
    let ring = RingConfig { buffers: 64, buffer_bytes: 64 << 10, ..RingConfig::default() };
    let Street { world, mut first, second, mut backend } =
        Street::of(World::with(Settings { ring, ..Settings::default() }));
    let stanzas: Vec<String> = (0..3).map(|number| dear(REMOTES[0], number)).collect();
    let shard = Stepped::new(&world);
    world.post(0, 1_000);
    first.say(&(stanzas[..2].concat() + &question(REMOTES[0]) + &stanzas[2]));
    assert!((0..4).any(|_| shard.tick().waiting > 0), "it waits");
    // Then nothing is received on it, and the shard hears of the reset when it sends.
    for _ in 0..2 {
        shard.tick();
    }
    socket2::SockRef::from(&first.stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    drop(first);
    drop(shard);
    for number in 0..3 {
        let stanza = backend.expect("</message>");
        assert!(stanza.contains(&format!("dear {number}.<a a0=''")), "{number}: {stanza:.200}");
    }
    world.eventually(|world| world.connections() == 2);
    drop((second, backend));
    world.drain();
}

/// It was taken from the outbox, and counted as handed over when an alert had been sent.
#[test]
fn stanza_for_a_stream_on_which_tls_has_broken_goes_by_the_next_one() {
    let world = World::start(1);
    let (mut backend, mut opposite) = standing(&world, REMOTES[0]);

    let record = opposite.sealed(&unasked());
    let (most, tail) = record.split_at(record.len() - 500);
    let mut forged = opposite.sealed(" ");
    *forged.last_mut().expect("a record") ^= 1;
    let dialled = world.count(|counters| counters.dialled);
    let shard = Stepped::new(&world);
    opposite.stream.write_all(most).expect("write");
    for _ in 0..4 {
        shard.tick();
    }
    world.post(0, 500);
    backend.say(&message(INSIDE, REMOTES[0], "by the next one"));
    opposite.stream.write_all(&[tail, &forged].concat()).expect("write");
    assert!((0..4).any(|_| shard.tick().waiting > 0), "the end of TLS waits");
    let next = remote(&world);
    drop(shard);
    world.eventually(|world| world.count(|counters| counters.dialled) == dialled + 1);

    let (mut next, _) = next.join().expect("remote");
    assert!(next.expect("</message>").contains("by the next one"));
    assert_eq!(world.count(|counters| counters.tls_failures), 1);
    drop((backend, opposite, next));
    world.drain();
}
