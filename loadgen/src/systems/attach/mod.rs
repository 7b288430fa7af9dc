//! A ringgate that somebody else starts and ends: the directory that says how, and what runs reuse of it.
//!
//! ```text
//!  DIR/  stage.json                      where everyone is, and how they speak
//!        root.pem, root-key.pem          whom everyone trusts
//!        ringgate.toml, certificates/    what it is started with: ringgate run --config DIR/ringgate.toml
//! ```
//!
//! The first run makes the directory and waits until ringgate listens; further ones find the same addresses and the same
//! authority, so that one ringgate serves them all. It is neither pinned nor favoured, and never ended.

mod running;

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ::ringgate::stage::authority::Authority;
use anyhow::{Context, bail, ensure};
use ringgate_proto::address::Domain;
use serde::{Deserialize, Serialize};

use super::ringgate::{self, Ports};
use super::scratch::{Folder, Scratch};
use super::{Programs, Setting, System, Under, ports};
use crate::engine::{Ground, Places};
use crate::plan::{Party, Plan, Transport};
use crate::world;

pub(super) use running::Attached;

/// Version of `stage.json`.
const SCHEMA: u32 = 1;
/// Between two attempts to connect, and how long one may take.
const LOOK: Duration = Duration::from_millis(100);

/// What to attach to.
#[derive(Clone, Debug)]
pub struct Attach {
    /// Where its configuration is, or will be.
    pub directory: PathBuf,
    /// How long it may take until it listens.
    pub patience: Duration,
    /// Its process, if it cannot be told from the ports.
    pub pid: Option<u32>,
}

/// A directory that ringgate is started from.
pub struct Site {
    directory: PathBuf,
    layout: Layout,
}

/// The content of `stage.json`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Layout {
    schema: u32,
    locals: u32,
    direct_tls: bool,
    dialback: bool,
    inside_tls: bool,
    dns: SocketAddr,
    /// For each core of the engine.
    places: Vec<Places>,
    ports: Ports,
}

impl Attach {
    /// The directory, made for this plan if there is none yet: with a shard for each of the system's cores.
    ///
    /// # Errors
    /// In one line: it does not fit the plan, holds something else, is damaged, or cannot be made.
    pub fn site(&self, plan: &Plan, system: &[usize], engine: &[usize], scratch: &Scratch) -> anyhow::Result<Site> {
        let directory = std::path::absolute(&self.directory)?;
        let layout = match read(&directory)? {
            Some(layout) => layout,
            None => make(&directory, plan, system, engine.len(), scratch)?,
        };
        let site = Site { directory, layout };
        site.must_fit(plan, engine.len())?;
        Ok(site)
    }

    /// Waits until it listens, and finds its processes. Says on standard error how to start it if it does not run.
    ///
    /// # Errors
    /// In one line: it does not listen in time, `stop` became true, or nobody can say which process it is.
    pub fn find(&self, site: &Site, stop: &AtomicBool) -> anyhow::Result<Under> {
        let deadline = Instant::now() + self.patience;
        let mut is_told = false;
        for address in site.layout.ports.all() {
            while let Err(error) = TcpStream::connect_timeout(&address, LOOK) {
                if Instant::now() >= deadline {
                    bail!("{address}: {error} after {:?}; start it with: {}", self.patience, site.command());
                }
                ensure!(!stop.load(Ordering::Relaxed), "interrupted before ringgate listened on {address}");
                if !std::mem::replace(&mut is_told, true) {
                    eprintln!("loadgen: waiting {:?} for ringgate; start it with: {}", self.patience, site.command());
                }
                thread::sleep(LOOK);
            }
        }
        let attached = match self.pid {
            Some(pid) => Attached::by_pid(pid)?,
            None => Attached::listening(&site.layout.ports.all())?,
        };
        eprintln!("loadgen: attached to {attached}; it runs where and as it was started, loadgen pins nothing");
        Ok(Under {
            name: System::Ringgate.name().to_owned(),
            version: format!("ringgate: {attached}"),
            attachment: site.layout.ports.attachment(),
            processes: Vec::new(),
            attached: Some(attached),
            metrics: None,
        })
    }
}

impl Site {
    /// What a stage is set on, the same for each run.
    ///
    /// # Errors
    /// The authority's files cannot be read.
    pub fn ground(&self) -> anyhow::Result<Ground> {
        let text = |name: &str| {
            let path = self.directory.join(name);
            fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let authority = Authority::restore(text("root.pem")?, &text("root-key.pem")?);
        let authority = authority.with_context(|| self.directory.display().to_string())?;
        Ok(Ground::known(authority, self.layout.dns, self.layout.places.clone()))
    }

    /// What starts ringgate.
    fn command(&self) -> String {
        format!("ringgate run --config {}", self.directory.join("ringgate.toml").display())
    }

    fn must_fit(&self, plan: &Plan, engine_cores: usize) -> anyhow::Result<()> {
        let Layout { locals, direct_tls, dialback, inside_tls, places, .. } = &self.layout;
        let name = self.directory.display();
        ensure!(
            plan.locals <= *locals,
            "{name} is for {locals} local domains, this run has {}; name another directory",
            plan.locals
        );
        let asked = plan.transport;
        let theirs = Transport { direct_tls: *direct_tls, dialback: *dialback, inside_tls: *inside_tls, ..asked };
        ensure!(
            asked == theirs,
            "{name} is for other streams ({}); ask for the same, or name another directory",
            options(theirs)
        );
        ensure!(
            places.len() == engine_cores,
            "{name} is for {} cores of the engine, this run has {engine_cores}; ask for as many with --engine-cores",
            places.len()
        );
        Ok(())
    }
}

/// The options that make such streams.
fn options(transport: Transport) -> String {
    let Transport { direct_tls, dialback, inside_tls, .. } = transport;
    let options = [(direct_tls, "--direct-tls"), (dialback, "--dialback"), (inside_tls, "--inside-tls")];
    let set: Vec<&str> = options.into_iter().filter(|(is_set, _)| *is_set).map(|(_, option)| option).collect();
    if set.is_empty() { "no option".to_owned() } else { set.join(" ") }
}

/// What is there; `None`: nothing yet.
fn read(directory: &Path) -> anyhow::Result<Option<Layout>> {
    let path = directory.join("stage.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let damaged = || format!("{}: not written by this version of loadgen", path.display());
    let layout: Layout = serde_json::from_str(&text).with_context(damaged)?;
    ensure!(layout.schema == SCHEMA, "{} (schema {}, not {SCHEMA})", damaged(), layout.schema);
    Ok(Some(layout))
}

fn make(
    directory: &Path,
    plan: &Plan,
    system: &[usize],
    engine_cores: usize,
    scratch: &Scratch,
) -> anyhow::Result<Layout> {
    let folder = Folder::lasting(directory)?;
    let [public, public_direct_tls, internal, dns] = ports::free()?;
    let others = ports::several(2 * engine_cores)?;
    let places: Vec<Places> = others.chunks_exact(2).map(|pair| Places { remote: pair[0], backend: pair[1] }).collect();
    let ports = Ports { public, public_direct_tls, internal };
    let locals: Vec<Domain> = (0..plan.locals).map(|number| world::domain(Party::Local(number))).collect();
    let backends: Vec<SocketAddr> = places.iter().map(|places| places.backend).collect();
    let authority = Authority::new()?;
    let setting = Setting {
        locals: &locals,
        backends: &backends,
        authority: &authority,
        dns,
        transport: plan.transport,
        cores: system,
        scratch,
        programs: &Programs::default(),
    };
    ringgate::configure(&setting, &folder, ports, None)?;
    folder.write("root-key.pem", &authority.key_pem())?;
    let Transport { direct_tls, dialback, inside_tls, .. } = plan.transport;
    let layout = Layout { schema: SCHEMA, locals: plan.locals, direct_tls, dialback, inside_tls, dns, places, ports };
    // Last: what is there only in part is no stage.
    folder.write("stage.json", &serde_json::to_string_pretty(&layout)?)?;
    Ok(layout)
}
