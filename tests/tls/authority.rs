//! A certificate authority for tests, and stores made of what it issues.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use ringgate::tls::{CertifiedKeyFiles, Identity, Roots, Store};
use ringgate_proto::address::Domain;

pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate (chain) and its key.
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Issued {
    pub(crate) fn pem(&self) -> String {
        format!("{}{}", self.chain, self.key)
    }

    pub(crate) fn files(&self) -> CertifiedKeyFiles {
        CertifiedKeyFiles::memory(self.pem())
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = ca_params(name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Another authority that this one vouches for.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = ca_params(name);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::Pem(self.pem.clone().into_bytes())
    }

    /// A certificate as a public authority issues it today: dNSNames, serverAuth only.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(params(names))
    }

    pub(crate) fn issue_with(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { chain, key: key.serialize_pem() }
    }

    /// A store with one identity.
    pub(crate) fn store(&self, names: &[&str]) -> Store {
        self.store_of(names, self.issue(names).files())
    }

    /// A store with one identity that trusts this authority, whoever issued the certificate.
    pub(crate) fn store_of(&self, names: &[&str], server: CertifiedKeyFiles) -> Store {
        Store::load(vec![identity(names, server)], self.roots(), None).unwrap()
    }
}

pub(crate) fn identity(names: &[&str], server: CertifiedKeyFiles) -> Identity {
    Identity { domains: names.iter().map(|name| domain(name)).collect(), server, client: None }
}

pub(crate) fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

pub(crate) fn params(names: &[&str]) -> CertificateParams {
    let ascii = |name: &&str| if name.is_ascii() { (*name).to_owned() } else { domain(name).as_ascii().to_owned() };
    let names: Vec<String> = names.iter().map(ascii).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "not a name that counts");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

pub(crate) fn self_signed(params: &CertificateParams) -> Issued {
    let key = KeyPair::generate().unwrap();
    Issued { chain: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}
