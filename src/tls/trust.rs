//! What a peer's certificates are worth, judged after the handshake.

use std::path::PathBuf;

use ringgate_proto::stream::{PeerCertificate, Untrusted};
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use sha2::{Digest, Sha256};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::files::{self, Pem, StoreError};
use super::issuers::{self, TooManyIssuers};
use super::names::{self, Names};
use super::verdicts::{self, Verdicts};

/// Where trust begins.
#[derive(Clone, Debug)]
pub enum Roots {
    /// The operating system's certificate authorities.
    System,
    /// Those in a PEM file.
    File(PathBuf),
    /// Those in this PEM text.
    Pem(Vec<u8>),
}

/// The roots that peers' chains must end in.
pub(super) struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    verdicts: Verdicts,
}

impl Trust {
    pub(super) fn load(roots: Roots) -> Result<Self, StoreError> {
        let (source, certificates) = match roots {
            Roots::System => ("the system's certificate authorities".to_owned(), system()?),
            Roots::File(path) => (path.display().to_string(), files::certificates(&Pem::File(path))?),
            Roots::Pem(text) => {
                ("the given certificate authorities".to_owned(), files::certificates(&Pem::Memory(text))?)
            }
        };
        let anchors: Vec<_> = certificates
            .iter()
            .filter_map(|der| webpki::anchor_from_trusted_cert(der).ok().map(|anchor| anchor.to_owned()))
            .collect();
        if anchors.is_empty() {
            return Err(StoreError::new(
                source,
                "contains no usable CA certificate",
                "name a PEM file with CA certificates",
            ));
        }
        Ok(Self { anchors, verdicts: Verdicts::default() })
    }

    /// The verdict on a chain, leaf first, at this moment; a trusted one may be up to
    /// [`VERDICT_LIFETIME`](super::VERDICT_LIFETIME) old.
    ///
    /// # Source
    /// RFC 5280 §6, for id-kp-serverAuth or no extended key usage at all; RFC 6120 §13.7.2.
    pub(super) fn judge(&self, chain: Option<&[CertificateDer<'_>]>, now: UnixTime) -> PeerCertificate {
        let Some((chain, (leaf, intermediates))) = chain.and_then(|chain| Some((chain, chain.split_first()?))) else {
            return without_names(Untrusted::Absent, [0; 32]);
        };
        let digest = verdicts::digest(leaf, chain);
        if let Some(known) = self.verdicts.get(&digest, now) {
            return known;
        }
        let verdict = self.judge_anew(leaf, intermediates, now);
        self.verdicts.keep(digest, chain, &verdict, now);
        verdict
    }

    fn judge_anew(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> PeerCertificate {
        let fingerprint = Sha256::digest(leaf.as_ref()).into();
        let Ok((_, parsed)) = X509Certificate::from_der(leaf) else {
            return without_names(Untrusted::Malformed, fingerprint);
        };
        let Ok(names) = names::subject_names(&parsed) else {
            return without_names(Untrusted::Malformed, fingerprint);
        };
        let trust = match issuers::reached(leaf, intermediates) {
            Ok(issuers) => self.verify(leaf, &issuers, now).map_err(|error| untrusted(&error, &parsed)),
            Err(TooManyIssuers) => Err(Untrusted::TooManyIssuers),
        };
        let Names { dns, srv, xmpp } = names;
        PeerCertificate { trust, dns_names: dns, srv_names: srv, xmpp_addrs: xmpp, fingerprint }
    }

    /// `KeyUsage::server_auth` passes serverAuth and certificates without the extension, and refuses clientAuth alone.
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), webpki::Error> {
        EndEntityCert::try_from(leaf)?
            .verify_for_usage(ALL_VERIFICATION_ALGS, &self.anchors, issuers, now, KeyUsage::server_auth(), None, None)
            .map(drop)
    }
}

/// The moment at which certificates are judged.
pub(super) fn now() -> UnixTime {
    UnixTime::since_unix_epoch(crate::clock::wall())
}

fn system() -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let problem = match found.errors.first() {
            Some(error) => format!("cannot be read: {error}"),
            None => "were not found".to_owned(),
        };
        let remedy = "install the package ca-certificates, or name a file with CA certificates";
        return Err(StoreError::new("the system's certificate authorities", problem, remedy));
    }
    Ok(found.certs)
}

fn without_names(why: Untrusted, fingerprint: [u8; 32]) -> PeerCertificate {
    PeerCertificate { trust: Err(why), dns_names: vec![], srv_names: vec![], xmpp_addrs: vec![], fingerprint }
}

fn untrusted(error: &webpki::Error, leaf: &X509Certificate<'_>) -> Untrusted {
    use webpki::Error;
    let own_issuer = leaf.issuer().as_raw() == leaf.subject().as_raw();
    match error {
        Error::UnknownIssuer | Error::CaUsedAsEndEntity if own_issuer => Untrusted::SelfSigned,
        Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => Untrusted::UnknownIssuer,
        Error::CertExpired { .. } => Untrusted::Expired,
        Error::CertNotValidYet { .. } => Untrusted::NotYetValid,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Untrusted::WrongPurpose,
        _ => Untrusted::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::*;
    use crate::tls::VERDICT_LIFETIME;

    fn authority() -> (Trust, Issuer<'static, KeyPair>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let roots = Roots::Pem(params.self_signed(&key).unwrap().pem().into_bytes());
        (Trust::load(roots).unwrap(), Issuer::new(params, key))
    }

    fn chain(issuer: &Issuer<'_, KeyPair>) -> Vec<CertificateDer<'static>> {
        let params = CertificateParams::new(["partner.example".to_owned()]).unwrap();
        vec![params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().into()]
    }

    #[test]
    fn chain_is_not_verified_again_while_its_verdict_holds() {
        let (mut trust, issuer) = authority();
        let (known, unknown, begin) = (chain(&issuer), chain(&issuer), now());
        let after = |passed: Duration| UnixTime::since_unix_epoch(Duration::from_secs(begin.as_secs()) + passed);
        let first = trust.judge(Some(&known), begin);
        assert_eq!((first.trust, first.dns_names.len()), (Ok(()), 1));
        // From now on every chain that is verified is found untrusted.
        trust.anchors.clear();
        assert!(trust.judge(Some(&unknown), begin).trust.is_err());
        let still = VERDICT_LIFETIME - Duration::from_secs(1);
        let again = trust.judge(Some(&known), after(still));
        assert_eq!((again.trust, again.dns_names, again.fingerprint), (Ok(()), first.dns_names, first.fingerprint));
        assert!(trust.judge(Some(&known), after(VERDICT_LIFETIME)).trust.is_err());
    }

    #[test]
    fn certificates_that_nobody_needs_displace_only_the_verdict_on_their_own_leaf() {
        let (mut trust, issuer) = authority();
        let (partner, stranger, begin) = (chain(&issuer), chain(&issuer), now());
        assert_eq!(trust.judge(Some(&partner), begin).trust, Ok(()));
        // Whatever parses may stand behind the leaf: it is on no path.
        let extras: Vec<_> = (0..5).map(|_| [stranger.clone(), chain(&issuer)].concat()).collect();
        assert!(extras.iter().all(|padded| trust.judge(Some(padded), begin).trust == Ok(())));
        trust.anchors.clear();
        assert_eq!(trust.judge(Some(&partner), begin).trust, Ok(()));
        assert_eq!(trust.judge(Some(&extras[4]), begin).trust, Ok(()));
        assert!(extras[..4].iter().all(|padded| trust.judge(Some(padded), begin).trust.is_err()));
    }
}
