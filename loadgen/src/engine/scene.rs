//! Who is where: what all cores of a run know and none changes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ringgate::stage::endpoint::{Call, Cast, Proof, Reception, Tls};
use ringgate_proto::address::Domain;
use serde::{Deserialize, Serialize};

use super::stanza::Book;
use crate::measure::HANDOVER;
use crate::plan::{Lane, Party, Plan};
use crate::systems::{Attachment, RelayTls};
use crate::world;

/// A stream that is not authenticated after so long has failed.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);

/// Which of a core's listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// That of the remote domains.
    Remote,
    /// That of the local domains' backends.
    Backend,
}

/// Addresses of one core's listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// That of the remote domains.
    pub remote: SocketAddr,
    /// That of the local domains' backends.
    pub backend: SocketAddr,
}

/// A stream that the engine opens before the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Between the two domains of a lane, for this lane alone.
    Lane(u32),
    /// Of a local domain as a component, for all of its lanes.
    Component(u32),
}

/// Where a stream goes and how it begins.
pub(super) struct Opening {
    pub(super) target: SocketAddr,
    pub(super) source: SocketAddr,
    pub(super) call: Call,
    pub(super) cast: Arc<Cast>,
}

/// Everything about a run that does not change while it lasts.
pub(super) struct Scene {
    pub(super) plan: Plan,
    pub(super) attachment: Attachment,
    pub(super) book: Book,
    /// By core.
    pub(super) places: Vec<Places>,
    pub(super) remotes: Arc<Cast>,
    pub(super) locals: Arc<Cast>,
    /// By lane: the core of its sender.
    senders: Box<[u16]>,
}

impl Scene {
    pub(super) fn new(
        plan: Plan,
        attachment: Attachment,
        places: Vec<Places>,
        remotes: Arc<Cast>,
        locals: Arc<Cast>,
        run: u16,
    ) -> Self {
        let book = Book::new(&plan, run);
        let senders = plan.lanes.iter().map(|lane| seat(lane.from, places.len()) as u16).collect();
        Self { plan, attachment, book, places, remotes, locals, senders }
    }

    /// How long after the last departure or opening something may still be awaited.
    pub(super) fn patience(&self) -> Duration {
        self.plan.deadline.max(HANDSHAKE) + HANDOVER
    }

    /// The core of a lane's sender, where its stanzas are judged; 0 for a lane that does not exist.
    pub(super) fn sender(&self, lane: u32) -> usize {
        self.senders.get(lane as usize).copied().unwrap_or(0).into()
    }

    /// The core of a domain.
    pub(super) fn seat(&self, party: Party) -> usize {
        seat(party, self.places.len())
    }

    /// The stream that carries a lane's stanzas.
    pub(super) fn stream(&self, lane: u32) -> Stream {
        match (&self.attachment, self.plan.lanes[lane as usize].from) {
            (Attachment::Server { .. }, Party::Local(number)) => Stream::Component(number),
            _ => Stream::Lane(lane),
        }
    }

    /// Streams of this core, each once: those of the lanes that begin here, and those of the components that live here.
    pub(super) fn streams(&self, core: usize) -> Vec<Stream> {
        let lanes = (0..self.plan.lanes.len() as u32).filter(|lane| self.sender(*lane) == core);
        let lanes = lanes.map(|lane| self.stream(lane)).filter(|stream| matches!(stream, Stream::Lane(_)));
        let components = 0..self.components();
        let components = components.filter(|number| self.seat(Party::Local(*number)) == core).map(Stream::Component);
        components.chain(lanes).collect()
    }

    /// How many local domains are components of the system.
    pub(super) fn components(&self) -> u32 {
        match self.attachment {
            Attachment::Server { .. } => self.plan.locals,
            _ => 0,
        }
    }

    /// The only domain that stanzas on a stream may be for, which a peer opened to `domain`; `None`: they may be for any.
    ///
    /// A proxy may have one stream to a backend for all of its local domains. Of streams that the engine opened nothing is
    /// said here: ejabberd gives what is for one component to any.
    pub(super) fn home(&self, side: Side, domain: &Domain) -> Option<Party> {
        match (side, &self.attachment) {
            (Side::Backend, Attachment::Proxy { .. }) => None,
            _ => party(domain),
        }
    }

    /// How a stream is opened.
    pub(super) fn opening(&self, stream: Stream) -> Opening {
        match stream {
            Stream::Component(number) => self.component(number),
            Stream::Lane(lane) => self.opening_of(&self.plan.lanes[lane as usize]),
        }
    }

    /// What a listener offers, and who plays there.
    pub(super) fn reception(&self, side: Side) -> (Reception, Arc<Cast>) {
        let external = Reception { tls: Tls::StartTls, offers_external: true };
        match (side, &self.attachment) {
            (Side::Remote, _) => {
                let reception = Reception { offers_external: !self.plan.transport.dialback, ..external };
                (reception, Arc::clone(&self.remotes))
            }
            (Side::Backend, Attachment::Relay { exit_tls, .. }) => {
                let tls = if *exit_tls == RelayTls::None { Tls::None } else { Tls::StartTls };
                (Reception { tls, offers_external: false }, Arc::clone(&self.locals))
            }
            (Side::Backend, Attachment::Direct) => {
                let reception = Reception { offers_external: !self.plan.transport.dialback, ..external };
                (reception, Arc::clone(&self.locals))
            }
            (Side::Backend, _) => {
                let tls = if self.plan.transport.inside_tls { Tls::StartTls } else { Tls::None };
                (Reception { tls, offers_external: false }, Arc::clone(&self.locals))
            }
        }
    }

    fn component(&self, number: u32) -> Opening {
        let domain = world::domain(Party::Local(number));
        let (target, secret) = match &self.attachment {
            Attachment::Server { component, secret, .. } => (*component, secret.clone()),
            // No other attachment has components; nobody listens there.
            _ => (SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), String::new()),
        };
        let call = Call { from: domain.clone(), to: domain, tls: Tls::None, proof: Proof::Component { secret } };
        Opening { target, source: anywhere(), call, cast: Arc::clone(&self.locals) }
    }

    /// How a stream for a lane alone is opened, a lane of the plan or not.
    pub(super) fn opening_of(&self, lane: &Lane) -> Opening {
        let transport = self.plan.transport;
        let federation = if transport.direct_tls { Tls::Direct } else { Tls::StartTls };
        let inside = if transport.inside_tls { Tls::StartTls } else { Tls::None };
        let proof = if transport.dialback { Proof::Dialback } else { Proof::External };
        let (target, tls, proof) = match (&self.attachment, lane.from) {
            (Attachment::Proxy { public, public_direct_tls, .. }, Party::Remote(_)) => {
                (if transport.direct_tls { *public_direct_tls } else { *public }, federation, proof)
            }
            (Attachment::Proxy { internal, .. }, Party::Local(_)) => (*internal, inside, Proof::Dialback),
            (Attachment::Server { public, public_direct_tls, .. }, _) => match public_direct_tls {
                Some(direct) if transport.direct_tls => (*direct, Tls::Direct, proof),
                _ => (*public, Tls::StartTls, proof),
            },
            (Attachment::Relay { entry, entry_tls, .. }, _) => (*entry, relayed(*entry_tls), Proof::Dialback),
            (Attachment::Direct, _) => (self.place(lane.to), federation, proof),
        };
        let cast = match lane.from {
            Party::Local(_) => &self.locals,
            Party::Remote(_) => &self.remotes,
        };
        let call = Call { from: world::domain(lane.from), to: world::domain(lane.to), tls, proof };
        Opening { target, source: world::source(lane.from), call, cast: Arc::clone(cast) }
    }

    /// Where a domain listens.
    fn place(&self, party: Party) -> SocketAddr {
        let places = self.places[self.seat(party)];
        match party {
            Party::Local(_) => places.backend,
            Party::Remote(_) => places.remote,
        }
    }
}

/// The party that a domain of the run is; [`world::domain`] backwards.
pub(super) fn party(domain: &Domain) -> Option<Party> {
    let name = domain.as_ascii();
    let number = |text: &str| text.parse().ok();
    match name.strip_suffix(".local.test") {
        Some(local) => Some(Party::Local(number(local.strip_prefix('l')?)?)),
        None => Some(Party::Remote(number(name.strip_suffix(".remote.test")?.strip_prefix('r')?)?)),
    }
}

/// Domains are dealt out to the cores in turn; the backend of local domain `i` is at listener `i` modulo the cores.
pub(super) fn seat(party: Party, cores: usize) -> usize {
    let (Party::Local(number) | Party::Remote(number)) = party;
    number as usize % cores
}

fn anywhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
}

fn relayed(tls: RelayTls) -> Tls {
    match tls {
        RelayTls::None => Tls::None,
        RelayTls::Direct => Tls::Direct,
        RelayTls::StartTls => Tls::StartTls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_domain_leads_back_to_its_party() {
        for party_ in [Party::Local(0), Party::Local(17), Party::Remote(0), Party::Remote(9_999)] {
            assert_eq!(party(&world::domain(party_)), Some(party_));
        }
        for name in ["l0.remote.test", "x1.local.test", "r.remote.test", "example.org"] {
            assert_eq!(party(&Domain::parse(name).expect("a domain")), None, "{name}");
        }
    }
}
