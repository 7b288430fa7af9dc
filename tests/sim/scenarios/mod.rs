//! What a peer sees, one situation a test.

mod happy;
mod interop;

use super::ledger::{Kind, Pair};
use super::towns::{self, Towns};
use super::world::World;

fn pair(from: &str, to: &str) -> Pair {
    (from.into(), to.into())
}

/// The usual set-up with one shard a gate, in fair weather.
fn world() -> (World, Towns) {
    let mut world = World::new(1);
    let towns = towns::towns(&mut world, (1, 1));
    (world, towns)
}

/// Sends a message and lets time pass; the stanza's number.
fn message(world: &mut World, server: usize, from: &str, to: &str) -> usize {
    world.submit(server, &pair(from, to), Kind::Message, 10)
}

fn assert_delivered(world: &World, number: usize) {
    let record = &world.ledger.records[number];
    assert_eq!((record.delivered, &record.bounced), (1, &None), "{record:?}");
}

fn assert_bounced(world: &World, number: usize, condition: &str) {
    let record = &world.ledger.records[number];
    assert_eq!((record.delivered, record.bounced.as_deref()), (0, Some(condition)), "{record:?}");
}

/// Stops all gates and looks whether everything is accounted for.
fn finish(world: &mut World) {
    (0..world.processes.len()).for_each(|process| world.drain(process));
    world.run_secs(40);
    world.check_end();
    world.judge("cargo test -p ringgate-proto --test sim");
}
