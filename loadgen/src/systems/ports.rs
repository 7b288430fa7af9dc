//! Ports for systems that cannot be told to take any.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::bail;
use ringgate::entropy;
use ringgate::shard::probe;

/// Below it, ports are for services of the machine.
const FIRST: u16 = 10_000;

/// `N` different addresses on 127.0.0.1 that nobody listens on, below the ports that the kernel gives to connections: in
/// the time until the system listens, no connection can take them.
///
/// # Errors
/// There are none left.
pub fn free<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    let addresses = several(N)?;
    Ok(std::array::from_fn(|index| addresses[index]))
}

/// As [`free`], so many.
///
/// # Errors
/// There are none left.
pub(super) fn several(count: usize) -> anyhow::Result<Vec<SocketAddr>> {
    let end = first_of_connections().max(FIRST + 1_000);
    let mut free = Vec::new();
    for _ in 0..10_000 {
        let mut random = [0; 2];
        entropy::fill(&mut random);
        let port = FIRST + u16::from_ne_bytes(random) % (end - FIRST);
        // A server that listens on every address has it, too.
        let is_taken = probe::bind((Ipv4Addr::UNSPECIFIED, port).into()).is_err();
        let address = (Ipv4Addr::LOCALHOST, port).into();
        if is_taken || free.contains(&address) {
            continue;
        }
        free.push(address);
        if free.len() == count {
            return Ok(free);
        }
    }
    bail!("no free ports between {FIRST} and {end}")
}

/// The lowest port that a connection may get.
fn first_of_connections() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32_768)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn free_ports_differ_and_can_be_bound() {
        let addresses: [SocketAddr; 8] = free().unwrap();
        assert!(addresses.iter().all(|address| address.port() < first_of_connections()));
        let deadline = Instant::now() + Duration::from_secs(5);
        // A child that another test is just starting holds every file of this process until it executes its program.
        let bind = |address| loop {
            match TcpListener::bind(address) {
                Ok(listener) => return listener,
                Err(error) => assert!(Instant::now() < deadline, "{address}: {error}"),
            }
        };
        // All at once: no two are the same.
        assert_eq!(addresses.map(bind).len(), 8);
    }
}
