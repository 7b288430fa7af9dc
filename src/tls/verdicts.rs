//! A short memory of chains found trustworthy: a partner that reconnects or resumes is not verified each time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringgate_proto::stream::PeerCertificate;
use rustls::pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::{VERDICT_LIFETIME, VERDICTS};

/// A whole chain's digest.
pub(super) type ChainDigest = [u8; 32];

/// Verdicts by chain; locked once per handshake, never per stanza.
///
/// Only trusted chains are kept: what an unknown peer makes up cannot fill it.
#[derive(Default)]
pub(super) struct Verdicts {
    known: Mutex<HashMap<ChainDigest, Verdict>>,
}

struct Verdict {
    peer: PeerCertificate,
    from: UnixTime,
    until: UnixTime,
}

impl Verdict {
    fn holds(&self, now: UnixTime) -> bool {
        self.from <= now && now < self.until
    }
}

impl Verdicts {
    pub(super) fn get(&self, chain: &ChainDigest, now: UnixTime) -> Option<PeerCertificate> {
        let known = self.lock();
        known.get(chain).filter(|verdict| verdict.holds(now)).map(|verdict| verdict.peer.clone())
    }

    /// Keeps a verdict for [`VERDICT_LIFETIME`], but not beyond the end of any certificate in the chain.
    pub(super) fn keep(
        &self,
        digest: ChainDigest,
        chain: &[CertificateDer<'_>],
        peer: &PeerCertificate,
        now: UnixTime,
    ) {
        let Some(end) = earliest_end(chain) else { return };
        let until =
            UnixTime::since_unix_epoch(Duration::from_secs((now.as_secs() + VERDICT_LIFETIME.as_secs()).min(end)));
        if peer.trust.is_err() || until <= now {
            return;
        }
        let mut known = self.lock();
        if known.len() >= VERDICTS {
            known.retain(|_, verdict| verdict.holds(now));
        }
        if known.len() >= VERDICTS {
            known.clear();
        }
        known.insert(digest, Verdict { peer: peer.clone(), from: now, until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChainDigest, Verdict>> {
        // A panic between two map operations cannot leave a wrong verdict behind.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SHA-256 over the certificates, each behind its length.
pub(super) fn digest(chain: &[CertificateDer<'_>]) -> ChainDigest {
    let mut hash = Sha256::new();
    for certificate in chain {
        hash.update((certificate.len() as u64).to_be_bytes());
        hash.update(certificate);
    }
    hash.finalize().into()
}

/// Seconds since 1970 at which the first of these certificates ends.
fn earliest_end(chain: &[CertificateDer<'_>]) -> Option<u64> {
    let end = |certificate| {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        u64::try_from(parsed.validity().not_after.timestamp()).ok()
    };
    chain.iter().map(|certificate| end(certificate.as_ref())).min().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use ringgate_proto::stream::Untrusted;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn chain(year: i32) -> Vec<CertificateDer<'static>> {
        let mut params = CertificateParams::new(["partner.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        vec![params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()]
    }

    fn peer(trust: Result<(), Untrusted>) -> PeerCertificate {
        PeerCertificate { trust, dns_names: vec![], srv_names: vec![], xmpp_addrs: vec![], fingerprint: [7; 32] }
    }

    #[test]
    fn a_verdict_is_forgotten_after_its_time() {
        let (verdicts, chain, now) = (Verdicts::default(), chain(2090), 1_800_000_000);
        let key = digest(&chain);
        verdicts.keep(key, &chain, &peer(Ok(())), at(now));
        let lifetime = VERDICT_LIFETIME.as_secs();
        assert!(verdicts.get(&key, at(now)).is_some());
        assert!(verdicts.get(&key, at(now + lifetime - 1)).is_some());
        assert!(verdicts.get(&key, at(now + lifetime)).is_none());
        assert!(verdicts.get(&key, at(now - 1)).is_none(), "the clock was set back");
    }

    #[test]
    fn a_verdict_ends_with_the_certificate() {
        let (verdicts, chain) = (Verdicts::default(), chain(2030));
        let end = 1_893_456_000; // 2030-01-01
        let key = digest(&chain);
        verdicts.keep(key, &chain, &peer(Ok(())), at(end - 10));
        assert!(verdicts.get(&key, at(end - 1)).is_some());
        assert!(verdicts.get(&key, at(end)).is_none());
    }

    #[test]
    fn untrusted_chains_are_not_kept_and_trusted_ones_are_bounded() {
        let (verdicts, chain, now) = (Verdicts::default(), chain(2090), at(1_800_000_000));
        verdicts.keep([1; 32], &chain, &peer(Err(Untrusted::SelfSigned)), now);
        assert!(verdicts.get(&[1; 32], now).is_none());
        for number in 0..3 * VERDICTS {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            verdicts.keep(key, &chain, &peer(Ok(())), now);
            assert!(verdicts.lock().len() <= VERDICTS);
            assert!(verdicts.get(&key, now).is_some());
        }
    }
}
