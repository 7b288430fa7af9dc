//! Which addresses a stranger's DNS may make us dial.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Addresses that a stranger's DNS may not make us dial.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    /// Networks allowed although they are loopback, link-local, private, multicast, documentation… (address, prefix length).
    pub allow: Vec<(IpAddr, u8)>,
    /// Our own listeners; refused always. A listener on an unspecified address stands for the loopback addresses
    /// only: whoever makes this list adds the addresses of the host's interfaces beside it.
    pub own: Vec<SocketAddr>,
}

impl Egress {
    /// Whether `address` may be dialled.
    ///
    /// # Source
    /// The special-purpose registries of RFC 6890 §2.2, with every kind of IPv6 address that carries an IPv4 address
    /// judged by what it carries.
    pub fn permits(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        address.port() != 0 && !self.is_own(ip, address.port()) && (self.is_allowed(ip) || self.is_public(ip))
    }

    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        self.own.iter().any(|own| {
            let listener = own.ip().to_canonical();
            own.port() == port && (listener == ip || listener.is_unspecified() && is_this_host(ip))
        })
    }

    fn is_allowed(&self, ip: IpAddr) -> bool {
        self.allow.iter().any(|&(network, prefix)| contains(network, prefix, ip))
    }

    fn is_public(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|&(network, prefix)| contains_v4(network, prefix, v4)),
            IpAddr::V6(v6) => {
                !SPECIAL_V6.iter().any(|&(network, prefix)| contains_v6(network, prefix, v6))
                    && embedded(v6).is_none_or(|v4| self.is_allowed(v4.into()) || self.is_public(v4.into()))
            }
        }
    }
}

/// Whether dialling `ip` ends on this host whatever its interfaces are.
fn is_this_host(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

/// The IPv4 address to which a translator or tunnel would carry a packet for `v6`.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = v6.to_bits();
    if contains_v6(NAT64, 96, v6) {
        return Some(Ipv4Addr::from_bits(bits as u32)); // the last 32 bits. RFC 6052 §2.2
    }
    if contains_v6(SIX_TO_FOUR, 16, v6) {
        return Some(Ipv4Addr::from_bits((bits >> 80) as u32)); // bits 16 to 47. RFC 3056 §2
    }
    None
}

const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
const SIX_TO_FOUR: Ipv6Addr = Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0);

const SPECIAL_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared by carriers (CGNAT)
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, and the clouds' metadata services
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, broadcast
];

const SPECIAL_V6: [(Ipv6Addr, u8); 13] = [
    (Ipv6Addr::UNSPECIFIED, 96),                         // unspecified, loopback, IPv4-compatible
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48), // NAT64 for local use
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64),     // discard
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32),    // Teredo
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48),    // benchmarking
    (Ipv6Addr::new(0x2001, 0x10, 0, 0, 0, 0, 0, 0), 28), // ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),    // documentation
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16),    // segment routing
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),     // unique local
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),    // link-local
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),    // site-local
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),     // multicast
];

fn contains(network: IpAddr, prefix: u8, ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => contains_v4(network, prefix, ip),
        (IpAddr::V6(network), IpAddr::V6(ip)) => contains_v6(network, prefix, ip),
        _ => false,
    }
}

/// A prefix longer than the address is as good as the whole address.
fn contains_v4(network: Ipv4Addr, prefix: u8, ip: Ipv4Addr) -> bool {
    let ignored = 32_u32.saturating_sub(prefix.into());
    (network.to_bits() ^ ip.to_bits()).checked_shr(ignored).unwrap_or(0) == 0
}

fn contains_v6(network: Ipv6Addr, prefix: u8, ip: Ipv6Addr) -> bool {
    let ignored = 128_u32.saturating_sub(prefix.into());
    (network.to_bits() ^ ip.to_bits()).checked_shr(ignored).unwrap_or(0) == 0
}
