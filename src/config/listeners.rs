//! `[internal]` and `[public]`: where ringgate listens, and that no two listeners want the same port.

use std::net::{IpAddr, SocketAddr};

use super::keys::{self, Key};
use super::problem::Located;
use super::read::Reading;
use super::{Internal, LocalDomain, Public, domains};

/// Both sides; `None` when something was wrong.
pub(super) fn read(reading: &mut Reading<'_>, domains: &[LocalDomain]) -> Option<(Internal, Public)> {
    let section = reading.document.section("internal");
    let listen = reading.address(&section, &keys::INTERNAL_LISTEN);
    let dns = reading.address(&section, &keys::INTERNAL_DNS);
    let certificate = domains::certificate(reading, &section, &keys::INTERNAL_CERTIFICATE, &keys::INTERNAL_KEY);
    let plain = addresses(reading, &keys::PUBLIC_LISTEN);
    let direct = addresses(reading, &keys::PUBLIC_LISTEN_DIRECT_TLS);
    let metrics_section = reading.document.section("metrics");
    // Only looked at for conflicts here; its own errors are reported by the table's reader.
    let metrics = metrics_section
        .text(&keys::METRICS_LISTEN, &mut super::Problems::default())
        .and_then(|text| Some(Located { value: text.value.parse().ok()?, place: text.place }));

    let streams: Vec<&Located<SocketAddr>> = listen.iter().chain(&plain).chain(&direct).chain(metrics.iter()).collect();
    check_conflicts(reading, &streams);
    check_backends(reading, domains, &streams);
    if let Some(listen) = &listen {
        check_internal(reading, listen);
    }
    if plain.is_empty() && direct.is_empty() {
        let place = reading.document.section("public").place_of(&keys::PUBLIC_LISTEN);
        reading.problems.error(&place, "no remote server could connect", "list at least one address, as in [::]:5269");
    }
    let values = |located: Vec<Located<SocketAddr>>| located.into_iter().map(|one| one.value).collect();
    let internal = Internal { listen: listen?.value, dns: dns.map(|dns| dns.value), certificate };
    Some((internal, Public { listen: values(plain), listen_direct_tls: values(direct) }))
}

fn addresses(reading: &mut Reading<'_>, key: &Key) -> Vec<Located<SocketAddr>> {
    let texts = reading.document.section("public").list(key, reading.problems).unwrap_or_default();
    texts.into_iter().filter_map(|text| reading.parse_address(text)).collect()
}

fn check_conflicts(reading: &mut Reading<'_>, listeners: &[&Located<SocketAddr>]) {
    for (index, listener) in listeners.iter().enumerate() {
        if let Some(earlier) = listeners[..index].iter().find(|earlier| overlap(earlier.value, listener.value)) {
            let problem = format!("{} and {} of {} overlap", listener.value, earlier.value, earlier.place.key);
            reading.problems.error(&listener.place, problem, "give every listener an address and port of its own");
        }
    }
}

/// Whether two listeners would take each other's connections: same port, and the same address or one that stands for
/// all addresses of its family (`[::]` takes IPv4 too).
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |wide: IpAddr, other: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || other.is_ipv4());
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || covers(a.ip(), b.ip()) || covers(b.ip(), a.ip()))
}

/// A backend that is one of our own listeners would make stanzas go round for ever.
fn check_backends(reading: &mut Reading<'_>, domains: &[LocalDomain], listeners: &[&Located<SocketAddr>]) {
    for domain in domains {
        let Some(own) = listeners.iter().find(|listener| overlap(listener.value, domain.backend)) else { continue };
        // A wildcard listener overlaps with every address; only loopback and equal addresses are surely this host's.
        if own.value.ip() != domain.backend.ip() && !domain.backend.ip().is_loopback() {
            continue;
        }
        let problem = format!("{} is also the backend of {}", own.value, domain.name);
        let remedy = "give the server behind ringgate a private port of its own, such as 127.0.0.1:15269";
        reading.problems.error(&own.place, problem, remedy);
    }
}

fn check_internal(reading: &mut Reading<'_>, listen: &Located<SocketAddr>) {
    let ip = listen.value.ip();
    if ip.is_unspecified() {
        // Backends are told this very address by the DNS answerer.
        let remedy = "write the one address that backends reach, such as 127.0.0.1:15268";
        reading.problems.error(&listen.place, format!("{ip} is not an address that a backend can be sent to"), remedy);
    } else if !is_private(ip) {
        let remedy = "listen on a loopback or private address, or keep strangers away with a firewall";
        reading.problems.warn(&listen.place, format!("{ip} may be reachable from the internet"), remedy);
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
