//! Who may federate, in which direction and on which terms: verdicts with reasons.

use alloc::vec::Vec;

use crate::address::Domain;
use crate::proof::Method;
use crate::stream::{Terms, TlsTerms};

/// The operator's rules.
#[derive(Clone, Debug)]
pub struct Policy {
    /// For everyone that no partner entry names.
    pub default: Rule,
    /// Partner entries; an exact name wins over the longest `*.` entry.
    pub partners: Vec<Partner>,
}

/// One partner entry.
#[derive(Clone, Debug)]
pub struct Partner {
    /// The domain, or the parent of `*.domain`.
    pub domain: Domain,
    /// The entry is `*.domain`: every subdomain, not the domain itself.
    pub subdomains: bool,
    /// What holds for it.
    pub rule: Rule,
}

/// What holds for a partner.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its servers may send to us.
    pub inbound: Access,
    /// Our servers may send to it.
    pub outbound: Access,
    /// Encryption.
    pub tls: TlsTerms,
    /// What may prove it, preferred first.
    pub methods: Vec<Method>,
}

/// Allow or deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// May.
    Allow,
    /// May not.
    Deny,
}

/// Direction of stanzas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a remote domain to a local one.
    Inbound,
    /// From a local domain to a remote one.
    Outbound,
}

/// A decision with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// On these terms.
    Allow(Terms),
    /// No.
    Refuse(Reason),
}

/// Why the policy refused; the same word in log, error text and counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No entry names the partner, and the default is deny.
    DeniedByDefault,
    /// The partner's own entry denies.
    DeniedByPartner,
    /// A `*.` entry denies.
    DeniedByWildcard,
}

impl Reason {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeniedByDefault => "denied-by-default",
            Self::DeniedByPartner => "denied-by-partner",
            Self::DeniedByWildcard => "denied-by-wildcard",
        }
    }
}

impl Default for Rule {
    /// Everyone may federate, TLS required, EXTERNAL then dialback.
    fn default() -> Self {
        Self {
            inbound: Access::Allow,
            outbound: Access::Allow,
            tls: TlsTerms::Required,
            methods: alloc::vec![Method::External, Method::Dialback],
        }
    }
}

impl Policy {
    /// The verdict on stanzas in `direction` between us and `remote`.
    pub fn verdict(&self, remote: &Domain, direction: Direction) -> Verdict {
        let (rule, level) = self.rule(remote);
        let access = match direction {
            Direction::Inbound => rule.inbound,
            Direction::Outbound => rule.outbound,
        };
        match access {
            Access::Allow => Verdict::Allow(rule.terms()),
            Access::Deny => Verdict::Refuse(level),
        }
    }

    /// What is demanded of streams with `remote`, whichever way its stanzas may flow.
    pub fn terms(&self, remote: &Domain) -> Terms {
        self.rule(remote).0.terms()
    }

    /// The least that any peer must do about TLS: what holds before a peer has said who it is.
    pub fn laxest_tls(&self) -> TlsTerms {
        let lax = |tls: TlsTerms| match tls {
            TlsTerms::Required => 2,
            TlsTerms::Optional => 1,
            TlsTerms::None => 0,
        };
        let all = self.partners.iter().map(|partner| partner.rule.tls);
        match all.fold(lax(self.default.tls), |least, tls| least.min(lax(tls))) {
            2 => TlsTerms::Required,
            // A peer that may go without must still be able to choose TLS as long as anyone may use it.
            _ => TlsTerms::Optional,
        }
    }

    /// The terms of a peer that has not said who it is; it is judged again when it has.
    pub fn laxest(&self) -> Terms {
        let any = |method| {
            let mut rules = self.partners.iter().map(|partner| &partner.rule).chain([&self.default]);
            rules.any(|rule| rule.methods.contains(&method))
        };
        Terms {
            tls: self.laxest_tls(),
            external: any(Method::External),
            dialback: any(Method::Dialback),
            dialback_first: false,
        }
    }

    fn rule(&self, remote: &Domain) -> (&Rule, Reason) {
        let exact = self.partners.iter().find(|p| !p.subdomains && p.domain == *remote);
        if let Some(partner) = exact {
            return (&partner.rule, Reason::DeniedByPartner);
        }
        let wildcard = self
            .partners
            .iter()
            .filter(|p| p.subdomains && is_below(remote, &p.domain))
            .max_by_key(|p| p.domain.as_ascii().len());
        match wildcard {
            Some(partner) => (&partner.rule, Reason::DeniedByWildcard),
            None => (&self.default, Reason::DeniedByDefault),
        }
    }
}

impl Rule {
    /// The rule's demands on a stream.
    pub fn terms(&self) -> Terms {
        Terms {
            tls: self.tls,
            external: self.methods.contains(&Method::External),
            dialback: self.methods.contains(&Method::Dialback),
            dialback_first: self.methods.first() == Some(&Method::Dialback),
        }
    }
}

fn is_below(name: &Domain, parent: &Domain) -> bool {
    name.as_ascii().strip_suffix(parent.as_ascii()).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests;
