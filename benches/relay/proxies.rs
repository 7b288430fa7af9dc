//! ringgate and HAProxy as child processes, each alone on the first core.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::authority::Authority;
use crate::stanzas::HOME;

/// How long a proxy may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy, ended when dropped.
pub(crate) struct Proxy {
    child: Child,
}

impl Proxy {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already; either way there is nothing more to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where everything listens.
pub(crate) struct Ports {
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    pub(crate) haproxy: SocketAddr,
}

impl Ports {
    /// Free ones.
    pub(crate) fn choose() -> io::Result<Self> {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (public, internal, haproxy) = (free()?, free()?, free()?);
        let (public, internal, haproxy) = (public.local_addr()?, internal.local_addr()?, haproxy.local_addr()?);
        Ok(Self { public, internal, haproxy })
    }
}

/// A directory for the files of the run, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("ringgate-relay-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in the directory for temporary files is the system's to remove.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What one ringgate has behind it, and which it is.
pub(crate) struct Inside<'a> {
    pub(crate) name: &'a str,
    pub(crate) binary: &'a Path,
    pub(crate) backend: SocketAddr,
    pub(crate) dns: SocketAddr,
}

/// Starts one shard, TLS on both sides.
pub(crate) fn ringgate(
    inside: &Inside<'_>,
    scratch: &Scratch,
    authority: &Authority,
    ports: &Ports,
) -> anyhow::Result<Proxy> {
    let Inside { name, binary, backend, dns } = inside;
    scratch.write("home.pem", &authority.sign(HOME)?)?;
    scratch.write("root.pem", authority.root())?;
    let config = format!(
        r#"
shards = 1
[[domain]]
name = "{HOME}"
certificate = "home.pem"
backend = "{backend}"
backend_tls = "starttls"
[internal]
listen = "{}"
certificate = "home.pem"
[public]
listen = ["{}"]
listen_direct_tls = []
[tls]
roots = "root.pem"
[dns]
servers = ["{dns}"]
[egress]
allow = ["127.0.0.0/8"]
"#,
        ports.internal, ports.public
    );
    let config = scratch.write(&format!("{name}.toml"), &config)?;
    let mut command = pinned(binary);
    command.args(["run", "--config"]).arg(config);
    start(command, scratch, name, ports.public)
}

/// Starts HAProxy in tcp mode with one thread, TLS on both sides.
pub(crate) fn haproxy(
    scratch: &Scratch,
    authority: &Authority,
    ports: &Ports,
    echo: SocketAddr,
) -> anyhow::Result<Proxy> {
    let certificate = scratch.write("haproxy.pem", &authority.sign(HOME)?)?;
    let config = format!(
        "global
    nbthread 1
    maxconn 2000
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen relay
    bind {} ssl crt {}
    server echo {echo} ssl verify none
",
        ports.haproxy,
        certificate.display()
    );
    let config = scratch.write("haproxy.cfg", &config)?;
    let mut command = pinned(Path::new("haproxy"));
    command.arg("-db").arg("-f").arg(config);
    start(command, scratch, "haproxy", ports.haproxy)
}

/// `program` on the first core.
fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

fn start(mut command: Command, scratch: &Scratch, name: &str, listens: SocketAddr) -> anyhow::Result<Proxy> {
    let log = scratch.0.join(format!("{name}.log"));
    let output = File::create(&log)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut proxy = Proxy { child: command.spawn().with_context(|| format!("starting {name}"))? };
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(listens).is_err() {
        if proxy.child.try_wait()?.is_some() || Instant::now() > deadline {
            bail!("{name} does not listen:\n{}", fs::read_to_string(&log).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(proxy)
}
