//! The answerer as the resolver of a backend sees it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_lite::AsyncReadExt;
use glommio::Task;
use glommio::net::TcpStream;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::RecordType;

use super::scripted::{Over, Scripted, Send};
use super::*;
use crate::dns::exchange::{self, Verdict};
use crate::dns::within::within;
use crate::dns::{Answerer, AnswererConfig, INTERNAL_NAME};

const INTERNAL: &str = "127.0.0.1:15268";

fn answerer_config(upstream: SocketAddr) -> AnswererConfig {
    AnswererConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        internal: INTERNAL.parse().unwrap(),
        local_domains: vec!["Inside.test.".into()],
        upstream: config(&[upstream]),
    }
}

/// The running answerer; it ends when this is dropped.
struct Running {
    address: SocketAddr,
    _task: Task<()>,
}

fn start(config: AnswererConfig) -> Running {
    let answerer = Answerer::bind(config).unwrap();
    let address = answerer.local_addr();
    let task = glommio::spawn_local(async move { answerer.serve().await.unwrap() });
    Running { address, _task: task }
}

/// A zone: `a.test` has an address, `srv.test` only an SRV record below a name that the server denies, `six.test` is
/// NODATA, `sick.test` is SERVFAIL.
fn zone() -> Scripted {
    Scripted::answering(|query| match query.queries[0].name.to_ascii().to_ascii_lowercase().as_str() {
        "a.test." => found(query, vec![a("a.test", 60, [9; 4])]),
        "six.test." => denied(query, ResponseCode::NoError),
        "_xmpp-server._tcp.srv.test." => found(query, vec![srv("_xmpp-server._tcp.srv.test", 0, 1, "x.test")]),
        "_xmpps-server._tcp.direct.test." => found(query, vec![srv("_xmpps-server._tcp.direct.test", 0, 1, "x.test")]),
        name if name.ends_with("sick.test.") => denied(query, ResponseCode::ServFail),
        _ => denied(query, ResponseCode::NXDomain),
    })
}

fn request(owner: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name(owner), kind));
    message
}

/// Sends bytes and gives the first datagram that comes back; `None` after the time in which a reply would have come.
async fn udp(server: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let exchange = exchange::over_udp(server, bytes, |reply| Verdict::Take(reply.to_vec()));
    within(Duration::from_secs(5), exchange).await.and_then(|reply| reply.unwrap())
}

async fn ask(server: SocketAddr, owner: &str, kind: RecordType) -> Message {
    let reply = udp(server, &request(owner, kind).to_vec().unwrap()).await.expect("a reply");
    let reply = Message::from_vec(&reply).unwrap();
    assert_eq!((reply.metadata.id, reply.metadata.message_type), (0x1234, MessageType::Response));
    assert!(reply.metadata.recursion_available);
    assert_eq!(reply.queries, request(owner, kind).queries);
    reply
}

fn assert_leads_inside(reply: &Message) {
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    let [record] = reply.answers.as_slice() else { panic!("{:?}", reply.answers) };
    let RData::SRV(srv) = &record.data else { panic!("{record}") };
    assert_eq!((srv.priority, srv.weight, srv.port, &srv.target), (0, 0, 15_268, &name(INTERNAL_NAME)));
    assert_eq!((record.ttl, &record.name), (30, &reply.queries[0].name));
    assert_eq!(reply.additionals, [a(INTERNAL_NAME, 30, [127, 0, 0, 1])]);
}

#[test]
fn domains_that_exist_are_led_to_the_internal_listener() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        for domain in ["a.test", "A.TEST", "srv.test", "direct.test", "six.test"] {
            let reply = ask(running.address, &format!("_xmpp-server._tcp.{domain}"), RecordType::SRV).await;
            assert_leads_inside(&reply);
        }
    });
}

#[test]
fn local_domains_are_led_there_without_asking_anybody() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        assert_leads_inside(&ask(running.address, "_xmpp-server._tcp.inside.test", RecordType::SRV).await);
    });
    assert_eq!(upstream.seen().len(), 0);
}

#[test]
fn a_domain_that_does_not_exist_is_nxdomain_for_a_short_time() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        let reply = ask(running.address, "_xmpp-server._tcp.gone.test", RecordType::SRV).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
        let [authority] = reply.authorities.as_slice() else { panic!("{:?}", reply.authorities) };
        let RData::SOA(soa) = &authority.data else { panic!("{authority}") };
        assert_eq!((authority.ttl, soa.minimum), (30, 30));
        assert!(reply.answers.is_empty() && reply.additionals.is_empty());
    });
}

#[test]
fn nobody_knowing_is_servfail_and_not_nxdomain() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        let reply = ask(running.address, "_xmpp-server._tcp.sick.test", RecordType::SRV).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    });
    let silent = Scripted::silent();
    run(async {
        let upstream = impatient(&[silent.address]);
        let running = start(AnswererConfig { upstream, ..answerer_config(silent.address) });
        let reply = ask(running.address, "_xmpp-server._tcp.a.test", RecordType::SRV).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
        let reply = ask(running.address, "a.test", RecordType::TXT).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    });
}

#[test]
fn direct_tls_has_no_records() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        for domain in ["a.test", "inside.test", "gone.test"] {
            let reply = ask(running.address, &format!("_xmpps-server._tcp.{domain}"), RecordType::SRV).await;
            assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0));
            assert_eq!(reply.authorities.len(), 1, "an SOA record says for how long");
        }
    });
    assert_eq!(upstream.seen().len(), 0);
}

#[test]
fn the_invented_target_has_the_internal_listeners_address_and_nothing_else() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        let reply = ask(running.address, INTERNAL_NAME, RecordType::A).await;
        assert_eq!(reply.answers, [a(INTERNAL_NAME, 30, [127, 0, 0, 1])]);
        for kind in [RecordType::AAAA, RecordType::MX] {
            let reply = ask(running.address, INTERNAL_NAME, kind).await;
            assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0));
        }
        let running =
            start(AnswererConfig { internal: "[::1]:15268".parse().unwrap(), ..answerer_config(upstream.address) });
        assert_eq!(ask(running.address, INTERNAL_NAME, RecordType::AAAA).await.answers.len(), 1);
        assert_eq!(ask(running.address, INTERNAL_NAME, RecordType::A).await.answers.len(), 0);
    });
    assert_eq!(upstream.seen().len(), 0);
}

#[test]
fn the_rest_is_forwarded_and_handed_back_byte_by_byte() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        let mut asked = request("a.TEST", RecordType::A);
        let mut options = Edns::new();
        options.set_max_payload(4_000).set_dnssec_ok(true);
        asked.set_edns(options);
        let bytes = asked.to_vec().unwrap();
        let reply = udp(running.address, &bytes).await.unwrap();
        let seen = upstream.seen();
        assert_eq!(seen[0].bytes[2..], bytes[2..]);
        let mut expected = found(&seen[0].message(), vec![a("a.test", 60, [9; 4])]);
        expected[..2].copy_from_slice(&bytes[..2]);
        assert_eq!(reply, expected);
    });
}

#[test]
fn other_services_of_a_domain_are_forwarded() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        let reply = ask(running.address, "_xmpp-client._tcp.gone.test", RecordType::SRV).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
        let reply = ask(running.address, "_xmpp-server._tcp.srv.test", RecordType::TXT).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
        let bare = ask(running.address, "_xmpp-server._tcp", RecordType::SRV).await;
        assert_eq!(bare.metadata.response_code, ResponseCode::NXDomain);
    });
    assert_eq!(upstream.seen().len(), 3);
}

#[test]
fn the_second_upstream_server_is_asked_when_the_first_is_silent() {
    let (silent, good) = (Scripted::silent(), zone());
    run(async {
        let upstream = impatient(&[silent.address, good.address]);
        let running = start(AnswererConfig { upstream, ..answerer_config(good.address) });
        assert_eq!(ask(running.address, "a.test", RecordType::A).await.answers.len(), 1);
    });
}

/// Truncated over UDP, with 100 addresses over TCP.
fn big() -> Scripted {
    Scripted::new(|query, over| {
        let mut message = reply(query, ResponseCode::NoError, vec![]);
        match over {
            Over::Udp => message.metadata.truncation = true,
            Over::Tcp => _ = message.add_answers((0..100).map(|n| a("a.test", 60, [9, 9, 9, n]))),
        }
        vec![Send::Back(message.to_vec().unwrap())]
    })
}

#[test]
fn a_truncated_reply_is_handed_back_over_udp_and_completed_over_tcp() {
    let upstream = big();
    run(async {
        let running = start(answerer_config(upstream.address));
        let over_udp = ask(running.address, "a.test", RecordType::A).await;
        assert!(over_udp.metadata.truncation && over_udp.answers.is_empty());
        let bytes = request("a.test", RecordType::A).to_vec().unwrap();
        let over_tcp = exchange::over_tcp(running.address, &bytes).await.unwrap();
        let over_tcp = Message::from_vec(&over_tcp).unwrap();
        assert_eq!((over_tcp.metadata.id, over_tcp.answers.len()), (0x1234, 100));
    });
}

#[test]
fn a_reply_too_long_for_the_client_is_truncated() {
    let upstream = Scripted::answering(|query| found(query, (0..100).map(|n| a("a.test", 60, [9, 9, 9, n])).collect()));
    run(async {
        let running = start(answerer_config(upstream.address));
        let reply = ask(running.address, "a.test", RecordType::A).await;
        assert!(reply.metadata.truncation && reply.answers.is_empty());
    });
}

#[test]
fn several_requests_are_answered_on_one_connection() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        for domain in ["inside.test", "a.test", "srv.test"] {
            let asked = request(&format!("_xmpp-server._tcp.{domain}"), RecordType::SRV).to_vec().unwrap();
            exchange::write_message(&mut stream, &asked).await.unwrap();
            let reply = exchange::read_message(&mut stream).await.unwrap().unwrap();
            assert_leads_inside(&Message::from_vec(&reply).unwrap());
        }
    });
}

#[test]
fn a_reply_has_edns_if_the_request_had() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        let mut asked = request("_xmpp-server._tcp.inside.test", RecordType::SRV);
        assert!(ask(running.address, "_xmpp-server._tcp.inside.test", RecordType::SRV).await.edns.is_none());
        asked.set_edns(Edns::new());
        let reply = udp(running.address, &asked.to_vec().unwrap()).await.unwrap();
        assert!(Message::from_vec(&reply).unwrap().edns.is_some());
    });
}

#[test]
fn malformed_requests_are_refused_or_dropped_and_the_next_is_answered() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        let good = request("inside.test", RecordType::A).to_vec().unwrap();
        let changed = |change: fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            bytes
        };
        let refused = [
            (changed(|bytes| bytes[5] = 2), ResponseCode::FormErr),
            (changed(|bytes| bytes[5] = 0), ResponseCode::FormErr),
            (changed(|bytes| bytes.truncate(20)), ResponseCode::FormErr),
            (changed(|bytes| bytes[12] = 0xc0), ResponseCode::FormErr),
            (changed(|bytes| bytes[2] |= 0x28), ResponseCode::NotImp),
            (request("a.test", RecordType::AXFR).to_vec().unwrap(), ResponseCode::Refused),
        ];
        for (index, (bytes, code)) in refused.iter().enumerate() {
            let reply = udp(running.address, bytes).await.expect("a refusal");
            assert_eq!((&reply[..2], reply[3] & 15), (&bytes[..2], code.low()), "{index}");
        }
        let noise = [vec![], vec![1; 11], changed(|bytes| bytes[2] |= 0x80), vec![0; 4_097], vec![0xff; 600]];
        for bytes in noise {
            let exchange = exchange::over_udp(running.address, &bytes, |reply| Verdict::Take(reply.to_vec()));
            assert!(within(Duration::from_millis(50), exchange).await.is_none());
        }
        assert_leads_inside(&ask(running.address, "_xmpp-server._tcp.inside.test", RecordType::SRV).await);
    });
    assert_eq!(upstream.seen().len(), 0);
}

#[test]
fn a_connection_with_noise_is_closed() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        for noise in [&[][..], &[1; 5], &[0xff; 40]] {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            exchange::write_message(&mut stream, noise).await.unwrap();
            let read = within(Duration::from_secs(5), stream.read(&mut [0; 1])).await.expect("closed");
            assert!(matches!(read, Ok(0) | Err(_)));
        }
    });
}

#[test]
fn a_connection_too_many_is_closed_at_once() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        let asked = request("_xmpp-server._tcp.inside.test", RecordType::SRV).to_vec().unwrap();
        let mut open = Vec::new();
        for _ in 0..crate::dns::answerer::CONNECTIONS {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            exchange::write_message(&mut stream, &asked).await.unwrap();
            assert!(exchange::read_message(&mut stream).await.unwrap().is_some());
            open.push(stream);
        }
        let mut refused = TcpStream::connect(running.address).await.unwrap();
        let read = within(Duration::from_secs(5), refused.read(&mut [0; 1])).await.expect("closed");
        assert!(matches!(read, Ok(0) | Err(_)));
        drop(open);
        assert_leads_inside(&ask(running.address, "_xmpp-server._tcp.inside.test", RecordType::SRV).await);
    });
}

#[test]
fn the_port_is_free_again_when_the_answerer_is_dropped() {
    let upstream = zone();
    run(async {
        let running = start(answerer_config(upstream.address));
        let address = running.address;
        let open = TcpStream::connect(address).await.unwrap();
        assert_leads_inside(&ask(address, "_xmpp-server._tcp.inside.test", RecordType::SRV).await);
        drop(running);
        glommio::timer::sleep(Duration::from_millis(20)).await;
        let again = start(AnswererConfig { listen: address, ..answerer_config(upstream.address) });
        assert_leads_inside(&ask(again.address, "_xmpp-server._tcp.inside.test", RecordType::SRV).await);
        drop(open);
    });
}

#[test]
fn what_is_wrong_with_the_addresses_is_said_at_start() {
    let upstream: SocketAddr = "127.0.0.1:53".parse().unwrap();
    let first = Answerer::bind(answerer_config(upstream)).unwrap();
    let kind = |config: AnswererConfig| Answerer::bind(config).unwrap_err().kind();
    let taken = AnswererConfig { listen: first.local_addr(), ..answerer_config(upstream) };
    assert_eq!(kind(taken), std::io::ErrorKind::AddrInUse);
    let address = first.local_addr();
    drop(first);
    let circle = AnswererConfig { listen: address, ..answerer_config(address) };
    assert_eq!(kind(circle), std::io::ErrorKind::InvalidInput);
    for internal in ["0.0.0.0:1", "[::]:1", "127.0.0.1:0"] {
        let nowhere = AnswererConfig { internal: internal.parse().unwrap(), ..answerer_config(upstream) };
        assert_eq!(kind(nowhere), std::io::ErrorKind::InvalidInput, "{internal}");
    }
    let foreign = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 0);
    let elsewhere = AnswererConfig { listen: foreign, ..answerer_config(upstream) };
    assert_eq!(kind(elsewhere), std::io::ErrorKind::AddrNotAvailable);
}
