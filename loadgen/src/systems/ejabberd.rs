//! ejabberd as the thing that relays: s2s on one side, the local domains as components (XEP-0114) on the other.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use ringgate_proto::address::Domain;

use super::install::{Need, Source};
use super::process::{self, Pinned, Process};
use super::{Attachment, Running, SERVER_NAME, Setup, secret, server_name};

/// What it takes. Its program only tells where the Erlang libraries are; the process is `erl`.
pub const NEEDS: Need = Need { program: "ejabberdctl", source: Source::Debian(&["ejabberd"]) };

/// Starts it with one scheduler per core. Schedulers sleep when there is nothing to do instead of spinning, so that its
/// processor time is work. It is no node of a cluster: no `epmd`, no port for other nodes.
///
/// # Errors
/// It is not installed, or does not start.
pub fn start(setup: &Setup<'_>) -> anyhow::Result<Running> {
    let found = NEEDS.find()?;
    let [public, public_direct_tls, component] = process::free_ports()?;
    let secret = secret();
    let scratch = setup.scratch;
    let names: Vec<Domain> = setup.locals.iter().cloned().chain([server_name()]).collect();
    process::write(scratch, "ejabberd.pem", &setup.authority.sign(&names)?)?;
    process::write(scratch, "root.pem", setup.authority.root_pem())?;
    let config = configuration(setup, [public.port(), public_direct_tls.port(), component.port()], &secret)?;
    let config = process::write(scratch, "ejabberd.yml", &config)?;
    let resolver = process::write(scratch, "inetrc", &resolver(setup))?;
    let schedulers = setup.cores.len();
    let mut program = Pinned::new("erl", setup.cores);
    let command = program.command();
    command.args(["+S", &format!("{schedulers}:{schedulers}"), "+K", "true", "+P", "1000000", "+Q", "262144"]);
    command.args(["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]);
    command
        .args(["-noinput", "-start_epmd", "false", "-mnesia", "dir"])
        .arg(format!("\"{}/spool\"", scratch.display()));
    command.args(["-s", "ejabberd"]);
    command.env("ERL_LIBS", libraries(&found.path)).env("EJABBERD_CONFIG_PATH", config).env("ERL_INETRC", resolver);
    command.env("EJABBERD_LOG_PATH", scratch.join("ejabberd.log")).env("ERL_CRASH_DUMP", scratch.join("crash.dump"));
    command.env("HOME", scratch);
    let process = Process::start("ejabberd", program, scratch, &[public, public_direct_tls, component])?;
    let public_direct_tls = Some(public_direct_tls);
    Ok(Running {
        name: "ejabberd",
        version: found.version,
        attachment: Attachment::Server { public, public_direct_tls, component, secret },
        process: Some(process),
    })
}

/// Where Debian keeps ejabberd's own Erlang libraries: a folder by architecture that its script names.
fn libraries(script: &Path) -> String {
    let text = fs::read_to_string(script).unwrap_or_default();
    let named = text.lines().find_map(|line| line.trim().strip_prefix("ERL_LIBS='")?.strip_suffix('\''));
    named.unwrap_or("/usr/lib/x86_64-linux-gnu").to_owned()
}

/// Erlang's own resolver, asking one name server for everything and reading no file of the machine.
fn resolver(setup: &Setup<'_>) -> String {
    let address = setup.dns.ip().to_string().replace('.', ",");
    let port = setup.dns.port();
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

fn configuration(setup: &Setup<'_>, [public, direct, component]: [u16; 3], secret: &str) -> anyhow::Result<String> {
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
        scratch = setup.scratch.display(),
        modules = if setup.transport.dialback { "mod_s2s_dialback: {}" } else { "mod_ping: {}" },
    );
    for domain in setup.locals {
        writeln!(config, "      \"{domain}\": {{password: \"{secret}\"}}", domain = domain.as_ascii())?;
    }
    Ok(config)
}
