//! `ringgate check`: whether a configuration and the files it names are in order.

use std::io::Write;
use std::process::ExitCode;

use super::{ConfigurationFile, EXIT_CONFIGURATION, load};
use crate::config::Config;
use crate::shard::probe::{self, Finding, Severity};

/// Prints one `ok` line per thing that is in order and a paragraph per warning; errors go to standard error.
pub(super) fn check(file: &ConfigurationFile, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let loaded = match load(file) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    write!(out, "{}", findings(&loaded.config))?;
    write!(out, "{}", loaded.problems.warnings_text())?;
    match loaded.config.resolver() {
        Ok((resolver, warnings)) => {
            writeln!(out, "ok: resolvers: {:?}", resolver.servers)?;
            warnings.iter().try_for_each(|warning| writeln!(out, "warning: {warning}"))?;
        }
        Err(error) => writeln!(out, "warning: dns.servers: /etc/resolv.conf: {error}; name resolvers in the file")?,
    }
    machine(&loaded.config, out)
}

/// What the machine lacks. A port that is taken is no error here: a running ringgate has them.
fn machine(config: &Config, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let is_port = |finding: &Finding| finding.key.contains(".listen") || finding.key.contains(".dns");
    let findings = probe::check(&config.wanted());
    for finding in &findings {
        let taken = if is_port(finding) { " (in order if ringgate is running already)" } else { "" };
        writeln!(out, "{finding}{taken}")?;
    }
    if findings.is_empty() {
        writeln!(out, "ok: this machine has what {} shards need", config.shards)?;
    }
    let is_fatal = |finding: &Finding| finding.severity == Severity::Error && !is_port(finding);
    Ok(if findings.iter().any(is_fatal) { ExitCode::from(EXIT_CONFIGURATION) } else { ExitCode::SUCCESS })
}

fn findings(config: &Config) -> String {
    let mut lines = Vec::new();
    for domain in &config.domains {
        let names = domain.names().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let tls = if domain.backend_starttls { " with STARTTLS" } else { "" };
        let chain = domain.certificate.chain.display();
        lines.push(format!("domain {names}: backend {}{tls}, certificate {chain}", domain.backend));
    }
    let dns = config.internal.dns.map_or_else(|| "no DNS answerer".to_owned(), |dns| format!("DNS answerer {dns}"));
    lines.push(format!("internal {}: {dns}", config.internal.listen));
    for address in config.public.listen.iter().chain(&config.public.listen_direct_tls) {
        lines.push(format!("public {address}"));
    }
    lines.push(format!("policy: {} partner entries", config.policy.partners.len()));
    lines.push(match config.dialback_secret {
        Some(_) => "dialback: secret from its file".to_owned(),
        None => "dialback: a secret is drawn at every start, so no second host can serve these domains".to_owned(),
    });
    lines.push(format!("shards: {}", config.shards));
    lines.iter().map(|line| format!("ok: {line}\n")).collect()
}
