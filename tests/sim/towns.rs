//! The usual set-up: two gates with their backends, and remote servers of several kinds.

use std::net::SocketAddr;

use ringgate_proto::policy::{Access, Partner, Policy, Rule};
use ringgate_proto::stream::TlsTerms;

use super::process::{ProcessConfig, domain};
use super::server::{ServerConfig, TlsMode};
use super::world::World;

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address of the model")
}

pub const GATE_A: &str = "11.1.0.1:5269";
pub const GATE_B: &str = "11.2.0.1:5269";
pub const INSIDE_A: &str = "10.1.0.1:15268";
pub const INSIDE_B: &str = "10.2.0.1:15268";
/// Backends of gate A: one for `a.example` and its rooms, one for `second.example`.
pub const BACKEND_A: &str = "10.1.0.2:15269";
pub const SECOND_A: &str = "10.1.0.3:15269";
pub const BACKEND_B: &str = "10.2.0.2:15269";

/// Numbers in [`World::processes`] and [`World::servers`].
#[derive(Clone, Copy, Debug)]
pub struct Towns {
    pub a: usize,
    pub b: usize,
    pub backend_a: usize,
    pub second_a: usize,
    pub backend_b: usize,
    /// EXTERNAL over STARTTLS.
    pub external: usize,
    /// Dialback over TLS, several domains on one connection.
    pub dialback: usize,
    /// Dialback in clear, which the policy allows for it.
    pub clear: usize,
}

/// TLS for all but `clear.example`; `denied.example` may not send to us, nor we to it.
pub fn policy() -> Policy {
    let clear = Rule { tls: TlsTerms::Optional, ..Rule::default() };
    let denied = Rule { inbound: Access::Deny, outbound: Access::Deny, ..Rule::default() };
    let partner = |name, rule| Partner { domain: domain(name), subdomains: false, rule };
    Policy {
        default: Rule::default(),
        partners: vec![partner("clear.example", clear), partner("denied.example", denied)],
    }
}

pub fn gate(public: &str, internal: &str, shards: usize, domains: &[(&str, &str)], seed: u64) -> ProcessConfig {
    ProcessConfig {
        public: address(public),
        internal: address(internal),
        shards,
        domains: domains.iter().map(|(name, backend)| (name.to_string(), address(backend))).collect(),
        policy: policy(),
        direct_tls: true,
        seed,
    }
}

/// Gate A alone, with its backends.
pub fn town_a(world: &mut World, shards: usize) -> (usize, usize, usize) {
    let domains = [("a.example", BACKEND_A), ("rooms.a.example", BACKEND_A), ("second.example", SECOND_A)];
    let a = world.add_process(gate(GATE_A, INSIDE_A, shards, &domains, 0xa));
    let inside = address(INSIDE_A);
    let backend = ServerConfig::backend(&["a.example", "rooms.a.example"], address(BACKEND_A), inside);
    let backend_a = world.add_server(backend);
    let second_a = world.add_server(ServerConfig::backend(&["second.example"], address(SECOND_A), inside));
    (a, backend_a, second_a)
}

pub fn towns(world: &mut World, shards: (usize, usize)) -> Towns {
    let (a, backend_a, second_a) = town_a(world, shards.0);
    let b = world.add_process(gate(GATE_B, INSIDE_B, shards.1, &[("b.example", BACKEND_B)], 0xb));
    let backend_b = world.add_server(ServerConfig::backend(&["b.example"], address(BACKEND_B), address(INSIDE_B)));
    let external = world.add_server(ServerConfig::remote(&["external.example"], address("11.3.0.1:5269")));
    let domains = ["dialback.example", "chat.dialback.example"];
    let dialback =
        ServerConfig { multiplexes: true, ..ServerConfig::dialback_only(&domains, address("11.4.0.1:5269")) };
    let dialback = world.add_server(dialback);
    let clear = ServerConfig::dialback_only(&["clear.example"], address("11.5.0.1:5269"));
    let clear = world.add_server(ServerConfig { tls: TlsMode::Never, ..clear });
    Towns { a, b, backend_a, second_a, backend_b, external, dialback, clear }
}
