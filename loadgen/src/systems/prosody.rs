//! Prosody as the thing that relays: s2s on one side, the local domains as components (XEP-0114) on the other.

use std::fmt::Write;

use super::install::{Need, Source};
use super::process::Launch;
use super::scratch::Folder;
use super::{Attachment, SERVER_NAME, Setting, System, Under, ports, secret};

/// What it takes: without lua-unbound Prosody asks only the name servers of the whole machine.
pub(super) const NEEDS: Need = Need { program: "prosody", source: Source::Debian(&["prosody", "lua-unbound"]) };

/// Starts it; whatever the cores, it has one thread.
///
/// # Errors
/// It is not installed, or does not start.
pub(super) fn start(setting: &Setting<'_>, folder: &Folder) -> anyhow::Result<Under> {
    let found = NEEDS.find()?;
    let [public, public_direct_tls, component] = ports::free()?;
    let secret = secret();
    folder.write("prosody.pem", &setting.authority.sign(setting.locals)?)?;
    folder.write("root.pem", setting.authority.root_pem())?;
    let mut config = global(setting, folder, [public.port(), public_direct_tls.port(), component.port()]);
    for domain in setting.locals {
        write!(config, "Component \"{domain}\"\n  component_secret = \"{secret}\"\n", domain = domain.as_ascii())?;
    }
    let config = folder.write("prosody.cfg.lua", &config)?;
    let name = System::Prosody.name();
    let launch = Launch::new(name, &found.path, setting.cores).args(["-F", "--config"]).args([config]).listens([
        public,
        public_direct_tls,
        component,
    ]);
    Ok(Under {
        name: name.to_owned(),
        version: format!("Prosody {}", found.version),
        attachment: Attachment::Server { public, public_direct_tls: Some(public_direct_tls), component, secret },
        processes: vec![launch.start(folder)?],
        attached: None,
        metrics: None,
    })
}

/// Everything but the components. Debian's own configuration throttles streams between servers (`limits`) and has modules
/// that cost time per stanza; here is nothing but federation. Garbage is collected at Lua's own pace, which took half of the
/// processor time per stanza that Prosody's more thrifty default took, for up to twice the memory. libunbound asks no loopback address, and answers `test.`
/// itself, unless told otherwise.
fn global(setting: &Setting<'_>, folder: &Folder, [public, direct, component]: [u16; 3]) -> String {
    let dialback = setting.transport.dialback;
    format!(
        r#"
run_as_root = true
daemonize = false
data_path = "{scratch}/data"
certificates = "{scratch}/none"
log = {{ {{ levels = {{ min = "warn" }}, to = "console" }} }}
modules_enabled = {{ "saslauth", "tls"{module} }}
modules_disabled = {{ "c2s", "offline" }}
authentication = "internal_hashed"
storage = "memory"
interfaces = {{ "127.0.0.1" }}
component_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ }}
c2s_direct_tls_ports = {{ }}
s2s_ports = {{ {public} }}
s2s_direct_tls_ports = {{ {direct} }}
component_ports = {{ {component} }}
s2s_require_encryption = true
s2s_secure_auth = {secure_auth}
use_ipv6 = false
network_settings = {{ tcp_backlog = 4096, nagle = false }}
gc = {{ mode = "incremental", threshold = 200, speed = 400 }}
ssl = {{
  cafile = "{scratch}/root.pem", capath = "/nonexistent";
  certificate = "{scratch}/prosody.pem", key = "{scratch}/prosody.pem";
}}
unbound = {{
  resolvconf = false; hoststxt = false; forward = "{address}@{port}";
  options = {{
    ["do-not-query-localhost:"] = "no"; ["local-zone:"] = "test. transparent"; ["module-config:"] = "iterator";
  }};
}}
VirtualHost "{SERVER_NAME}"
"#,
        scratch = folder.path().display(),
        module = if dialback { r#", "dialback""# } else { "" },
        secure_auth = !dialback,
        address = setting.dns.ip(),
        port = setting.dns.port(),
    )
}
