//! ringgate, started by loadgen as a process of its own: loadgen's own executable is a ringgate, too.

use std::ffi::OsString;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use ringgate_proto::limits;
use serde::{Deserialize, Serialize};

use super::process::{Launch, open_files, version};
use super::scratch::Folder;
use super::{Attachment, Certificates, Setting, System, Under, ports};

/// The first argument that makes loadgen a ringgate; the others are ringgate's.
const BE_RINGGATE: &str = "__ringgate";

/// Does what ringgate does, if this process was started to be one.
pub fn be_ringgate() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    let own = arguments.next()?;
    let is_ringgate = arguments.next()? == BE_RINGGATE;
    is_ringgate.then(|| ringgate::cli::main_from(std::iter::once(own).chain(arguments)))
}

/// Where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    pub(super) public: SocketAddr,
    pub(super) public_direct_tls: SocketAddr,
    pub(super) internal: SocketAddr,
}

impl Ports {
    pub(super) fn all(self) -> [SocketAddr; 3] {
        [self.public, self.public_direct_tls, self.internal]
    }

    pub(super) fn attachment(self) -> Attachment {
        let Self { public, public_direct_tls, internal } = self;
        Attachment::Proxy { public, public_direct_tls, internal }
    }
}

/// Starts it with one shard per core, unless asked for a number. It serves its figures when asked for a number, or when it has several: the
/// one thing that they tell here is what passes between shards, and one shard is compared with two in the same configuration.
///
/// # Errors
/// It does not start.
pub(super) fn start(setting: &Setting<'_>, folder: &Folder) -> anyhow::Result<Under> {
    let (program, leading) = program(setting)?;
    let [public, public_direct_tls, internal, metrics] = ports::free()?;
    let ports = Ports { public, public_direct_tls, internal };
    let is_about_shards = setting.programs.shards.is_some() || shards(setting) > 1;
    let metrics = is_about_shards.then_some(metrics);
    let file = configure(setting, folder, ports, metrics)?;
    let name = System::Ringgate.name();
    let launch = Launch::new(name, &program, setting.cores)
        .args(&leading)
        .args(["run", "--config"])
        .args([file])
        .listens(ports.all().into_iter().chain(metrics));
    let process = launch.start(folder)?;
    let (attachment, version) = (ports.attachment(), version_of(setting, &program)?);
    Ok(Under { name: name.to_owned(), version, attachment, processes: vec![process], attached: None, metrics })
}

/// Writes the configuration and what it names; with `metrics`, its figures are served there.
///
/// # Errors
/// The directory cannot be written to.
pub(super) fn configure(
    setting: &Setting<'_>,
    folder: &Folder,
    ports: Ports,
    metrics: Option<SocketAddr>,
) -> anyhow::Result<PathBuf> {
    let certificates = setting.write_certificates(folder)?;
    let mut text = configuration(setting, &certificates, ports)?;
    if let Some(at) = metrics {
        write!(text, "[metrics]\nlisten = \"{at}\"\n")?;
    }
    folder.write("ringgate.toml", &text)
}

fn shards(setting: &Setting<'_>) -> usize {
    setting.programs.shards.map_or(setting.cores.len(), usize::from)
}

/// The program and what comes before ringgate's own arguments.
fn program(setting: &Setting<'_>) -> anyhow::Result<(PathBuf, Vec<OsString>)> {
    if let Some(other) = &setting.programs.ringgate {
        let path = std::path::absolute(other)?;
        anyhow::ensure!(path.is_file(), "there is no program {}", path.display());
        return Ok((path, Vec::new()));
    }
    let own = setting.programs.own.clone().map_or_else(std::env::current_exe, Ok).context("loadgen's own file")?;
    Ok((own, vec![BE_RINGGATE.into()]))
}

/// Of this build with its revision; another build says its own version only, so that its file is named.
fn version_of(setting: &Setting<'_>, program: &Path) -> anyhow::Result<String> {
    if setting.programs.ringgate.is_none() {
        return Ok(format!("ringgate {}", crate::VERSION));
    }
    Ok(format!("{} ({})", version(program, &["--version"])?, program.display()))
}

fn configuration(setting: &Setting<'_>, certificates: &Certificates, ports: Ports) -> anyhow::Result<String> {
    let Ports { public, public_direct_tls, internal } = ports;
    let auth = if setting.transport.dialback { "dialback" } else { "external" };
    let inside_tls = setting.transport.inside_tls;
    let shards = shards(setting);
    let backend_tls = if inside_tls { "starttls" } else { "none" };
    let internal_certificate = match certificates.certificates.first() {
        Some(certificate) if inside_tls => format!("certificate = {certificate:?}\n"),
        _ => String::new(),
    };
    let mut text = format!(
        r#"shards = {shards}
[public]
listen = ["{public}"]
listen_direct_tls = ["{public_direct_tls}"]
[internal]
listen = "{internal}"
{internal_certificate}[tls]
roots = {root:?}
[policy]
auth = ["{auth}"]
[dns]
servers = ["{dns}"]
[egress]
allow = ["127.0.0.0/8"]
[limits]
connections_per_shard = {connections}
[shutdown]
deadline = "1s"
"#,
        connections = connections(shards),
        root = certificates.root,
        dns = setting.dns,
    );
    for ((domain, backend), certificate) in setting.served().zip(&certificates.certificates) {
        let name = domain.as_ascii();
        write!(
            text,
            "[[domain]]\nname = \"{name}\"\ncertificate = {certificate:?}\nbackend = \"{backend}\"\nbackend_tls = \"{backend_tls}\"\n"
        )?;
    }
    Ok(text)
}

/// Connections of one shard: as many as by default, or as many as files may be open.
fn connections(shards: usize) -> usize {
    let files = usize::try_from(open_files()).unwrap_or(usize::MAX);
    // Each is a file; the process needs some for itself.
    (files.saturating_sub(512) / shards.max(1)).clamp(16, limits::CONNECTIONS_PER_SHARD)
}
