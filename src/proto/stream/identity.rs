//! Whether a certificate proves a domain. RFC 6120 §13.7.1.2, RFC 9525.

use alloc::string::String;
use alloc::vec::Vec;

use crate::address::Domain;

/// What TLS said about the peer. The chain was checked for the *server* purpose after the handshake; names are
/// compared when the domain is known.
#[derive(Clone, Debug)]
pub struct PeerCertificate {
    /// Whether the chain ends in a root we trust, at the time of the handshake.
    pub trust: Result<(), Untrusted>,
    /// dNSName entries.
    pub dns_names: Vec<String>,
    /// SRVName entries (`_xmpp-server.example.org`). RFC 4985.
    pub srv_names: Vec<String>,
    /// id-on-xmppAddr entries. RFC 6120 §13.7.1.4.
    pub xmpp_addrs: Vec<String>,
    /// SHA-256 of the leaf.
    pub fingerprint: [u8; 32],
}

/// Why a peer's certificate proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Untrusted {
    /// No certificate was presented.
    Absent,
    /// The chain does not end in a trusted root.
    UnknownIssuer,
    /// The chain offers more ways to a root than are tried.
    TooManyIssuers,
    /// The leaf is its own issuer.
    SelfSigned,
    /// Past its time.
    Expired,
    /// Before its time.
    NotYetValid,
    /// Not for servers (clientAuth only).
    WrongPurpose,
    /// Not a certificate we can read, or one that breaks a rule.
    Malformed,
    /// Valid, but no name in it is the domain.
    NameMismatch,
}

impl Untrusted {
    /// A sentence for the log and the peer.
    pub const fn as_text(self) -> &'static str {
        match self {
            Self::Absent => "no certificate was presented",
            Self::UnknownIssuer => "the certificate's issuer is not trusted",
            Self::TooManyIssuers => "the certificate chain offers too many issuers",
            Self::SelfSigned => "the certificate is self-signed",
            Self::Expired => "the certificate has expired",
            Self::NotYetValid => "the certificate is not valid yet",
            Self::WrongPurpose => "the certificate is not for servers",
            Self::Malformed => "the certificate cannot be read",
            Self::NameMismatch => "the certificate does not name the domain",
        }
    }
}

impl PeerCertificate {
    /// Whether this certificate proves `domain`.
    ///
    /// dNSName (left-most label may be `*`), SRVName for `_xmpp-server`, xmppAddr; compared as A-labels; never the CN.
    ///
    /// # Errors
    /// Why not.
    ///
    /// # Source
    /// RFC 6120 §13.7.1.2, §13.7.1.4, RFC 9525.
    pub fn proves(&self, domain: &Domain) -> Result<(), Untrusted> {
        self.trust?;
        let is_named = self.dns_names.iter().any(|name| dns_name_covers(name, domain))
            || self.srv_names.iter().any(|name| srv_name_covers(name, domain))
            || self.xmpp_addrs.iter().any(|name| is_same(name, domain));
        if is_named { Ok(()) } else { Err(Untrusted::NameMismatch) }
    }
}

/// RFC 9525 §6.3: a wildcard is the whole left-most label and covers exactly one.
fn dns_name_covers(name: &str, domain: &Domain) -> bool {
    let Some(parent) = name.strip_prefix("*.") else { return is_same(name, domain) };
    let Ok(parent) = Domain::parse(parent) else { return false };
    // `*.org` would cover everyone under a public suffix
    let is_public_top = !parent.as_ascii().contains('.');
    let above = domain.as_ascii().split_once('.').map(|(_, above)| above);
    !is_public_top && above == Some(parent.as_ascii())
}

/// RFC 4985 §2: service and name; wildcards are no part of it.
fn srv_name_covers(name: &str, domain: &Domain) -> bool {
    const SERVICE: &str = "_xmpp-server.";
    match name.split_at_checked(SERVICE.len()) {
        Some((service, name)) => service.eq_ignore_ascii_case(SERVICE) && is_same(name, domain),
        None => false,
    }
}

fn is_same(name: &str, domain: &Domain) -> bool {
    Domain::parse(name).is_ok_and(|name| name == *domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Names<'a> {
        dns: &'a [&'a str],
        srv: &'a [&'a str],
        xmpp: &'a [&'a str],
    }

    fn proof(names: &Names<'_>, domain: &str) -> Result<(), Untrusted> {
        let own = |names: &[&str]| names.iter().map(|&n| n.into()).collect();
        let certificate = PeerCertificate {
            trust: Ok(()),
            dns_names: own(names.dns),
            srv_names: own(names.srv),
            xmpp_addrs: own(names.xmpp),
            fingerprint: [0; 32],
        };
        certificate.proves(&Domain::parse(domain).unwrap())
    }

    fn dns(name: &str, domain: &str) -> bool {
        proof(&Names { dns: &[name], ..Names::default() }, domain).is_ok()
    }

    /// SAS-06
    #[test]
    fn wildcard_does_not_cover_its_parent() {
        assert!(!dns("*.example.org", "example.org"));
    }

    /// SAS-07
    #[test]
    fn wildcard_covers_exactly_one_label() {
        assert!(dns("*.example.org", "b.example.org"));
        assert!(dns("*.EXAMPLE.org", "xn--bcher-kva.example.org"));
        assert!(!dns("*.example.org", "a.b.example.org"));
        assert!(!dns("*.example.org", "example.net"));
    }

    /// SAS-08
    #[test]
    fn partial_inner_and_top_wildcards_prove_nothing() {
        for name in ["f*.example.org", "*o.example.org", "f*o.example.org", "a.*.org", "**.example.org", "*.*.org"] {
            assert!(!dns(name, "foo.example.org"), "{name}");
        }
        for name in ["*", "*.", "*.org", "*.org.", "*..org"] {
            assert!(!dns(name, "example.org"), "{name}");
            assert!(!dns(name, "localhost"), "{name}");
        }
    }

    /// SAS-09: the CN is no part of what TLS hands over, so a certificate with nothing else proves nothing.
    #[test]
    fn certificate_without_alternative_names_proves_nothing() {
        assert_eq!(proof(&Names::default(), "example.org"), Err(Untrusted::NameMismatch));
    }

    /// SAS-11
    #[test]
    fn srv_name_proves_its_domain_as_a_server() {
        let names = Names { srv: &["_xmpp-server.example.org"], ..Names::default() };
        assert_eq!(proof(&names, "example.org"), Ok(()));
        assert_eq!(proof(&names, "a.example.org"), Err(Untrusted::NameMismatch));
        let upper = Names { srv: &["_XMPP-Server.Example.ORG"], ..Names::default() };
        assert_eq!(proof(&upper, "example.org"), Ok(()));
    }

    /// SAS-12
    #[test]
    fn srv_name_of_another_service_or_with_a_wildcard_proves_nothing() {
        for name in [
            "_xmpp-client.example.org",
            "_xmpps-server.example.org",
            "_xmpp-server.*.example.org",
            "_xmpp-server.",
            "example.org",
            "é_xmpp-server.example.org",
        ] {
            let names = Names { srv: &[name], ..Names::default() };
            assert_eq!(proof(&names, "example.org"), Err(Untrusted::NameMismatch), "{name}");
        }
    }

    /// SAS-13
    #[test]
    fn xmpp_addr_is_compared_after_preparation() {
        for name in ["example.org", "EXAMPLE.org", "example.org."] {
            assert_eq!(proof(&Names { xmpp: &[name], ..Names::default() }, "example.org"), Ok(()), "{name}");
        }
        for name in ["u@example.org", "example.org/r", "*.example.org", "example.net"] {
            let names = Names { xmpp: &[name], ..Names::default() };
            assert_eq!(proof(&names, "example.org"), Err(Untrusted::NameMismatch), "{name}");
        }
    }

    #[test]
    fn international_names_are_compared_as_a_labels() {
        assert!(dns("xn--bcher-kva.example", "bücher.example"));
        assert!(dns("XN--BCHER-KVA.example", "bücher.example"));
        let names = Names { xmpp: &["bücher.example"], ..Names::default() };
        assert_eq!(proof(&names, "xn--bcher-kva.example"), Ok(()));
        assert!(!dns("bucher.example", "bücher.example"));
    }

    /// A1.6: NUL and other dirt inside a name (CVE-2009-3767 family).
    #[test]
    fn name_with_dirt_in_it_proves_nothing() {
        for name in ["example.org\0.evil.example", "example.org ", " example.org", "example.org/", "exa\nmple.org", ""]
        {
            assert!(!dns(name, "example.org"), "{name:?}");
        }
    }

    #[test]
    fn untrusted_chain_proves_nothing_whatever_it_names() {
        let certificate = PeerCertificate {
            trust: Err(Untrusted::SelfSigned),
            dns_names: [String::from("example.org")].into(),
            srv_names: Vec::new(),
            xmpp_addrs: Vec::new(),
            fingerprint: [0; 32],
        };
        assert_eq!(certificate.proves(&Domain::parse("example.org").unwrap()), Err(Untrusted::SelfSigned));
    }
}
