//! Peers that break rules. Each gets an error in bounded time and memory, and an alert where TLS has one.

use rcgen::CustomExtension;
use ringgate::tls::{HELD_BYTES, IDLE_RECORDS, Session, TlsError};
use ringgate_proto::gate::Listener;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, Error, PeerMisbehaved};

use crate::authority::{Authority, Issued, params};
use crate::wire::{self, Seen, converse_with, deliver, feed, names, pending, plaintext};

fn server() -> Session {
    Authority::new("root").store(&["example.org"]).server(Listener::Public, None)
}

/// Wraps a handshake message's bytes into records of `size`.
fn in_records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |piece: &[u8]| {
        let mut record = vec![22, 3, 1];
        record.extend((piece.len() as u16).to_be_bytes());
        record.extend(piece);
        record
    };
    message.chunks(size).flat_map(record).collect()
}

fn refused(session: &mut Session, bytes: &[u8]) -> (TlsError, Vec<u8>) {
    let result = feed(session, bytes, usize::MAX, &mut Seen::default());
    let refusal = result.expect_err("refused");
    assert!(matches!(feed(session, b"x", 1, &mut Seen::default()), Err((TlsError::Ended, _))));
    assert_eq!(session.held_bytes(), 0);
    refusal
}

/// Level fatal, in clear.
fn alert(description: u8) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, description]
}

/// TCP-09, the class of RUSTSEC-2024-0399.
#[test]
fn client_hello_in_records_of_one_byte_succeeds() {
    let authority = Authority::new("root");
    let mut session = authority.store(&["example.org"]).server(Listener::Public, None);
    let mut peer = wire::client(wire::client_config(&TLS13, None), "example.org");
    let hello = pending(&mut peer);
    let mut seen = Seen::default();
    let flight = feed(&mut session, &in_records(&hello[5..], 1), 1, &mut seen).unwrap();
    deliver(&mut peer, &flight).unwrap();
    feed(&mut session, &pending(&mut peer), 1, &mut seen).unwrap();
    assert!(session.is_established());
}

/// TCP-10, the class of RUSTSEC-2024-0336.
#[test]
fn client_hello_then_close_notify_ends_the_session() {
    let mut peer = wire::client(wire::client_config(&TLS13, None), "example.org");
    let mut bytes = pending(&mut peer);
    bytes.extend([21, 3, 3, 0, 2, 1, 0]);
    let (error, _) = refused(&mut server(), &bytes);
    assert!(matches!(error, TlsError::Protocol(Error::AlertReceived(AlertDescription::CloseNotify))), "{error}");
    let mut early = server();
    let mut out = Vec::new();
    let result = early.receive(&mut [21, 3, 3, 0, 2, 1, 0], &mut out, &mut |_| {});
    assert!(result.is_err() || !early.is_established());
}

/// TCP-12.
#[test]
fn a_client_of_tls_1_1_gets_protocol_version() {
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let mut message = vec![1, 0, 0, hello.len() as u8];
    message.extend(hello);
    let (error, out) = refused(&mut server(), &in_records(&message, 512));
    assert!(matches!(error, TlsError::Protocol(Error::PeerIncompatible(_))), "{error}");
    assert_eq!(out, alert(70));
}

#[test]
fn garbage_gets_an_alert() {
    for bytes in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"<?xml version='1.0'?><stream:stream>", &[0; 64], &[22, 3, 1, 0xff, 0xff, 1]]
    {
        let (error, out) = refused(&mut server(), bytes);
        assert!(matches!(error, TlsError::Protocol(Error::InvalidMessage(_))), "{error}");
        assert_eq!(out, alert(50));
        let late = feed(&mut server(), bytes, 1, &mut Seen::default()).expect_err("byte by byte as well");
        assert_eq!(late.1, alert(50));
    }
}

/// A pseudo-random walk through damaged handshakes; all that matters is that each ends in an error or waits.
#[test]
fn damaged_handshakes_never_panic_nor_hold_much() {
    let authority = Authority::new("root");
    let store = authority.store(&["example.org"]);
    let partner = authority.issue(&["partner.example"]);
    let mut state = 0x2545_f491_u32;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize
    };
    for round in 0..300 {
        let version = if round % 2 == 0 { &TLS12 } else { &TLS13 };
        let mut peer = wire::client(wire::client_config(version, Some(&partner)), "example.org");
        let mut session = store.server(Listener::Public, None);
        let mut seen = Seen::default();
        for _ in 0..4 {
            let mut bytes = pending(&mut peer);
            if !bytes.is_empty() && random() % 2 == 0 {
                let at = random() % bytes.len();
                bytes[at] ^= 1 << (random() % 8);
            }
            let step = 1 + random() % 700;
            let Ok(reply) = feed(&mut session, &bytes, step, &mut seen) else { break };
            assert!(session.held_bytes() <= 2 * HELD_BYTES);
            if deliver(&mut peer, &reply).is_err() {
                break;
            }
        }
    }
}

#[test]
fn a_handshake_message_that_announces_16_mb_is_refused_at_once() {
    let (error, _) = refused(&mut server(), &in_records(&[1, 0xff, 0xff, 0xff, 3, 3], 64));
    assert!(matches!(error, TlsError::Protocol(_)), "{error}");
}

/// TCP-17: memory.
#[test]
fn a_long_handshake_message_in_tiny_records_is_bounded() {
    let mut message = vec![1, 0, 0xff, 0];
    message.resize(0xff00, 0);
    let bytes = in_records(&message, 1);
    let mut session = server();
    let mut fed = 0;
    let error = bytes.chunks(997).find_map(|piece| {
        fed += piece.len();
        let result = feed(&mut session, piece, usize::MAX, &mut Seen::default());
        assert!(session.held_bytes() <= 2 * HELD_BYTES);
        result.err()
    });
    assert!(matches!(error, Some((TlsError::HandshakeTooLarge, _))));
    assert!(fed <= HELD_BYTES + 2_000);
}

/// TCP-17: a chain whose check would be dear, from a client and from a server.
#[test]
fn a_chain_of_a_hundred_certificates_is_refused() {
    let authority = Authority::new("root");
    let store = authority.store(&["example.org"]);
    let issued = authority.issue(&["partner.example"]);
    for (count, accepted) in [(10, true), (11, false), (100, false)] {
        let long = Issued { chain: issued.chain.repeat(count), key: issued.key.clone() };
        let mut peer = wire::client(wire::client_config(&TLS13, Some(&long)), "example.org");
        let mut session = store.server(Listener::Public, None);
        let result = converse_with(&mut session, &mut peer, &mut Seen::default());
        assert_eq!(result.is_ok(), accepted, "{count}");
        let mut peer = wire::server(wire::server_config(&TLS13, &long));
        let mut session = store.client(&names("partner.example", "example.org"), false).unwrap();
        let result = converse_with(&mut session, &mut peer, &mut Seen::default());
        assert_eq!(result.is_ok(), accepted, "{count}");
        if let Err((error, alert)) = result {
            assert!(matches!(error, TlsError::Protocol(Error::InvalidCertificate(_))), "{error}");
            assert!(deliver(&mut peer, &alert).is_err(), "the peer is told");
        }
    }
}

/// TCP-17: few certificates, but enormous ones.
#[test]
fn a_chain_of_many_bytes_is_refused() {
    let authority = Authority::new("root");
    let wide: Vec<String> = (0..900).map(|n| format!("{n}.a-rather-long-name-in-a-certificate.example")).collect();
    let wide: Vec<&str> = wide.iter().map(String::as_str).collect();
    let issued = authority.issue(&wide);
    let mut peer = wire::client(wire::client_config(&TLS13, Some(&issued)), "example.org");
    let mut session = authority.store(&["example.org"]).server(Listener::Public, None);
    assert!(converse_with(&mut session, &mut peer, &mut Seen::default()).is_err());
}

/// TCP-14.
#[test]
fn key_updates_without_data_are_bounded_and_so_is_the_answer() {
    let mut peer = wire::client(wire::client_config(&TLS13, None), "example.org");
    let mut session = server();
    let mut seen = Seen::default();
    converse_with(&mut session, &mut peer, &mut seen).unwrap_or_else(|(error, _)| panic!("{error}"));
    let mut answered = 0;
    let refusal = (0..200).find_map(|_| {
        peer.refresh_traffic_keys().unwrap();
        match feed(&mut session, &pending(&mut peer), usize::MAX, &mut seen) {
            Ok(out) => {
                answered += out.len();
                None
            }
            Err((error, _)) => Some(error),
        }
    });
    let too_many = Error::PeerMisbehaved(PeerMisbehaved::TooManyKeyUpdateRequests);
    assert!(matches!(refusal, Some(TlsError::Protocol(error)) if error == too_many));
    assert!(answered < 100, "at most one update is answered before we send ourselves");
}

#[test]
fn a_key_update_now_and_then_is_answered_with_the_next_data() {
    use std::io::Write;
    let mut peer = wire::client(wire::client_config(&TLS13, None), "example.org");
    let mut session = server();
    let mut seen = Seen::default();
    converse_with(&mut session, &mut peer, &mut seen).unwrap_or_else(|(error, _)| panic!("{error}"));
    for round in 0..100 {
        peer.refresh_traffic_keys().unwrap();
        peer.writer().write_all(b"x").unwrap();
        let mut out =
            feed(&mut session, &pending(&mut peer), usize::MAX, &mut seen).unwrap_or_else(|_| panic!("{round}"));
        session.send(b"y", &mut out).unwrap();
        deliver(&mut peer, &out).unwrap();
        assert_eq!(plaintext(&mut peer), b"y");
    }
    assert_eq!(seen.plaintext.len(), 100);
}

/// rustls keeps offsets into the unread bytes of a half-received ticket; writing in that moment must not make it look for
/// them in an empty buffer (it would panic).
#[test]
fn data_can_be_sent_while_half_a_ticket_has_come() {
    let authority = Authority::new("root");
    let mut config = wire::server_config(&TLS13, &authority.issue(&["partner.example"]));
    config.max_fragment_size = Some(64);
    config.send_tls13_tickets = 2;
    let mut peer = wire::server(config);
    let store = authority.store(&["example.org"]);
    let mut session = store.client(&names("partner.example", "example.org"), false).unwrap();
    let mut seen = Seen::default();
    let mut hello = Vec::new();
    session.start(&mut hello).unwrap();
    deliver(&mut peer, &hello).unwrap();
    let finished = feed(&mut session, &pending(&mut peer), usize::MAX, &mut seen).unwrap();
    assert!(session.is_established());
    deliver(&mut peer, &finished).unwrap();
    let tickets = pending(&mut peer);
    assert!(tickets.len() > 200);
    for byte in &tickets {
        feed(&mut session, &[*byte], 1, &mut seen).unwrap();
        let mut out = Vec::new();
        session.send(b"z", &mut out).unwrap();
        deliver(&mut peer, &out).unwrap();
    }
    assert_eq!(plaintext(&mut peer), vec![b'z'; tickets.len()]);
    assert_eq!(session.held_bytes(), 0);
}

/// What a server sends after its handshake with a new session of ours.
fn after_handshake(tickets: usize, max_fragment_size: Option<usize>) -> (Session, Vec<u8>, Seen) {
    let authority = Authority::new("root");
    let mut config = wire::server_config(&TLS13, &authority.issue(&["partner.example"]));
    config.send_tls13_tickets = tickets;
    config.max_fragment_size = max_fragment_size;
    let mut peer = wire::server(config);
    let store = authority.store(&["example.org"]);
    let mut session = store.client(&names("partner.example", "example.org"), false).unwrap();
    let mut seen = Seen::default();
    let mut hello = Vec::new();
    session.start(&mut hello).unwrap();
    deliver(&mut peer, &hello).unwrap();
    let finished = feed(&mut session, &pending(&mut peer), usize::MAX, &mut seen).unwrap();
    deliver(&mut peer, &finished).unwrap();
    let sent = pending(&mut peer);
    (session, sent, seen)
}

/// A server that floods tickets, each some work for us: one to a record, and back to back across records.
#[test]
fn tickets_without_data_are_bounded() {
    let (_, one, _) = after_handshake(1, None);
    let ticket = one.len() - 5 - 1 - 16;
    let (mut session, some, mut seen) = after_handshake(IDLE_RECORDS, Some(ticket + 5));
    assert_eq!(some.len(), IDLE_RECORDS * one.len(), "one ticket to a record");
    assert!(feed(&mut session, &some, 4_096, &mut seen).is_ok());
    let (mut session, more, mut seen) = after_handshake(IDLE_RECORDS + 1, Some(ticket + 5));
    let result = feed(&mut session, &more, 100, &mut seen);
    assert!(matches!(result, Err((TlsError::IdleRecords, _))), "{:?}", result.map_err(|(error, _)| error));
    let (mut session, most, mut seen) = after_handshake(2_000, None);
    let result = feed(&mut session, &most, 16 << 10, &mut seen);
    assert!(matches!(result, Err((TlsError::HandshakeTooLarge, _))), "{:?}", result.map_err(|(error, _)| error));
}

/// Proof of possession: a certificate without its key is worth nothing, also one that webpki cannot read.
#[test]
fn a_certificate_shown_without_its_key_fails_the_handshake() {
    let authority = Authority::new("root");
    let mut odd = params(&["partner.example"]);
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
    extension.set_criticality(true);
    odd.custom_extensions.push(extension);
    let own = authority.issue(&["evil.example"]);
    for stolen in [authority.issue(&["partner.example"]), authority.issue_with(odd)] {
        for version in [&TLS12, &TLS13] {
            let mut config = wire::client_config(version, Some(&own));
            config.client_auth_cert_resolver = wire::resolver(&stolen, &own);
            let mut peer = wire::client(config, "example.org");
            let mut session = authority.store(&["example.org"]).server(Listener::Public, None);
            let (error, _) = converse_with(&mut session, &mut peer, &mut Seen::default()).unwrap_err();
            assert!(matches!(error, TlsError::Protocol(Error::InvalidCertificate(_))), "{error}");
        }
    }
}
