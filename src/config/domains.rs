//! `[[domain]]`: what is served, with which certificates, and by which backend.

use std::net::SocketAddr;

use ringgate_proto::address::Domain;

use super::LocalDomain;
use super::document::Section;
use super::files::{self, CertificateFiles};
use super::keys::{self, Key};
use super::problem::{Located, Place};
use super::read::{Files, Reading};

/// All domains that make sense; what is wrong with the others is among the problems.
pub(super) fn read(reading: &mut Reading<'_>) -> Vec<LocalDomain> {
    let sections = reading.document.sections("domain");
    if sections.is_empty() {
        let place = Place { key: "domain".into(), line: None };
        let remedy = "add one [[domain]] with name, certificate and backend for every domain of yours";
        reading.problems.error(&place, "no domain is configured", remedy);
    }
    let mut taken: Vec<(Domain, Place)> = Vec::new();
    sections.iter().filter_map(|section| read_one(reading, section, &mut taken)).collect()
}

fn read_one(reading: &mut Reading<'_>, section: &Section, taken: &mut Vec<(Domain, Place)>) -> Option<LocalDomain> {
    let name = section.text(&keys::DOMAIN_NAME, reading.problems).and_then(|text| domain_name(reading, text));
    if let Some(name) = &name {
        claim(reading, name, taken);
    }
    let subdomains = name.as_ref().map(|name| read_subdomains(reading, section, name, taken)).unwrap_or_default();
    let server = certificate(reading, section, &keys::DOMAIN_CERTIFICATE, &keys::DOMAIN_KEY);
    let client = certificate(reading, section, &keys::DOMAIN_CLIENT_CERTIFICATE, &keys::DOMAIN_CLIENT_KEY);
    let backend = reading.address(section, &keys::DOMAIN_BACKEND);
    if let Some(backend) = &backend {
        check_backend(reading, backend);
    }
    let backend_tls = section.word(&keys::DOMAIN_BACKEND_TLS, reading.problems);
    let (name, server) = (name?.value, server?);
    Some(LocalDomain {
        name,
        subdomains,
        certificate: server,
        client_certificate: client,
        backend: backend?.value,
        backend_starttls: backend_tls?.value == "starttls",
    })
}

/// A domain name, prepared.
pub(super) fn domain_name(reading: &mut Reading<'_>, text: Located<String>) -> Option<Located<Domain>> {
    match Domain::parse(&text.value) {
        Ok(domain) => Some(text.map(|_| domain)),
        Err(error) => {
            let problem = format!("{:?} is not a domain name ({error:?})", text.value);
            reading.problems.error(&text.place, problem, "write a host name such as example.org");
            None
        }
    }
}

fn claim(reading: &mut Reading<'_>, name: &Located<Domain>, taken: &mut Vec<(Domain, Place)>) {
    if let Some((_, earlier)) = taken.iter().find(|(domain, _)| *domain == name.value) {
        let line = earlier.line.map(|line| format!(" in line {line}")).unwrap_or_default();
        let problem = format!("{} is served already by {}{line}", name.value, earlier.key);
        reading.problems.error(&name.place, problem, "name every domain once, either as name or among subdomains");
    } else {
        taken.push((name.value.clone(), name.place.clone()));
    }
}

fn read_subdomains(
    reading: &mut Reading<'_>,
    section: &Section,
    parent: &Located<Domain>,
    taken: &mut Vec<(Domain, Place)>,
) -> Vec<Domain> {
    let mut subdomains = Vec::new();
    for text in section.list(&keys::DOMAIN_SUBDOMAINS, reading.problems).unwrap_or_default() {
        if let Some(remedy) = unsuitable(&text.value, parent.value.as_str()) {
            let problem = format!("{:?} is not a name relative to {}", text.value, parent.value);
            reading.problems.error(&text.place, problem, remedy);
            continue;
        }
        let full = text.map(|relative| format!("{relative}.{}", parent.value));
        if let Some(domain) = domain_name(reading, full) {
            claim(reading, &domain, taken);
            subdomains.push(domain.value);
        }
    }
    subdomains
}

/// What to write instead of a subdomain that is a pattern or a full name.
fn unsuitable(relative: &str, parent: &str) -> Option<String> {
    if relative.contains('*') {
        return Some("name every subdomain; a pattern would serve names that no backend has".to_owned());
    }
    let stripped = relative.strip_suffix('.').unwrap_or(relative);
    let inner = stripped.strip_suffix(parent)?.strip_suffix('.')?;
    Some(format!("write {inner:?}; {parent} is added to it"))
}

fn check_backend(reading: &mut Reading<'_>, backend: &Located<SocketAddr>) {
    if backend.value.ip().is_unspecified() || backend.value.port() == 0 {
        let remedy = "write the address that the server listens on, such as 127.0.0.1:15269";
        reading.problems.error(&backend.place, "nothing can be reached at an unspecified address or port", remedy);
    }
}

/// The certificate at `certificate` with the key at `key`, or in the same file.
pub(super) fn certificate(
    reading: &mut Reading<'_>,
    section: &Section,
    certificate: &Key,
    key: &Key,
) -> Option<CertificateFiles> {
    if section.has(key) && !section.has(certificate) && !matches!(certificate.absent, keys::Absent::Required) {
        let remedy = format!("add {} too, or remove this key", certificate.name);
        reading.problems.error(&section.place_of(key), "is a key without a certificate", remedy);
        return None;
    }
    let chain = reading.path(section, certificate);
    let key = reading.path(section, key);
    let chain = chain?;
    if reading.files == Files::Read {
        files::check_certificate(&chain, key.as_ref(), reading.problems);
    }
    let key = key.map_or_else(|| chain.value.clone(), |key| key.value);
    Some(CertificateFiles { chain: chain.value, key })
}
