//! HAProxy in tcp mode: TLS ends in it on both sides, or on the outside only; it reads no XML.
//!
//! With SASL EXTERNAL in the plan it demands client certificates and judges them, as a server has to; with dialback it does
//! not ask for any.

use std::fmt::Write;
use std::net::SocketAddr;

use super::install::{Need, Source};
use super::process::{Launch, open_files, version};
use super::scratch::Folder;
use super::{Attachment, Certificates, RelayTls, Setting, System, Under, ports};

/// What it takes.
pub(super) const NEEDS: Need = Need { program: "haproxy", source: Source::Debian(&["haproxy"]) };

/// Connections that it is told to be ready for, if the limit of open files allows: each is two of them.
const CONNECTIONS: u64 = 100_000;

/// Starts it with one thread per core.
///
/// # Errors
/// It is not installed, or does not start.
pub(super) fn start(setting: &Setting<'_>, folder: &Folder) -> anyhow::Result<Under> {
    let program = NEEDS.find()?.path;
    let version = version(&program, &["-v"])?;
    let [entry] = ports::free()?;
    let certificates = setting.write_certificates(folder)?;
    let text = configuration(setting, &certificates, entry)?;
    let file = folder.write("haproxy.cfg", &text)?;
    let name = System::Haproxy.name();
    // -db: one process, in the foreground.
    let launch = Launch::new(name, &program, setting.cores).args(["-db", "-f"]).args([file]).listens([entry]);
    let exit_tls = if setting.transport.inside_tls { RelayTls::Direct } else { RelayTls::None };
    let attachment = Attachment::Relay { entry, entry_tls: RelayTls::Direct, exit_tls };
    Ok(Under {
        name: name.to_owned(),
        version,
        attachment,
        processes: vec![launch.start(folder)?],
        attached: None,
        metrics: None,
    })
}

fn configuration(setting: &Setting<'_>, certificates: &Certificates, entry: SocketAddr) -> anyhow::Result<String> {
    let threads = setting.cores.len();
    let cores: Vec<String> = setting.cores.iter().map(usize::to_string).collect();
    let folder = certificates.folder.display();
    let judge = if setting.transport.dialback { String::new() } else { judging(certificates) };
    let mut text = format!(
        "global
    nbthread {threads}
    cpu-map auto:1/1-{threads} {cores}
    maxconn {connections}
defaults
    mode tcp
    maxconn {connections}
    timeout connect 10s
    timeout client 24h
    timeout server 24h
listen relay
    bind {entry} backlog 4096 ssl crt {folder} alpn xmpp-server{judge}
    balance roundrobin
",
        cores = cores.join(" "),
        connections = connections(),
    );
    // The name goes on, for a backend that has a certificate per domain.
    let tls = if setting.transport.inside_tls { " ssl verify none alpn xmpp-server sni ssl_fc_sni" } else { "" };
    for (number, backend) in setting.backends.iter().enumerate() {
        writeln!(text, "    server backend{number} {backend}{tls}")?;
    }
    Ok(text)
}

/// Public authorities issue certificates for servers only, since 2026: 26, `X509_V_ERR_INVALID_PURPOSE`, must be no
/// reason to refuse a client.
fn judging(certificates: &Certificates) -> String {
    format!(" ca-file {} verify required crt-ignore-err 26", certificates.root.display())
}

/// Connections that it can have, by the limit of open files: it does not start when told more.
fn connections() -> u64 {
    // It needs a few for itself.
    (open_files().saturating_sub(200) / 2).clamp(1, CONNECTIONS)
}
