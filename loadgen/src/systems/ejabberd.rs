//! ejabberd as the thing that relays: s2s on one side, the local domains as components (XEP-0114) on the other.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use ringgate_proto::address::Domain;

use super::install::{Need, Source};
use super::process::Launch;
use super::scratch::Folder;
use super::{Attachment, SERVER_NAME, Setting, System, Under, ports, secret, server_name};

/// What it takes. Its program only tells where the Erlang libraries are; the process is `erl`.
pub(super) const NEEDS: Need = Need { program: "ejabberdctl", source: Source::Debian(&["ejabberd"]) };

/// Starts it with one scheduler per core. Schedulers sleep when there is nothing to do instead of spinning, so that its
/// processor time is work. It is no node of a cluster: no `epmd`, no port for other nodes.
///
/// # Errors
/// It is not installed, or does not start.
pub(super) fn start(setting: &Setting<'_>, folder: &Folder) -> anyhow::Result<Under> {
    let found = NEEDS.find()?;
    let [public, public_direct_tls, component] = ports::free()?;
    let secret = secret();
    let scratch = folder.path();
    let names: Vec<Domain> = setting.locals.iter().cloned().chain([server_name()]).collect();
    folder.write("ejabberd.pem", &setting.authority.sign(&names)?)?;
    folder.write("root.pem", setting.authority.root_pem())?;
    let config = configuration(setting, folder, [public.port(), public_direct_tls.port(), component.port()], &secret)?;
    let config = folder.write("ejabberd.yml", &config)?;
    let resolver = folder.write("inetrc", &resolver(setting))?;
    let schedulers = setting.cores.len();
    let name = System::Ejabberd.name();
    let launch = Launch::new(name, Path::new("erl"), setting.cores)
        .args(["+S", &format!("{schedulers}:{schedulers}"), "+K", "true", "+P", "1000000", "+Q", "262144"])
        .args(["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"])
        .args(["-noinput", "-start_epmd", "false", "-mnesia", "dir", &format!("\"{}/spool\"", scratch.display())])
        .args(["-s", "ejabberd"])
        .env("ERL_LIBS", libraries(&found.path))
        .env("EJABBERD_CONFIG_PATH", config)
        .env("ERL_INETRC", resolver)
        .env("EJABBERD_LOG_PATH", scratch.join("server.log"))
        .env("ERL_CRASH_DUMP", scratch.join("crash.dump"))
        .env("HOME", scratch)
        .listens([public, public_direct_tls, component]);
    Ok(Under {
        name: name.to_owned(),
        version: format!("ejabberd {}", found.version),
        attachment: Attachment::Server { public, public_direct_tls: Some(public_direct_tls), component, secret },
        processes: vec![launch.start(folder)?],
        attached: None,
        metrics: None,
    })
}

/// Where Debian keeps ejabberd's own Erlang libraries: a folder by architecture that its script names.
fn libraries(script: &Path) -> String {
    let text = fs::read_to_string(script).unwrap_or_default();
    let named = text.lines().find_map(|line| line.trim().strip_prefix("ERL_LIBS='")?.strip_suffix('\''));
    named.unwrap_or("/usr/lib/x86_64-linux-gnu").to_owned()
}

/// Erlang's own resolver, asking one name server for everything and reading no file of the machine.
fn resolver(setting: &Setting<'_>) -> String {
    let address = setting.dns.ip().to_string().replace('.', ",");
    let port = setting.dns.port();
    format!(
        r#"{{resolv_conf, ""}}.
{{hosts_file, ""}}.
clear_ns.
clear_search.
{{nameserver, {{{address}}}, {port}}}.
{{lookup, [dns]}}.
"#
    )
}

fn configuration(
    setting: &Setting<'_>,
    folder: &Folder,
    [public, direct, component]: [u16; 3],
    secret: &str,
) -> anyhow::Result<String> {
    let mut config = format!(
        r#"
hosts: ["{SERVER_NAME}"]
loglevel: warning
certfiles: ["{scratch}/ejabberd.pem"]
ca_file: "{scratch}/root.pem"
s2s_use_starttls: required
s2s_max_retry_delay: 1
outgoing_s2s_families: [ipv4]
auth_method: internal
new_sql_schema: false
acme: {{auto: false}}
modules:
  {modules}
listen:
  - {{port: {public}, ip: "127.0.0.1", module: ejabberd_s2s_in, max_stanza_size: 524288, backlog: 4096}}
  - {{port: {direct}, ip: "127.0.0.1", module: ejabberd_s2s_in, max_stanza_size: 524288, backlog: 4096, tls: true}}
  - port: {component}
    ip: "127.0.0.1"
    module: ejabberd_service
    max_stanza_size: 524288
    hosts:
"#,
        scratch = folder.path().display(),
        modules = if setting.transport.dialback { "mod_s2s_dialback: {}" } else { "mod_ping: {}" },
    );
    for domain in setting.locals {
        writeln!(config, "      \"{domain}\": {{password: \"{secret}\"}}", domain = domain.as_ascii())?;
    }
    Ok(config)
}
