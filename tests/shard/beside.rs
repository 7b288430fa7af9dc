//! A shard and glommio on one thread, which sleeps where glommio would: neither keeps the other from its work.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ringgate::shard::driver::Task;
use ringgate_proto::gate::ShardId;

use crate::peer::Peer;
use crate::probes::{self, Probe};
use crate::scripts::{message, standing};
use crate::world::{INSIDE, REMOTES, Settings, World};

/// A world whose first shard has probes beside it, and the threads that ask them.
fn probed(shards: u16, probes: &'static [Probe]) -> (World, Vec<JoinHandle<()>>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let tasks = move |shard: ShardId| {
        if shard.0 > 0 {
            return Vec::new();
        }
        let (tasks, clients): (Vec<Task>, Vec<_>) = probes.iter().map(|probe| probe()).unzip();
        sender.send(clients).expect("the test waits");
        tasks
    };
    let world = World::with(Settings { shards, tasks: Box::new(tasks), ..Settings::default() });
    (world, receiver.recv().expect("the first shard was set up"))
}

fn join(clients: Vec<JoinHandle<()>>) {
    for client in clients {
        client.join().expect("every answer, in order");
    }
}

/// Stanzas from the backend to a remote server, as fast as they go, until told to stop; each is seen to arrive, in order.
struct Load {
    stop: Arc<AtomicBool>,
    arrived: Arc<AtomicU64>,
    writer: JoinHandle<(Peer, u64)>,
    reader: JoinHandle<Peer>,
}

impl Load {
    fn start(world: &World) -> Self {
        let (mut backend, mut remote) = standing(world, REMOTES[0]);
        let (stop, arrived) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (until, count) = (Arc::clone(&stop), Arc::clone(&arrived));
        let writer = thread::spawn(move || {
            let mut sent = 0;
            while !until.load(Ordering::Relaxed) {
                backend.say(&message(INSIDE, REMOTES[0], &format!("number {sent}.")));
                sent += 1;
            }
            backend.say(&message(INSIDE, REMOTES[0], "the last"));
            (backend, sent)
        });
        let reader = thread::spawn(move || {
            loop {
                let stanza = remote.expect("</message>");
                if stanza.contains("the last") {
                    return remote;
                }
                let number = count.fetch_add(1, Ordering::Relaxed);
                assert!(stanza.contains(&format!("number {number}.")), "{number}: {stanza}");
            }
        });
        Self { stop, arrived, writer, reader }
    }

    /// Stops when all that were sent have arrived.
    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let (_backend, sent) = self.writer.join().expect("writer");
        let _remote = self.reader.join().expect("every stanza, in order");
        assert_eq!(self.arrived.load(Ordering::Relaxed), sent);
    }
}

/// Waits until another hundred was counted.
fn goes_on(count: &AtomicU64) {
    let (begin, goal) = (Instant::now(), count.load(Ordering::Relaxed) + 100);
    while count.load(Ordering::Relaxed) < goal {
        assert!(begin.elapsed() < probes::PATIENCE, "{} of {goal}", count.load(Ordering::Relaxed));
        thread::sleep(Duration::from_millis(1));
    }
}

/// Each alone: whatever else woke the executor would hide that it sleeps through what this one needs.
#[test]
fn whatever_glommio_waits_for_wakes_an_idle_shard() {
    for probe in probes::ALL.chunks(1) {
        let (world, clients) = probed(1, probe);
        join(clients);
        assert_eq!(world.count(|counters| counters.panics), 0);
        world.drain();
    }
}

#[test]
fn messages_wake_idle_shards() {
    let world = World::start(2);
    probes::pass_around(&world.running.handle());
    world.drain();
}

#[test]
fn everything_of_glommio_works_beside_a_shard_at_full_load() {
    let (world, clients) = probed(1, &probes::ALL);
    let load = Load::start(&world);
    probes::pass_around(&world.running.handle());
    join(clients);
    goes_on(&load.arrived);
    load.end();
    world.drain();
}

/// A task that computes in slices of 50 µs for ever, and whoever counts them.
fn computing(slices: Arc<AtomicU64>) -> Task {
    Box::pin(async move {
        loop {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_micros(50) {
                std::hint::spin_loop();
            }
            slices.fetch_add(1, Ordering::Relaxed);
            glommio::executor().yield_now().await;
        }
    })
}

#[test]
fn stanzas_and_timers_go_on_beside_a_task_that_computes() {
    let slices = Arc::new(AtomicU64::new(0));
    let (counted, clients) = (Arc::clone(&slices), Arc::new(Mutex::new(Vec::new())));
    let left = Arc::clone(&clients);
    let tasks = move |_| {
        let (timers, client) = probes::timers();
        left.lock().expect("clients").push(client);
        vec![computing(Arc::clone(&counted)), timers]
    };
    let world = World::with(Settings { tasks: Box::new(tasks), ..Settings::default() });
    let load = Load::start(&world);
    join(std::mem::take(&mut clients.lock().expect("clients")));
    for _ in 0..3 {
        goes_on(&load.arrived);
        goes_on(&slices);
    }
    load.end();
    world.drain();
}

#[test]
fn shard_without_traffic_sleeps_without_a_call_of_the_kernel() {
    let world = World::start(1);
    let figures = |world: &World| (world.count(|counters| counters.enters), world.count(|counters| counters.sleeps));
    // Each look at a figure wakes the shard, and costs what one wake costs.
    let (warm, first) = (figures(&world), figures(&world));
    let look = (first.0 - warm.0, first.1 - warm.1);
    thread::sleep(Duration::from_millis(500));
    let second = figures(&world);
    let idle = (second.0 - first.0, second.1 - first.1);
    assert!(idle.0 <= look.0 + 4 && idle.1 <= look.1 + 4, "{idle:?} calls and sleeps, {look:?} of them by looking");
    world.drain();
}
