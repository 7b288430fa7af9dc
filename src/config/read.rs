//! Table by table: from keys to their meaning.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::document::{Document, Section};
use super::files::{self, Roots};
use super::problem::{Located, Problems};
use super::{Config, Dns, Limits, Log, LogFormat, Metrics, Secret, domains, keys, listeners, partners};

/// Whether the files that a configuration names are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// They must be there and have the right kind of content.
    Read,
    /// They are not opened.
    Trust,
}

/// What every table's reader needs.
pub(super) struct Reading<'a> {
    pub(super) document: &'a Document,
    pub(super) directory: &'a Path,
    pub(super) files: Files,
    pub(super) problems: &'a mut Problems,
}

/// Reads all of it; `None` when something was wrong (then `problems` has errors).
pub(super) fn read(text: &str, directory: &Path, files: Files, problems: &mut Problems) -> Option<Config> {
    let document = Document::parse(text, problems)?;
    let mut reading = Reading { document: &document, directory, files, problems };
    // Every table is read before the first `?`, so that all errors are found in one run.
    let shards = shards(&mut reading);
    let domains = domains::read(&mut reading);
    let listening = listeners::read(&mut reading, &domains);
    let roots = roots(&mut reading);
    let direct_tls = reading.document.section("tls").flag(&keys::TLS_DIRECT, reading.problems);
    let dns = dns(&mut reading);
    let local = domains.iter().flat_map(|domain| domain.names().cloned()).collect::<Vec<_>>();
    let policy = partners::read(&mut reading, &local);
    let egress_allow = egress(&mut reading);
    let limits = limits(&mut reading);
    let dialback_secret = dialback(&mut reading);
    let metrics = metrics(&mut reading);
    let log = log(&mut reading);
    let shutdown = reading.document.section("shutdown").time(&keys::SHUTDOWN_DEADLINE, reading.problems);
    let (internal, public) = listening?;
    let config = Config {
        shards,
        domains,
        internal,
        public,
        roots: roots?,
        direct_tls: direct_tls?.value,
        dns: dns?,
        policy: policy?,
        egress_allow,
        limits: limits?,
        dialback_secret,
        metrics: metrics?,
        log: log?,
        shutdown_deadline: shutdown?.value,
    };
    if files == Files::Read && problems.errors.is_empty() {
        check_tls(&config, &document, directory, problems);
    }
    Some(config)
}

/// Whether certificates, keys and roots fit together, as far as the files in themselves are in order.
fn check_tls(config: &Config, document: &Document, directory: &Path, problems: &mut Problems) {
    match config.store() {
        Err(error) => problems.error(&document.place_of_file(directory, &error.file), error.problem, error.remedy),
        Ok(store) => {
            for warning in store.warnings() {
                let place = document.place_of_file(directory, &warning);
                problems.warn(&place, warning, "see the `certificate` keys in ringgate.toml for what peers expect");
            }
        }
    }
}

impl Reading<'_> {
    /// The file at `key`, relative to the configuration's directory.
    pub(super) fn path(&mut self, section: &Section, key: &keys::Key) -> Option<Located<PathBuf>> {
        let directory = self.directory;
        Some(section.text(key, self.problems)?.map(|text| directory.join(text)))
    }

    /// The socket address at `key`.
    pub(super) fn address(&mut self, section: &Section, key: &keys::Key) -> Option<Located<SocketAddr>> {
        let text = section.text(key, self.problems)?;
        self.parse_address(text)
    }

    /// `127.0.0.1:5269` or `[::1]:5269`. As everywhere, a listener with port 0 gets one from the kernel.
    pub(super) fn parse_address(&mut self, text: Located<String>) -> Option<Located<SocketAddr>> {
        match text.value.parse::<SocketAddr>() {
            Ok(address) => Some(text.map(|_| address)),
            Err(_) => {
                let problem = format!("{:?} is not an address with a port", text.value);
                let remedy =
                    "write an IP address and a port, as in 127.0.0.1:5269 or [::1]:5269; names are not looked up";
                self.problems.error(&text.place, problem, remedy);
                None
            }
        }
    }
}

fn shards(reading: &mut Reading<'_>) -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let section = reading.document.section("");
    let Some(asked) = section.number(&keys::SHARDS, reading.problems) else {
        return u16::try_from(cores).unwrap_or(u16::MAX).min(1_024);
    };
    u16::try_from(asked.value).expect("the key's bounds are within u16")
}

fn roots(reading: &mut Reading<'_>) -> Option<Roots> {
    let section = reading.document.section("tls");
    let text = section.text(&keys::TLS_ROOTS, reading.problems)?;
    if text.value == "system" {
        return Some(Roots::System);
    }
    let path = reading.path(&section, &keys::TLS_ROOTS)?;
    if reading.files == Files::Read {
        files::check_roots(&path, reading.problems);
    }
    Some(Roots::File(path.value))
}

fn dns(reading: &mut Reading<'_>) -> Option<Dns> {
    const PORT: u16 = 53;
    let section = reading.document.section("dns");
    let answerer = reading.document.section("internal").text(&keys::INTERNAL_DNS, &mut Problems::default());
    let mut servers = Vec::new();
    for text in section.list(&keys::DNS_SERVERS, reading.problems).unwrap_or_default() {
        let bare = text.value.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
        let Ok(address) = bare.or_else(|_| text.value.parse()) else {
            let problem = format!("{:?} is not the address of a resolver", text.value);
            reading.problems.error(
                &text.place,
                problem,
                "write 192.0.2.53, 192.0.2.53:5353, 2001:db8::53 or [2001:db8::53]:5353",
            );
            continue;
        };
        if answerer.as_ref().and_then(|own| own.value.parse().ok()) == Some(address) {
            let remedy = "name a recursive resolver; the answerer of [internal] asks this one";
            reading.problems.error(&text.place, format!("{address} is ringgate's own answerer, internal.dns"), remedy);
        }
        servers.push(address);
    }
    let timeout = section.time(&keys::DNS_TIMEOUT, reading.problems);
    let attempts = section.number(&keys::DNS_ATTEMPTS, reading.problems);
    let attempts = u32::try_from(attempts?.value).expect("the key's bounds are within u32");
    Some(Dns { servers, timeout: timeout?.value, attempts })
}

fn egress(reading: &mut Reading<'_>) -> Vec<(IpAddr, u8)> {
    let section = reading.document.section("egress");
    let mut networks = Vec::new();
    for text in section.list(&keys::EGRESS_ALLOW, reading.problems).unwrap_or_default() {
        match parse_network(&text.value) {
            Some((_, 0)) => {
                let remedy = "name the private networks that your partners are in";
                reading.problems.error(&text.place, format!("{:?} would allow every address", text.value), remedy);
            }
            Some(network) => networks.push(network),
            None => {
                let problem = format!("{:?} is not a network", text.value);
                let remedy = "write its first address and the prefix length, as in 10.0.0.0/8 or fd00::/8";
                reading.problems.error(&text.place, problem, remedy);
            }
        }
    }
    networks
}

/// `10.0.0.0/8`; the bits after the prefix must be 0, else what was meant is not certain.
fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let (address, length) = (address.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?);
    let (bits, width) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let rest = bits.checked_shl(u32::from(length)).unwrap_or(0);
    (length <= width && rest == 0).then_some((address, length))
}

fn limits(reading: &mut Reading<'_>) -> Option<Limits> {
    let section = reading.document.section("limits");
    let stanza = section.number(&keys::LIMITS_STANZA_BYTES, reading.problems);
    let connections = section.number(&keys::LIMITS_CONNECTIONS, reading.problems);
    let stanza_bytes = u32::try_from(stanza?.value).expect("the key's bounds are within u32");
    let connections_per_shard = usize::try_from(connections?.value).expect("the key's bounds are within usize");
    Some(Limits { stanza_bytes, connections_per_shard })
}

fn dialback(reading: &mut Reading<'_>) -> Option<Secret> {
    let section = reading.document.section("dialback");
    let path = reading.path(&section, &keys::DIALBACK_SECRET_FILE)?;
    match reading.files {
        Files::Read => files::read_secret(&path, reading.problems).map(Secret),
        Files::Trust => None,
    }
}

fn metrics(reading: &mut Reading<'_>) -> Option<Metrics> {
    let section = reading.document.section("metrics");
    let listen = reading.address(&section, &keys::METRICS_LISTEN).map(|listen| listen.value);
    let hlog = reading.path(&section, &keys::METRICS_HLOG);
    if let Some(path) = hlog.as_ref().filter(|_| reading.files == Files::Read) {
        files::check_directory_of(path, reading.problems);
    }
    let interval = section.time(&keys::METRICS_HLOG_INTERVAL, reading.problems);
    if hlog.is_none() && section.has(&keys::METRICS_HLOG_INTERVAL) {
        let place = section.place_of(&keys::METRICS_HLOG_INTERVAL);
        reading.problems.warn(&place, "has no effect without metrics.hlog", "add metrics.hlog, or remove this key");
    }
    Some(Metrics { listen, hlog: hlog.map(|path| path.value), hlog_interval: interval?.value })
}

fn log(reading: &mut Reading<'_>) -> Option<Log> {
    let section = reading.document.section("log");
    let level = section.word(&keys::LOG_LEVEL, reading.problems);
    let format = section.word(&keys::LOG_FORMAT, reading.problems);
    let level = level?.value.parse().expect("the key's words are levels of tracing");
    let format = if format?.value == "json" { LogFormat::Json } else { LogFormat::Text };
    Some(Log { level, format })
}
