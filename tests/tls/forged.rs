//! A peer that finished its handshake and then writes records that no TLS library would: it takes the keys of a plain
//! rustls connection and encrypts what it likes.

use ringgate::tls::{HELD_BYTES, Session, TlsError};
use ringgate_proto::gate::Listener;
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ConnectionTrafficSecrets, ContentType, Error, PeerMisbehaved, ProtocolVersion, SupportedCipherSuite,
    SupportedProtocolVersion,
};

use crate::authority::Authority;
use crate::wire::{self, Seen, converse_with, feed, pending};

struct Forger {
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
}

impl Forger {
    fn record(&mut self, kind: ContentType, payload: &[u8]) -> Vec<u8> {
        let version = ProtocolVersion::TLSv1_2;
        let message = OutboundPlainMessage { typ: kind, version, payload: OutboundChunks::Single(payload) };
        let record = self.encrypter.encrypt(message, self.sequence).unwrap().encode();
        self.sequence += 1;
        record
    }
}

fn established(version: &'static SupportedProtocolVersion) -> (Session, Forger, Seen) {
    let mut config = wire::client_config(version, None);
    config.enable_secret_extraction = true;
    let mut peer = wire::client(config, "example.org");
    let mut session = Authority::new("root").store(&["example.org"]).server(Listener::Public, None);
    let mut seen = Seen::default();
    converse_with(&mut session, &mut peer, &mut seen).unwrap_or_else(|(error, _)| panic!("{error}"));
    let suite = peer.negotiated_cipher_suite().unwrap();
    let (sequence, secrets) = peer.dangerous_extract_secrets().unwrap().tx;
    let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else { panic!("AES-256-GCM is preferred") };
    let encrypter = match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) => suite.aead_alg.encrypter(key, &iv.as_ref()[..4], &iv.as_ref()[4..]),
    };
    let mut forger = Forger { encrypter, sequence: 0 };
    // AWS-LC learns the nonces' mask from the first record, so the records before ours are made again (and thrown away).
    while forger.sequence < sequence {
        forger.record(ContentType::Handshake, b"");
    }
    (session, forger, seen)
}

fn misbehaved(error: &TlsError, how: &PeerMisbehaved) -> bool {
    matches!(error, TlsError::Protocol(Error::PeerMisbehaved(found)) if found == how)
}

#[test]
fn forged_records_carry_data() {
    for version in [&TLS12, &TLS13] {
        let (mut session, mut forger, mut seen) = established(version);
        feed(&mut session, &forger.record(ContentType::ApplicationData, b"<message/>"), 1, &mut seen).unwrap();
        assert_eq!(seen.plaintext, b"<message/>");
    }
}

/// TCP-13, the class of CVE-2021-32920: the first request is declined, the second ends the session.
#[test]
fn renegotiation_is_declined_once_and_then_ends_the_session() {
    let (mut session, mut forger, mut seen) = established(&TLS12);
    let hello = pending(&mut wire::client(wire::client_config(&TLS12, None), "example.org"));
    let first = feed(&mut session, &forger.record(ContentType::Handshake, &hello[5..]), usize::MAX, &mut seen).unwrap();
    assert_eq!(first.first(), Some(&21), "a no_renegotiation alert");
    let data = forger.record(ContentType::ApplicationData, b"x");
    assert!(feed(&mut session, &data, usize::MAX, &mut seen).is_ok(), "the stream goes on");
    let second = forger.record(ContentType::Handshake, &hello[5..]);
    let (error, _) = feed(&mut session, &second, usize::MAX, &mut seen).unwrap_err();
    assert!(misbehaved(&error, &PeerMisbehaved::TooManyRenegotiationRequests), "{error}");
}

/// The panic that this found in rustls' driver loop: an empty buffer while half a message is pending.
#[test]
fn half_a_key_update_does_not_disturb_what_we_send() {
    let (mut session, mut forger, mut seen) = established(&TLS13);
    for piece in [&[24][..], &[0, 0], &[1]] {
        let out = feed(&mut session, &forger.record(ContentType::Handshake, piece), 3, &mut seen).unwrap();
        assert!(out.is_empty());
        let mut sent = Vec::new();
        session.send(b"<presence/>", &mut sent).unwrap();
        assert_eq!(sent.len(), 11 + 22);
    }
    feed(&mut session, &forger.record(ContentType::Handshake, &[1]), 3, &mut seen).unwrap();
    assert_eq!(session.held_bytes(), 0);
    let mut sent = Vec::new();
    session.send(b"<presence/>", &mut sent).unwrap();
    assert_eq!(sent.len(), 11 + 22 + 27, "our own key update goes first");
    let mut close = Vec::new();
    session.close(&mut close);
    assert!(!close.is_empty());
}

#[test]
fn half_a_message_does_not_disturb_our_close() {
    let (mut session, mut forger, mut seen) = established(&TLS13);
    feed(&mut session, &forger.record(ContentType::Handshake, &[24, 0]), usize::MAX, &mut seen).unwrap();
    let mut out = Vec::new();
    session.close(&mut out);
    assert_eq!(out.len(), 5 + 2 + 1 + 16);
}

#[test]
fn data_inside_a_handshake_message_is_an_error() {
    let (mut session, mut forger, mut seen) = established(&TLS13);
    let mut bytes = forger.record(ContentType::Handshake, &[24, 0]);
    bytes.extend(forger.record(ContentType::ApplicationData, b"x"));
    let (error, _) = feed(&mut session, &bytes, usize::MAX, &mut seen).unwrap_err();
    assert!(misbehaved(&error, &PeerMisbehaved::MessageInterleavedWithHandshakeMessage), "{error}");
    assert!(seen.plaintext.is_empty());
}

#[test]
fn empty_records_are_bounded() {
    for version in [&TLS12, &TLS13] {
        for step in [1, usize::MAX] {
            let (mut session, mut forger, mut seen) = established(version);
            let bytes: Vec<u8> = (0..200).flat_map(|_| forger.record(ContentType::ApplicationData, b"")).collect();
            let (error, _) = feed(&mut session, &bytes, step, &mut seen).unwrap_err();
            assert!(misbehaved(&error, &PeerMisbehaved::TooManyEmptyFragments), "{error}");
            assert!(seen.plaintext.is_empty());
        }
    }
}

/// The peer announces a message of 65,000 bytes after the handshake and sends it byte by byte.
#[test]
fn an_endless_message_after_the_handshake_is_bounded() {
    let (mut session, mut forger, mut seen) = established(&TLS13);
    let mut fed = 0;
    let error = (0..10_000).find_map(|n| {
        let piece: &[u8] = if n == 0 { &[4, 0, 0xfd, 0xe8] } else { &[0] };
        let record = forger.record(ContentType::Handshake, piece);
        fed += record.len();
        let result = feed(&mut session, &record, usize::MAX, &mut seen);
        assert!(session.held_bytes() <= 2 * HELD_BYTES);
        result.err()
    });
    assert!(matches!(error, Some((TlsError::HandshakeTooLarge | TlsError::IdleRecords, _))), "{error:?}");
    assert!(fed <= HELD_BYTES + 100);
}

/// A damaged record must give bad_record_mac (alert 20), encrypted, and nothing of it to the stream.
#[test]
fn a_damaged_record_ends_the_session_after_what_came_before() {
    let (mut session, mut forger, mut seen) = established(&TLS13);
    let mut bytes = forger.record(ContentType::ApplicationData, b"<good/>");
    let damaged = bytes.len() + 7;
    bytes.extend(forger.record(ContentType::ApplicationData, b"<bad/>"));
    bytes[damaged] ^= 1;
    bytes.extend(forger.record(ContentType::ApplicationData, b"<late/>"));
    let (error, out) = feed(&mut session, &bytes, usize::MAX, &mut seen).unwrap_err();
    assert!(matches!(error, TlsError::Protocol(Error::DecryptError)), "{error}");
    assert_eq!(seen.plaintext, b"<good/>");
    assert_eq!(out.len(), 5 + 2 + 1 + 16, "one alert, once");
}
