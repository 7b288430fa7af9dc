//! From the configuration to the certificates that TLS uses.

use crate::tls::{self, CertifiedKeyFiles, Identity, Pem, Store, StoreError};

use super::{CertificateFiles, Config, Roots};

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
}

fn files(files: &CertificateFiles) -> CertifiedKeyFiles {
    CertifiedKeyFiles { certificate: Pem::File(files.chain.clone()), key: Some(Pem::File(files.key.clone())) }
}
