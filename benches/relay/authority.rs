//! A certificate authority that lives as long as the run.

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use ringgate::tls::{CertifiedKeyFiles, Identity, Roots, Store};
use ringgate_proto::address::Domain;

/// Signs ECDSA P-256 certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate().context("a key for the authority")?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "ringgate relay bench");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).context("the authority")?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// The certificate itself, as PEM.
    pub(crate) fn root(&self) -> &str {
        &self.certificate
    }

    /// Certificate and key for `name`, in one PEM text.
    pub(crate) fn sign(&self, name: &str) -> anyhow::Result<String> {
        let key = KeyPair::generate().context("a key")?;
        let mut params = CertificateParams::new([name.to_owned()]).context("the name of a certificate")?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).context("a certificate")?;
        Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
    }

    /// Sessions in the name of `domains`, with the certificate of `name`.
    pub(crate) fn store(&self, name: &str, domains: Vec<Domain>) -> anyhow::Result<Store> {
        let server = CertifiedKeyFiles::memory(self.sign(name)?);
        let identity = Identity { domains, server, client: None };
        let roots = Roots::Pem(self.certificate.clone().into_bytes());
        Ok(Store::load(vec![identity], roots, None)?)
    }
}
