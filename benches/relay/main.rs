//! CPU per stanza through one shard, TLS to TLS, beside HAProxy in tcp mode with TLS on both sides, interleaved in one run.
//!
//! ```text
//!   core 1: generator                       core 0: proxy                 core 1: generator
//!   remote server, one per lane ──EXTERNAL──▶ ringgate ──STARTTLS, dialback──▶ backend, one stream for all lanes
//!   place of return, per lane   ◀──EXTERNAL── ringgate ◀──TLS, dialback──────  backend's echo, one stream per lane
//!
//!   client, one per lane        ◀──TLS──────▶ HAProxy  ◀──TLS────────────────▶ echo, one connection per lane
//! ```
//!
//! A round trip is a stanza to the backend and its echo back: two forwards, each decrypted and encrypted once. Streams
//! between servers carry stanzas one way, so ringgate's round trip goes over twice as many connections as HAProxy's; and
//! ringgate carries all remote domains on one stream to the backend, as it always does. Every stanza that arrives is
//! compared, byte for byte and in order, with what was sent.
//!
//! `cargo bench --bench relay -- [--rounds N] [--seconds S] [--only WORD] [--before FILE]`; needs `haproxy` and `taskset`, and two cores.
//! `--before` takes another build of ringgate into the same turns.

mod authority;
mod cpu;
mod load;
mod proxies;
mod report;
mod stanzas;
mod stream;
mod wire;
mod zone;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use ringgate_proto::address::Domain;

use authority::Authority;
use load::{Field, Mode, Stores};
use proxies::{Ports, Proxy, Scratch};
use report::{Round, Table};
use stanzas::{HOME, Kind, Set};
use stream::Role;

/// Remote domains, each with its streams; HAProxy's connections.
pub(crate) const LANES: usize = 50;
/// Before each measurement, unmeasured.
const WARM_UP: Duration = Duration::from_millis(300);
/// Set in the process that is pinned.
const PINNED: &str = "RINGGATE_RELAY_PINNED";

/// One line of the comparison.
struct Case {
    name: &'static str,
    kind: Kind,
    mode: Mode,
}

const fn saturated(name: &'static str, kind: Kind, window: u64, per_record: u64) -> Case {
    Case { name, kind, mode: Mode { window, per_record, rate: None } }
}

const fn paced(name: &'static str, rate: u32) -> Case {
    Case { name, kind: Kind::Messages, mode: Mode { window: 0, per_record: 1, rate: Some(rate) } }
}

const CASES: [Case; 8] = [
    saturated("messages, one at a time", Kind::Messages, 1, 1),
    saturated("messages, 8 on their way, one per record", Kind::Messages, 8, 1),
    saturated("messages, 16 on their way, 8 per record", Kind::Messages, 16, 8),
    saturated("presence, one at a time", Kind::Presence, 1, 1),
    saturated("presence, 16 on their way, 8 per record", Kind::Presence, 16, 8),
    paced("messages, 1000/s", 1_000),
    paced("messages, 10000/s", 10_000),
    paced("messages, 50000/s", 50_000),
];

/// What was asked for on the command line.
struct Wishes {
    rounds: usize,
    time: Duration,
    only: String,
    before: Option<PathBuf>,
}

impl Wishes {
    fn read() -> anyhow::Result<Self> {
        let mut wishes = Self { rounds: 6, time: Duration::from_secs(2), only: String::new(), before: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--rounds" => wishes.rounds = value()?.parse()?,
                "--seconds" => wishes.time = Duration::from_secs_f64(value()?.parse()?),
                "--only" => wishes.only = value()?,
                "--before" => wishes.before = Some(value()?.into()),
                // cargo adds it.
                "--bench" => {}
                other => {
                    anyhow::bail!("{other} means nothing here: --rounds N, --seconds S, --only WORD, --before FILE")
                }
            }
        }
        Ok(wishes)
    }
}

fn main() -> anyhow::Result<()> {
    let wishes = Wishes::read()?;
    if std::env::var_os(PINNED).is_none() {
        return Err(pin());
    }
    // Without autogroups or the right to do so, more rounds are noisy.
    let _ = std::fs::write("/proc/self/autogroup", "-15");
    let mut stage = Stage::set(wishes.before.as_deref())?;
    report::print_machine();
    for case in CASES.iter().filter(|case| case.name.contains(&wishes.only)) {
        let set = Set::new(case.kind);
        let names = stage.systems.iter().map(|system| system.name).collect();
        let mut table = Table::new(case.name, set.mean_bytes(), names);
        for round in 0..wishes.rounds {
            let there = 0..stage.systems.len();
            // ABBA: none always follows the same.
            let order: Vec<usize> = if round % 2 == 0 { there.collect() } else { there.rev().collect() };
            for system in order {
                let round = stage.measure(system, &set, case.mode, wishes.time)?;
                table.add(system, round);
            }
        }
        table.print();
    }
    Ok(())
}

/// Starts this program again on the second core, with the priority that keeps others off both cores as far as possible.
/// Returns only if that fails.
fn pin() -> anyhow::Error {
    let Ok(program) = std::env::current_exe() else { return anyhow::anyhow!("this program has no name") };
    // A session of its own is a scheduling group of its own (sched(7), autogroup), whose priority is set below.
    let mut command = Command::new("setsid");
    command
        .args(["-w", "nice", "-n", "-15", "taskset", "-c", "1"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(PINNED, "1");
    anyhow::Error::from(command.exec()).context("setsid, nice, taskset")
}

/// What is compared, with all streams open.
struct Stage {
    systems: Vec<System>,
    scratch: Scratch,
}

struct System {
    name: &'static str,
    proxy: Proxy,
    field: Field,
}

impl Stage {
    fn set(before: Option<&Path>) -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        let scratch = Scratch::new()?;
        let home = Domain::parse(HOME).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let stores = Stores {
            remote: authority.store("*.remote.example", stream::domains()?)?,
            backend: authority.store(HOME, vec![home])?,
        };
        let mut stage = Self { systems: Vec::new(), scratch };
        stage.add_ringgate("ringgate", Path::new(env!("CARGO_BIN_EXE_ringgate")), &authority, &stores)?;
        stage.add_haproxy(&authority, &stores)?;
        if let Some(before) = before {
            stage.add_ringgate("before", before, &authority, &stores)?;
        }
        // The first stanzas make what is not there yet.
        let first = Mode { window: 1, per_record: 1, rate: None };
        for system in 0..stage.systems.len() {
            stage.measure(system, &Set::new(Kind::Messages), first, WARM_UP)?;
        }
        Ok(stage)
    }

    fn add_ringgate(
        &mut self,
        name: &'static str,
        binary: &Path,
        authority: &Authority,
        stores: &Stores,
    ) -> anyhow::Result<()> {
        let ports = Ports::choose()?;
        let (backend, backend_at) = listen()?;
        let (remote, remote_at) = listen()?;
        let dns = zone::serve(remote_at.port())?;
        let inside = proxies::Inside { name, binary, backend: backend_at, dns };
        let proxy = proxies::ringgate(&inside, &self.scratch, authority, &ports)?;
        let listeners = vec![(backend, Role::Backend), (remote, Role::Return)];
        let mut field = Field::new(stores.clone(), listeners)?;
        field.open_streams(ports.public, ports.internal, &Set::new(Kind::Messages)).context(name)?;
        self.systems.push(System { name, proxy, field });
        Ok(())
    }

    fn add_haproxy(&mut self, authority: &Authority, stores: &Stores) -> anyhow::Result<()> {
        let ports = Ports::choose()?;
        let (echo, echo_at) = listen()?;
        let proxy = proxies::haproxy(&self.scratch, authority, &ports, echo_at)?;
        let mut field = Field::new(stores.clone(), vec![(echo, Role::PlainServer)])?;
        field.open_connections(ports.haproxy).context("haproxy")?;
        self.systems.push(System { name: "haproxy", proxy, field });
        Ok(())
    }

    fn measure(&mut self, system: usize, set: &Set, mode: Mode, time: Duration) -> anyhow::Result<Round> {
        let System { proxy, field, .. } = &mut self.systems[system];
        let mut edges = Vec::new();
        let look = || {
            let processes = [cpu::of_process(proxy.pid()), cpu::of_process(std::process::id())];
            edges.push((processes, [cpu::of_core(0), cpu::of_core(1)]));
        };
        let counted = field.run(set, mode, WARM_UP, time, look)?;
        let [(before, cores_before), (after, cores_after)] = edges.as_slice() else {
            anyhow::bail!("a measurement has two edges");
        };
        let core = |core: usize| cores_after[core].saturating_sub(cores_before[core]);
        Ok(Round::new(&counted, [after[0] - before[0], after[1] - before[1]], [core(0), core(1)]))
    }
}

fn listen() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
