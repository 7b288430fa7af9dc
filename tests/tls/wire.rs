//! The other end of a session: another session, or a plain rustls connection with its own ideas.

use std::sync::Arc;

use ringgate::tls::{Progress, Received, Session, Store, TlsError};
use ringgate_proto::gate::{Listener, TlsClient};
use ringgate_proto::stream::PeerCertificate;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    ServerConnection, SignatureScheme, SupportedProtocolVersion,
};

use crate::authority::{Issued, domain};

/// What a session handed over.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) peer: Option<PeerCertificate>,
    pub(crate) plaintext: Vec<u8>,
    pub(crate) records: usize,
    pub(crate) closed: bool,
}

impl Seen {
    pub(crate) fn trust(&self) -> Result<(), ringgate_proto::stream::Untrusted> {
        self.peer.as_ref().expect("handshake is over").trust
    }
}

/// Feeds `bytes` to `session` in pieces of `step` bytes and notes what comes of it.
pub(crate) fn feed(
    session: &mut Session,
    bytes: &[u8],
    step: usize,
    seen: &mut Seen,
) -> Result<Vec<u8>, (TlsError, Vec<u8>)> {
    let mut out = Vec::new();
    for piece in bytes.chunks(step) {
        let mut piece = piece.to_vec();
        let length = piece.len();
        let mut established = false;
        let result = session.receive(&mut piece, &mut out, &mut |received| match received {
            Received::Established(peer) => {
                assert!(seen.peer.replace(peer).is_none(), "established once");
                established = true;
            }
            Received::Plaintext(bytes) => {
                assert!(seen.peer.is_some(), "established comes first");
                seen.plaintext.extend_from_slice(bytes);
                seen.records += 1;
            }
        });
        match result {
            Ok(Progress { consumed, established: reported, closed }) => {
                assert_eq!((consumed, reported), (length, established));
                seen.closed |= closed;
            }
            Err(error) => return Err((error, out)),
        }
    }
    Ok(out)
}

/// Passes bytes between two sessions until both are silent.
pub(crate) fn converse(client: &mut Session, server: &mut Session, step: usize) -> (Seen, Seen) {
    let (mut at_client, mut at_server) = (Seen::default(), Seen::default());
    let mut to_server = Vec::new();
    client.start(&mut to_server).unwrap();
    for _ in 0..20 {
        let to_client =
            feed(server, &to_server, step, &mut at_server).unwrap_or_else(|(error, _)| panic!("server: {error}"));
        to_server =
            feed(client, &to_client, step, &mut at_client).unwrap_or_else(|(error, _)| panic!("client: {error}"));
        if to_server.is_empty() {
            return (at_client, at_server);
        }
    }
    panic!("the handshake does not end");
}

pub(crate) fn names(server_name: &str, local: &str) -> TlsClient {
    TlsClient { server_name: domain(server_name), local: domain(local), alpn: false }
}

/// A whole handshake between stores: the client as `local` to `remote`.
pub(crate) fn handshake(from: &Store, local: &str, to: &Store, remote: &str) -> (Session, Session, Seen, Seen) {
    let mut client = from.client(&names(remote, local), false).unwrap();
    let mut server = to.server(Listener::Public, None);
    let (at_client, at_server) = converse(&mut client, &mut server, usize::MAX);
    (client, server, at_client, at_server)
}

/// What a plain rustls connection wants to send now.
pub(crate) fn pending(peer: &mut Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while peer.wants_write() {
        peer.write_tls(&mut bytes).unwrap();
    }
    bytes
}

pub(crate) fn deliver(peer: &mut Connection, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        peer.read_tls(&mut bytes).unwrap();
        peer.process_new_packets()?;
    }
    Ok(())
}

pub(crate) fn plaintext(peer: &mut Connection) -> Vec<u8> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(n @ 1..) = peer.reader().read(&mut chunk) {
        bytes.extend_from_slice(&chunk[..n]);
    }
    bytes
}

/// Passes bytes between a session and a plain rustls connection until both are silent.
pub(crate) fn converse_with(
    session: &mut Session,
    peer: &mut Connection,
    seen: &mut Seen,
) -> Result<(), (TlsError, Vec<u8>)> {
    let mut to_peer = Vec::new();
    session.start(&mut to_peer).unwrap();
    for _ in 0..20 {
        deliver(peer, &to_peer).expect("the peer is content");
        let to_session = pending(peer);
        if to_session.is_empty() {
            return Ok(());
        }
        to_peer = feed(session, &to_session, usize::MAX, seen)?;
    }
    panic!("the handshake does not end");
}

/// Checks nothing at all.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Credulous {
    fn client_auth_mandatory(&self) -> bool {
        false
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Shows one certificate and signs with another's key, or its own; without the checks that rustls makes of both.
pub(crate) fn resolver(shown: &Issued, key: &Issued) -> Arc<SingleCertAndKey> {
    let chain = CertificateDer::pem_slice_iter(shown.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(key.key.as_bytes()).unwrap();
    let key = aws_lc_rs::default_provider().key_provider.load_private_key(key).unwrap();
    Arc::new(CertifiedKey::new(chain, key).into())
}

pub(crate) fn client_config(version: &'static SupportedProtocolVersion, identity: Option<&Issued>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous));
    match identity {
        Some(identity) => builder.with_client_cert_resolver(resolver(identity, identity)),
        None => builder.with_no_client_auth(),
    }
}

pub(crate) fn client(config: ClientConfig, server_name: &str) -> Connection {
    let name = ServerName::try_from(server_name.to_owned()).unwrap();
    ClientConnection::new(Arc::new(config), name).unwrap().into()
}

pub(crate) fn server_config(version: &'static SupportedProtocolVersion, identity: &Issued) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(Arc::new(Credulous))
        .with_cert_resolver(resolver(identity, identity))
}

pub(crate) fn server(config: ServerConfig) -> Connection {
    ServerConnection::new(Arc::new(config)).unwrap().into()
}
