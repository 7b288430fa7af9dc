//! Bytes on the socket: TLS from hostile clients, resets, idling. The rows of the fault table that need a kernel.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rcgen::ExtendedKeyUsagePurpose;
use ringgate::tls::Session;
use ringgate_proto::gate::TlsClient;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::server::{Server, zone};
use super::wire::{STARTTLS, Wire, domain, header};
use super::world::{Authority, LOCAL, PATIENCE, Ringgate, Settings};

const REMOTE: &str = "remote.example";
const HELLO: &str = "<message from='a@remote.example' to='b@local.example' id='m1'><body>x</body></message>";

struct Town {
    authority: Authority,
    backend: Server,
    ringgate: Ringgate,
}

fn town() -> Town {
    town_with("")
}

fn town_with(more: &str) -> Town {
    let (authority, backend) = (Authority::new(), Server::backend());
    let mut settings = Settings::new(backend.address, zone(HashMap::new()));
    settings.more = more.into();
    let ringgate = Ringgate::start(&authority, &settings);
    Town { authority, backend, ringgate }
}

fn client(authority: &Authority) -> Session {
    let names = TlsClient { server_name: domain(LOCAL), local: domain(REMOTE), alpn: true };
    authority.store(REMOTE).client(&names, false).unwrap()
}

/// A TLS record of a ClientHello, as rustls writes it.
fn client_hello(authority: &Authority) -> Vec<u8> {
    let mut out = Vec::new();
    client(authority).start(&mut out).unwrap();
    out
}

/// All that comes until the end of the connection.
fn rest(tcp: &mut TcpStream) -> Vec<u8> {
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    match tcp.read_to_end(&mut bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the connection does not end"),
        _ => bytes,
    }
}

/// TCP-18: a certificate for servers only, as public authorities issue them, proves its domain by EXTERNAL.
#[test]
fn server_only_certificate_of_a_client_authenticates_and_its_stanza_arrives() {
    let town = town();
    let mut peer = Wire::authenticated(town.ringgate.public, REMOTE, &town.authority.store(REMOTE));
    peer.says(HELLO);
    town.backend.hears("id='m1'");
    town.ringgate.logs("method=\"external\"");
}

/// TCP-19
#[test]
fn client_only_certificate_is_not_offered_external() {
    let town = town_with("[policy]\nauth = [\"external\"]");
    let store = town.authority.store_with(REMOTE, ExtendedKeyUsagePurpose::ClientAuth);
    let mut peer = Wire::encrypted(town.ringgate.public, REMOTE, &store);
    let heard = peer.hears_the_end();
    assert!(heard.contains("<policy-violation ") && !heard.contains("EXTERNAL"), "{heard}");
}

/// TCP-20: without SNI, the certificate is that of the header's domain, and the stream goes on.
#[test]
fn client_without_server_name_gets_a_certificate_and_goes_on() {
    let town = town();
    let mut peer = Wire::connect(town.ringgate.public);
    peer.says(&header(REMOTE, LOCAL));
    peer.hears("</stream:features>");
    peer.says(STARTTLS);
    peer.hears("<proceed ");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(town.authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.enable_sni = false;
    let mut tls = rustls::ClientConnection::new(Arc::new(config), LOCAL.try_into().unwrap()).unwrap();
    peer.tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = rustls::Stream::new(&mut tls, &mut peer.tcp);
    stream.write_all(header(REMOTE, LOCAL).as_bytes()).unwrap();
    let (mut heard, mut buffer) = (String::new(), [0; 1024]);
    while !heard.contains("</stream:features>") {
        let count = stream.read(&mut buffer).unwrap();
        heard.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    assert!(heard.contains("urn:xmpp:features:dialback"), "{heard}");
}

/// TCP-09: one byte of handshake per TLS record and per segment.
#[test]
fn client_hello_in_records_and_segments_of_one_byte_succeeds() {
    let town = town();
    let mut session = client(&town.authority);
    let mut hello = Vec::new();
    session.start(&mut hello).unwrap();
    let mut tcp = TcpStream::connect(town.ringgate.public).unwrap();
    tcp.set_nodelay(true).unwrap();
    for byte in &hello[5..] {
        for part in [&hello[..3], &[0, 1], &[*byte]] {
            tcp.write_all(part).unwrap();
        }
    }
    let mut answer = [0; 5];
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.read_exact(&mut answer).unwrap();
    assert_eq!(answer[0], 0x16, "a ServerHello, not an alert");
}

/// TCP-10: ClientHello, then close_notify, again and again; afterwards the shards sleep.
#[test]
fn client_hello_then_close_leaves_the_shards_asleep() {
    let town = town();
    let files = town.ringgate.open_files().len();
    for _ in 0..20 {
        let mut tcp = TcpStream::connect(town.ringgate.public).unwrap();
        tcp.write_all(&client_hello(&town.authority)).unwrap();
        tcp.write_all(&[0x15, 3, 3, 0, 2, 1, 0]).unwrap();
        tcp.shutdown(std::net::Shutdown::Write).unwrap();
        rest(&mut tcp);
    }
    has_only(&town.ringgate, files);
    let before = town.ringgate.cpu_ticks();
    sleep(Duration::from_secs(1));
    let used = town.ringgate.cpu_ticks() - before;
    assert!(used <= 10, "{used} ticks of CPU in an idle second");
}

/// TCP-12: TLS 1.1 and nothing newer.
#[test]
fn client_of_tls_1_1_gets_protocol_version_and_the_end() {
    let town = town();
    let mut tcp = TcpStream::connect(town.ringgate.public).unwrap();
    let mut body = vec![3, 2];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 2, 0, 0x2f, 1, 0]);
    let length = body.len() as u8;
    let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend_from_slice(&body);
    tcp.write_all(&record).unwrap();
    let answer = rest(&mut tcp);
    assert!(answer.ends_with(&[2, 70]), "a fatal alert, protocol_version: {answer:?}");
}

/// TCP-24 on sockets: what is injected right after the command is not a stanza later.
#[test]
fn stanza_in_the_segment_of_starttls_is_not_forwarded() {
    let town = town();
    let mut peer = Wire::connect(town.ringgate.public);
    peer.says(&header(REMOTE, LOCAL));
    peer.hears("</stream:features>");
    peer.says(&format!("{STARTTLS}{}", HELLO.replace("m1", "injected")));
    peer.hears("<proceed ");
    drop(peer);
    let mut peer = Wire::authenticated(town.ringgate.public, REMOTE, &town.authority.store(REMOTE));
    peer.says(HELLO);
    assert!(!town.backend.hears("id='m1'").contains("injected"));
}

/// TCP-05: the kernel resets the connection at every tenth byte of the header and after; nothing stays open.
#[test]
fn connections_reset_anywhere_leave_no_file_open() {
    let town = town();
    drop(Wire::connect(town.ringgate.public));
    let files = town.ringgate.open_files().len();
    let script = format!("{}{STARTTLS}{}", header(REMOTE, LOCAL), String::from_utf8_lossy(&[0x16, 3, 1, 0, 5, 1]));
    for cut in (0..script.len()).step_by(10) {
        let mut tcp = TcpStream::connect(town.ringgate.public).unwrap();
        tcp.write_all(&script.as_bytes()[..cut]).unwrap();
        socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).unwrap();
    }
    has_only(&town.ringgate, files);
    let log = town.ringgate.log();
    assert!(!log.lines().any(|line| line.contains("stream") && line.contains("WARN")), "{log}");
}

/// TCP-08: bytes of a stranger make one line at most.
#[test]
fn http_request_hears_an_error_and_makes_one_line() {
    let town = town();
    let mut peer = Wire::connect(town.ringgate.public);
    peer.says("GET / HTTP/1.1\r\nHost: \u{1b}[31mlocal.example\r\n\r\n");
    let heard = peer.hears_the_end();
    assert!(heard.contains("<not-well-formed "), "{heard}");
    let log = town.ringgate.logs("stream closed");
    assert!(log.matches("stream closed").count() == 1 && !log.contains('\u{1b}'), "{log}");
}

/// Waits until no more files are open than these.
fn has_only(ringgate: &Ringgate, files: usize) {
    let end = Instant::now() + PATIENCE;
    while ringgate.open_files().len() > files {
        assert!(Instant::now() < end, "{} files are open, {files} were", ringgate.open_files().len());
        sleep(Duration::from_millis(10));
    }
}
