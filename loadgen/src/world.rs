//! Names, certificates and addresses of everyone in a run.

use std::net::{Ipv4Addr, SocketAddr};

use ringgate_proto::address::Domain;

use crate::plan::Party;

/// Name of a domain of the run: `l0.local.test`, `r0.remote.test`, ….
///
/// # Panics
/// Never: every such name is a domain.
pub fn domain(party: Party) -> Domain {
    let name = match party {
        Party::Local(number) => format!("l{number}.local.test"),
        Party::Remote(number) => format!("r{number}.remote.test"),
    };
    Domain::parse(&name).expect("letters, digits and dots")
}

/// Address that the streams of a remote domain come from: 127.1.0.1 to 127.254.254.254, so that no source has too many.
pub fn source(party: Party) -> SocketAddr {
    let number = match party {
        Party::Local(_) => return SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        Party::Remote(number) => number,
    };
    let octet = |value: u32| (value % 254 + 1) as u8;
    let address = Ipv4Addr::new(127, octet(number / (254 * 254)), octet(number / 254), octet(number));
    SocketAddr::from((address, 0))
}
