//! What a shard allocates in the steady state, from socket to socket: an allocator that counts is the judge.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use ringgate::ring::Wait;
use ringgate::shard::Shard;
use ringgate_proto::gate::ShardId;

use crate::peer::Peer;
use crate::scripts::{accept_dialback, authenticated, message, standing};
use crate::world::{INSIDE, REMOTES, World};

const BURSTS: usize = 120;
/// Stanzas of one burst: one record where there is TLS.
const PER_BURST: usize = 32;
/// Stanzas after which buffers have grown to what they will be.
const WARM_UP: usize = 20 * PER_BURST;
/// Completions per tick, as `driver` has them.
const BUDGET: usize = 256;

/// What was counted between the warm-up and the last stanza.
struct Counted {
    allocations: u64,
    /// TLS records written.
    records: u64,
    stanzas: u64,
}

fn transited(shard: &Shard) -> u64 {
    shard.observed().transit.iter().map(|histogram| histogram.len()).sum()
}

/// Turns the shard until so many stanzas have left, for five seconds at most.
fn turn(shard: &mut Shard, stanzas: usize) {
    let end = Instant::now() + Duration::from_secs(5);
    while transited(shard) < stanzas as u64 && Instant::now() < end {
        shard.enter(Wait::No).expect("ring");
        shard.process(BUDGET);
    }
}

/// On the shard's own thread, in place of its driver: another thread's allocations do not count.
fn count(shard: &mut Shard, before: usize) -> Counted {
    turn(shard, before + WARM_UP);
    let (records, stanzas) = (shard.observed().counters.records, transited(shard));
    let measured = allocation_counter::measure(|| turn(shard, before + BURSTS * PER_BURST));
    Counted {
        allocations: measured.count_total,
        records: shard.observed().counters.records - records,
        stanzas: transited(shard) - stanzas,
    }
}

/// Counts while bursts go from one peer to the other, one by one; `before` stanzas went before.
fn counted(world: &World, from: &mut Peer, to: &mut Peer, stanza: &str, before: usize) -> Counted {
    let (sender, receiver) = mpsc::channel();
    world.running.handle().call(ShardId(0), move |shard| {
        let _ = sender.send(count(shard, before));
    });
    let burst = stanza.repeat(PER_BURST);
    for _ in 0..BURSTS {
        from.say(&burst);
        (0..PER_BURST).for_each(|_| assert!(to.expect("</message>").ends_with(stanza)));
    }
    let counted = receiver.recv().expect("the shard counts");
    assert!(counted.stanzas as usize > BURSTS * PER_BURST - 2 * WARM_UP, "{} stanzas", counted.stanzas);
    counted
}

#[test]
fn stanzas_of_a_backend_cost_at_most_one_allocation_per_record_written() {
    let world = World::start(1);
    let (mut backend, mut remote) = standing(&world, REMOTES[0]);
    let counted = counted(&world, &mut backend, &mut remote, &message(INSIDE, REMOTES[0], "hello"), 1);
    // rustls makes each record in a buffer of its own.
    assert!(counted.allocations <= counted.records, "{} for {} records", counted.allocations, counted.records);
    drop((backend, remote));
    world.drain();
}

#[test]
fn stanzas_of_a_remote_server_cost_at_most_one_allocation_per_record_read() {
    let world = World::start(1);
    let mut remote = authenticated(&world, REMOTES[0]);
    remote.say(&message(REMOTES[0], INSIDE, "the stream stands"));
    let mut backend = Peer::new(world.backend.accept().expect("accept").0);
    accept_dialback(&mut backend);
    backend.expect("stands</body></message>");
    let counted = counted(&world, &mut remote, &mut backend, &message(REMOTES[0], INSIDE, "hello"), 1);
    // A burst is a record, and rustls keeps each record's plaintext in a buffer of its own.
    let records = counted.stanzas / PER_BURST as u64;
    assert!(counted.allocations <= records, "{} for {records} records", counted.allocations);
    drop((backend, remote));
    world.drain();
}
