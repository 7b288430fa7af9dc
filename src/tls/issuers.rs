//! Which of the certificates that a peer presents beside its leaf can be on a path to a root.
//!
//! webpki builds paths by names first and looks at signatures only where a path has reached a root, so it may try each order of the
//! certificates that share a name: of nine that anybody can make up, some 79,000. It is therefore handed only what is
//! reached from the leaf by names, of which there are few.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::{ISSUERS, ISSUERS_OF_ONE_NAME};

/// The peer's certificates offer more ways than are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyIssuers;

/// Those of `presented` that are reached from the leaf, issuer by issuer, in whatever order they were presented: each
/// once, at most [`ISSUERS`] and [`ISSUERS_OF_ONE_NAME`]. What has no place on a path, or cannot be read, is left out.
///
/// # Errors
/// More of them are reached.
///
/// # Source
/// RFC 4158 §2.4.2, §5.2: cross-certificates, and repeated ones; RFC 5280 §6.1: names chain.
pub(super) fn reached<'c>(
    leaf: &'c CertificateDer<'_>,
    presented: &'c [CertificateDer<'_>],
) -> Result<Vec<CertificateDer<'c>>, TooManyIssuers> {
    let Ok(start) = EndEntityCert::try_from(leaf) else { return Ok(vec![]) };
    let once = presented.iter().enumerate().filter(|(at, der)| *der != leaf && !presented[..*at].contains(der));
    let readable: Vec<_> = once.filter_map(|(_, der)| EndEntityCert::try_from(der).ok()).collect();
    let (mut names, mut next, mut reached) = (vec![start.issuer()], 0, Vec::new());
    while let Some(name) = names.get(next).copied() {
        next += 1;
        let before = reached.len();
        for issuer in readable.iter().filter(|certificate| certificate.subject() == name) {
            reached.push(issuer.der());
            if !names.contains(&issuer.issuer()) {
                names.push(issuer.issuer());
            }
        }
        if reached.len() > ISSUERS || reached.len() - before > ISSUERS_OF_ONE_NAME {
            return Err(TooManyIssuers);
        }
    }
    Ok(reached)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use ringgate_proto::stream::Untrusted;

    use super::*;
    use crate::tls::trust::{self, Roots, Trust};
    use crate::tls::{CHAIN_BYTES, CHAIN_CERTIFICATES};

    /// A certificate authority without a certificate; others may give it some.
    struct Authority(CertificateParams, Issuer<'static, KeyPair>);

    impl Authority {
        fn new(name: &str) -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, name);
            let issuer = Issuer::new(params.clone(), KeyPair::generate().unwrap());
            Self(params, issuer)
        }

        fn certifies(&self, other: &Self) -> CertificateDer<'static> {
            other.0.signed_by(other.1.key(), &self.1).unwrap().into()
        }

        fn issues(&self) -> CertificateDer<'static> {
            let mut params = CertificateParams::new(["partner.example".to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, "partner.example");
            params.signed_by(&KeyPair::generate().unwrap(), &self.1).unwrap().into()
        }

        fn trusted(&self) -> Trust {
            let root = self.0.self_signed(self.1.key()).unwrap();
            Trust::load(Roots::Pem(root.pem().into_bytes())).unwrap()
        }
    }

    fn verdict(trust: &Trust, leaf: &CertificateDer<'_>, issuers: &[&CertificateDer<'_>]) -> Result<(), Untrusted> {
        let chain: Vec<_> = [leaf].into_iter().chain(issuers.iter().copied()).cloned().collect();
        trust.judge(Some(&chain), trust::now()).trust
    }

    /// Anybody could hold a shard for half a second with certificates that nobody had to sign: each order of nine that
    /// share a name was tried, and where the name was that of a root, a hundred signatures too.
    #[test]
    fn authorities_of_one_name_are_not_searched() {
        let root = Authority::new("root");
        for name in ["X", "root"] {
            let forged: Vec<_> = (1..CHAIN_CERTIFICATES).map(|_| Authority::new(name)).collect();
            let leaf = forged[0].issues();
            let issuers: Vec<_> = forged.iter().map(|authority| authority.certifies(authority)).collect();
            let bytes: usize = issuers.iter().map(|issuer| issuer.len()).sum();
            assert!(bytes + leaf.len() <= CHAIN_BYTES, "the handshake lets it pass");
            assert_eq!(reached(&leaf, &issuers), Err(TooManyIssuers));
            let issuers: Vec<_> = issuers.iter().collect();
            assert_eq!(verdict(&root.trusted(), &leaf, &issuers), Err(Untrusted::TooManyIssuers), "{name}");
        }
    }

    #[test]
    fn long_ways_are_not_searched_either() {
        let authorities: Vec<_> = (0..=ISSUERS + 1).map(|number| Authority::new(&number.to_string())).collect();
        let issuers: Vec<_> = authorities.windows(2).map(|pair| pair[1].certifies(&pair[0])).collect();
        let leaf = authorities[0].issues();
        assert_eq!(reached(&leaf, &issuers), Err(TooManyIssuers));
        assert_eq!(reached(&leaf, &issuers[..ISSUERS]).unwrap(), issuers[..ISSUERS]);
        let root = authorities[ISSUERS].trusted();
        assert_eq!(verdict(&root, &leaf, &issuers[..ISSUERS].iter().collect::<Vec<_>>()), Ok(()));
    }

    #[test]
    fn honest_chains_are_trusted_in_any_order_and_with_what_is_not_needed() {
        let [root, upper, lower, other] = ["root", "upper", "lower", "other"].map(Authority::new);
        let (trust, leaf) = (root.trusted(), lower.issues());
        let (own, up, low) = (root.certifies(&root), root.certifies(&upper), upper.certifies(&lower));
        let (stray, broken) = (root.certifies(&other), CertificateDer::from(vec![0x30, 0]));
        let chains: [&[&CertificateDer<'_>]; 7] = [
            &[&low, &up],
            &[&up, &low],
            &[&low, &up, &own],
            &[&own, &stray, &up, &low],
            &[&low, &low, &up, &up, &low, &up, &own, &own, &low],
            &[&leaf, &low, &up],
            &[&broken, &low, &up],
        ];
        for (number, chain) in chains.into_iter().enumerate() {
            assert_eq!(verdict(&trust, &leaf, chain), Ok(()), "{number}");
        }
        assert_eq!(verdict(&trust, &leaf, &[&low]), Err(Untrusted::UnknownIssuer));
        let presented = [stray, up.clone(), low.clone(), low.clone()];
        assert_eq!(reached(&leaf, &presented).unwrap(), [low, up], "what matters, once");
    }

    /// As the public authorities do while a new root is not known everywhere.
    #[test]
    fn cross_certified_authorities_are_trusted_by_each_of_their_roots() {
        let [old, new, lower] = ["old", "new", "lower"].map(Authority::new);
        let leaf = lower.issues();
        let (low_of_old, low_of_new) = (old.certifies(&lower), new.certifies(&lower));
        let (cross, own, older) = (old.certifies(&new), new.certifies(&new), old.certifies(&old));
        for root in [&old, &new] {
            let trust = root.trusted();
            for chain in [
                &[&low_of_old, &low_of_new][..],
                &[&low_of_new, &low_of_old],
                &[&low_of_new, &cross],
                &[&low_of_new, &own, &cross],
                &[&older, &own, &cross, &low_of_new, &low_of_old],
            ] {
                assert_eq!(verdict(&trust, &leaf, chain), Ok(()));
            }
        }
    }

    /// How often a path builder that goes by names alone, as webpki does, takes one of `certificates` (subject, issuer)
    /// for the issuer `name`.
    fn steps(certificates: &[(usize, usize)], name: usize, on_path: &mut Vec<usize>) -> usize {
        let mut taken = 0;
        for (at, (subject, issuer)) in certificates.iter().enumerate() {
            if *subject == name && !on_path.contains(&at) {
                on_path.push(at);
                taken += 1 + steps(certificates, *issuer, on_path);
                on_path.pop();
            }
        }
        taken
    }

    #[test]
    fn the_worst_that_is_handed_over_is_soon_searched() {
        let subjects: Vec<_> = (0..ISSUERS).map(|at| at / ISSUERS_OF_ONE_NAME).collect();
        let names = subjects[ISSUERS - 1] + 1;
        let worst = (0..names.pow(ISSUERS as u32)).map(|mut number| {
            let mut issued_by = |subject| {
                let issuer = number % names;
                number /= names;
                (subject, issuer)
            };
            let certificates: Vec<_> = subjects.iter().map(|subject| issued_by(*subject)).collect();
            steps(&certificates, 0, &mut Vec::new())
        });
        assert!(worst.max().unwrap() <= 18);
        let nine: Vec<_> = vec![(0, 0); 9];
        assert!(steps(&nine, 0, &mut Vec::new()) > 500_000, "without the bounds, and without webpki's own");
    }
}
