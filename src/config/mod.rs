//! The configuration: one TOML file, checked as a whole before anything starts.
//!
//! [`Document`](document::Document) knows which keys there are and their shapes ([`keys`]); [`read`] gives each
//! table its meaning and finds what does not fit together. All that is wrong is reported at once, each with key,
//! line, problem and remedy. `ringgate.toml` in the repository explains every key.

mod assemble;
mod document;
mod domains;
mod files;
mod gate;
pub mod keys;
mod listeners;
mod partners;
mod problem;
mod read;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringgate_proto::address::Domain;
use ringgate_proto::policy::Policy;

pub use files::{CertificateFiles, Roots};
pub use gate::Seat;
pub use problem::{Located, Place, Problem, Problems};

/// A configuration in which everything fits together. Files that it names exist and have the right kind of content
/// when it came from [`Config::load`].
#[derive(Clone, Debug)]
pub struct Config {
    /// How many shards run.
    pub shards: u16,
    /// What is served, in the order of the file.
    pub domains: Vec<LocalDomain>,
    /// The side of the backends.
    pub internal: Internal,
    /// The side of the remote servers.
    pub public: Public,
    /// Whom we trust to vouch for remote domains.
    pub roots: Roots,
    /// Ask for `_xmpps-server` too. XEP-0368.
    pub direct_tls: bool,
    /// Resolvers.
    pub dns: Dns,
    /// Who may federate, and how.
    pub policy: Policy,
    /// Networks that may be dialled although they are not public: address and prefix length.
    pub egress_allow: Vec<(IpAddr, u8)>,
    /// Bounds that the operator may set.
    pub limits: Limits,
    /// What dialback keys are made from; `None`: the process draws one at start.
    pub dialback_secret: Option<Secret>,
    /// Figures.
    pub metrics: Metrics,
    /// What is logged, and how.
    pub log: Log,
    /// How long a drain may take, from the signal to the account.
    pub shutdown_deadline: Duration,
}

/// A `[[domain]]`.
#[derive(Clone, Debug)]
pub struct LocalDomain {
    /// Its name.
    pub name: Domain,
    /// Full names of its subdomains.
    pub subdomains: Vec<Domain>,
    /// Shown to who connects to us.
    pub certificate: CertificateFiles,
    /// Presented where we connect; `None`: the same.
    pub client_certificate: Option<CertificateFiles>,
    /// The s2s port of the server behind us.
    pub backend: SocketAddr,
    /// Begin TLS when that server offers STARTTLS.
    pub backend_starttls: bool,
}

impl LocalDomain {
    /// The domain and its subdomains.
    pub fn names(&self) -> impl Iterator<Item = &Domain> {
        std::iter::once(&self.name).chain(&self.subdomains)
    }
}

/// `[internal]`.
#[derive(Clone, Debug)]
pub struct Internal {
    /// Where backends connect.
    pub listen: SocketAddr,
    /// Where backends resolve.
    pub dns: Option<SocketAddr>,
    /// Shown to backends; with it the internal listener offers STARTTLS and takes direct TLS.
    pub certificate: Option<CertificateFiles>,
}

/// `[public]`.
#[derive(Clone, Debug)]
pub struct Public {
    /// Where remote servers connect. Every listener tells a ClientHello from a stream header.
    pub listen: Vec<SocketAddr>,
    /// The same, named by `_xmpps-server` records.
    pub listen_direct_tls: Vec<SocketAddr>,
}

/// `[dns]`.
#[derive(Clone, Debug)]
pub struct Dns {
    /// Recursive resolvers; empty: those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// Patience with one resolver.
    pub timeout: Duration,
    /// Rounds over all resolvers.
    pub attempts: u32,
}

/// `[limits]`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest stanza.
    pub stanza_bytes: u32,
    /// Connections of one shard.
    pub connections_per_shard: usize,
}

/// `[metrics]`.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Where OpenMetrics text is served.
    pub listen: Option<SocketAddr>,
    /// Where the interval log of transit times goes.
    pub hlog: Option<PathBuf>,
    /// How often it gets a line per direction.
    pub hlog_interval: Duration,
}

/// `[log]`.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Events below it are not logged.
    pub level: tracing::Level,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// A secret that no `Debug` output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A configuration and what is probably not meant in it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Its warnings; no errors.
    pub problems: Problems,
}

impl Config {
    /// Reads the file at `path` and the files that it names; relative paths in it are relative to its directory.
    ///
    /// # Errors
    /// All that is wrong, in the order of the lines. Nothing has been started or changed.
    pub fn load(path: &Path) -> Result<Loaded, Problems> {
        let mut problems = Problems::new(path);
        let text = document::read_bounded(path)
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8, which TOML must be".to_owned()));
        let text = match text {
            Ok(text) => text,
            Err(problem) => {
                let remedy = "name a readable file with --config; ringgate.toml in the repository is an example";
                problems.error(&Place { key: "(file)".into(), line: None }, problem, remedy);
                return Err(problems);
            }
        };
        let directory = path.parent().unwrap_or(Path::new(""));
        Self::finish(read::read(&text, directory, read::Files::Read, &mut problems), problems)
    }

    /// The configuration that `text` is, without looking at the files that it names. `file` is for messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Loaded, Problems> {
        let mut problems = Problems::new(file);
        let directory = file.parent().unwrap_or(Path::new(""));
        Self::finish(read::read(text, directory, read::Files::Trust, &mut problems), problems)
    }

    fn finish(config: Option<Self>, mut problems: Problems) -> Result<Loaded, Problems> {
        problems.sort();
        match config {
            Some(config) if problems.errors.is_empty() => Ok(Loaded { config, problems }),
            _ => Err(problems),
        }
    }
}
