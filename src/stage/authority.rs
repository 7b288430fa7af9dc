//! A certificate authority that lives as long as what is played.

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
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
        let params = params();
        let certificate = params.self_signed(&key).context("the authority")?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// An authority as it was before: [`Self::root_pem`] and [`Self::key_pem`].
    ///
    /// # Errors
    /// The key is none. That both belong together is not looked at; if they do not, nobody trusts what it signs.
    pub fn restore(certificate: String, key: &str) -> anyhow::Result<Self> {
        let key = KeyPair::from_pem(key).context("the authority's key")?;
        Ok(Self { issuer: Issuer::new(params(), key), certificate })
    }

    /// Its private key, as PEM, for [`Self::restore`].
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// The certificate itself, as PEM: what everyone on the stage trusts.
    pub fn root_pem(&self) -> &str {
        &self.certificate
    }

    /// [`Self::root_pem`] for a [`Store`].
    pub fn roots(&self) -> Roots {
        Roots::Pem(self.certificate.clone().into_bytes())
    }

    /// Certificate and key for these domains, in one PEM text, for both purposes. COMPAT: ejabberd 23.01: refuses SASL
    /// EXTERNAL by a certificate for servers only, as public authorities issue them since 2026.
    ///
    /// # Errors
    /// A name that no certificate can have.
    pub fn sign(&self, domains: &[Domain]) -> anyhow::Result<String> {
        let key = KeyPair::generate().context("a key")?;
        let names: Vec<String> = domains.iter().map(|domain| domain.as_ascii().to_owned()).collect();
        let mut params = CertificateParams::new(names).context("names of a certificate")?;
        expire(&mut params);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
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

fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    expire(&mut params);
    params.distinguished_name.push(DnType::CommonName, "ringgate stage");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Sets when a certificate expires. COMPAT: ejabberd 23.01: sets a timer for it, which Erlang refuses beyond 292 years;
/// rcgen's own is the year 4096.
fn expire(params: &mut CertificateParams) {
    params.not_after = date_time_ymd(2100, 1, 1);
}
