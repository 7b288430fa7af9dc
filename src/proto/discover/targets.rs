//! The addresses of one target, drawn from both families by turns. RFC 8305 §4.

use alloc::collections::VecDeque;
use core::net::{IpAddr, SocketAddr};

use super::srv::Target;
use super::{Answer, RecordKind, Transport};
use crate::limits;
use crate::time::Timestamp;

/// A place to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) address: SocketAddr,
    pub(super) transport: Transport,
}

/// A target whose addresses were asked for.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) target: Target,
    pub(super) opened_at: Timestamp,
    v6: Family,
    v4: Family,
    /// Draw from IPv4 next.
    v4_turn: bool,
    /// Something was drawn already: no more waiting for the other family.
    begun: bool,
    /// When IPv4 addresses were first seen without an answer for IPv6.
    v4_alone_since: Option<Timestamp>,
    drawn: usize,
}

#[derive(Debug)]
struct Family {
    awaited: bool,
    addresses: VecDeque<IpAddr>,
}

/// What a draw gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Draw {
    Candidate(Candidate),
    /// IPv4 waits for IPv6 until then.
    NotBefore(Timestamp),
    /// Nothing (yet).
    Nothing,
}

impl Lookup {
    pub(super) fn new(target: Target, now: Timestamp) -> Self {
        let family = || Family { awaited: true, addresses: VecDeque::new() };
        Self {
            target,
            opened_at: now,
            v6: family(),
            v4: family(),
            v4_turn: false,
            begun: false,
            v4_alone_since: None,
            drawn: 0,
        }
    }

    /// Whether an answer is still to come.
    pub(super) fn is_awaiting(&self) -> bool {
        self.v6.awaited || self.v4.awaited
    }

    /// Takes an answer; `false` if this one was not awaited. Addresses of the wrong family are passed over.
    pub(super) fn take(&mut self, kind: RecordKind, answer: &Answer) -> bool {
        let family = match kind {
            RecordKind::Aaaa => &mut self.v6,
            RecordKind::A => &mut self.v4,
            RecordKind::Srv => return false,
        };
        if !family.awaited {
            return false;
        }
        family.awaited = false;
        if let Answer::Addresses(addresses) = answer {
            let right = addresses.iter().filter(|ip| ip.is_ipv6() == (kind == RecordKind::Aaaa));
            family.addresses = right.copied().take(limits::ADDRESSES_PER_TARGET).collect();
        }
        true
    }

    /// The next address, at most [`limits::ADDRESSES_PER_TARGET`] in all; IPv6 first.
    pub(super) fn draw(&mut self, now: Timestamp) -> Draw {
        if self.drawn >= limits::ADDRESSES_PER_TARGET {
            return Draw::Nothing;
        }
        if let Some(until) = self.held_until(now) {
            return Draw::NotBefore(until);
        }
        let (first, second) = if self.v4_turn { (&mut self.v4, &mut self.v6) } else { (&mut self.v6, &mut self.v4) };
        let Some(ip) = first.addresses.pop_front().or_else(|| second.addresses.pop_front()) else {
            return Draw::Nothing;
        };
        self.v4_turn = ip.is_ipv6();
        self.begun = true;
        self.drawn += 1;
        let address = SocketAddr::new(ip, self.target.port);
        Draw::Candidate(Candidate { address, transport: self.target.transport })
    }

    fn held_until(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.begun || !self.v6.awaited || self.v4.addresses.is_empty() {
            return None;
        }
        let until = *self.v4_alone_since.get_or_insert(now) + limits::RESOLUTION_DELAY;
        (now < until).then_some(until)
    }
}
