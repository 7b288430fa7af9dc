//! One world by one seed: who is there, what they send, what goes wrong.

use super::ledger::{Kind, Pair};
use super::rng::Rng;
use super::server::ServerConfig;
use super::towns::{self, Towns, address};
use super::world::{Ear, Fault, Happening, MS, SECOND, Weather, World};

/// What `evil.example` says on streams that a gate opened to it.
const MISCHIEF: [&str; 6] = [
    "<db:result from='evil.example' to='second.example' type='valid'/>",
    "<db:result from='external.example' to='a.example' type='valid'/><db:result from='evil.example' to='b.example' type='valid'/>",
    "<db:verify from='external.example' to='a.example' id='x' type='valid'/>",
    "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    "<db:result from='a.example' to='evil.example'>key</db:result>",
    "<!-- --></stream:stream>",
];

/// How long users send and things go wrong.
const BUSY: u64 = 60;
/// After that everything that waited was sent or answered: `limits::WAITING` and the longest dialback.
const SETTLE: u64 = 150;
/// After that every back-off is over: `limits::BACKOFF_LAST`.
const RECOVER: u64 = 310;

/// Runs a world to its end and judges it.
pub fn run(seed: u64) -> World {
    let mut rng = Rng::new(seed);
    let mut world = World::new(rng.next());
    let towns = settle_down(&mut world, &mut rng);
    plan_traffic(&mut world, &towns, &mut rng);
    plan_faults(&mut world, &mut rng);
    let replay = format!("RINGGATE_SIM_SEED={seed} cargo test -p ringgate-proto --test sim -- one_seed --nocapture");
    for _ in 0..BUSY {
        if rng.percent(10) {
            world.attack(&mut rng);
        }
        world.run_secs(1);
    }
    world.weather.latency_ms = (5, 20);
    world.run_secs(SETTLE);
    world.check_quiet();
    world.judge(&replay);
    world.run_secs(RECOVER);
    probe(&mut world, &towns);
    world.judge(&replay);
    (0..world.processes.len()).for_each(|process| world.drain(process));
    world.run_secs(40);
    world.check_end();
    world.judge(&replay);
    world
}

fn settle_down(world: &mut World, rng: &mut Rng) -> Towns {
    let shards = (rng.between(1, 3) as usize, rng.between(1, 3) as usize);
    let towns = towns::towns(world, shards);
    for server in &mut world.servers {
        server.config.multiplexes = rng.percent(50);
        server.config.direct = server.config.external && rng.percent(30);
    }
    let denied = world.add_server(ServerConfig::remote(&["denied.example"], address("11.6.0.1:5269")));
    let pair = ("denied.example".into(), "a.example".into());
    let at = Happening::Submit { server: denied, pair, kind: Kind::Forged, padding: 0 };
    world.after(rng.below(BUSY) * SECOND, at);
    let mischief = match rng.below(7) {
        0 => world.ledger.issue(&("external.example".into(), "a.example".into()), Kind::Forged, 9).1,
        n => MISCHIEF[n as usize - 1].into(),
    };
    let evil = ServerConfig::remote(&["evil.example"], address("11.7.0.1:5269"));
    world.add_server(ServerConfig { mischief: Some(mischief), external: rng.percent(50), ..evil });
    world.dns.publish("dead.example", address("11.9.0.1:5269"));
    world.dns.publish("hole.example", address("11.9.0.2:5269"));
    world.ears.insert(address("11.9.0.2:5269"), Ear::BlackHole);
    let slow = rng.between(1, 150);
    world.weather = Weather {
        latency_ms: (1, slow),
        read_bytes: *rng.pick(&[9, 90, 1_400, 65_536]),
        dns_ms: (1, *rng.pick(&[5, 500, 4_000])),
        tick_us: *rng.pick(&[1, 100, 3_000]),
    };
    towns
}

/// Everyone whom a server's users write to.
fn targets(world: &World, towns: &Towns, server: usize) -> Vec<String> {
    let all = |servers: &[usize]| -> Vec<String> {
        servers.iter().flat_map(|server| world.servers[*server].config.domains.clone()).collect()
    };
    let local = all(&[towns.backend_a, towns.second_a, towns.backend_b]);
    let mut targets = match world.servers[server].config.smart_host {
        None => local,
        Some(_) => [local, all(&[towns.external, towns.dialback, towns.clear])].concat(),
    };
    targets.retain(|domain| !world.servers[server].serves(domain));
    targets
}

const SENDERS: fn(&Towns) -> [usize; 6] =
    |towns| [towns.backend_a, towns.second_a, towns.backend_b, towns.external, towns.dialback, towns.clear];

fn plan_traffic(world: &mut World, towns: &Towns, rng: &mut Rng) {
    const NOWHERE: [&str; 5] = ["nowhere.example", "dead.example", "hole.example", "denied.example", "evil.example"];
    const KINDS: [Kind; 8] = [
        Kind::Message,
        Kind::Message,
        Kind::Message,
        Kind::Presence,
        Kind::Presence,
        Kind::Get,
        Kind::Result,
        Kind::Error,
    ];
    let count = rng.between(20, 200);
    let sizes = *rng.pick(&[10, 300, 8_000, 50_000]);
    let burst = *rng.pick(&[2, 6, 30]);
    let count = count / burst + 10;
    for _ in 0..count {
        let server = *rng.pick(&SENDERS(towns));
        let from = rng.pick(&world.servers[server].config.domains).clone();
        let is_lost = world.servers[server].config.smart_host.is_some() && rng.percent(15);
        let to = match is_lost {
            true => rng.pick(&NOWHERE).to_string(),
            false => rng.pick(&targets(world, towns, server)).clone(),
        };
        let begin = rng.below(BUSY * 1_000) * MS;
        for _ in 0..rng.between(1, burst) {
            let (kind, padding) = (*rng.pick(&KINDS), rng.below(sizes) as usize);
            let what = Happening::Submit { server, pair: (from.clone(), to.clone()), kind, padding };
            world.after(begin + rng.below(50) * MS, what);
        }
    }
}

fn plan_faults(world: &mut World, rng: &mut Rng) {
    let most = *rng.pick(&[0, 3, 12, 40]);
    for _ in 0..rng.between(0, most) {
        let at = rng.below(BUSY * 1_000) * MS;
        let n = rng.next();
        let fault = match rng.below(8) {
            0 => Fault::Reset(n),
            1..=3 => Fault::Choke(n, rng.between(100, 5_000)),
            4 => Fault::Stall(n, rng.between(100, 20_000)),
            5 => Fault::Close(n),
            6 => Fault::HalfClose(n),
            _ => {
                let server = rng.below(world.servers.len() as u64) as usize;
                world.after(at + rng.between(100, 20_000) * MS, Happening::Fault(Fault::Start(server)));
                Fault::Crash(server)
            }
        };
        world.after(at, Happening::Fault(fault));
    }
    // Whoever went down is up again when the recovery is looked at.
    for server in 0..world.servers.len() {
        world.after((BUSY + 30) * SECOND, Happening::Fault(Fault::Start(server)));
    }
    if rng.percent(30) {
        let domain = *rng.pick(&["external.example", "b.example", "clear.example"]);
        world.dns.broken_until.insert(domain.into(), world.now + rng.between(1, BUSY) * SECOND);
    }
}

/// Liveness: with nothing wrong any more, every pair's message arrives.
fn probe(world: &mut World, towns: &Towns) {
    let mut probes = Vec::new();
    for server in SENDERS(towns) {
        for from in world.servers[server].config.domains.clone() {
            for to in targets(world, towns, server) {
                let pair: Pair = (from.clone(), to);
                probes.push(world.submit(server, &pair, Kind::Message, 20));
            }
        }
    }
    world.run_secs(100);
    for number in probes {
        let record = &world.ledger.records[number];
        if record.delivered != 1 {
            let text = format!("I8: with all faults gone, s{number} did not arrive: {record:?}");
            world.ledger.violations.push(text);
        }
    }
}

fn range(from: u64, to: u64) {
    for seed in from..to {
        run(seed);
    }
}

/// Seeds of one test; four tests run beside each other.
const SEEDS: u64 = 50;

#[test]
fn seeds_of_the_first_quarter_hold_every_invariant() {
    range(0, SEEDS);
}

#[test]
fn seeds_of_the_second_quarter_hold_every_invariant() {
    range(SEEDS, 2 * SEEDS);
}

#[test]
fn seeds_of_the_third_quarter_hold_every_invariant() {
    range(2 * SEEDS, 3 * SEEDS);
}

#[test]
fn seeds_of_the_last_quarter_hold_every_invariant() {
    range(3 * SEEDS, 4 * SEEDS);
}

/// I10.
#[test]
fn same_seed_gives_the_same_trace() {
    for seed in [1, 17, 1_000_003] {
        let (first, second) = (run(seed), run(seed));
        assert_eq!((first.trace, first.steps), (second.trace, second.steps), "seed {seed}");
        assert_ne!(first.trace, run(seed + 1).trace);
    }
}

/// As many seeds as `RINGGATE_SIM_SEEDS` says, from the one of `RINGGATE_SIM_SEED` on (or a few).
#[test]
fn more_seeds() {
    let number = |name, default| std::env::var(name).ok().map_or(default, |n| n.parse().expect("a number"));
    let first = number("RINGGATE_SIM_SEED", 10_000);
    range(first, first + number("RINGGATE_SIM_SEEDS", 5));
}

/// The seed of `RINGGATE_SIM_SEED`, with a summary (or seed 0: something must run).
#[test]
fn one_seed() {
    let seed = std::env::var("RINGGATE_SIM_SEED").ok().map_or(0, |seed| seed.parse().expect("a number"));
    let world = run(seed);
    println!("seed {seed}: {} steps, {}", world.steps, world.outcome());
    for process in &world.processes {
        println!("gate at {}: {:?}", process.config.public, process.total());
        println!("  {:?}", process.refused);
    }
}
