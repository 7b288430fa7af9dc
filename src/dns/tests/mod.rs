//! Against a server that answers what a test tells it to, over real sockets on loopback.

mod answerer;
mod messages;
mod resolver;
mod scripted;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use glommio::{LocalExecutorBuilder, Placement};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record};
use ringgate_proto::discover::{Answer, Question, RecordKind};

use super::{Resolver, ResolverConfig};

/// Runs a test inside an executor of its own.
fn run<T>(test: impl Future<Output = T>) -> T {
    let builder = LocalExecutorBuilder::new(Placement::Unbound).io_memory(64 << 10);
    builder.make().expect("io_uring is available").run(test)
}

/// One round, with more time than a busy machine needs.
fn config(servers: &[SocketAddr]) -> ResolverConfig {
    ResolverConfig {
        servers: servers.to_vec(),
        timeout: Duration::from_secs(10),
        attempts: 1,
        ..ResolverConfig::default()
    }
}

/// For tests in which a server is silent.
fn impatient(servers: &[SocketAddr]) -> ResolverConfig {
    ResolverConfig { timeout: Duration::from_millis(400), ..config(servers) }
}

async fn lookup(resolver: &Resolver, name: &str, kind: RecordKind) -> Answer {
    resolver.lookup(&Question { name: name.into(), kind }).await
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).unwrap()
}

fn a(owner: &str, ttl: u32, ip: [u8; 4]) -> Record {
    Record::from_rdata(name(owner), ttl, RData::A(A(ip.into())))
}

fn cname(owner: &str, target: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::CNAME(CNAME(name(target))))
}

fn srv(owner: &str, priority: u16, port: u16, target: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::SRV(SRV::new(priority, 0, port, name(target))))
}

fn soa(owner: &str, ttl: u32, minimum: u32) -> Record {
    Record::from_rdata(name(owner), ttl, RData::SOA(SOA::new(name(owner), name(owner), 1, 1, 1, 1, minimum)))
}

/// The reply to `query` with these records.
fn reply(query: &Message, code: ResponseCode, answers: Vec<Record>) -> Message {
    let mut reply = query.clone().into_response();
    reply.edns = None;
    reply.metadata.response_code = code;
    reply.metadata.recursion_available = true;
    reply.add_answers(answers);
    reply
}

fn found(query: &Message, answers: Vec<Record>) -> Vec<u8> {
    reply(query, ResponseCode::NoError, answers).to_vec().unwrap()
}

fn denied(query: &Message, code: ResponseCode) -> Vec<u8> {
    let mut reply = reply(query, code, vec![]);
    reply.add_authority(soa("test", 60, 60));
    reply.to_vec().unwrap()
}

fn addresses(ips: &[[u8; 4]]) -> Answer {
    Answer::Addresses(ips.iter().map(|ip| (*ip).into()).collect())
}
