use alloc::vec;
use core::net::SocketAddr;

use super::super::LocalDomain;
use super::*;
use crate::policy::{Access, Partner, Rule};
use crate::proof::Method;

fn domain(name: &str) -> Domain {
    Domain::parse(name).expect("a domain")
}

fn pair(from: &str, to: &str) -> DomainPair {
    DomainPair { from: domain(from), to: domain(to) }
}

fn rule(inbound: Access, outbound: Access) -> Rule {
    Rule { inbound, outbound, ..Rule::default() }
}

const ALLOW: Access = Access::Allow;
const DENY: Access = Access::Deny;

/// Two local domains with a server each, and partners of every kind.
fn policy() -> Policy {
    let partner = |name: &str, rule| Partner { domain: domain(name), subdomains: false, rule };
    Policy {
        default: Rule::default(),
        partners: vec![
            partner("denied.example", rule(DENY, DENY)),
            partner("hears.example", rule(DENY, ALLOW)),
            partner("speaks.example", rule(ALLOW, DENY)),
        ],
    }
}

fn realm_with(policy: Policy, internal_tls: bool) -> Realm {
    let backend = |port| Backend { address: SocketAddr::from(([127, 0, 0, 1], port)), starttls: false };
    Realm::new(&GateConfig {
        shard: ShardId(0),
        shards: 4,
        domains: vec![
            LocalDomain { name: domain("a.example"), backend: 0 },
            LocalDomain { name: domain("b.example"), backend: 1 },
        ],
        backends: vec![backend(1), backend(2)],
        policy,
        internal_tls,
        egress: Egress::default(),
        stanza_bytes_max: 262_144,
        connections_max: 16,
        dialback_secret: b"secret".to_vec(),
        direct_tls: true,
        process_seed: 1,
        shard_seed: [0; 32],
    })
}

fn realm() -> Realm {
    realm_with(policy(), false)
}

fn admit(realm: &Realm, side: Side, from: Option<&str>, to: Option<&str>) -> Result<Terms, Condition> {
    let (from, to) = (from.map(domain), to.map(domain));
    realm.admit(side, from.as_ref(), to.as_ref()).map_err(|error| error.condition)
}

fn federation(realm: &Realm, from: Option<&str>, to: Option<&str>) -> Result<Terms, Condition> {
    admit(realm, Side::Federation, from, to)
}

#[test]
fn stream_to_a_domain_that_is_not_served_is_host_unknown() {
    for from in [None, Some("r.example"), Some("a.example")] {
        assert_eq!(federation(&realm(), from, Some("c.example")), Err(Condition::HostUnknown));
    }
}

#[test]
fn remote_peer_that_names_a_local_domain_as_its_own_is_invalid_from() {
    for to in ["a.example", "b.example"] {
        assert_eq!(federation(&realm(), Some("a.example"), Some(to)), Err(Condition::InvalidFrom));
    }
}

/// COMPAT test: jabberd2 2.7.0.
#[test]
fn header_without_to_is_admitted_only_where_someone_may_go_without_tls() {
    assert_eq!(federation(&realm(), Some("r.example"), None), Err(Condition::ImproperAddressing));
    let lax = Policy { default: Rule { tls: TlsTerms::Optional, ..Rule::default() }, partners: vec![] };
    assert!(federation(&realm_with(lax, false), Some("r.example"), None).is_ok());
}

#[test]
fn nameless_peer_gets_the_laxest_terms_and_a_named_one_its_own() {
    let dialback_only = Rule { tls: TlsTerms::Optional, methods: vec![Method::Dialback], ..Rule::default() };
    let old = Partner { domain: domain("old.example"), subdomains: false, rule: dialback_only.clone() };
    let realm = realm_with(Policy { default: Rule::default(), partners: vec![old] }, false);
    let nameless = federation(&realm, None, Some("a.example")).expect("it may be anyone");
    assert_eq!((nameless.tls, nameless.external), (TlsTerms::Optional, true));
    assert_eq!(federation(&realm, Some("old.example"), Some("a.example")), Ok(dialback_only.terms()));
    assert_eq!(federation(&realm, Some("new.example"), Some("a.example")), Ok(Rule::default().terms()));
}

#[test]
fn peer_denied_both_ways_is_refused_at_its_header() {
    let refused = federation(&realm(), Some("denied.example"), Some("a.example"));
    assert_eq!(refused, Err(Condition::PolicyViolation));
}

/// Our servers may send to it, so it must be able to ask whether our keys are genuine; it may not send.
#[test]
fn peer_that_may_only_hear_is_admitted_for_dialback_alone() {
    let terms = federation(&realm(), Some("hears.example"), Some("a.example")).expect("it verifies our keys");
    assert_eq!((terms.external, terms.dialback), (false, true));
    let terms = federation(&realm(), Some("speaks.example"), Some("a.example")).expect("it may send");
    assert_eq!(terms, Rule::default().terms());
}

#[test]
fn stanzas_are_refused_by_the_direction_of_their_pair() {
    let realm = realm();
    let refusal = |from, to| realm.refusal(&pair(from, to));
    let denied = Some(Reason::DeniedByPartner);
    assert_eq!((refusal("hears.example", "a.example"), refusal("a.example", "hears.example")), (denied, None));
    assert_eq!((refusal("speaks.example", "a.example"), refusal("a.example", "speaks.example")), (None, denied));
    assert_eq!((refusal("r.example", "a.example"), refusal("a.example", "r.example")), (None, None));
}

#[test]
fn policy_is_not_about_two_local_domains() {
    let realm = realm_with(Policy { default: rule(DENY, DENY), partners: vec![] }, false);
    assert_eq!(realm.refusal(&pair("a.example", "b.example")), None);
    assert_eq!(realm.refusal(&pair("a.example", "r.example")), Some(Reason::DeniedByDefault));
}

#[test]
fn backend_may_speak_for_local_domains_only() {
    let realm = realm();
    for to in [None, Some("r.example"), Some("b.example")] {
        assert!(admit(&realm, Side::Internal, Some("a.example"), to).is_ok());
        assert!(admit(&realm, Side::Internal, None, to).is_ok());
        assert_eq!(admit(&realm, Side::Internal, Some("r.example"), to), Err(Condition::InvalidFrom));
    }
}

#[test]
fn internal_side_is_dialback_with_tls_only_where_there_is_a_certificate() {
    for (internal_tls, tls) in [(false, TlsTerms::None), (true, TlsTerms::Optional)] {
        let terms = admit(&realm_with(policy(), internal_tls), Side::Internal, Some("a.example"), None);
        assert_eq!(terms, Ok(Terms { tls, external: false, dialback: true, dialback_first: true }));
    }
}

#[test]
fn pair_goes_to_its_targets_backend_or_to_the_remote_domain() {
    let realm = realm();
    assert_eq!(realm.way(&pair("r.example", "a.example")), Way::Backend(0));
    assert_eq!(realm.way(&pair("a.example", "b.example")), Way::Backend(1));
    assert_eq!(realm.way(&pair("a.example", "r.example")), Way::Remote);
}

/// All shards of a process must agree on the owner, and all of them must own something.
#[test]
fn owner_depends_on_the_process_seed_alone_and_uses_every_shard() {
    let names: Vec<Domain> = (0..64).map(|n| domain(&alloc::format!("r{n}.example"))).collect();
    let owners = |realm: &Realm| names.iter().map(|name| realm.owner(name).0).collect::<Vec<_>>();
    let (one, other) = (realm(), realm_with(Policy { default: rule(DENY, DENY), partners: vec![] }, true));
    assert_eq!(owners(&one), owners(&other));
    assert!((0..4).all(|shard| owners(&one).contains(&shard)));
}

#[test]
fn default_domain_is_the_first_one_and_only_for_strangers() {
    let realm = realm();
    assert_eq!(realm.default_local(Side::Federation), Some(&domain("a.example")));
    assert_eq!(realm.default_local(Side::Internal), None);
}
