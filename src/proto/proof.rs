//! Proofs that a stream's peer speaks for a domain.
//!
//! Forwarding for a domain pair takes a [`DomainVerified`]. It can only be made from a witness that the
//! two modules which check identities hand out: a skipped check does not compile.

use crate::address::DomainPair;

/// How a domain pair was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// SASL EXTERNAL with a certificate for the domain. RFC 6120 §6, XEP-0178.
    External,
    /// Server dialback. XEP-0220.
    Dialback,
}

impl Method {
    /// The word for configuration, log and counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Dialback => "dialback",
        }
    }
}

/// The peer of one stream has proven that it speaks for the pair's sender domain towards its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainVerified {
    pair: DomainPair,
    method: Method,
}

impl DomainVerified {
    /// The proven pair.
    pub fn pair(&self) -> &DomainPair {
        &self.pair
    }

    /// How it was proven.
    pub fn method(&self) -> Method {
        self.method
    }
}

impl From<crate::stream::ExternalAccepted> for DomainVerified {
    fn from(witness: crate::stream::ExternalAccepted) -> Self {
        Self { pair: witness.into_pair(), method: Method::External }
    }
}

impl From<crate::dialback::DialbackValid> for DomainVerified {
    fn from(witness: crate::dialback::DialbackValid) -> Self {
        Self { pair: witness.into_pair(), method: Method::Dialback }
    }
}

impl DomainVerified {
    /// The same sender towards another target: for the internal side alone, where a backend has proven its own domain
    /// and may send for it wherever it likes.
    pub(crate) fn towards(&self, to: &crate::address::Domain) -> Self {
        let pair = DomainPair { from: self.pair.from.clone(), to: to.clone() };
        Self { pair, method: self.method }
    }
}
