//! A certificate authority that lives as long as the demo.

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use ringgate_proto::address::Domain;

use crate::tls::{CertifiedKeyFiles, Identity, Roots, Store};

/// Signs one certificate per domain.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    pub(super) fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate().context("a key for the demo's authority")?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "ringgate demo");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).context("the demo's authority")?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// The certificate itself, as PEM: what everyone in the demo trusts.
    pub(super) fn roots(&self) -> Roots {
        Roots::Pem(self.certificate.clone().into_bytes())
    }

    /// Certificate and key for these domains, for servers only, as public authorities issue them since 2026.
    pub(super) fn identity(&self, domains: &[Domain]) -> anyhow::Result<Identity> {
        let key = KeyPair::generate().context("a key")?;
        let names: Vec<String> = domains.iter().map(|domain| domain.as_ascii().to_owned()).collect();
        let mut params = CertificateParams::new(names).context("names of a certificate")?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).context("a certificate")?;
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        Ok(Identity { domains: domains.to_vec(), server: CertifiedKeyFiles::memory(pem), client: None })
    }

    /// All that an embedded server of one domain needs.
    pub(super) fn store(&self, domain: &Domain) -> anyhow::Result<Store> {
        let identity = self.identity(std::slice::from_ref(domain))?;
        Ok(Store::load(vec![identity], self.roots(), None)?)
    }
}
