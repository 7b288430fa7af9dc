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

/// Starts it with one shard per core.
///
/// # Errors
/// It does not start.
pub(super) fn start(setting: &Setting<'_>, folder: &Folder) -> anyhow::Result<Under> {
    let (program, leading) = program(setting)?;
    let [public, public_direct_tls, internal] = ports::free()?;
    let ports = Ports { public, public_direct_tls, internal };
    let file = configure(setting, folder, ports)?;
    let name = System::Ringgate.name();
    let launch = Launch::new(name, &program, setting.cores)
        .args(&leading)
        .args(["run", "--config"])
        .args([file])
        .listens(ports.all());
    let process = launch.start(folder)?;
    let (attachment, version) = (ports.attachment(), version_of(setting, &program)?);
    Ok(Under { name: name.to_owned(), version, attachment, processes: vec![process], attached: None })
}

/// Writes the configuration and what it names.
///
/// # Errors
/// The directory cannot be written to.
pub(super) fn configure(setting: &Setting<'_>, folder: &Folder, ports: Ports) -> anyhow::Result<PathBuf> {
    let certificates = setting.write_certificates(folder)?;
    folder.write("ringgate.toml", &configuration(setting, &certificates, ports)?)
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
    let shards = setting.cores.len();
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
