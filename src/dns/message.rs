//! Questions as messages, and messages as answers. Pure.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use ringgate_proto::discover::{Answer, RecordKind, Srv};
use ringgate_proto::limits;

use super::{CNAMES, LIFETIME_MAX, LIFETIME_MIN, NEGATIVE_LIFETIME_MAX, UDP_PAYLOAD_BYTES};

/// What was sent, for telling its reply from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) id: u16,
    pub(super) name: Name,
    pub(super) kind: RecordType,
}

impl Asked {
    /// The message to send.
    pub(super) fn to_message(&self, edns: bool) -> Option<Vec<u8>> {
        let mut message = Message::new(self.id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(self.name.clone(), self.kind));
        if edns {
            let mut options = Edns::new();
            options.set_max_payload(UDP_PAYLOAD_BYTES);
            message.set_edns(options);
        }
        message.to_vec().ok()
    }

    /// Reads a datagram or a TCP message.
    pub(super) fn read(&self, bytes: &[u8]) -> Reply {
        let Some((header, question)) = read_head(bytes) else { return Reply::Foreign };
        let head = &header.metadata;
        if head.id != self.id || head.message_type != MessageType::Response || head.op_code != OpCode::Query {
            return Reply::Foreign;
        }
        let ours = question.is_some_and(|query| query.name == self.name && query.query_type == self.kind);
        // A server that cannot read EDNS may leave the question out. RFC 6891 §7.
        let blank = header.counts.queries == 0;
        if blank && matches!(head.response_code, ResponseCode::FormErr | ResponseCode::NotImp) {
            return Reply::WithoutEdns;
        }
        if !ours {
            return Reply::Foreign;
        }
        if head.truncation {
            return Reply::Truncated;
        }
        let Ok(message) = Message::from_vec(bytes) else { return Reply::Useless };
        match message.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Reply::Answered(Box::new(message)),
            ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS => Reply::WithoutEdns,
            _ => Reply::Useless,
        }
    }
}

/// The header and, if it can be read, the first question.
pub(super) fn read_head(bytes: &[u8]) -> Option<(Header, Option<Query>)> {
    let mut decoder = BinDecoder::new(bytes);
    let header = Header::read(&mut decoder).ok()?;
    let question = if header.counts.queries == 1 { Query::read(&mut decoder).ok() } else { None };
    Some((header, question))
}

/// What a message is to the one who waits for it.
#[derive(Debug)]
pub(super) enum Reply {
    /// Not the answer to our question; go on waiting.
    Foreign,
    /// Ask again over TCP. RFC 7766 §5.
    Truncated,
    /// The server does not know EDNS; ask again without it. RFC 6891 §7.
    WithoutEdns,
    /// The server cannot or will not say; ask another.
    Useless,
    /// NOERROR or NXDOMAIN.
    Answered(Box<Message>),
}

/// What a message says about a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The end, and for how long it holds.
    Final(Answer, Duration),
    /// It ends in an alias that must be asked for.
    Alias(Name),
    /// The aliases go round, or are too many.
    Endless,
}

/// The name in its message form; `None` if no host can have it.
pub(super) fn to_name(name: &str) -> Option<Name> {
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.starts_with('.') || name.contains("..") || !name.bytes().all(is_host) {
        return None;
    }
    let name = Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).ok()?;
    (name.len() <= 255).then_some(name) // RFC 1035 §2.3.4
}

pub(super) fn record_type(kind: RecordKind) -> RecordType {
    match kind {
        RecordKind::Srv => RecordType::SRV,
        RecordKind::A => RecordType::A,
        RecordKind::Aaaa => RecordType::AAAA,
    }
}

/// Follows the last of `chain` through the message's aliases, each of which is added to `chain`. `ttl` is the least
/// TTL of the way so far.
pub(super) fn follow(message: &Message, kind: RecordKind, chain: &mut Vec<Name>, ttl: &mut u32) -> Finding {
    let asked = chain.len();
    loop {
        let Some(owner) = chain.last() else { return Finding::Endless };
        if let Some((answer, least)) = records(message, kind, owner) {
            return Finding::Final(answer, lifetime((*ttl).min(least)));
        }
        let Some((alias, least)) = alias(message, owner) else { break };
        if chain.len() > CNAMES || chain.contains(&alias) {
            return Finding::Endless;
        }
        *ttl = (*ttl).min(least);
        chain.push(alias);
    }
    let denial = denial_ttl(message);
    let none = || lifetime((*ttl).min(denial.unwrap_or(0))).min(NEGATIVE_LIFETIME_MAX);
    if message.metadata.response_code == ResponseCode::NXDomain {
        return Finding::Final(Answer::NoSuchName, none());
    }
    match chain.last() {
        Some(last) if chain.len() > asked && denial.is_none() => Finding::Alias(last.clone()),
        _ => Finding::Final(empty(kind), none()),
    }
}

fn empty(kind: RecordKind) -> Answer {
    if kind == RecordKind::Srv { Answer::Srv(Vec::new()) } else { Answer::Addresses(Vec::new()) }
}

/// The records of `owner`, capped, and their least TTL; `None` without any.
fn records(message: &Message, kind: RecordKind, owner: &Name) -> Option<(Answer, u32)> {
    let mut services = Vec::new();
    let mut addresses: Vec<IpAddr> = Vec::new();
    let mut least: Option<u32> = None;
    for record in &message.answers {
        if record.dns_class != DNSClass::IN || record.record_type() != record_type(kind) || record.name != *owner {
            continue;
        }
        least = Some(least.unwrap_or(u32::MAX).min(ttl_of(record.ttl)));
        match &record.data {
            RData::SRV(srv) => services.push(srv),
            RData::A(a) => addresses.push(a.0.into()),
            RData::AAAA(aaaa) => addresses.push(aaaa.0.into()),
            _ => {}
        }
    }
    let answer = if kind == RecordKind::Srv {
        services.sort_by_key(|srv| srv.priority);
        Answer::Srv(services.into_iter().take(limits::SRV_RECORDS).map(to_srv).collect())
    } else {
        addresses.truncate(limits::ADDRESSES_PER_TARGET);
        Answer::Addresses(addresses)
    };
    least.map(|least| (answer, least))
}

fn to_srv(srv: &hickory_proto::rr::rdata::SRV) -> Srv {
    let target = srv.target.to_ascii().trim_end_matches('.').to_ascii_lowercase();
    Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target }
}

fn alias(message: &Message, owner: &Name) -> Option<(Name, u32)> {
    message.answers.iter().find_map(|record| match &record.data {
        RData::CNAME(cname) if record.dns_class == DNSClass::IN && record.name == *owner => {
            Some((cname.0.clone(), ttl_of(record.ttl)))
        }
        _ => None,
    })
}

/// For how long an absence holds: the zone's word in its SOA record. RFC 2308 §5.
fn denial_ttl(message: &Message) -> Option<u32> {
    message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(ttl_of(record.ttl).min(ttl_of(soa.minimum))),
        _ => None,
    })
}

/// A TTL with the highest bit set is none. RFC 2181 §8.
fn ttl_of(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}

fn lifetime(ttl: u32) -> Duration {
    Duration::from_secs(ttl.into()).clamp(LIFETIME_MIN, LIFETIME_MAX)
}
