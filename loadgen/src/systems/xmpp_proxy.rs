//! xmpp-proxy 1.0.0 (crates.io): TLS of remote domains ends in it, each connection goes on in clear to the backend.
//!
//! It carries what comes from outside; what the backend says goes back on the same connection. Nothing begins inside: this
//! version has no way out. It asks for no client certificate, and what follows the handshake is between the two ends: the
//! backend answers the stream header. It wants the header to begin with `<stream:stream ` and connects to the backend
//! when it has read it.

use super::install::{Need, Source};
use super::process::{self, Pinned, Process};
use super::{Attachment, RelayTls, Running, Setup};

/// What it takes.
pub const NEEDS: Need = Need { program: "xmpp-proxy", source: Source::Cargo { name: "xmpp-proxy", version: "1.0.0" } };

/// Starts it; it has as many threads as cores.
///
/// # Errors
/// It is not installed, or does not start.
pub fn start(setup: &Setup<'_>) -> anyhow::Result<Running> {
    let found = NEEDS.find()?;
    let [entry] = process::free_ports()?;
    let pem = process::write(setup.scratch, "xmpp-proxy.pem", &setup.authority.sign(setup.locals)?)?;
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
        backend = setup.backend,
        pem = pem.display()
    );
    let config = process::write(setup.scratch, "xmpp-proxy.toml", &config)?;
    let mut program = Pinned::new(&found.path, setup.cores);
    program.command().arg(config);
    let process = Process::start("xmpp-proxy", program, setup.scratch, &[entry])?;
    let entry_tls = if setup.transport.direct_tls { RelayTls::Direct } else { RelayTls::StartTls };
    Ok(Running {
        name: "xmpp-proxy",
        version: found.version,
        attachment: Attachment::Relay { entry, entry_tls, exit_tls: RelayTls::None },
        process: Some(process),
    })
}
