//! ringgate as an operator runs it, in a process of its own, with files of its own, on loopback.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use ringgate::tls::{CertifiedKeyFiles, Identity, Roots, Store};
use ringgate_proto::address::Domain;

/// Served behind ringgate.
pub(crate) const LOCAL: &str = "local.example";
/// How long anything on loopback is waited for before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate authority that ringgate and its peers trust.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key, for this purpose only.
    pub(crate) fn issue(&self, names: &[&str], purpose: ExtendedKeyUsagePurpose) -> String {
        let key = KeyPair::generate().unwrap();
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        format!("{}{}", certificate.pem(), key.serialize_pem())
    }

    /// What a peer with a certificate for one domain shows and trusts.
    pub(crate) fn store(&self, name: &str) -> Store {
        self.store_with(name, ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(crate) fn store_with(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> Store {
        let server = CertifiedKeyFiles::memory(self.issue(&[name], purpose));
        let identity = Identity { domains: vec![Domain::parse(name).unwrap()], server, client: None };
        Store::load(vec![identity], Roots::Pem(self.pem.clone().into_bytes()), None).unwrap()
    }
}

/// A directory that is gone after the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("e2e-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the tests tell the operator to write.
pub(crate) struct Settings {
    pub(crate) backend: SocketAddr,
    pub(crate) resolver: SocketAddr,
    pub(crate) shards: u16,
    /// Tables that follow the usual ones.
    pub(crate) more: String,
    /// Keys of `[internal]`.
    pub(crate) internal: String,
}

impl Settings {
    pub(crate) fn new(backend: SocketAddr, resolver: SocketAddr) -> Self {
        Self { backend, resolver, shards: 2, more: String::new(), internal: String::new() }
    }

    pub(crate) fn text(&self) -> String {
        let Self { backend, resolver, shards, more, internal } = self;
        format!(
            "shards = {shards}\n[[domain]]\nname = \"{LOCAL}\"\ncertificate = \"local.pem\"\nbackend = \"{backend}\"\n\
             [internal]\nlisten = \"127.0.0.1:0\"\n{internal}\n[public]\nlisten = [\"127.0.0.1:0\"]\n\
             listen_direct_tls = []\n[dns]\nservers = [\"{resolver}\"]\n[egress]\nallow = [\"127.0.0.0/8\"]\n\
             [tls]\nroots = \"roots.pem\"\n{more}\n"
        )
    }
}

#[derive(Default)]
struct Lines {
    text: Mutex<String>,
    grew: Condvar,
}

/// A running ringgate; killed when it is dropped.
pub(crate) struct Ringgate {
    child: Child,
    lines: Arc<Lines>,
    reader: Option<JoinHandle<()>>,
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    pub(crate) folder: Folder,
}

impl Ringgate {
    pub(crate) fn start(authority: &Authority, settings: &Settings) -> Self {
        let folder = Folder::new();
        folder.write("local.pem", &authority.issue(&[LOCAL], ExtendedKeyUsagePurpose::ServerAuth));
        folder.write("roots.pem", &authority.pem);
        let file = folder.write("ringgate.toml", &settings.text());
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringgate"))
            .args(["run", "--config"])
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Lines::default());
        let (stderr, into) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&lines));
        let reader = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut text = into.text.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
                into.grew.notify_all();
            }
        });
        let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut ringgate = Self { child, lines, reader: Some(reader), public: unknown, internal: unknown, folder };
        let log = ringgate.logs(" running ");
        let field = |name: &str| {
            let (_, rest) = log.rsplit_once(name).expect("the addresses are logged");
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        (ringgate.public, ringgate.internal) = (field("public="), field("internal="));
        ringgate
    }

    /// Waits until the log contains `text`, and gives all of it.
    #[track_caller]
    pub(crate) fn logs(&self, text: &str) -> String {
        self.logs_until(|log| log.contains(text), text)
    }

    #[track_caller]
    pub(crate) fn logs_until(&self, is_enough: impl Fn(&str) -> bool, what: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let mut log = self.lines.text.lock().unwrap();
        while !is_enough(&log) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never logged: {what}\n{log}");
            log = self.lines.grew.wait_timeout(log, left).unwrap().0;
        }
        log.clone()
    }

    pub(crate) fn log(&self) -> String {
        self.lines.text.lock().unwrap().clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").arg("-TERM").arg(self.pid().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end: exit status, standard output, log.
    pub(crate) fn ends(mut self) -> (ExitStatus, String, String) {
        let end = Instant::now() + 2 * PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "ringgate does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (status, out, self.log())
    }

    /// What the open files are, sorted.
    pub(crate) fn open_files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        // One that was closed meanwhile is none.
        let links = entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        let mut files: Vec<String> = links.map(|link| link.display().to_string()).collect();
        files.sort();
        files
    }

    /// CPU time of all threads so far, in the kernel's ticks (10 ms).
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, fields) = text.rsplit_once(')').unwrap();
        let fields: Vec<u64> = fields.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        fields[11] + fields[12]
    }
}

impl Drop for Ringgate {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address where nobody listens now.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}
