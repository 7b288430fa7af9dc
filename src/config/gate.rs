//! From the configuration to what one shard's gate is told.

use std::net::SocketAddr;

use ringgate_proto::discover::Egress;
use ringgate_proto::gate::{Backend, GateConfig, LocalDomain, ShardId};

use super::Config;

/// What a gate is told besides the configuration.
#[derive(Clone, Debug)]
pub struct Seat {
    /// This shard.
    pub shard: ShardId,
    /// The same on every shard of the process.
    pub process_seed: u64,
    /// Of this shard alone.
    pub shard_seed: [u8; 32],
    /// What dialback keys are made from when the configuration names no secret; the same on every shard.
    pub drawn_secret: [u8; 32],
}

impl Config {
    /// What the gate at `seat` is told.
    pub fn gate(&self, seat: &Seat) -> GateConfig {
        let mut backends: Vec<Backend> = Vec::new();
        let mut domains = Vec::new();
        for domain in &self.domains {
            let same = |b: &Backend| b.address == domain.backend && b.starttls == domain.backend_starttls;
            let backend = backends.iter().position(same).unwrap_or_else(|| {
                backends.push(Backend { address: domain.backend, starttls: domain.backend_starttls });
                backends.len() - 1
            });
            domains.extend(domain.names().map(|name| LocalDomain { name: name.clone(), backend }));
        }
        let secret = self.dialback_secret.as_ref().map_or(&seat.drawn_secret[..], |secret| &secret.0);
        GateConfig {
            shard: seat.shard,
            shards: self.shards,
            domains,
            backends,
            policy: self.policy.clone(),
            internal_tls: self.internal.certificate.is_some(),
            egress: Egress { allow: self.egress_allow.clone(), own: self.own_addresses() },
            stanza_bytes_max: self.limits.stanza_bytes,
            connections_max: self.limits.connections_per_shard,
            dialback_secret: secret.to_vec(),
            direct_tls: self.direct_tls,
            process_seed: seat.process_seed,
            shard_seed: seat.shard_seed,
        }
    }

    /// Every address that this process listens on, and every backend: a stranger's DNS may send us to none of them.
    pub fn own_addresses(&self) -> Vec<SocketAddr> {
        let internal = std::iter::once(self.internal.listen).chain(self.internal.dns);
        let public = self.public.listen.iter().chain(&self.public.listen_direct_tls).copied();
        let backends = self.domains.iter().map(|domain| domain.backend);
        internal.chain(public).chain(self.metrics.listen).chain(backends).collect()
    }
}
