//! xmpp-proxy 1.0.0 (crates.io): TLS of remote domains ends in it, each connection goes on in clear to the backend.
//!
//! It carries what comes from outside; what the backend says goes back on the same connection. Nothing begins inside: this
//! version has no way out. It asks for no client certificate, and what follows the handshake is between the two ends: the
//! backend answers the stream header. It wants the header to begin with `<stream:stream ` and connects to the backend
//! when it has read it.

use super::install::{Need, Source};
use super::process::Launch;
use super::scratch::Folder;
use super::{Attachment, RelayTls, Setting, System, Under, ports};

/// What it takes.
pub(super) const NEEDS: Need =
    Need { program: "xmpp-proxy", source: Source::Cargo { name: "xmpp-proxy", version: "1.0.0" } };

/// Starts it; it has as many threads as cores.
///
/// # Errors
/// It is not installed, or does not start.
pub(super) fn start(setting: &Setting<'_>, folder: &Folder) -> anyhow::Result<Under> {
    let found = NEEDS.find()?;
    let [entry] = ports::free()?;
    let pem = folder.write("xmpp-proxy.pem", &setting.authority.sign(setting.locals)?)?;
    let Some(backend) = setting.backends.first() else { anyhow::bail!("there is no backend") };
    let config = format!(
        r#"
listen = ["{entry}"]
s2s_target = "{backend}"
c2s_target = "{backend}"
proxy = false
max_stanza_size_bytes = 262144
tls_key = "{pem}"
tls_cert = "{pem}"
"#,
        pem = pem.display()
    );
    let config = folder.write("xmpp-proxy.toml", &config)?;
    let name = System::XmppProxy.name();
    let launch = Launch::new(name, &found.path, setting.cores).args([config]).listens([entry]);
    let entry_tls = if setting.transport.direct_tls { RelayTls::Direct } else { RelayTls::StartTls };
    Ok(Under {
        name: name.to_owned(),
        version: format!("xmpp-proxy {}", found.version),
        attachment: Attachment::Relay { entry, entry_tls, exit_tls: RelayTls::None },
        processes: vec![launch.start(folder)?],
        attached: None,
        metrics: None,
    })
}
