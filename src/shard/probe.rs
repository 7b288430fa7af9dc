//! Whether the machine lets ringgate run, asked before anything is started: what is missing, and how to get it.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use crate::ring::process;
use crate::ring::{EventFd, Ring, RingConfig};

/// The executor refuses to start with less lockable memory.
const LOCKED_BYTES: u64 = 512 << 10;
/// Descriptors besides those of connections: rings, listeners, files, resolvers; generous.
const OWN_FILES: u64 = 256;
/// The first kernel with everything the data ring uses (`IORING_SETUP_DEFER_TASKRUN`).
const KERNEL: (u32, u32) = (6, 1);

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It runs, but not as well as it should.
    Warning,
    /// It cannot run.
    Error,
}

/// One thing that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What was looked at: `io_uring`, `kernel`, `memlock`, `open-files`, `cores`, or the configuration key of an address.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{word}: {}: {}; {}", self.key, self.problem, self.remedy)
    }
}

/// What is to be run.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Addresses to listen on, each with the configuration key that names it.
    pub listen: Vec<(String, SocketAddr)>,
    /// Shards.
    pub shards: u16,
    /// Connections that must be possible.
    pub connections: u64,
}

/// Looks at everything; raises the soft limit of open files to the hard one on the way. Nothing stays open.
///
/// Addresses are bound and released: call it before listening.
pub fn check(wanted: &Wanted) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(kernel());
    findings.extend(io_uring());
    findings.extend(memlock());
    findings.extend(open_files(wanted.connections));
    findings.extend(cores(wanted.shards));
    findings.extend(wanted.listen.iter().filter_map(|(key, address)| port(key, *address)));
    findings
}

fn error(key: &str, problem: String, remedy: &str) -> Finding {
    Finding { severity: Severity::Error, key: key.to_owned(), problem, remedy: remedy.to_owned() }
}

fn warning(key: &str, problem: String, remedy: &str) -> Finding {
    Finding { severity: Severity::Warning, ..error(key, problem, remedy) }
}

/// Whether io_uring may be used: a ring of the kind that a shard uses is made and dropped.
pub fn io_uring() -> Option<Finding> {
    let small = RingConfig { submissions: 8, completions: 16, buffers: 2, buffer_bytes: 4_096 };
    let outcome = EventFd::new().and_then(|wake| Ring::new(&small, &wake));
    outcome.err().map(|failure| io_uring_finding(&failure))
}

fn io_uring_finding(failure: &io::Error) -> Finding {
    let problem = format!("io_uring cannot be used: {failure}");
    let remedy = match failure.raw_os_error() {
        Some(libc::EPERM) => {
            "allow it: `sysctl kernel.io_uring_disabled=0`, or in a container a seccomp profile that permits \
             io_uring_setup, io_uring_enter and io_uring_register"
        }
        Some(libc::ENOSYS) => {
            "use a kernel with CONFIG_IO_URING, or in a container a seccomp profile that permits io_uring_setup, \
             io_uring_enter and io_uring_register"
        }
        Some(libc::EINVAL) => "use Linux 6.1 or newer",
        Some(libc::ENOMEM) => "raise the locked memory: `ulimit -l 8192`, or LimitMEMLOCK=8M in the unit",
        Some(libc::EMFILE | libc::ENFILE) => {
            "raise the open files: `ulimit -n 65536`, or LimitNOFILE=65536 in the unit"
        }
        _ => "see io_uring_setup(2) for this error",
    };
    error("io_uring", problem, remedy)
}

fn kernel() -> Option<Finding> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let version = kernel_version(release.trim())?;
    let (major, minor) = KERNEL;
    (version < KERNEL).then(|| {
        let problem = format!("Linux {} is too old", release.trim());
        error("kernel", problem, &format!("use Linux {major}.{minor} or newer"))
    })
}

/// `6.18.44-fc` is 6 and 18.
fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn memlock() -> Option<Finding> {
    let limit = process::locked_memory().ok()?;
    (limit.soft < LOCKED_BYTES).then(|| {
        let problem = format!("{} bytes may be locked, {LOCKED_BYTES} are needed", limit.soft);
        error("memlock", problem, "raise it: `ulimit -l 8192`, or LimitMEMLOCK=8M in the unit")
    })
}

fn open_files(connections: u64) -> Option<Finding> {
    let wanted = connections + OWN_FILES;
    match process::raise_open_files() {
        Ok(limit) if limit.soft >= wanted => None,
        Ok(limit) => {
            let problem = format!("{} files may be open, {connections} connections need {wanted}", limit.soft);
            let remedy = format!("raise it: `ulimit -Hn {wanted}`, or LimitNOFILE={wanted} in the unit");
            Some(warning("open-files", problem, &remedy))
        }
        Err(failure) => {
            let problem = format!("the number of open files cannot be raised: {failure}");
            Some(warning("open-files", problem, "set LimitNOFILE in the unit"))
        }
    }
}

fn cores(shards: u16) -> Option<Finding> {
    let cores = super::placement::allowed_cores().ok()?.len();
    (usize::from(shards) > cores).then(|| {
        let problem = format!("{shards} shards on {cores} cores");
        warning("cores", problem, "use at most one shard per core: two on one core wait for each other")
    })
}

/// Whether `address` can be listened on. Nobody listens meanwhile: who connected would be accepted, and reset at once.
pub fn port(key: &str, address: SocketAddr) -> Option<Finding> {
    let failure = bind(address).err()?;
    let problem = format!("cannot listen on {address}: {failure}");
    let remedy = match failure.kind() {
        io::ErrorKind::PermissionDenied => {
            "use a port above 1023, or grant the privilege: AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"
        }
        io::ErrorKind::AddrInUse => "stop whoever has the port (`ss -ltnp`), or choose another",
        io::ErrorKind::AddrNotAvailable => "use an address of this host (`ip address`)",
        _ => "see bind(2) for this error",
    };
    Some(error(key, problem, remedy))
}

/// Binds a socket to `address`, and releases it. Not as `listen` does: with `SO_REUSEPORT` a ringgate that runs already would
/// not be found.
///
/// # Errors
/// `bind(2)`'s.
pub fn bind(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Former connections do not count, a listener does.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn this_machine_runs_a_ring() {
        assert_eq!(io_uring(), None);
        assert_eq!(kernel(), None);
    }

    #[test]
    fn forbidden_io_uring_names_the_sysctl() {
        let finding = io_uring_finding(&io::Error::from_raw_os_error(libc::EPERM));
        assert_eq!(finding.severity, Severity::Error);
        assert!(finding.to_string().contains("kernel.io_uring_disabled=0"), "{finding}");
    }

    #[test]
    fn missing_io_uring_names_the_kernel_option() {
        let finding = io_uring_finding(&io::Error::from_raw_os_error(libc::ENOSYS));
        assert!(finding.remedy.contains("CONFIG_IO_URING"));
    }

    #[test]
    fn taken_port_is_found_with_its_key() {
        let other = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = other.local_addr().expect("address");
        let wanted = Wanted { listen: vec![("public.listen".to_owned(), address)], shards: 1, connections: 1 };
        let findings = check(&wanted);
        assert!(findings.iter().any(|f| f.key == "public.listen" && f.severity == Severity::Error), "{findings:?}");
    }

    #[test]
    fn who_connects_while_a_port_is_looked_at_is_refused() {
        // Connections come from 127.0.0.1: none can have this address for its own, and meet itself.
        let address = TcpListener::bind("127.0.0.2:0").and_then(|free| free.local_addr()).expect("address");
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let peer = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    if TcpStream::connect(address).is_ok() {
                        return true;
                    }
                }
                false
            });
            for _ in 0..2_000 {
                assert_eq!(port("public.listen", address), None);
            }
            is_over.store(true, Ordering::Relaxed);
            assert!(!peer.join().expect("the peer"), "it was accepted");
        });
    }

    #[test]
    fn foreign_address_is_found() {
        let finding = port("internal.listen", "192.0.2.1:0".parse().expect("address")).expect("not ours");
        assert!(finding.remedy.contains("ip address"));
    }

    #[test]
    fn more_connections_than_files_are_a_warning() {
        let finding = open_files(u64::MAX / 2).expect("too many");
        assert_eq!(finding.severity, Severity::Warning);
    }

    #[test]
    fn kernel_releases_are_read() {
        assert_eq!(kernel_version("6.18.44-fc-v669"), Some((6, 18)));
        assert_eq!(kernel_version("5.4"), Some((5, 4)));
        assert_eq!(kernel_version("unknown"), None);
    }
}
