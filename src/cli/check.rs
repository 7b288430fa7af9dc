//! `ringgate check`: whether a configuration and the files it names are in order.

use std::io::Write;
use std::process::ExitCode;

use super::{ConfigurationFile, load};
use crate::config::Config;

/// Prints one `ok` line per thing that is in order and a paragraph per warning; errors go to standard error.
pub(super) fn check(file: &ConfigurationFile, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let loaded = match load(file) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    write!(out, "{}", findings(&loaded.config))?;
    write!(out, "{}", loaded.problems.warnings_text())?;
    Ok(ExitCode::SUCCESS)
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
