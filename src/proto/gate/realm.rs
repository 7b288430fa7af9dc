//! What the gate knows of the world without asking: domains, backends, policy; and the streams' [`Rules`] made of it.

use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::HashMap;
use siphasher::sip::SipHasher13;

use super::io::ShardId;
use super::{Backend, GateConfig};
use crate::address::{Domain, DomainPair};
use crate::discover::Egress;
use crate::policy::{Direction, Policy, Reason, Verdict};
use crate::route::pair::Way;
use crate::stream::{Condition, Rules, Side, StreamError, Terms, TlsTerms};

/// Hashes names that strangers choose: keyed with a secret of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeded(u64);

impl BuildHasher for Seeded {
    type Hasher = SipHasher13;
    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, !self.0)
    }
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }
}

/// Domains, backends and policy of one configuration.
#[derive(Debug)]
pub(crate) struct Realm {
    locals: HashMap<Domain, usize, Seeded>,
    default_local: Option<Domain>,
    pub(crate) backends: Vec<Backend>,
    policy: Policy,
    internal_tls: bool,
    pub(crate) egress: Egress,
    shards: u16,
    seed: Seeded,
}

impl Realm {
    pub(crate) fn new(config: &GateConfig) -> Self {
        let seed = Seeded::new(config.process_seed);
        let mut locals = HashMap::with_hasher(seed);
        locals.extend(config.domains.iter().map(|domain| (domain.name.clone(), domain.backend)));
        Self {
            locals,
            default_local: config.domains.first().map(|domain| domain.name.clone()),
            backends: config.backends.clone(),
            policy: config.policy.clone(),
            internal_tls: config.internal_tls,
            egress: config.egress.clone(),
            shards: config.shards.max(1),
            seed,
        }
    }

    /// The backend of a local domain.
    pub(crate) fn backend(&self, domain: &Domain) -> Option<usize> {
        self.locals.get(domain).copied()
    }

    pub(crate) fn is_local(&self, domain: &Domain) -> bool {
        self.locals.contains_key(domain)
    }

    /// The shard on which stanzas towards a remote domain are written.
    pub(crate) fn owner(&self, remote: &Domain) -> ShardId {
        ShardId((self.seed.hash_one(remote) % u64::from(self.shards)) as u16)
    }

    /// Which way a pair's stanzas leave.
    pub(crate) fn way(&self, pair: &DomainPair) -> Way {
        self.backend(&pair.to).map_or(Way::Remote, Way::Backend)
    }

    /// The policy's verdict on a pair; two local domains are always allowed.
    pub(crate) fn refusal(&self, pair: &DomainPair) -> Option<Reason> {
        let (remote, direction) = match (self.is_local(&pair.from), self.is_local(&pair.to)) {
            (true, true) => return None,
            (true, false) => (&pair.to, Direction::Outbound),
            (false, _) => (&pair.from, Direction::Inbound),
        };
        match self.policy.verdict(remote, direction) {
            Verdict::Allow(_) => None,
            Verdict::Refuse(reason) => Some(reason),
        }
    }

    /// What the policy demands of streams with a remote domain, whether stanzas may flow or not.
    pub(crate) fn terms(&self, remote: &Domain) -> Terms {
        self.policy.terms(remote)
    }

    fn admit_federation(&self, from: Option<&Domain>, to: Option<&Domain>) -> Result<Terms, StreamError> {
        match to {
            Some(to) if !self.is_local(to) => {
                return Err(StreamError::peer(Condition::HostUnknown, "this host does not serve that domain"));
            }
            // COMPAT: jabberd2 2.7.0: without TLS its header has neither version nor from nor to.
            None if self.policy.laxest_tls() == TlsTerms::Required => {
                return Err(StreamError::peer(Condition::ImproperAddressing, "the stream header has no to"));
            }
            Some(_) | None => {}
        }
        let Some(from) = from else {
            // Who it is will be known after TLS, or with the first dialback request; each is checked again then.
            return Ok(self.policy.laxest());
        };
        if self.is_local(from) {
            return Err(StreamError::peer(Condition::InvalidFrom, "that domain is served here"));
        }
        let inbound = self.policy.verdict(from, Direction::Inbound);
        match (inbound, self.policy.verdict(from, Direction::Outbound)) {
            (Verdict::Allow(terms), _) => Ok(terms),
            // It may not send, but it must be able to verify our keys.
            (Verdict::Refuse(_), Verdict::Allow(terms)) => Ok(Terms { external: false, dialback: true, ..terms }),
            (Verdict::Refuse(reason), Verdict::Refuse(_)) => {
                Err(StreamError::peer(Condition::PolicyViolation, reason.as_str()))
            }
        }
    }

    fn admit_internal(&self, from: Option<&Domain>) -> Result<Terms, StreamError> {
        if from.is_some_and(|from| !self.is_local(from)) {
            return Err(StreamError::peer(Condition::InvalidFrom, "that domain is not served here"));
        }
        let tls = if self.internal_tls { TlsTerms::Optional } else { TlsTerms::None };
        Ok(Terms { tls, external: false, dialback: true, dialback_first: true })
    }
}

impl Rules for Realm {
    fn admit(&self, side: Side, from: Option<&Domain>, to: Option<&Domain>) -> Result<Terms, StreamError> {
        match side {
            Side::Federation => self.admit_federation(from, to),
            Side::Internal => self.admit_internal(from),
        }
    }

    fn default_local(&self, side: Side) -> Option<&Domain> {
        match side {
            Side::Federation => self.default_local.as_ref(),
            Side::Internal => None,
        }
    }
}

#[cfg(test)]
mod tests;
