//! `[policy]` and `[[partner]]`: who may federate, and on which terms.

use ringgate_proto::address::Domain;
use ringgate_proto::policy::{Access, Partner, Policy, Rule};
use ringgate_proto::proof::Method;
use ringgate_proto::stream::TlsTerms;

use super::document::Section;
use super::domains::domain_name;
use super::keys::{self, Key};
use super::problem::{Located, Place};
use super::read::Reading;

/// The policy; `None` when something was wrong with it.
pub(super) fn read(reading: &mut Reading<'_>, local: &[Domain]) -> Option<Policy> {
    let section = reading.document.section("policy");
    let default = section.word(&keys::POLICY_DEFAULT, reading.problems);
    let tls = section.word(&keys::POLICY_TLS, reading.problems).map(|word| tls_terms(&word.value));
    let auth = section.list(&keys::POLICY_AUTH, reading.problems);
    let access = access(&default?.value);
    let default = Rule { inbound: access, outbound: access, tls: tls?, methods: methods(&auth?) };
    if section.has(&keys::POLICY_TLS) || section.has(&keys::POLICY_AUTH) {
        check_terms(reading, &default, &section.place_of(&keys::POLICY_AUTH));
    }
    let mut partners: Vec<Partner> = Vec::new();
    for section in reading.document.sections("partner") {
        let Some((partner, place)) = read_partner(reading, section, &default) else { continue };
        if partners.iter().any(|known| known.domain == partner.domain && known.subdomains == partner.subdomains) {
            let problem = format!("{} has an entry already", partner.domain);
            reading.problems.error(&place, problem, "keep one [[partner]] per domain or pattern");
        } else if !partner.subdomains && local.contains(&partner.domain) {
            let problem = format!("{} is served here, so it is no partner", partner.domain);
            reading.problems.error(&place, problem, "remove the entry, or the [[domain]]");
        }
        partners.push(partner);
    }
    Some(Policy { default, partners })
}

fn read_partner(reading: &mut Reading<'_>, section: &Section, default: &Rule) -> Option<(Partner, Place)> {
    let domain = section.text(&keys::PARTNER_DOMAIN, reading.problems).and_then(|text| pattern(reading, text));
    let inbound = section.word(&keys::PARTNER_INBOUND, reading.problems);
    let outbound = section.word(&keys::PARTNER_OUTBOUND, reading.problems);
    let tls = inherited(reading, section, &keys::PARTNER_TLS, default.tls);
    let auth = match section.has(&keys::PARTNER_AUTH) {
        true => section.list(&keys::PARTNER_AUTH, reading.problems).map(|words| methods(&words)),
        false => Some(default.methods.clone()),
    };
    let (domain, subdomains, place) = domain?;
    let rule = Rule { inbound: access(&inbound?.value), outbound: access(&outbound?.value), tls: tls?, methods: auth? };
    check_terms(reading, &rule, &section.place_of(&keys::PARTNER_AUTH));
    Some((Partner { domain, subdomains, rule }, place))
}

/// `x.example`, or `*.x.example` for every name below it.
fn pattern(reading: &mut Reading<'_>, text: Located<String>) -> Option<(Domain, bool, Place)> {
    let subdomains = text.value.starts_with("*.");
    let bare = text.map(|text| text.strip_prefix("*.").map(str::to_owned).unwrap_or(text));
    if bare.value.contains('*') {
        let problem = format!("{:?} has a star that is not a whole first label", bare.value);
        reading.problems.error(&bare.place, problem, "write x.example or *.x.example");
        return None;
    }
    let domain = domain_name(reading, bare)?;
    Some((domain.value, subdomains, domain.place))
}

fn inherited(reading: &mut Reading<'_>, section: &Section, key: &Key, default: TlsTerms) -> Option<TlsTerms> {
    match section.has(key) {
        true => section.word(key, reading.problems).map(|word| tls_terms(&word.value)),
        false => Some(default),
    }
}

/// SASL EXTERNAL speaks about a TLS certificate (XEP-0178 §3), so without TLS it proves nothing.
fn check_terms(reading: &mut Reading<'_>, rule: &Rule, place: &Place) {
    if rule.tls != TlsTerms::None {
        return;
    }
    if !rule.methods.contains(&Method::Dialback) {
        let remedy = "allow \"dialback\" too, or set tls to \"required\" or \"optional\"";
        reading.problems.error(place, "\"external\" needs TLS, and tls is \"none\": no stream could be proven", remedy);
    } else {
        let remedy = "set tls to \"optional\" unless the peer fails to negotiate it";
        reading.problems.warn(place, "stanzas cross the internet in clear: tls is \"none\"", remedy);
    }
}

fn tls_terms(word: &str) -> TlsTerms {
    match word {
        "required" => TlsTerms::Required,
        "optional" => TlsTerms::Optional,
        _ => TlsTerms::None,
    }
}

fn access(word: &str) -> Access {
    if word == "allow" { Access::Allow } else { Access::Deny }
}

fn methods(words: &[Located<String>]) -> Vec<Method> {
    words.iter().map(|word| if word.value == "external" { Method::External } else { Method::Dialback }).collect()
}
