//! The internet of the stage: a DNS server on loopback that knows its domains and nothing else.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use ringgate_proto::address::Domain;

/// Where a domain's server is and how it is reached.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// IPv4.
    pub address: SocketAddr,
    /// Found by `_xmpps-server` alone (XEP-0368), else by `_xmpp-server` alone.
    pub direct_tls: bool,
}

/// What SRV records point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// The domain's own name, which has an address.
    Names,
    /// The address itself, written as a name: `192.0.2.1.`. COMPAT: ejabberd 23.01: asks this server for SRV records, but the
    /// C library for addresses, and that knows no server on any port but 53; it understands a number.
    Addresses,
}

/// Answers until it is dropped.
pub struct Zone {
    /// Where it answers, over UDP.
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

const TTL_SECONDS: u32 = 60;

impl Zone {
    /// Begins to answer.
    ///
    /// # Errors
    /// No port or no thread.
    pub fn serve(places: HashMap<Domain, Place>) -> io::Result<Self> {
        Self::serve_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Targets::Names, places)
    }

    /// As [`Self::serve`], but at an address of IPv4 (port 0: any that is free), and with SRV targets as asked.
    ///
    /// # Errors
    /// The port is taken, or there is no thread.
    pub fn serve_at(address: SocketAddr, targets: Targets, places: HashMap<Domain, Place>) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let address = socket.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("stage-dns".into()).spawn(move || {
            let mut buffer = [0; 1232];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((count, peer)) = socket.recv_from(&mut buffer) else { continue };
                if let Some(reply) = answer(&places, targets, &buffer[..count]) {
                    // A lost reply is asked for again.
                    let _ = socket.send_to(&reply, peer);
                }
            }
        })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed; there is nothing more to do about it here.
            let _ = thread.join();
        }
    }
}

fn answer(places: &HashMap<Domain, Place>, targets: Targets, query: &[u8]) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).ok()?;
    // An answer is never answered: two zones would talk for ever.
    if query.metadata.message_type != MessageType::Query || query.metadata.op_code != OpCode::Query {
        return None;
    }
    let question = query.queries.first()?.clone();
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_available = true;
    // RFC 1035 §4.1.1: copied. Erlang's resolver drops an answer without it.
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    let name = question.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    match records(places, targets, &name, question.query_type(), question.name()) {
        Some(records) => records.into_iter().for_each(|record| {
            reply.add_answer(record);
        }),
        None => reply.metadata.response_code = ResponseCode::NXDomain,
    }
    reply.add_query(question);
    reply.to_vec().ok()
}

/// The records of a name; `None` when there is no such name.
fn records(
    places: &HashMap<Domain, Place>,
    targets: Targets,
    name: &str,
    kind: RecordType,
    owner: &Name,
) -> Option<Vec<Record>> {
    let (service, domain) = match name.split_once("._tcp.") {
        Some((service, domain)) => (Some(service), domain),
        None => (None, name),
    };
    let place = places.get(&Domain::parse(domain).ok()?)?;
    let data = match (service, kind) {
        (Some("_xmpp-server"), RecordType::SRV) if !place.direct_tls => Some(targets.record(place, domain)),
        (Some("_xmpps-server"), RecordType::SRV) if place.direct_tls => Some(targets.record(place, domain)),
        (None, RecordType::A) => match place.address {
            SocketAddr::V4(address) => Some(RData::A(A(*address.ip()))),
            SocketAddr::V6(_) => None,
        },
        _ => None,
    };
    Some(data.into_iter().map(|data| Record::from_rdata(owner.clone(), TTL_SECONDS, data)).collect())
}

impl Targets {
    /// The SRV record of a place that belongs to the domain of this name.
    fn record(self, place: &Place, domain: &str) -> RData {
        let host = match self {
            Self::Names => format!("{domain}."),
            Self::Addresses => format!("{}.", place.address.ip()),
        };
        let host = Name::from_ascii(host).unwrap_or_else(|_| Name::root());
        RData::SRV(SRV::new(0, 0, place.address.port(), host))
    }
}
