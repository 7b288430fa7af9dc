//! From the configuration to what the other parts of the shell are told.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use super::{CertificateFiles, Config, Roots};
use crate::dns::ResolverConfig;
use crate::shard::probe::Wanted;
use crate::tls::{self, CertifiedKeyFiles, Identity, Pem, Store, StoreError};

/// Where the system names its resolvers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

impl Config {
    /// Reads and checks every certificate, key and root that the configuration names.
    ///
    /// # Errors
    /// The first file that cannot be used, and what to do about it.
    pub fn store(&self) -> Result<Store, StoreError> {
        let identity = |domain: &super::LocalDomain| Identity {
            domains: domain.names().cloned().collect(),
            server: files(&domain.certificate),
            client: domain.client_certificate.as_ref().map(files),
        };
        let roots = match &self.roots {
            Roots::System => tls::Roots::System,
            Roots::File(path) => tls::Roots::File(path.clone()),
        };
        Store::load(self.domains.iter().map(identity).collect(), roots, self.internal.certificate.as_ref().map(files))
    }

    /// What the resolver is told; with it, lines of `/etc/resolv.conf` that were not understood.
    ///
    /// # Errors
    /// When no servers are configured and `/etc/resolv.conf` cannot be read.
    pub fn resolver(&self) -> io::Result<(ResolverConfig, Vec<String>)> {
        let (mut config, warnings) = if self.dns.servers.is_empty() {
            ResolverConfig::read(Path::new(RESOLV_CONF))?
        } else {
            (ResolverConfig { servers: self.dns.servers.clone(), ..ResolverConfig::default() }, Vec::new())
        };
        (config.timeout, config.attempts) = (self.dns.timeout, self.dns.attempts);
        let say = |warning: &crate::dns::Warning| format!("{RESOLV_CONF}:{}: {}", warning.line, warning.problem);
        Ok((config, warnings.iter().map(say).collect()))
    }

    /// What the machine must allow.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            listen: self.listeners(),
            shards: self.shards,
            connections: u64::from(self.shards) * self.limits.connections_per_shard as u64,
        }
    }

    /// Every address that is listened on for streams and figures, with its key.
    fn listeners(&self) -> Vec<(String, SocketAddr)> {
        let keyed = |key: &str, address: &SocketAddr| (key.to_owned(), *address);
        let mut all = vec![keyed("internal.listen", &self.internal.listen)];
        all.extend(self.internal.dns.iter().map(|address| keyed("internal.dns", address)));
        all.extend(self.public.listen.iter().map(|address| keyed("public.listen", address)));
        all.extend(self.public.listen_direct_tls.iter().map(|address| keyed("public.listen_direct_tls", address)));
        all.extend(self.metrics.listen.iter().map(|address| keyed("metrics.listen", address)));
        all
    }
}

fn files(files: &CertificateFiles) -> CertifiedKeyFiles {
    let key = (files.key != files.chain).then(|| Pem::File(files.key.clone()));
    CertifiedKeyFiles { certificate: Pem::File(files.chain.clone()), key }
}
