//! A system under test as a process: alone on its cores, in a process group of its own, ended with everything it started.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How long a system may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it listens.
const PACE: Duration = Duration::from_millis(20);
/// How much of its output is shown when it does not.
const SHOWN_BYTES: usize = 2000;

/// A running process and its descendants, all ended when dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` on `cores`, with its output in `scratch`, and waits until it accepts connections on all of `listens`.
    ///
    /// # Errors
    /// It cannot be started, ends, or does not listen within 30 s; with the end of what it printed.
    pub fn start(name: &'static str, program: Pinned, scratch: &Path, listens: &[SocketAddr]) -> anyhow::Result<Self> {
        let log = scratch.join(format!("{name}.out"));
        let output = File::create(&log).with_context(|| format!("making {}", log.display()))?;
        let mut command = program.0;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).current_dir(scratch).process_group(0);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        let mut process = Self { name, child, log };
        process.wait_for(listens)?;
        Ok(process)
    }

    /// The process itself, which leads the group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process and its descendants as of now, in order of their ids.
    pub fn pids(&self) -> Vec<u32> {
        let parents = parents();
        let mut pids = vec![self.pid()];
        let mut known = 0;
        while let Some(&parent) = pids.get(known) {
            pids.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            known += 1;
        }
        pids.sort_unstable();
        pids
    }

    /// Whether it has ended by itself, and with which end of its output.
    ///
    /// # Errors
    /// It has.
    pub fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} has ended ({status}); it printed:\n{}", self.name, self.printed());
        }
        Ok(())
    }

    fn wait_for(&mut self, listens: &[SocketAddr]) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for address in listens {
            while TcpStream::connect(address).is_err() {
                self.check()?;
                if Instant::now() > deadline {
                    let seconds = PATIENCE.as_secs();
                    bail!("{} does not listen on {address} after {seconds} s:\n{}", self.name, self.printed());
                }
                thread::sleep(PACE);
            }
        }
        Ok(())
    }

    /// The end of its output.
    fn printed(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(SHOWN_BYTES)..]).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pids = self.pids();
        // Whoever has ended already cannot be ended; either way there is nothing more to do about it here.
        let id = |pid: u32| i32::try_from(pid).ok().and_then(Pid::from_raw);
        if let Some(group) = id(self.pid()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        // Erlang's port programs have groups of their own.
        for pid in pids.into_iter().filter_map(id) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// A command that will run on certain cores only, with all threads and children.
#[derive(Debug)]
pub struct Pinned(Command);

impl Pinned {
    /// `program` on `cores`.
    pub fn new(program: impl AsRef<Path>, cores: &[usize]) -> Self {
        let cores: Vec<String> = cores.iter().map(usize::to_string).collect();
        // taskset becomes the program: the process id stays.
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &cores.join(",")]).arg(program.as_ref());
        Self(command)
    }

    /// The command, for its arguments and environment.
    pub fn command(&mut self) -> &mut Command {
        &mut self.0
    }
}

/// First port that nobody needs to be root for and that is seldom a service's.
const FIRST_PORT: u16 = 10_000;
/// How many ports are tried.
const TRIES: usize = 10_000;

/// Ports of 127.0.0.1 that were free a moment ago, all different, and that no connection is given as its own: one of those
/// might take the port before its listener, and a connection to it could meet itself.
///
/// # Errors
/// There are none.
pub fn free_ports<const N: usize>() -> io::Result<[SocketAddr; N]> {
    let range = FIRST_PORT..first_ephemeral_port().max(FIRST_PORT + 1);
    let mut entropy = [0; 2];
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    let mut held = Vec::with_capacity(N);
    for _ in 0..TRIES {
        let Some(address) = addresses.get_mut(held.len()) else { return Ok(addresses) };
        ringgate::entropy::fill(&mut entropy);
        address.set_port(range.start + u16::from_ne_bytes(entropy) % (range.end - range.start));
        held.extend(TcpListener::bind(*address));
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, format!("{N} free ports were not found in {range:?}")))
}

/// Where the kernel begins to take ports for connections. ip(7): `ip_local_port_range`.
fn first_ephemeral_port() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32_768)
}

/// Writes a file of a system, for its owner's eyes only.
///
/// # Errors
/// With its path.
pub(crate) fn write(directory: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let path = directory.join(name);
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// Every process and its parent.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| parent(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

/// A process and its parent, from `/proc/PID/stat`. `None`: it is gone.
///
/// # Source
/// proc_pid_stat(5): `pid (comm) state ppid …`; `comm` may hold anything, also parentheses.
fn parent(pid: u32) -> Option<(u32, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some((pid, rest.split_whitespace().nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_are_no_connections_own() {
        let ports: [SocketAddr; 20] = free_ports().unwrap();
        let distinct: std::collections::HashSet<u16> = ports.iter().map(SocketAddr::port).collect();
        assert_eq!(distinct.len(), ports.len());
        assert!(distinct.iter().all(|port| (FIRST_PORT..first_ephemeral_port()).contains(port)), "{distinct:?}");
    }

    #[test]
    fn a_program_that_ends_at_once_is_an_error_with_what_it_printed() {
        let scratch = std::env::temp_dir().join(format!("loadgen-process-{}", std::process::id()));
        fs::create_dir_all(&scratch).unwrap();
        let mut program = Pinned::new("sh", &[0]);
        program.command().args(["-c", "echo no such key; exit 3"]);
        let [listens] = free_ports().unwrap();
        let error = Process::start("shell", program, &scratch, &[listens]).unwrap_err().to_string();
        fs::remove_dir_all(&scratch).unwrap();
        assert!(error.contains("no such key") && error.contains("exit status: 3"), "{error}");
    }
}
