//! A certificate authority that lives as long as what is played.

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use ringgate_proto::address::Domain;

use crate::tls::{CertifiedKeyFiles, Identity, Roots, Store};

/// Signs ECDSA P-256 certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// A new authority with a key of its own.
    ///
    /// # Errors
    /// The cryptographic library could not.
    pub fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate().context("a key for the authority")?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "ringgate stage");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).context("the authority")?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// The certificate itself, as PEM: what everyone on the stage trusts.
    pub fn root_pem(&self) -> &str {
        &self.certificate
    }

    /// [`Self::root_pem`] for a [`Store`].
    pub fn roots(&self) -> Roots {
        Roots::Pem(self.certificate.clone().into_bytes())
    }

    /// Certificate and key for these domains, in one PEM text; for servers only, as public authorities issue them since
    /// 2026.
    ///
    /// # Errors
    /// A name that no certificate can have.
    pub fn sign(&self, domains: &[Domain]) -> anyhow::Result<String> {
        let key = KeyPair::generate().context("a key")?;
        let names: Vec<String> = domains.iter().map(|domain| domain.as_ascii().to_owned()).collect();
        let mut params = CertificateParams::new(names).context("names of a certificate")?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).context("a certificate")?;
        Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
    }

    /// [`Self::sign`] for a [`Store`].
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn identity(&self, domains: &[Domain]) -> anyhow::Result<Identity> {
        let server = CertifiedKeyFiles::memory(self.sign(domains)?);
        Ok(Identity { domains: domains.to_vec(), server, client: None })
    }

    /// Sessions in the name of each of these domains, each with a certificate of its own.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn store(&self, domains: &[Domain]) -> anyhow::Result<Store> {
        let identities = domains.iter().map(|domain| self.identity(std::slice::from_ref(domain)));
        Ok(Store::load(identities.collect::<anyhow::Result<_>>()?, self.roots(), None)?)
    }
}
