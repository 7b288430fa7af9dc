//! `ringgate demo`: a small internet on loopback, federating for some seconds.
//!
//! ringgate runs as it would on an edge host, on all cores. Around it: one embedded backend, three embedded remote
//! servers (SASL EXTERNAL over STARTTLS, SASL EXTERNAL over direct TLS, dialback), a certificate authority and a DNS
//! server that knows just these. Everything is made in memory and gone afterwards; no root, no files, no network.

mod line;
mod play;
mod report;
mod server;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use ringgate_proto::address::Domain;
use ringgate_proto::event::Event;

use crate::config::Config;
use crate::run::{self, Running};
use crate::stage::authority::Authority;
use crate::stage::zone::{Place, Zone};
use crate::tls;
use server::{Arrival, Role, Server};

/// How the demo goes.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Seconds that users talk.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Messages that each side sends to each remote domain per second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
    rate: u32,
    /// Shards of ringgate; as many as there are cores by default.
    #[arg(long)]
    shards: Option<u16>,
}

/// The backend's domain.
const HOME: &str = "home.example";

/// A remote server of the demo.
struct Remote {
    name: &'static str,
    external: bool,
    direct_tls: bool,
}

const REMOTES: [Remote; 3] = [
    Remote { name: "north.example", external: true, direct_tls: false },
    Remote { name: "south.example", external: true, direct_tls: true },
    Remote { name: "east.example", external: false, direct_tls: false },
];

/// Everyone who takes part.
struct Stage {
    ringgate: Running,
    backend: Server,
    remotes: Vec<Server>,
    arrivals: Receiver<Arrival>,
    events: Receiver<Event>,
    _zone: Zone,
}

/// Runs the demo and prints what happened.
///
/// # Errors
/// What could not be set up. An exit code other than 0 says that a stanza is missing.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    println!(
        "Setting the stage: a certificate authority, a DNS server, one backend, {} remote servers.",
        REMOTES.len()
    );
    let stage = Stage::set(args)?;
    println!(
        "ringgate listens on {} for the world and on {} for its backend.",
        stage.ringgate.public, stage.ringgate.internal
    );
    println!("Users of {HOME} and of the remote domains talk for {} s.\n", args.seconds);
    let tally = play::play(&stage, Duration::from_secs(args.seconds), args.rate);
    stage.backend.stop();
    stage.remotes.iter().for_each(Server::stop);
    let reports = stage.ringgate.drain()?;
    let is_complete =
        report::print(&tally, &stage.events.try_iter().collect::<Vec<_>>(), &reports, &mut std::io::stdout().lock())?;
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Stage {
    fn set(args: &DemoArgs) -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        let home = domain(HOME)?;
        let backend_port = Server::bind().context("a port for the backend")?;
        let mut ports = Vec::new();
        let mut places = HashMap::new();
        for remote in &REMOTES {
            let port = Server::bind().context("a port for a remote server")?;
            places.insert(domain(remote.name)?, Place { address: port.1, direct_tls: remote.direct_tls });
            ports.push(port);
        }
        let zone = Zone::serve(places).context("the demo's DNS server")?;
        let store = tls::Store::load(vec![authority.identity(std::slice::from_ref(&home))?], authority.roots(), None)?;
        let config = config(backend_port.1, zone.address, args.shards)?;
        let (tap, events) = mpsc::channel();
        let ringgate = run::launch(&config, store, Some(tap)).context("ringgate")?;

        let (sender, arrivals) = mpsc::channel();
        let role = Role { domain: home, store: None, external: false, direct_tls: false };
        let mut backend = Server::new(backend_port.0, role, ringgate.internal, sender.clone());
        backend.start();
        let mut remotes = Vec::new();
        for (remote, port) in REMOTES.iter().zip(ports) {
            let domain = domain(remote.name)?;
            let store = Some(authority.store(std::slice::from_ref(&domain))?);
            let role = Role { domain, store, external: remote.external, direct_tls: remote.direct_tls };
            let mut server = Server::new(port.0, role, ringgate.public, sender.clone());
            server.start();
            remotes.push(server);
        }
        Ok(Self { ringgate, backend, remotes, arrivals, events, _zone: zone })
    }
}

fn domain(name: &str) -> anyhow::Result<Domain> {
    Domain::parse(name).map_err(|error| anyhow::anyhow!("{name}: {error:?}"))
}

/// What an operator would write, but for the certificate, which is in memory.
fn config(backend: SocketAddr, dns: SocketAddr, shards: Option<u16>) -> anyhow::Result<Config> {
    let shards = shards.map_or(String::new(), |shards| format!("shards = {shards}"));
    let text = format!(
        r#"
{shards}
[[domain]]
name = "{HOME}"
certificate = "in-memory.pem"
backend = "{backend}"
[internal]
listen = "127.0.0.1:0"
[public]
listen = ["127.0.0.1:0"]
listen_direct_tls = []
[dns]
servers = ["{dns}"]
[egress]
allow = ["127.0.0.0/8"]
"#
    );
    match Config::parse(&text, Path::new("demo.toml")) {
        Ok(loaded) => Ok(loaded.config),
        Err(problems) => anyhow::bail!("the demo's own configuration is refused:\n{problems}"),
    }
}
