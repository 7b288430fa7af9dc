//! What all connections of a shard together may have waiting.

use std::io::Write;

use ringgate::shard::BACKLOG_BYTES;

use crate::peer::{Peer, client};
use crate::scripts::{authenticated, header, message, proceeding, standing};
use crate::share::{FLOOD, Street, dear, flood};
use crate::storm::{STORM, Stepped, is_answered};
use crate::world::{INSIDE, REMOTES, Settings, World};

/// A ClientHello is shorter.
const HELLO_BYTES: usize = 4 << 10;

/// The most bytes that wait at the end of a tick while a storm of handshakes is worked off. All of them come about.
fn peak_of_a_storm(bound: usize) -> usize {
    let world = World::with(Settings { backlog_bytes: bound, ..Settings::default() });
    let mut newcomers: Vec<Peer> = (0..STORM).map(|_| proceeding(world.public, REMOTES[1])).collect();
    let shard = Stepped::new(&world);
    for peer in &mut newcomers {
        peer.start_tls(client(&world.tls.without_resumption(), REMOTES[1], INSIDE));
    }
    let mut peak = 0;
    for _ in 0..4 * STORM {
        peak = peak.max(shard.tick().waiting);
        if newcomers.iter().all(is_answered) {
            break;
        }
    }
    drop(shard);
    newcomers.iter_mut().for_each(Peer::finish_tls);
    drop(newcomers);
    world.drain();
    peak
}

#[test]
fn storm_of_strangers_holds_twice_the_bound_at_most_and_nobody_is_lost() {
    const BOUND: usize = HELLO_BYTES / 2;
    assert!(peak_of_a_storm(BACKLOG_BYTES) > 2 * BOUND + HELLO_BYTES, "it holds more where it may");
    let peak = peak_of_a_storm(BOUND);
    assert!(peak <= 2 * BOUND + HELLO_BYTES, "{peak} bytes");
}

/// As many bytes as a stranger says at once: a ClientHello, and what nobody can decrypt behind it.
const SPEECH_BYTES: usize = 8 << 10;

fn speech(world: &World) -> Vec<u8> {
    let mut speech = Vec::new();
    client(&world.tls.without_resumption(), REMOTES[1], INSIDE).start(&mut speech).expect("TLS");
    let rest = SPEECH_BYTES - speech.len() - 5;
    speech.extend([0x17, 0x03, 0x03, (rest >> 8) as u8, rest as u8]);
    speech.resize(SPEECH_BYTES, 0);
    speech
}

/// Strangers that could be read before too much waited were all taken in at once, half a millisecond each.
#[test]
fn neighbour_does_not_wait_for_strangers_that_say_more_than_may_wait() {
    const STRANGERS: usize = 128;
    const BOUND: usize = 300_000;
    const { assert!(2 * BOUND < STRANGERS * SPEECH_BYTES) };
    let world = World::with(Settings { backlog_bytes: BOUND, ..Settings::default() });
    let (mut backend, mut opposite) = standing(&world, REMOTES[0]);
    let before = world.connections();
    let mut strangers: Vec<Peer> = (0..STRANGERS).map(|_| Peer::connect(world.public)).collect();
    world.eventually(|world| world.connections() == before + STRANGERS);
    let shard = Stepped::new(&world);
    let speech = speech(&world);
    strangers.iter_mut().for_each(|peer| peer.stream.write_all(&speech).expect("write"));
    backend.say(&message(INSIDE, REMOTES[0], "from next door"));
    world.post(0, 1_000);

    let (mut peak, mut first) = (0, None);
    for _ in 0..8 * STRANGERS {
        peak = peak.max(shard.tick().waiting);
        let answered = strangers.iter().filter(|peer| is_answered(peer)).count();
        if first.is_none() && is_answered(&opposite) {
            first = Some(answered);
        }
        if answered == STRANGERS {
            break;
        }
    }
    assert!(first.is_some_and(|strangers| strangers < STRANGERS / 4), "{first:?} of {STRANGERS} went first");
    assert!(peak < 2 * BOUND, "{peak} bytes: others are taken in at once");
    assert!(strangers.iter().all(is_answered));
    drop(shard);
    assert!(opposite.expect("</message>").contains("from next door"));
    drop((strangers, backend, opposite));
    world.drain();
}

#[test]
fn stranger_is_not_read_while_too_much_waits_and_is_served_afterwards() {
    const BOUND: usize = 40 << 10;
    let mut street = Street::of(World::with(Settings { backlog_bytes: BOUND, ..Settings::default() }));
    let shard = Stepped::new(&street.world);
    street.first.say(&flood(REMOTES[0]));
    street.second.say(&flood(REMOTES[1]));
    street.world.post(0, 1_000);
    let flooded = (0..8).any(|_| shard.tick().waiting >= BOUND);
    assert!(flooded, "the floods wait");

    let mut stranger = Peer::connect(street.world.public);
    stranger.say(&header(REMOTES[2], INSIDE));
    let mut ticks = 0;
    while shard.tick().waiting >= BOUND {
        assert!(!is_answered(&stranger), "read in tick {ticks}");
        ticks += 1;
    }
    // Accepted in the first of them, it could have been answered in the next.
    assert!(ticks > 4, "worked off in {ticks} ticks");
    assert!((0..64).any(|_| {
        shard.tick();
        is_answered(&stranger)
    }));
    drop(shard);
    assert!(stranger.expect("</stream:features>").contains("<starttls"));
    let stanzas: Vec<String> = (0..2 * FLOOD).map(|_| street.backend.expect("</message>")).collect();
    for name in &REMOTES[..2] {
        assert_eq!(stanzas.iter().filter(|stanza| stanza.contains(name)).count(), FLOOD);
    }
    street.world.eventually(|world| world.backlog_bytes() == 0);
    drop(stranger);
    street.end();
}

/// A tick that took in all of it would have kept everything else waiting.
#[test]
fn tick_ends_though_streams_bring_more_that_has_no_place_to_wait() {
    const BOUND: usize = 512;
    // Each brings a buffer, and there are buffers for all of them.
    const STREAMS: usize = 48;
    let mut street = Street::of(World::with(Settings { backlog_bytes: BOUND, ..Settings::default() }));
    let mut streams: Vec<Peer> = (0..STREAMS).map(|_| authenticated(&street.world, REMOTES[0])).collect();
    for stream in &mut streams {
        // From here on it is read as it comes.
        stream.say(&message(REMOTES[0], INSIDE, "the stream stands"));
        street.backend.expect("the stream stands</body></message>");
    }
    let shard = Stepped::new(&street.world);
    let before = shard.tick().accepted;
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.say(&dear(REMOTES[0], number));
    }
    // The first one's waits, the others' are taken in at once: some milliseconds in all.
    let taken = shard.tick().accepted - before;
    assert!(taken < STREAMS as u64 / 2, "{taken} of {STREAMS} in one tick");
    drop(shard);
    let stanzas: Vec<String> = (0..STREAMS).map(|_| street.backend.expect("</message>")).collect();
    for number in 0..STREAMS {
        let beginning = format!("dear {number}.<a a0=''");
        assert!(stanzas.iter().any(|stanza| stanza.contains(&beginning)), "{number}");
    }
    drop(streams);
    street.end();
}

#[test]
fn beginning_of_a_large_stanza_is_shown_until_its_end_comes() {
    let Street { world, mut first, second, mut backend } = Street::of(World::start(1));
    let stanza = message(REMOTES[0], INSIDE, &"x".repeat(50_000));
    let (most, tail) = stanza.split_at(stanza.len() - 1);
    assert_eq!(world.unfinished_bytes(), 0);
    first.say(most);
    world.eventually(|world| world.unfinished_bytes() >= most.len());
    first.say(tail);
    assert!(backend.expect("</message>").ends_with("x</body></message>"));
    assert_eq!(world.unfinished_bytes(), 0);
    drop((first, second, backend));
    world.drain();
}

/// Who is read in a tick while nobody waits for a turn was put back unread, and the shard turned without end.
#[test]
fn stranger_is_read_though_a_stopped_stream_holds_twice_the_bound() {
    const BOUND: usize = 512;
    const STANZAS: usize = 3_000;
    // 12 MB are more than the sockets and the outbox hold: the sender is stopped within a buffer.
    let Street { world, mut first, second, mut backend } =
        Street::of(World::with(Settings { backlog_bytes: BOUND, ..Settings::default() }));
    let body = "x".repeat(4_000);
    let writer = std::thread::spawn(move || {
        (0..STANZAS).for_each(|number| first.say(&message(REMOTES[0], INSIDE, &format!("{body} {number}."))));
        first
    });
    world.eventually(|world| world.count(|counters| counters.blocked_sends) > 0 && world.backlog_bytes() >= 2 * BOUND);
    let mut stranger = Peer::connect(world.public);
    stranger.say(&header(REMOTES[2], INSIDE));
    assert!(stranger.expect("</stream:features>").contains("<starttls"));
    for number in 0..STANZAS {
        assert!(backend.expect("</message>").contains(&format!(" {number}.")), "{number}");
    }
    drop((writer.join().expect("writer"), second, backend, stranger));
    world.drain();
}
