//! How much is read of one connection at a time.

use std::io::Write;
use std::net::TcpStream;

use ringgate::ring::RingConfig;
use ringgate_proto::stream::TlsTerms;

use crate::peer::Peer;
use crate::scripts::{accept_stream, authenticated, encrypted, header, verify};
use crate::share::{FLOOD, Street, flood};
use crate::storm::Stepped;
use crate::world::{INSIDE, REMOTES, Settings, World};

const BUFFER_BYTES: u64 = 4 << 10;

/// One shard with small buffers.
fn small_buffers() -> Settings {
    let ring = RingConfig { buffers: 64, buffer_bytes: BUFFER_BYTES as u32, ..RingConfig::default() };
    Settings { ring, ..Settings::default() }
}

/// Writes `bytes` at once; returns how much of them each tick reads.
fn reads(shard: &Stepped, stream: &mut TcpStream, bytes: &[u8]) -> Vec<u64> {
    let (mut reads, mut before) = (Vec::new(), shard.tick().received);
    stream.write_all(bytes).expect("write");
    for _ in 0..64 {
        let now = shard.tick().received;
        reads.push(now - before);
        before = now;
        if reads.iter().sum::<u64>() == bytes.len() as u64 {
            break;
        }
    }
    reads.retain(|read| *read > 0);
    assert_eq!(reads.iter().sum::<u64>(), bytes.len() as u64, "{reads:?}");
    reads
}

/// What a stream takes without a word, in three buffers and a part of one.
fn spaces() -> String {
    " ".repeat(3 * BUFFER_BYTES as usize + 100)
}

#[test]
fn stranger_is_read_one_buffer_at_a_time_from_the_beginning_and_a_stream_is_not() {
    let world = World::with(small_buffers());
    let mut stream = authenticated(&world, REMOTES[0]);
    let mut stranger = Peer::connect(world.public);
    let mut unproven = encrypted(world.public, &world.tls, REMOTES[2]);
    unproven.say(&header(REMOTES[2], INSIDE));
    unproven.expect("</stream:features>");
    let shard = Stepped::new(&world);
    let said = header(REMOTES[1], INSIDE) + &spaces();
    let single = reads(&shard, &mut stranger.stream, said.as_bytes());
    assert!(single.iter().all(|read| *read <= BUFFER_BYTES), "{single:?}");
    let record = unproven.sealed(&spaces());
    let single = reads(&shard, &mut unproven.stream, &record);
    assert!(single.iter().all(|read| *read <= BUFFER_BYTES), "{single:?}");
    let record = stream.sealed(&spaces());
    let many = reads(&shard, &mut stream.stream, &record);
    assert!(many[0] > BUFFER_BYTES, "{many:?}");
    drop(shard);
    stranger.expect("</stream:features>");
    drop((stranger, unproven, stream));
    world.drain();
}

#[test]
fn clear_stream_is_read_as_it_comes_once_it_is_proven() {
    let world = World::with(Settings { tls: TlsTerms::Optional, ..small_buffers() });
    let mut peer = Peer::connect(world.public);
    peer.say(&header(REMOTES[0], INSIDE));
    peer.expect("</stream:features>");
    peer.say(&format!("<db:result from='{}' to='{INSIDE}'>0123456789abcdef</db:result>", REMOTES[0]));
    let mut authority = Peer::new(world.remote.accept().expect("accept").0);
    accept_stream(&mut authority);
    assert_eq!(verify(&mut authority), INSIDE);
    peer.expect("type='valid'");
    let shard = Stepped::new(&world);
    let said = spaces();
    let single = reads(&shard, &mut peer.stream, said.as_bytes());
    assert!(single.iter().all(|read| *read <= BUFFER_BYTES), "it was a stranger before: {single:?}");
    let many = reads(&shard, &mut peer.stream, said.as_bytes());
    assert!(many[0] > BUFFER_BYTES, "{many:?}");
    drop((shard, authority, peer));
    world.drain();
}

#[test]
fn stream_that_had_to_wait_is_read_one_buffer_at_a_time_until_one_is_not_full() {
    let mut street = Street::of(World::with(small_buffers()));
    let shard = Stepped::new(&street.world);
    street.first.say(&flood(REMOTES[0]));
    street.second.say(&flood(REMOTES[1]));
    street.world.post(0, 500);
    assert!((0..8).any(|_| shard.tick().waiting > 0), "the floods wait");
    assert!((0..256).any(|_| shard.tick().waiting == 0), "and are worked off");
    let record = street.first.sealed(&spaces());
    let single = reads(&shard, &mut street.first.stream, &record);
    assert!(single.len() > 3 && single.iter().all(|read| *read <= BUFFER_BYTES), "{single:?}");
    let record = street.first.sealed(&spaces());
    let many = reads(&shard, &mut street.first.stream, &record);
    assert!(many[0] > BUFFER_BYTES, "{many:?}");
    drop(shard);
    (0..2 * FLOOD).for_each(|_| assert!(street.backend.expect("</message>").contains("dear ")));
    street.end();
}
