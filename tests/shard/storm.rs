//! Many handshakes at once: who has a stream does not wait for them, and who comes back need not do all of it again.

use std::io::ErrorKind;
use std::sync::mpsc;

use ringgate::ring::Wait;
use ringgate::shard::Shard;
use ringgate_proto::gate::ShardId;

use crate::peer::{Peer, client};
use crate::scripts::{authenticated, message, proceeding, standing};
use crate::world::{INSIDE, REMOTES, World};

/// Handshakes that come before the stanza.
pub(crate) const STORM: usize = 64;

/// Completions that a driver takes in a tick.
const BUDGET: usize = 256;

/// A shard that does nothing but single ticks, when it is told to.
pub(crate) struct Stepped {
    steps: mpsc::Sender<()>,
    done: mpsc::Receiver<Seen>,
}

/// What a shard shows between two ticks.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    /// Bytes that wait.
    pub(crate) waiting: usize,
    /// Bytes received so far, on all connections.
    pub(crate) received: u64,
    /// Stanzas taken on so far.
    pub(crate) accepted: u64,
    /// Whether it would go on at once, instead of sleeping.
    pub(crate) goes_on: bool,
}

impl Seen {
    fn of(shard: &Shard, goes_on: bool) -> Self {
        let received = shard.observed().traffic.iter().map(|traffic| traffic.bytes_in).sum();
        let accepted = shard.gate().accounts().map(|(_, account)| account.accepted).sum();
        Self { waiting: shard.gauges().backlog_bytes, received, accepted, goes_on }
    }
}

impl Stepped {
    /// Stops the first shard of a world between two ticks, until this is dropped.
    pub(crate) fn new(world: &World) -> Self {
        Self::of(world, 0)
    }

    /// Stops any shard.
    pub(crate) fn of(world: &World, number: u16) -> Self {
        let (steps, asked) = mpsc::channel();
        let (tell, done) = mpsc::channel();
        assert!(world.running.handle().call(ShardId(number), move |shard| {
            tell.send(Seen::of(shard, true)).expect("the test waits");
            for () in asked {
                shard.enter(Wait::No).expect("the ring");
                let goes_on = shard.process(BUDGET);
                tell.send(Seen::of(shard, goes_on)).expect("the test waits");
            }
        }));
        let stepped = Self { steps, done };
        stepped.done.recv().expect("it stops");
        stepped
    }

    pub(crate) fn tick(&self) -> Seen {
        self.steps.send(()).expect("it waits");
        self.done.recv().expect("it answers")
    }
}

/// Whether something has come for a peer.
pub(crate) fn is_answered(peer: &Peer) -> bool {
    peer.stream.set_nonblocking(true).expect("a socket");
    let peeked = peer.stream.peek(&mut [0]);
    peer.stream.set_nonblocking(false).expect("a socket");
    match peeked {
        Ok(count) => count > 0,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn stanza_of_an_established_stream_leaves_before_the_handshakes_that_came_first() {
    let world = World::start(1);
    let (mut backend, mut opposite) = standing(&world, REMOTES[0]);
    let mut newcomers: Vec<Peer> = (0..STORM).map(|_| proceeding(world.public, REMOTES[1])).collect();

    let shard = Stepped::new(&world);
    for peer in &mut newcomers {
        peer.start_tls(client(&world.tls.without_resumption(), REMOTES[1], INSIDE));
    }
    backend.say(&message(INSIDE, REMOTES[0], "in a storm"));
    // More than one, as the kernel has fewer buffers than there are newcomers.
    let ticks = (1..=STORM).find(|_| {
        shard.tick();
        is_answered(&opposite)
    });
    // The shard stands still: nobody is answered meanwhile.
    let answered = newcomers.iter().filter(|peer| is_answered(peer)).count();
    assert!(answered < STORM / 2, "{answered} of {STORM} handshakes went first, in {ticks:?} ticks");
    let stanza = opposite.expect("</message>");
    assert!(stanza.contains("in a storm"), "{stanza}");

    // Nor do they wait for ever.
    drop(shard);
    newcomers.iter_mut().for_each(Peer::finish_tls);
    drop((newcomers, backend, opposite));
    assert_eq!(world.count(|counters| counters.panics), 0);
    world.drain();
}

#[test]
fn session_of_one_shard_resumes_on_every_other() {
    const SHARDS: u64 = 2;
    let world = World::start(SHARDS as u16);
    // The partner keeps its tickets. The kernel deals connections out: sooner or later every shard has had one.
    let resumed_everywhere = |world: &World| world.count(|counters| u64::from(counters.resumed > 0)) == SHARDS;
    let mut visits = 0;
    while !resumed_everywhere(&world) {
        assert!(visits < 64, "each of two shards is chosen once in 64 times");
        drop(authenticated(&world, REMOTES[0]));
        visits += 1;
        world.eventually(|world| world.count(|counters| counters.handshakes) == visits);
    }
    let full = visits - world.count(|counters| counters.resumed);
    assert_eq!(full, 1, "of {visits}");
    world.drain();
}
