//! A short memory of chains found trustworthy: a partner that reconnects or resumes is not verified each time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringgate_proto::stream::PeerCertificate;
use rustls::pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::{VERDICT_LIFETIME, VERDICTS_BYTES};

/// SHA-256.
type Hash = [u8; 32];

/// A chain as it was sent.
#[derive(Clone, Copy)]
pub(super) struct ChainDigest {
    /// Of the certificate whose key the peer has.
    leaf: Hash,
    /// Of everything.
    whole: Hash,
}

/// Verdicts on whole chains, one for each leaf; locked once per handshake, never per stanza.
///
/// Only trusted chains are kept, and another chain with the same leaf takes the former one's place: certificates that nobody needs are cheap to
/// make up and change no verdict, but to fill this takes as many leaves, each signed by an authority that is trusted.
#[derive(Default)]
pub(super) struct Verdicts {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_leaf: HashMap<Hash, Verdict>,
    /// Of all of them, about.
    bytes: usize,
}

impl Known {
    /// Keeps a verdict. Where there is no room, those that hold no more make some, or else every other one of the rest.
    fn insert(&mut self, leaf: Hash, verdict: Verdict, now: UnixTime) {
        let bytes = verdict.bytes();
        if self.bytes + bytes > VERDICTS_BYTES {
            self.retain(|verdict| verdict.holds(now));
        }
        while self.bytes + bytes > VERDICTS_BYTES && !self.by_leaf.is_empty() {
            let mut stays = true;
            self.retain(|_| {
                stays = !stays;
                stays
            });
        }
        self.bytes += bytes;
        let former = self.by_leaf.insert(leaf, verdict);
        self.bytes -= former.map_or(0, |former| former.bytes());
    }

    fn retain(&mut self, mut stays: impl FnMut(&Verdict) -> bool) {
        self.by_leaf.retain(|_, verdict| stays(verdict));
        self.bytes = self.by_leaf.values().map(Verdict::bytes).sum();
    }
}

struct Verdict {
    /// What it is on.
    chain: Hash,
    peer: PeerCertificate,
    from: UnixTime,
    until: UnixTime,
}

impl Verdict {
    fn holds(&self, now: UnixTime) -> bool {
        self.from <= now && now < self.until
    }

    /// What it takes with its place in a map that is half full: names are as many as a certificate may have.
    fn bytes(&self) -> usize {
        let PeerCertificate { dns_names, srv_names, xmpp_addrs, .. } = &self.peer;
        let names = dns_names.iter().chain(srv_names).chain(xmpp_addrs);
        let names: usize = names.map(|name| size_of::<String>() + name.len()).sum();
        2 * (size_of::<Hash>() + size_of::<Self>()) + names
    }
}

impl Verdicts {
    pub(super) fn get(&self, chain: &ChainDigest, now: UnixTime) -> Option<PeerCertificate> {
        let known = self.lock();
        let verdict = known.by_leaf.get(&chain.leaf)?;
        (verdict.chain == chain.whole && verdict.holds(now)).then(|| verdict.peer.clone())
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
        let verdict = Verdict { chain: digest.whole, peer: peer.clone(), from: now, until };
        self.lock().insert(digest.leaf, verdict, now);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A panic between two map operations cannot leave a wrong verdict behind.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Over the leaf, and over the certificates, each behind its length.
pub(super) fn digest(leaf: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> ChainDigest {
    let mut hash = Sha256::new();
    for certificate in chain {
        hash.update((certificate.len() as u64).to_be_bytes());
        hash.update(certificate);
    }
    ChainDigest { leaf: Sha256::digest(leaf).into(), whole: hash.finalize().into() }
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

    /// Of a chain made up, with a leaf of its own.
    fn key(number: u64) -> ChainDigest {
        let mut leaf = [0; 32];
        leaf[..8].copy_from_slice(&number.to_be_bytes());
        ChainDigest { leaf, whole: leaf }
    }

    fn peer(trust: Result<(), Untrusted>) -> PeerCertificate {
        PeerCertificate { trust, dns_names: vec![], srv_names: vec![], xmpp_addrs: vec![], fingerprint: [7; 32] }
    }

    #[test]
    fn a_verdict_is_forgotten_after_its_time() {
        let (verdicts, chain, now) = (Verdicts::default(), chain(2090), 1_800_000_000);
        let key = digest(&chain[0], &chain);
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
        let key = digest(&chain[0], &chain);
        verdicts.keep(key, &chain, &peer(Ok(())), at(end - 10));
        assert!(verdicts.get(&key, at(end - 1)).is_some());
        assert!(verdicts.get(&key, at(end)).is_none());
    }

    #[test]
    fn untrusted_chains_are_not_kept_and_trusted_ones_are_bounded() {
        let (verdicts, chain, now) = (Verdicts::default(), chain(2090), at(1_800_000_000));
        verdicts.keep(key(1), &chain, &peer(Err(Untrusted::SelfSigned)), now);
        assert!(verdicts.get(&key(1), now).is_none());
        // Of the largest certificates that a public authority signs.
        let peer = PeerCertificate { dns_names: vec!["a".repeat(60); 100], ..peer(Ok(())) };
        let (mut most, mut last) = (0, 0);
        for number in 0..3_000_u64 {
            verdicts.keep(key(number), &chain, &peer, now);
            assert!(verdicts.get(&key(number), now).is_some());
            let known = verdicts.lock();
            assert!(known.bytes <= VERDICTS_BYTES && known.by_leaf.len() * 8_000 <= VERDICTS_BYTES);
            last = known.by_leaf.values().map(Verdict::bytes).sum();
            assert!(known.bytes == last || number % 100 > 0, "what is counted is what is there");
            most = most.max(known.by_leaf.len());
            assert!(
                number < 1_500 || known.by_leaf.len() * 2 + 1 >= most,
                "half of them stay: {}",
                known.by_leaf.len()
            );
        }
        assert!(most > 500 && last > 0, "{most}");
    }

    #[test]
    fn verdicts_of_ten_thousand_partners_have_room_and_expired_ones_make_some() {
        let (verdicts, chain) = (Verdicts::default(), chain(2090));
        let peer = PeerCertificate { dns_names: vec!["partner.example".to_owned(); 2], ..peer(Ok(())) };
        let begin = 1_800_000_000;
        (0..10_000).for_each(|number| verdicts.keep(key(number), &chain, &peer, at(begin)));
        assert!((0..10_000).all(|number| verdicts.get(&key(number), at(begin)).is_some()));
        // The same again takes no more room.
        let bytes = verdicts.lock().bytes;
        verdicts.keep(key(7), &chain, &peer, at(begin));
        assert_eq!(verdicts.lock().bytes, bytes);
        let later = begin + VERDICT_LIFETIME.as_secs() - 1;
        verdicts.keep(key(10_000), &chain, &peer, at(later));
        (20_000..35_000).for_each(|number| verdicts.keep(key(number), &chain, &peer, at(later + 1)));
        let known = verdicts.lock();
        assert!(known.bytes <= VERDICTS_BYTES && known.by_leaf.len() == 15_001, "{}", known.by_leaf.len());
        drop(known);
        assert!([10_000, 20_000, 34_999].iter().all(|number| verdicts.get(&key(*number), at(later + 1)).is_some()));
    }

    #[test]
    fn thousands_of_chains_with_one_leaf_take_the_place_of_one() {
        let (verdicts, chain, now) = (Verdicts::default(), chain(2090), at(1_800_000_000));
        verdicts.keep(key(1), &chain, &peer(Ok(())), now);
        let padded = |number: u64| ChainDigest { leaf: key(2).leaf, whole: key(number).whole };
        (0..30_000).for_each(|number| verdicts.keep(padded(number), &chain, &peer(Ok(())), now));
        assert!(verdicts.get(&padded(29_999), now).is_some());
        assert!(verdicts.get(&padded(29_998), now).is_none(), "a verdict is on a whole chain");
        assert!(verdicts.get(&key(1), now).is_some(), "partners keep theirs");
        let known = verdicts.lock();
        let both = known.by_leaf.values().map(Verdict::bytes).sum();
        assert_eq!((known.by_leaf.len(), known.bytes), (2, both));
    }
}
