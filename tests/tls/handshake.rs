//! Ordinary handshakes, data, resumption and closing.

use std::io::Write;

use ringgate::tls::{Store, TlsError};
use ringgate_proto::gate::{Listener, TlsClient};
use rustls::version::{TLS12, TLS13};

use crate::authority::{Authority, domain, identity};
use crate::wire::{self, Seen, converse, converse_with, deliver, feed, handshake, names, pending, plaintext};

#[test]
fn both_versions_carry_data_from_and_to_a_client() {
    let authority = Authority::new("root");
    let store = authority.store(&["example.org"]);
    let partner = authority.issue(&["partner.example"]);
    for (version, word) in [(&TLS12, "1.2"), (&TLS13, "1.3")] {
        let mut peer = wire::client(wire::client_config(version, Some(&partner)), "example.org");
        let mut session = store.server(Listener::Public, None);
        let mut seen = Seen::default();
        peer.writer().write_all(b"<presence/>").unwrap();
        converse_with(&mut session, &mut peer, &mut seen).unwrap_or_else(|(error, _)| panic!("{error}"));
        assert!(session.is_established());
        assert_eq!(session.version(), Some(word));
        assert_eq!(seen.trust(), Ok(()));
        assert_eq!(seen.plaintext, b"<presence/>");
        let mut out = Vec::new();
        session.send(b"<message/>", &mut out).unwrap();
        deliver(&mut peer, &out).unwrap();
        assert_eq!(plaintext(&mut peer), b"<message/>");
    }
}

#[test]
fn both_versions_carry_data_from_and_to_a_server() {
    let authority = Authority::new("root");
    let store = authority.store(&["example.org"]);
    let partner = authority.issue(&["partner.example"]);
    for (version, word) in [(&TLS12, "1.2"), (&TLS13, "1.3")] {
        let mut peer = wire::server(wire::server_config(version, &partner));
        let mut session = store.client(&names("partner.example", "example.org"), false).unwrap();
        let mut seen = Seen::default();
        converse_with(&mut session, &mut peer, &mut seen).unwrap_or_else(|(error, _)| panic!("{error}"));
        assert_eq!(session.version(), Some(word));
        assert_eq!(seen.trust(), Ok(()));
        assert_eq!(seen.peer.unwrap().dns_names, ["partner.example"]);
        assert!(peer.peer_certificates().is_some(), "we show a client certificate");
        let mut out = Vec::new();
        session.send(b"<message/>", &mut out).unwrap();
        deliver(&mut peer, &out).unwrap();
        assert_eq!(plaintext(&mut peer), b"<message/>");
    }
}

#[test]
fn bytes_may_come_one_at_a_time() {
    let authority = Authority::new("root");
    let (ours, theirs) = (authority.store(&["example.org"]), authority.store(&["partner.example"]));
    let mut client = ours.client(&names("partner.example", "example.org"), false).unwrap();
    let mut server = theirs.server(Listener::Public, None);
    let (at_client, at_server) = converse(&mut client, &mut server, 1);
    assert_eq!((at_client.trust(), at_server.trust()), (Ok(()), Ok(())));
    let mut out = Vec::new();
    client.send(&[7; 40_000], &mut out).unwrap();
    let mut seen = at_server;
    feed(&mut server, &out, 1, &mut seen).unwrap();
    assert_eq!(seen.plaintext, [7; 40_000]);
    assert_eq!(server.held_bytes(), 0, "an idle session holds nothing");
}

#[test]
fn data_right_behind_the_handshake_comes_after_established() {
    let authority = Authority::new("root");
    let store = authority.store(&["example.org"]);
    let mut peer = wire::client(wire::client_config(&TLS13, None), "example.org");
    peer.writer().write_all(b"<stream:stream>").unwrap();
    let mut session = store.server(Listener::Public, None);
    let mut seen = Seen::default();
    let flight = feed(&mut session, &pending(&mut peer), usize::MAX, &mut seen).unwrap();
    deliver(&mut peer, &flight).unwrap();
    assert!(seen.peer.is_none());
    // `feed` insists on the order.
    feed(&mut session, &pending(&mut peer), usize::MAX, &mut seen).unwrap();
    assert_eq!(seen.plaintext, b"<stream:stream>");
}

#[test]
fn long_plaintext_is_split_into_records_of_16_kib() {
    let authority = Authority::new("root");
    let store = authority.store(&["example.org"]);
    let (mut client, mut server, _, mut seen) = handshake(&store, "example.org", &store, "example.org");
    let long: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
    let mut out = b"before".to_vec();
    client.send(&long, &mut out).unwrap();
    assert_eq!(&out[..6], b"before");
    let mut lengths = Vec::new();
    let mut rest = &out[6..];
    while let Some(header) = rest.first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        lengths.push(length);
        rest = &rest[5 + length..];
    }
    assert!(rest.is_empty());
    assert_eq!(lengths.len(), 7);
    assert!(lengths.iter().all(|length| *length <= 16_384 + 256));
    // Arbitrary pieces, none of which ends where a record does.
    feed(&mut server, &out[6..], 9_973, &mut seen).unwrap();
    assert_eq!((seen.plaintext, seen.records), (long, 7));
}

#[test]
fn nothing_can_be_sent_before_the_handshake_or_after_close() {
    let authority = Authority::new("root");
    let store = authority.store(&["example.org"]);
    let mut out = Vec::new();
    let mut early = store.server(Listener::Public, None);
    assert!(matches!(early.send(b"x", &mut out), Err(TlsError::NotEstablished)));
    early.close(&mut out);
    let (mut client, ..) = handshake(&store, "example.org", &store, "example.org");
    client.send(b"", &mut out).unwrap();
    assert!(out.is_empty(), "no empty records");
    client.close(&mut out);
    assert!(!out.is_empty());
    assert!(matches!(client.send(b"x", &mut out), Err(TlsError::Ended)));
}

#[test]
fn close_notify_is_reported_once_and_the_other_direction_goes_on() {
    let authority = Authority::new("root");
    let store = authority.store(&["example.org"]);
    let (mut client, mut server, mut at_client, mut at_server) =
        handshake(&store, "example.org", &store, "example.org");
    let mut out = Vec::new();
    client.send(b"</stream:stream>", &mut out).unwrap();
    client.close(&mut out);
    let length = out.len();
    client.close(&mut out);
    assert_eq!(out.len(), length, "close_notify goes out once");
    out.extend_from_slice(b"noise after the end is ignored");
    assert!(feed(&mut server, &out, usize::MAX, &mut at_server).unwrap().is_empty());
    assert!(at_server.closed);
    assert_eq!(at_server.plaintext, b"</stream:stream>");
    at_server.closed = false;
    feed(&mut server, b"more noise", usize::MAX, &mut at_server).unwrap();
    assert!(!at_server.closed, "reported once");
    let mut reply = Vec::new();
    server.send(b"</stream:stream>", &mut reply).unwrap();
    server.close(&mut reply);
    feed(&mut client, &reply, usize::MAX, &mut at_client).unwrap();
    assert!(at_client.closed);
    assert_eq!(at_client.plaintext, b"</stream:stream>");
}

#[test]
fn a_session_resumes_on_another_shard_and_the_peer_is_judged_again() {
    let authority = Authority::new("root");
    let (ours, theirs) = (authority.store(&["example.org"]), authority.store(&["partner.example"]));
    let (first, ..) = handshake(&ours, "example.org", &theirs, "partner.example");
    assert_eq!(first.is_resumed(), Some(false));
    // Two other shards: clones on other threads.
    let (ours, theirs) = (ours.clone(), theirs.clone());
    let shard = std::thread::spawn(move || handshake(&ours, "example.org", &theirs, "partner.example"));
    let (client, server, at_client, at_server) = shard.join().unwrap();
    assert_eq!((client.is_resumed(), server.is_resumed()), (Some(true), Some(true)));
    assert_eq!((at_client.trust(), at_server.trust()), (Ok(()), Ok(())));
    assert_eq!(server.peer().dns_names, ["example.org"]);
    assert_eq!(client.peer().dns_names, ["partner.example"]);
    assert_eq!(server.server_name(), Some("partner.example"));
}

#[test]
fn a_session_of_tls_1_2_resumes_with_the_peers_certificate() {
    let authority = Authority::new("root");
    let store = authority.store(&["example.org"]);
    let partner = authority.issue(&["partner.example"]);
    let config = wire::client_config(&TLS12, Some(&partner));
    for resumed in [false, true] {
        let mut peer = wire::client(config.clone(), "example.org");
        let mut session = store.clone().server(Listener::Public, None);
        let mut seen = Seen::default();
        converse_with(&mut session, &mut peer, &mut seen).unwrap_or_else(|(error, _)| panic!("{error}"));
        assert_eq!(session.is_resumed(), Some(resumed));
        assert_eq!(session.peer().dns_names, ["partner.example"]);
        assert_eq!(seen.trust(), Ok(()));
    }
}

#[test]
fn a_resumed_session_never_shows_another_local_domain() {
    let authority = Authority::new("root");
    let identities = ["one.example", "two.example"].map(|name| identity(&[name], authority.issue(&[name]).files()));
    let ours = Store::load(identities.to_vec(), authority.roots(), None).unwrap();
    let theirs = authority.store(&["partner.example"]);
    for (local, resumed) in
        [("one.example", false), ("two.example", false), ("one.example", true), ("two.example", true)]
    {
        let (client, server, ..) = handshake(&ours, local, &theirs, "partner.example");
        assert_eq!(client.is_resumed(), Some(resumed), "{local}");
        assert_eq!(server.peer().dns_names, [local]);
    }
}

#[test]
fn a_store_without_resumption_begins_anew_on_both_sides() {
    let authority = Authority::new("root");
    let (usual, theirs) = (authority.store(&["example.org"]), authority.store(&["partner.example"]));
    let without = usual.without_resumption();
    for (client, server) in [(&without, &theirs), (&theirs, &without)] {
        let names = |store| if std::ptr::eq(store, &theirs) { "partner.example" } else { "example.org" };
        for _ in 0..3 {
            let (begun, met, ..) = handshake(client, names(client), server, names(server));
            assert_eq!((begun.is_resumed(), met.is_resumed()), (Some(false), Some(false)));
        }
    }
    // TLS 1.2 has tickets of its own.
    let config = wire::client_config(&TLS12, None);
    for _ in 0..2 {
        let mut peer = wire::client(config.clone(), "example.org");
        let mut session = without.server(Listener::Public, None);
        converse_with(&mut session, &mut peer, &mut Seen::default()).unwrap_or_else(|(error, _)| panic!("{error}"));
        assert_eq!(session.is_resumed(), Some(false));
    }
    // Of what it was made from nothing has changed.
    handshake(&usual, "example.org", &theirs, "partner.example");
    let (client, ..) = handshake(&usual, "example.org", &theirs, "partner.example");
    assert_eq!(client.is_resumed(), Some(true));
}

#[test]
fn new_trust_makes_new_ticket_keys() {
    let authority = Authority::new("root");
    let ours = authority.store(&["example.org"]);
    handshake(&ours, "example.org", &authority.store(&["partner.example"]), "partner.example");
    let (client, ..) = handshake(&ours, "example.org", &authority.store(&["partner.example"]), "partner.example");
    assert_eq!(client.is_resumed(), Some(false));
}

#[test]
fn alpn_is_offered_for_direct_tls_only() {
    let authority = Authority::new("root");
    let store = authority.store(&["example.org"]);
    for alpn in [true, false] {
        let names = TlsClient { server_name: domain("example.org"), local: domain("example.org"), alpn };
        let mut client = store.client(&names, false).unwrap();
        let mut server = store.server(Listener::Public, None);
        converse(&mut client, &mut server, usize::MAX);
        let agreed = alpn.then_some(&b"xmpp-server"[..]);
        assert_eq!((client.alpn(), server.alpn()), (agreed, agreed));
    }
}
