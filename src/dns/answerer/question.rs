//! What a request asks for. Pure.

use hickory_proto::op::{MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};

use super::reply::INTERNAL_NAME;
use crate::dns::message;

/// A request, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// No request, or not even a header: no answer.
    Noise,
    /// Refused with a code; the question may be unreadable.
    Bad(ResponseCode),
    /// `_xmpp-server._tcp` of this domain: lower case, no trailing dot.
    Server(Query, String),
    /// `_xmpps-server._tcp` of a domain.
    DirectTlsServer(Query),
    /// The name that we invented for the internal listener.
    Internal(Query),
    /// For the upstream servers.
    Other(Query),
}

/// Sorts a request by its header and its one question; the rest is looked at by whom it concerns.
pub(super) fn sort(bytes: &[u8]) -> Request {
    let Some((header, query)) = message::read_head(bytes) else { return Request::Noise };
    if header.metadata.message_type != MessageType::Query {
        return Request::Noise;
    }
    if header.metadata.op_code != OpCode::Query {
        return Request::Bad(ResponseCode::NotImp);
    }
    let Some(query) = query else { return Request::Bad(ResponseCode::FormErr) };
    // A zone transfer is many messages, and no business of an XMPP server.
    if matches!(query.query_type, RecordType::AXFR | RecordType::IXFR) {
        return Request::Bad(ResponseCode::Refused);
    }
    if query.query_class != DNSClass::IN {
        return Request::Other(query);
    }
    if is_internal(&query.name) {
        return Request::Internal(query);
    }
    if query.query_type != RecordType::SRV {
        return Request::Other(query);
    }
    let name = query.name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
    match (name.strip_prefix("_xmpp-server._tcp."), name.strip_prefix("_xmpps-server._tcp.")) {
        (Some(domain), _) => Request::Server(query, domain.to_owned()),
        (_, Some(_)) => Request::DirectTlsServer(query),
        (None, None) => Request::Other(query),
    }
}

fn is_internal(name: &Name) -> bool {
    name.to_ascii().trim_end_matches('.').eq_ignore_ascii_case(INTERNAL_NAME)
}
