//! A system's process: alone on its cores, heard of only through its log, and gone with whoever started it.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Resource, Signal, WaitId, WaitIdOptions, getrlimit, kill_process, waitid};

use super::family::{self, Member};
use super::scratch::Folder;
use super::{priority, spawner};

/// How long a program may take until it listens, unless said otherwise.
const PATIENCE: Duration = Duration::from_secs(20);
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// Lines of a log in an error.
const LOG_LINES: usize = 20;

/// A program to be started.
#[derive(Debug)]
pub struct Launch<'a> {
    name: &'a str,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    cores: &'a [usize],
    listens: Vec<SocketAddr>,
    patience: Duration,
}

impl<'a> Launch<'a> {
    /// `program` under a name for messages, on these cores (all of this process's, if there are none).
    pub fn new(name: &'a str, program: &Path, cores: &'a [usize]) -> Self {
        Self {
            name,
            program: program.to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            cores,
            listens: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// With further arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// With a variable in its environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// It is ready when all of these take connections; without any, as soon as it runs.
    #[must_use]
    pub fn listens(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.listens.extend(addresses);
        self
    }

    /// How long it may take until it listens; 20 seconds by default.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts it in `folder`, with its output in `NAME.log` there, and waits until it listens.
    ///
    /// It is a session of its own, so that Ctrl-C on the terminal is not for it, and is killed by the kernel when this
    /// process ends in whatever way.
    ///
    /// # Errors
    /// It cannot be started, ends at once, or does not listen in time; with the last lines of its log.
    pub fn start(self, folder: &Folder) -> anyhow::Result<Process> {
        let log = folder.path().join(format!("{}.log", self.name));
        let output = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "setsid"]);
        if !self.cores.is_empty() {
            let cores: Vec<String> = self.cores.iter().map(usize::to_string).collect();
            command.args(["taskset", "-c", &cores.join(",")]);
        }
        command.arg(&self.program).args(&self.arguments).envs(self.environment).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child =
            spawner::spawn(command).context("starting setpriv, setsid and taskset (Debian package util-linux)")?;
        let process = Process { name: self.name.to_owned(), child, log };
        process.await_listening(&self.listens, self.patience)?;
        // Not before: until setsid has run, the session is still this process's.
        priority::favour(process.pid());
        Ok(process)
    }
}

/// A running program. When dropped, it and everything it started are ended: SIGTERM, up to 3 seconds, SIGKILL.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// The number of the program's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The numbers of the program's process and of all that it started and that still run.
    pub fn pids(&self) -> Vec<u32> {
        family::of(self.pid()).into_iter().map(|member| member.pid).collect()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// It has ended; with the last lines of its log.
    pub fn check(&self) -> anyhow::Result<()> {
        match self.status() {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}){}", self.name, self.last_words()),
        }
    }

    /// How it ended, if it did. It is not reaped, so that its number stays its own as long as this value lives.
    fn status(&self) -> Option<String> {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(Pid::from_child(&self.child)), ended).ok()??;
        Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "in an unknown way".to_owned(),
        })
    }

    /// The end of its log, on lines of its own.
    pub fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        match &lines[lines.len().saturating_sub(LOG_LINES)..] {
            [] => "; its log is empty".to_owned(),
            lines => format!("; its log ends with:\n  {}", lines.join("\n  ")),
        }
    }

    fn await_listening(&self, addresses: &[SocketAddr], patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        for &address in addresses {
            while TcpStream::connect(address).is_err() {
                self.check()?;
                if Instant::now() > deadline {
                    bail!("{} does not listen on {address} after {patience:?}{}", self.name, self.last_words());
                }
                std::thread::sleep(LOOK);
            }
        }
        // What listens may be another program, which has the port that this one wanted.
        self.check()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut members: HashSet<Member> = family::of(self.pid()).into_iter().collect();
        signal(self.pid(), Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && self.status().is_none() {
            std::thread::sleep(LOOK);
        }
        members.extend(family::of(self.pid()));
        for member in members.iter().filter(|member| member.lives()) {
            signal(member.pid, Signal::KILL);
        }
        // Only its own child can be waited for in the proper way.
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && members.iter().any(|member| member.lives()) {
            std::thread::sleep(LOOK);
        }
        // It has been told in a way that it cannot refuse.
        let _ = self.child.wait();
    }
}

/// How many files a child may have open: systems raise their own limit to it.
pub(super) fn open_files() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

/// The first line that a program prints when asked for its version.
///
/// # Errors
/// It cannot be run, or prints nothing.
pub fn version(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("running {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.map(str::to_owned).with_context(|| format!("{} says no version", program.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use super::super::ports;
    use super::super::scratch::Scratch;
    use super::*;

    const PLACE: &str = "LOADGEN_TEST_OWNER";

    fn shell(script: &str, scratch: &Scratch) -> anyhow::Result<Process> {
        let folder = scratch.folder("shell")?;
        Launch::new("shell", Path::new("sh"), &[0]).args(["-c", script]).start(&folder)
    }

    /// Waits for it, for at most ten seconds.
    fn becomes(what: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !what() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    fn alive(members: &[Member]) -> usize {
        members.iter().filter(|member| member.lives()).count()
    }

    #[test]
    fn everything_that_a_program_started_ends_with_it() {
        let scratch = Scratch::new(false).unwrap();
        let script = "sleep 60 & setsid sleep 60 & (sleep 60 & exec sleep 0.001) & wait; wait; sleep 60";
        let process = shell(script, &scratch).unwrap();
        let members = || family::of(process.pid());
        // The shell, two that are its children, and one whose parent has gone.
        assert!(becomes(|| members().len() >= 4), "{:?}", members());
        let members = members();
        drop(process);
        assert_eq!(alive(&members), 0);
    }

    #[test]
    fn program_that_ignores_sigterm_is_killed() {
        let scratch = Scratch::new(false).unwrap();
        let process = shell("trap '' TERM; echo ready; while :; do sleep 1; done", &scratch).unwrap();
        assert!(becomes(|| process.last_words().contains("ready")));
        let members = family::of(process.pid());
        drop(process);
        assert_eq!(alive(&members), 0);
    }

    #[test]
    fn program_ends_when_its_owner_panics() {
        let scratch = Scratch::new(false).unwrap();
        let process = shell("exec sleep 60", &scratch).unwrap();
        let members = family::of(process.pid());
        assert_eq!(alive(&members), 1);
        let owner = std::thread::spawn(move || {
            let _process = process;
            panic!("on purpose");
        });
        assert!(owner.join().is_err());
        assert_eq!(alive(&members), 0);
    }

    #[test]
    fn program_outlives_the_thread_that_started_it() {
        let scratch = Scratch::new(false).unwrap();
        let process = std::thread::scope(|scope| scope.spawn(|| shell("exec sleep 60", &scratch).unwrap()).join());
        let process = process.unwrap();
        std::thread::sleep(Duration::from_millis(50));
        process.check().unwrap();
    }

    /// Twice: as the test, and as the process that the test kills.
    #[test]
    fn program_ends_when_its_owner_is_killed() {
        if let Some(place) = std::env::var_os(PLACE) {
            let scratch = Scratch::new(false).unwrap();
            let process = shell("echo ready; exec sleep 60", &scratch).unwrap();
            // The kernel has been told by then.
            assert!(becomes(|| process.last_words().contains("ready")));
            fs::write(place, process.pid().to_string()).unwrap();
            std::thread::sleep(Duration::from_secs(30));
            return;
        }
        let scratch = Scratch::new(false).unwrap();
        let place = scratch.path().join("pid");
        let mut owner = Command::new(std::env::current_exe().unwrap());
        owner.args(["--exact", "systems::process::tests::program_ends_when_its_owner_is_killed"]);
        owner.env(PLACE, &place).env("TMPDIR", scratch.path()).stdout(Stdio::null()).process_group(0);
        let mut owner = owner.spawn().unwrap();
        let pid = || fs::read_to_string(&place).ok()?.parse::<u32>().ok();
        assert!(becomes(|| pid().is_some()));
        let pid = pid().unwrap();
        let member = family::of(pid).into_iter().find(|member| member.pid == pid).unwrap();
        owner.kill().unwrap();
        owner.wait().unwrap();
        assert!(becomes(|| !member.lives()));
    }

    #[test]
    fn program_that_ends_at_once_is_an_error_with_its_log() {
        let scratch = Scratch::new(false).unwrap();
        let folder = scratch.folder("shell").unwrap();
        let launch = Launch::new("shell", Path::new("sh"), &[0]).args(["-c", "echo no such key >&2; exit 3"]);
        let error = launch.listens(ports::free::<1>().unwrap()).start(&folder).unwrap_err().to_string();
        assert_eq!(error, "shell ended (exit code 3); its log ends with:\n  no such key");
    }

    #[test]
    fn program_that_does_not_listen_is_an_error_with_its_log() {
        let scratch = Scratch::new(false).unwrap();
        let folder = scratch.folder("shell").unwrap();
        let launch = Launch::new("shell", Path::new("sh"), &[0]).args(["-c", "echo thinking; exec sleep 60"]);
        let launch = launch.listens(ports::free::<1>().unwrap()).patience(Duration::from_millis(300));
        let error = launch.start(&folder).unwrap_err().to_string();
        assert!(error.starts_with("shell does not listen on 127.0.0.1:"), "{error}");
        assert!(error.ends_with("after 300ms; its log ends with:\n  thinking"), "{error}");
    }

    #[test]
    fn core_that_does_not_exist_is_an_error() {
        let scratch = Scratch::new(false).unwrap();
        let folder = scratch.folder("shell").unwrap();
        let launch = Launch::new("shell", Path::new("sh"), &[4_095]).args(["-c", "exec sleep 60"]);
        let error = launch.listens(ports::free::<1>().unwrap()).start(&folder).unwrap_err().to_string();
        assert!(error.starts_with("shell ended (exit code 1)") && error.contains("taskset"), "{error}");
    }

    #[test]
    fn program_runs_on_its_core_only() {
        let scratch = Scratch::new(false).unwrap();
        let process = shell("grep Cpus_allowed_list /proc/self/status; exec sleep 60", &scratch).unwrap();
        assert!(becomes(|| process.last_words().contains("Cpus_allowed_list")));
        assert!(process.last_words().ends_with("\t0"), "{}", process.last_words());
    }
}
