//! What crosses between two shards while one of them is behind.

use std::time::{Duration, Instant};

use ringgate::shard::{MAILBOX_MESSAGES, Shard};

use crate::peer::Peer;
use crate::scripts::{message, standing};
use crate::storm::Stepped;
use crate::world::{INSIDE, REMOTES, World};

/// Bytes of a stanza's body: as much as is taken of one.
const BODY_BYTES: usize = 250_000;

/// A backend's stream on one shard, and a remote server that belongs to the other.
struct Border {
    world: World,
    near: u16,
    far: u16,
    backend: Peer,
    opposite: Peer,
    name: &'static str,
    /// Streams of the domains that were tried; they stay open.
    neighbours: Vec<Peer>,
}

impl Border {
    fn new() -> Self {
        let world = World::start(2);
        let (backend, server) = standing(&world, REMOTES[0]);
        let (near, mut neighbours) = (owner(&world, REMOTES[0]), vec![server]);
        for name in &REMOTES[1..] {
            let (stream, opposite) = standing(&world, name);
            neighbours.push(stream);
            if owner(&world, name) != near {
                return Self { world, near, far: 1 - near, backend, opposite, name, neighbours };
            }
            neighbours.push(opposite);
        }
        panic!("all domains belong to one shard");
    }

    /// A stanza that crosses.
    fn say(&mut self, number: usize) {
        self.backend.say(&stanza(self.name, number));
    }

    fn expect(&mut self, stanzas: usize) {
        for number in 0..stanzas {
            let heard = self.opposite.expect("</message>");
            assert!(heard.contains(&format!("number {number}.")), "{number}: {heard:.200}");
        }
    }

    fn end(self) {
        drop((self.backend, self.opposite, self.neighbours));
        self.world.drain();
    }
}

fn stanza(name: &str, number: usize) -> String {
    message(INSIDE, name, &format!("number {number}.{}", "x".repeat(BODY_BYTES)))
}

/// Which of two shards writes to a remote domain.
fn owner(world: &World, name: &'static str) -> u16 {
    let writes = move |shard: &Shard| shard.gate().accounts().any(|(pair, _)| pair.to.as_str() == name);
    u16::from(world.ask(1, writes))
}

/// It turned without end, and did nothing, while anybody waited for a turn.
#[test]
fn shard_rests_while_another_has_room_for_nothing_and_loses_nothing() {
    const STANZAS: usize = 36;
    let mut border = Border::new();
    let held = border.world.hold(border.far);
    border.world.post(border.far, MAILBOX_MESSAGES);
    let shard = Stepped::of(&border.world, border.near);
    let (stream, name) = (border.backend.stream.try_clone().expect("a socket"), border.name);
    let writer = std::thread::spawn(move || {
        let mut backend = Peer::new(stream);
        (0..STANZAS).for_each(|number| backend.say(&stanza(name, number)));
    });
    let end = Instant::now() + Duration::from_secs(4);
    let rests = std::iter::from_fn(|| (Instant::now() < end).then(|| shard.tick()))
        .any(|seen| seen.waiting > 0 && !seen.goes_on);
    assert!(rests);
    drop((held, shard));
    border.expect(STANZAS);
    writer.join().expect("writer");
    border.end();
}

#[test]
fn shard_takes_few_large_stanzas_of_another_in_one_tick() {
    const STANZAS: usize = 8;
    let mut border = Border::new();
    let near = border.near;
    let posted = move |world: &World| world.ask(near, |shard| shard.observed().counters.stanzas_posted);
    let shard = Stepped::of(&border.world, border.far);
    let (before, first) = (posted(&border.world), shard.tick().accepted);
    for number in 0..STANZAS {
        border.say(number);
        border.world.eventually(|world| posted(world) == before + number as u64 + 1);
    }
    let mut taken = first;
    while taken < first + STANZAS as u64 {
        let now = shard.tick().accepted;
        assert!((1..=2).contains(&(now - taken)), "{} in one tick", now - taken);
        taken = now;
    }
    drop(shard);
    border.expect(STANZAS);
    border.end();
}
