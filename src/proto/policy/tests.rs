use alloc::vec;
use alloc::vec::Vec;

use super::*;

fn domain(name: &str) -> Domain {
    Domain::parse(name).expect("a domain")
}

/// A rule that can be told from others by what it lets through.
fn rule(inbound: Access, outbound: Access) -> Rule {
    Rule { inbound, outbound, ..Rule::default() }
}

/// An entry as an operator writes it: `partner.example` or `*.partner.example`.
fn partner(name: &str, rule: Rule) -> Partner {
    let (name, subdomains) = name.strip_prefix("*.").map_or((name, false), |parent| (parent, true));
    Partner { domain: domain(name), subdomains, rule }
}

fn policy(default: Rule, partners: Vec<Partner>) -> Policy {
    Policy { default, partners }
}

const ALLOW: Access = Access::Allow;
const DENY: Access = Access::Deny;

fn refusal(policy: &Policy, remote: &str, direction: Direction) -> Option<Reason> {
    match policy.verdict(&domain(remote), direction) {
        Verdict::Allow(_) => None,
        Verdict::Refuse(reason) => Some(reason),
    }
}

fn refusals(policy: &Policy, remote: &str) -> (Option<Reason>, Option<Reason>) {
    (refusal(policy, remote, Direction::Inbound), refusal(policy, remote, Direction::Outbound))
}

#[test]
fn by_default_everyone_may_federate_with_tls_by_external_then_dialback() {
    let policy = policy(Rule::default(), vec![]);
    let terms = Terms { tls: TlsTerms::Required, external: true, dialback: true, dialback_first: false };
    for direction in [Direction::Inbound, Direction::Outbound] {
        assert_eq!(policy.verdict(&domain("any.example"), direction), Verdict::Allow(terms));
    }
}

#[test]
fn exact_entry_wins_over_wildcard_whatever_their_order() {
    let exact = partner("chat.partner.example", rule(ALLOW, ALLOW));
    let wildcard = partner("*.partner.example", rule(DENY, DENY));
    for partners in [vec![exact.clone(), wildcard.clone()], vec![wildcard.clone(), exact.clone()]] {
        let policy = policy(rule(DENY, DENY), partners);
        assert_eq!(refusals(&policy, "chat.partner.example"), (None, None));
        let denied = Some(Reason::DeniedByWildcard);
        assert_eq!(refusals(&policy, "other.partner.example"), (denied, denied));
    }
}

#[test]
fn longest_wildcard_wins_whatever_their_order() {
    let short = partner("*.example", rule(DENY, DENY));
    let long = partner("*.partner.example", rule(ALLOW, ALLOW));
    for partners in [vec![short.clone(), long.clone()], vec![long.clone(), short.clone()]] {
        let policy = policy(rule(DENY, DENY), partners);
        assert_eq!(refusals(&policy, "a.partner.example"), (None, None));
        assert_eq!(refusals(&policy, "a.b.partner.example"), (None, None));
        assert_eq!(refusal(&policy, "partner.example", Direction::Inbound), Some(Reason::DeniedByWildcard));
    }
}

/// `*.partner.example` says nothing about `partner.example`, and `evilpartner.example` is somebody else.
#[test]
fn wildcard_covers_whole_labels_below_its_parent_only() {
    let policy = policy(rule(DENY, DENY), vec![partner("*.partner.example", rule(ALLOW, ALLOW))]);
    assert_eq!(refusals(&policy, "a.partner.example"), (None, None));
    for other in ["partner.example", "evilpartner.example", "evil-partner.example", "partner.example.evil.example"] {
        assert_eq!(refusal(&policy, other, Direction::Inbound), Some(Reason::DeniedByDefault), "{other}");
    }
}

#[test]
fn exact_entry_covers_no_name_below_it() {
    let policy = policy(rule(ALLOW, ALLOW), vec![partner("partner.example", rule(DENY, DENY))]);
    assert_eq!(refusal(&policy, "partner.example", Direction::Inbound), Some(Reason::DeniedByPartner));
    assert_eq!(refusals(&policy, "a.partner.example"), (None, None));
}

#[test]
fn international_names_are_matched_in_both_spellings() {
    let policy = policy(rule(ALLOW, ALLOW), vec![partner("*.bücher.example", rule(DENY, DENY))]);
    assert_eq!(refusal(&policy, "a.xn--bcher-kva.example", Direction::Inbound), Some(Reason::DeniedByWildcard));
}

#[test]
fn directions_are_judged_apart() {
    let policy = policy(
        rule(DENY, ALLOW),
        vec![partner("hears.example", rule(DENY, ALLOW)), partner("*.speaks.example", rule(ALLOW, DENY))],
    );
    assert_eq!(refusals(&policy, "any.example"), (Some(Reason::DeniedByDefault), None));
    assert_eq!(refusals(&policy, "hears.example"), (Some(Reason::DeniedByPartner), None));
    assert_eq!(refusals(&policy, "a.speaks.example"), (None, Some(Reason::DeniedByWildcard)));
}

#[test]
fn reasons_are_the_words_of_log_and_counter() {
    let words = [Reason::DeniedByDefault, Reason::DeniedByPartner, Reason::DeniedByWildcard].map(Reason::as_str);
    assert_eq!(words, ["denied-by-default", "denied-by-partner", "denied-by-wildcard"]);
}

#[test]
fn terms_are_those_of_the_partner_even_if_it_is_denied() {
    let lax = Rule { tls: TlsTerms::None, methods: vec![Method::Dialback], ..rule(DENY, DENY) };
    let policy = policy(Rule::default(), vec![partner("old.example", lax)]);
    let terms = policy.terms(&domain("old.example"));
    assert_eq!(terms, Terms { tls: TlsTerms::None, external: false, dialback: true, dialback_first: true });
    assert_eq!(policy.terms(&domain("new.example")), Rule::default().terms());
}

#[test]
fn the_first_method_is_tried_first() {
    let first = |methods: &[Method]| {
        let terms = Rule { methods: methods.to_vec(), ..Rule::default() }.terms();
        (terms.external, terms.dialback, terms.dialback_first)
    };
    assert_eq!(first(&[Method::External, Method::Dialback]), (true, true, false));
    assert_eq!(first(&[Method::Dialback, Method::External]), (true, true, true));
    assert_eq!(first(&[Method::External]), (true, false, false));
    assert_eq!(first(&[]), (false, false, false));
}

fn with_tls(default: TlsTerms, entry: TlsTerms) -> Policy {
    let rule = |tls| Rule { tls, ..Rule::default() };
    policy(rule(default), vec![partner("a.example", Rule::default()), partner("b.example", rule(entry))])
}

/// A nameless peer may turn out to be the one that need not encrypt; but it is never kept from encrypting.
#[test]
fn nameless_peer_must_encrypt_only_if_everyone_must() {
    use TlsTerms::{None, Optional, Required};
    assert_eq!(with_tls(Required, Required).laxest_tls(), Required);
    for (default, entry) in [(Required, Optional), (Required, None), (Optional, Required), (None, Required)] {
        let policy = with_tls(default, entry);
        assert_eq!(policy.laxest_tls(), Optional, "{default:?} {entry:?}");
        assert_eq!(policy.laxest().tls, Optional, "{default:?} {entry:?}");
    }
}

#[test]
fn nameless_peer_is_offered_every_method_that_anyone_may_use() {
    let only = |method| Rule { methods: vec![method], ..Rule::default() };
    let methods = |policy: &Policy| (policy.laxest().external, policy.laxest().dialback);
    assert_eq!(methods(&policy(only(Method::External), vec![])), (true, false));
    assert_eq!(methods(&policy(only(Method::Dialback), vec![])), (false, true));
    let mixed = policy(only(Method::External), vec![partner("old.example", only(Method::Dialback))]);
    assert_eq!(methods(&mixed), (true, true));
}
