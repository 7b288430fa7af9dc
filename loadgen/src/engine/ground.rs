//! What a stage stands on: whom everyone trusts, and how the DNS speaks to the system.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use ringgate::stage::authority::Authority;
use ringgate::stage::zone::Targets;

use super::scene::Places;
use crate::systems::System;

/// What a [`Stage`](super::Stage) is set on.
pub struct Ground {
    pub(super) authority: Authority,
    /// Where the DNS answers; port 0: where it can.
    pub(super) dns: SocketAddr,
    pub(super) targets: Targets,
    /// Where each core listens; empty: where it can.
    pub(super) places: Vec<Places>,
}

impl Ground {
    /// New ground for a run with this system: an authority of its own, and ports that are free.
    ///
    /// # Errors
    /// The cryptographic library could not.
    pub fn new(system: System) -> anyhow::Result<Self> {
        let targets = if system == System::Ejabberd { Targets::Addresses } else { Targets::Names };
        let dns = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Ok(Self { authority: Authority::new().context("the authority")?, dns, targets, places: Vec::new() })
    }

    /// Ground that a running system knows already: whom it trusts, and where everything is, for each core of the engine.
    pub fn known(authority: Authority, dns: SocketAddr, places: Vec<Places>) -> Self {
        Self { authority, dns, targets: Targets::Names, places }
    }
}
