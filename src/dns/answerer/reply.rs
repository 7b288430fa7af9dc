//! The answers that we make ourselves. Pure.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::dns::UDP_PAYLOAD_BYTES;
use crate::dns::message;

/// The SRV target that we give out, and the name for which we give out the internal listener's address.
///
/// `internal` is reserved for private use and never delegated (ICANN, 2024). Not `invalid` or `test`: libunbound, and
/// so Prosody, denies these by itself. Not a single label: libc would try its search domains first.
pub const INTERNAL_NAME: &str = "ringgate.internal";
/// TTL of what we make up, in seconds: a backend notices a changed port so soon.
const TTL: u32 = 30;
/// A datagram without EDNS. RFC 1035 §4.2.1.
const PLAIN_BYTES: usize = 512;

/// What to say about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is served at the internal listener.
    Exists,
    /// NXDOMAIN.
    Missing,
    /// SERVFAIL.
    Unknown,
}

/// The answer to `_xmpp-server._tcp`.
pub(super) fn server(request: &[u8], query: &Query, verdict: Verdict, internal: SocketAddr) -> Option<Vec<u8>> {
    let code = match verdict {
        Verdict::Exists => ResponseCode::NoError,
        Verdict::Missing => ResponseCode::NXDomain,
        Verdict::Unknown => ResponseCode::ServFail,
    };
    let mut reply = begin(request, query, code)?;
    match verdict {
        Verdict::Exists => {
            let target = internal_name()?;
            let srv = SRV::new(0, 0, internal.port(), target.clone());
            reply.add_answer(Record::from_rdata(query.name.clone(), TTL, RData::SRV(srv)));
            reply.add_additional(Record::from_rdata(target, TTL, address(internal.ip())));
        }
        Verdict::Missing => {
            reply.add_authority(denial(query)?);
        }
        Verdict::Unknown => {}
    }
    finish(request, &reply)
}

/// The answer that there are no such records.
pub(super) fn nothing(request: &[u8], query: &Query) -> Option<Vec<u8>> {
    let mut reply = begin(request, query, ResponseCode::NoError)?;
    reply.add_authority(denial(query)?);
    finish(request, &reply)
}

/// The answer for [`INTERNAL_NAME`].
pub(super) fn internal(request: &[u8], query: &Query, ip: IpAddr) -> Option<Vec<u8>> {
    let wanted = if ip.is_ipv4() { RecordType::A } else { RecordType::AAAA };
    if query.query_type != wanted && query.query_type != RecordType::ANY {
        return nothing(request, query);
    }
    let mut reply = begin(request, query, ResponseCode::NoError)?;
    reply.add_answer(Record::from_rdata(query.name.clone(), TTL, address(ip)));
    finish(request, &reply)
}

/// A refusal, with the question if it can be read.
pub(super) fn error(request: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
    let (header, query) = message::read_head(request)?;
    let mut reply = blank(&header.metadata, code);
    reply.queries.extend(query);
    finish(request, &reply)
}

/// The same reply for a client that reads no more than `limit` bytes: empty, with the hint to ask over TCP.
pub(super) fn fitted(reply: Vec<u8>, limit: usize) -> Option<Vec<u8>> {
    if reply.len() <= limit {
        return Some(reply);
    }
    let (header, query) = message::read_head(&reply)?;
    let mut short = Message::new(header.metadata.id, MessageType::Response, OpCode::Query);
    short.metadata = header.metadata;
    short.metadata.truncation = true;
    short.queries.extend(query);
    short.to_vec().ok()
}

/// How much the client of a request over UDP reads. RFC 6891 §6.2.3.
pub(super) fn payload_limit(request: &[u8]) -> usize {
    let limit = Message::from_vec(request).ok().and_then(|message| message.edns).map_or(0, |edns| edns.max_payload());
    usize::from(limit).max(PLAIN_BYTES)
}

fn begin(request: &[u8], query: &Query, code: ResponseCode) -> Option<Message> {
    let (header, _) = message::read_head(request)?;
    let mut reply = blank(&header.metadata, code);
    reply.add_query(query.clone());
    Some(reply)
}

fn blank(request: &Metadata, code: ResponseCode) -> Message {
    let mut reply = Message::new(request.id, MessageType::Response, request.op_code);
    reply.metadata = Metadata::response_from_request(request);
    reply.metadata.recursion_available = true;
    reply.metadata.response_code = code;
    reply
}

/// Adds what every reply to an EDNS request has. RFC 6891 §6.1.1.
fn finish(request: &[u8], reply: &Message) -> Option<Vec<u8>> {
    let mut reply = reply.clone();
    if Message::from_vec(request).is_ok_and(|message| message.edns.is_some()) {
        let mut options = Edns::new();
        options.set_max_payload(UDP_PAYLOAD_BYTES);
        reply.set_edns(options);
    }
    reply.to_vec().ok()
}

fn internal_name() -> Option<Name> {
    message::to_name(INTERNAL_NAME)
}

fn address(ip: IpAddr) -> RData {
    match ip {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    }
}

/// The SOA record that says for how long the absence holds. RFC 2308 §3.
fn denial(query: &Query) -> Option<Record> {
    let name = internal_name()?;
    let seconds = TTL as i32;
    let soa = SOA::new(name.clone(), name, 1, seconds, seconds, seconds, TTL);
    Some(Record::from_rdata(query.name.clone(), TTL, RData::SOA(soa)))
}
