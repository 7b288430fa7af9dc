//! What has to stand before a system can be configured: listeners, certificates, the DNS.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::{Context, ensure};
use ringgate::stage::authority::Authority;
use ringgate::stage::endpoint::Cast;
use ringgate::stage::zone::{Place, Zone};
use ringgate::tls::Store;
use ringgate_proto::address::Domain;

use super::ground::Ground;
use super::scene::{Places, seat};
use super::socket;
use crate::plan::{Party, Plan};
use crate::world;

/// Listeners, certificates and DNS of a run. They stay as long as it does, also over several runs.
pub struct Stage {
    pub(super) plan: Plan,
    pub(super) cores: Vec<usize>,
    pub(super) seats: Vec<Seat>,
    authority: Authority,
    store: Store,
    zone: Zone,
}

/// The listeners of one engine core.
pub(super) struct Seat {
    pub(super) places: Places,
    pub(super) remote: OwnedFd,
    pub(super) backend: OwnedFd,
}

impl Seat {
    fn bind(places: Option<&Places>) -> anyhow::Result<Self> {
        let listener = |asked: Option<SocketAddr>| {
            let place = asked.map_or_else(|| "a listener".to_owned(), |address| address.to_string());
            socket::listener(asked).context(place)
        };
        let (remote, remote_place) = listener(places.map(|places| places.remote))?;
        let (backend, backend_place) = listener(places.map(|places| places.backend))?;
        Ok(Self { places: Places { remote: remote_place, backend: backend_place }, remote, backend })
    }
}

impl Stage {
    /// Sets the stage for `plan` on some ground, and on these cores of the engine: binds two listeners for each core, makes a certificate for every
    /// domain, and begins to answer for all of them in the DNS.
    ///
    /// # Errors
    /// No cores; no descriptors, ports or threads are left.
    pub fn set(plan: &Plan, engine_cores: &[usize], ground: Ground) -> anyhow::Result<Self> {
        ensure!(!engine_cores.is_empty(), "the engine has no core");
        // Ten thousand streams need as many descriptors; without the right to more, the hard limit has to do.
        ringgate::ring::process::raise_open_files().context("the limit of open files")?;
        let Ground { authority, dns, targets, places: known } = ground;
        let seats = (0..engine_cores.len()).map(|core| Seat::bind(known.get(core)));
        let seats: Vec<Seat> = seats.collect::<Result<_, _>>()?;
        let store = authority.store(&everyone(plan)).context("certificates")?;
        let store = if plan.transport.resumption { store } else { store.without_resumption() };
        let zone =
            Zone::serve_at(dns, targets, places(plan, &seats)).with_context(|| format!("the DNS server on {dns}"))?;
        Ok(Self { plan: plan.clone(), cores: engine_cores.to_vec(), seats, authority, store, zone })
    }

    /// What will happen on it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whom everyone trusts, and who signs for the system under test.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Where the domains' addresses can be asked for, over UDP.
    pub fn dns(&self) -> SocketAddr {
        self.zone.address
    }

    /// Listeners of the local domains' backends, one for each engine core: the backend of local domain `i` is at index `i`
    /// modulo their number.
    pub fn backends(&self) -> Vec<SocketAddr> {
        self.seats.iter().map(|seat| seat.places.backend).collect()
    }

    /// The local domains, in order of their numbers.
    pub fn local_domains(&self) -> Vec<Domain> {
        locals(&self.plan).collect()
    }

    /// Who plays when a system tells the two sides apart: the remote domains, and the local ones.
    pub(super) fn sides(&self) -> (Arc<Cast>, Arc<Cast>) {
        let cast = |domains: Vec<Domain>| Arc::new(Cast::new(&domains, Some(self.store.clone())));
        (cast(remotes(&self.plan).collect()), cast(locals(&self.plan).collect()))
    }

    /// Who plays when any stream may appear at any listener.
    pub(super) fn ensemble(&self) -> (Arc<Cast>, Arc<Cast>) {
        let cast = Arc::new(Cast::new(&everyone(&self.plan), Some(self.store.clone())));
        (Arc::clone(&cast), cast)
    }
}

fn locals(plan: &Plan) -> impl Iterator<Item = Domain> {
    (0..plan.locals).map(|number| world::domain(Party::Local(number)))
}

fn remotes(plan: &Plan) -> impl Iterator<Item = Domain> {
    (0..plan.remotes).map(|number| world::domain(Party::Remote(number)))
}

fn everyone(plan: &Plan) -> Vec<Domain> {
    locals(plan).chain(remotes(plan)).collect()
}

/// Where the DNS says that remote domains are. Local domains have no records: to the system they are its own.
fn places(plan: &Plan, seats: &[Seat]) -> HashMap<Domain, Place> {
    let place = |number| {
        let party = Party::Remote(number);
        let address = seats[seat(party, seats.len())].places.remote;
        (world::domain(party), Place { address, direct_tls: plan.transport.direct_tls })
    };
    (0..plan.remotes).map(place).collect()
}

/// For a run's stanza ids.
pub(super) fn run_number() -> u16 {
    let mut bytes = [0; 2];
    ringgate::entropy::fill(&mut bytes);
    u16::from_ne_bytes(bytes)
}
