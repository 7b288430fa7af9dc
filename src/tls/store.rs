//! Certificates, keys, roots and the configurations made of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ringgate_proto::address::Domain;
use ringgate_proto::gate::{Listener, TlsClient};
use ringgate_proto::stream::{PeerCertificate, Untrusted};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ServerConfig};

use super::files::{self, CertifiedKeyFiles, Loaded, StoreError};
use super::possession::Possession;
use super::session::{Session, TlsError};
use super::sni::ByName;
use super::trust::{self, Roots, Trust};
use super::{ALPN, RESUMABLE_SERVERS, full};

/// A local domain with its subdomains, and the certificates that speak for them.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The domain, then its subdomains.
    pub domains: Vec<Domain>,
    /// Shown to those who connect to us.
    pub server: CertifiedKeyFiles,
    /// Shown to those we connect to, if not the server's.
    pub client: Option<CertifiedKeyFiles>,
}

/// Certificates, keys, roots and rustls' configurations, shared by all shards so that a session can be resumed on any of
/// them. Cheap to clone; never changes: new files or roots make a new store, and with it new ticket keys.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    trust: Arc<Trust>,
    public: Arc<ServerConfig>,
    /// By local domain (A-labels): as `public`, with the same tickets, but that domain's certificate where there is no SNI.
    public_by_name: HashMap<String, Arc<ServerConfig>>,
    internal: Arc<ServerConfig>,
    /// By local domain (A-labels). Each identity has its own, and with it its own sessions: a resumed session never shows
    /// one local domain's certificate for another.
    clients: HashMap<String, Arc<ClientConfig>>,
    internal_client: Arc<ClientConfig>,
    warnings: Vec<String>,
}

impl Store {
    /// Reads everything and checks that it fits together. `internal` is for streams with backends; without it the
    /// internal listener shows what the public one does, and we show backends no certificate.
    ///
    /// # Errors
    /// The first file that cannot be used, and what to do about it.
    pub fn load(
        identities: Vec<Identity>,
        roots: Roots,
        internal: Option<CertifiedKeyFiles>,
    ) -> Result<Self, StoreError> {
        let maker = Maker::new(Trust::load(roots)?);
        let mut warnings = Vec::new();
        let mut by_name = HashMap::new();
        let mut clients = HashMap::new();
        let mut default = None;
        for identity in &identities {
            let server = maker.load(&identity.server, &mut warnings)?;
            warnings.extend(uncovered(&maker.trust, &server, &identity.domains));
            let client = match &identity.client {
                None => Arc::clone(&server.key),
                Some(files) => {
                    let client = maker.load(files, &mut warnings)?;
                    warnings.extend(uncovered(&maker.trust, &client, &identity.domains));
                    client.key
                }
            };
            let client = maker.client_config(Some(client));
            for domain in &identity.domains {
                let name = domain.as_ascii().to_owned();
                if by_name.insert(name.clone(), Arc::clone(&server.key)).is_some() {
                    warnings.push(format!("{domain}: has two certificates; the one in {} is used", server.file));
                }
                clients.insert(name, Arc::clone(&client));
            }
            default.get_or_insert(server.key);
        }
        let Some(default) = default else {
            let remedy = "give at least one domain a certificate";
            return Err(StoreError::new("the configuration", "names no certificate", remedy));
        };
        let internal = internal.map(|files| maker.load(&files, &mut warnings)).transpose()?.map(|loaded| loaded.key);
        let by_name = Arc::new(by_name);
        let public = maker.server_config(&by_name, &default)?;
        let with_default = |key: &Arc<CertifiedKey>| {
            let mut config = (*public).clone();
            config.cert_resolver = Arc::new(ByName::new(Arc::clone(&by_name), Arc::clone(key)));
            Arc::new(config)
        };
        let public_by_name = by_name.iter().map(|(name, key)| (name.clone(), with_default(key))).collect();
        let internal_config = match &internal {
            Some(key) => maker.server_config(&Arc::default(), key)?,
            None => Arc::clone(&public),
        };
        let internal_client = maker.client_config(internal);
        let trust = maker.trust;
        let inner =
            Inner { trust, public, public_by_name, internal: internal_config, clients, internal_client, warnings };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The same certificates and roots, for measurements in which no session is resumed: by us or by peers, on either side. Each
    /// of its handshakes costs what the first one with a stranger does.
    #[must_use]
    pub fn without_resumption(&self) -> Self {
        let Inner { trust, public, public_by_name, internal, clients, internal_client, warnings } = &*self.inner;
        let inner = Inner {
            trust: Arc::clone(trust),
            public: full::server(public),
            public_by_name: public_by_name.iter().map(|(name, config)| (name.clone(), full::server(config))).collect(),
            internal: full::server(internal),
            clients: clients.iter().map(|(name, config)| (name.clone(), full::client(config))).collect(),
            internal_client: full::client(internal_client),
            warnings: warnings.clone(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A session with a peer that connected to `listener`.
    ///
    /// The certificate is that of the domain the peer asks for by SNI, else that of `default_domain` (the `to` of its stream
    /// header), else the first domain's; for the internal listener the internal one.
    pub fn server(&self, listener: Listener, default_domain: Option<&Domain>) -> Session {
        let by_name = default_domain.and_then(|domain| self.inner.public_by_name.get(domain.as_ascii()));
        let config = match listener {
            Listener::Public => by_name.unwrap_or(&self.inner.public),
            Listener::Internal => &self.inner.internal,
        };
        let connection = UnbufferedServerConnection::new(Arc::clone(config))
            .expect("fails only for a bad fragment size, and the configuration sets none");
        Session::server(connection, Arc::clone(&self.inner.trust))
    }

    /// A session that we begin; call [`Session::start`] next.
    ///
    /// `internal` says that the peer is a backend: then the internal certificate (or none) is shown, whoever `names.local` is.
    ///
    /// # Errors
    /// [`TlsError::UnknownLocal`], [`TlsError::ServerName`].
    pub fn client(&self, names: &TlsClient, internal: bool) -> Result<Session, TlsError> {
        let config = if internal {
            &self.inner.internal_client
        } else {
            let local = self.inner.clients.get(names.local.as_ascii());
            local.ok_or_else(|| TlsError::UnknownLocal(names.local.clone()))?
        };
        let name = names.server_name.as_ascii();
        let sni = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(names.server_name.clone()))?;
        let alpn = if names.alpn { vec![ALPN.to_vec()] } else { Vec::new() };
        let connection = UnbufferedClientConnection::new_with_alpn(Arc::clone(config), sni, alpn)?;
        Ok(Session::client(connection, name, Arc::clone(&self.inner.trust)))
    }

    /// What an operator should know: certificates that are expired, that strangers will not trust, that do not cover a
    /// configured domain, keys that everyone can read. One sentence each, with the file.
    pub fn warnings(&self) -> Vec<String> {
        self.inner.warnings.clone()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("locals", &self.inner.clients.len()).finish_non_exhaustive()
    }
}

/// Makes configurations that agree on everything but the certificate.
struct Maker {
    provider: Arc<CryptoProvider>,
    possession: Arc<Possession>,
    trust: Arc<Trust>,
}

impl Maker {
    fn new(trust: Trust) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let possession = Arc::new(Possession::new(provider.signature_verification_algorithms));
        Self { provider, possession, trust: Arc::new(trust) }
    }

    fn load(&self, files: &CertifiedKeyFiles, warnings: &mut Vec<String>) -> Result<Loaded, StoreError> {
        let mut loaded = files::load(files, &self.provider)?;
        warnings.append(&mut loaded.warnings);
        let verdict = self.trust.judge(Some(&loaded.key.cert), trust::now());
        if let Some(warning) = verdict.trust.err().and_then(distrust) {
            warnings.push(format!("{}: {warning}", loaded.file));
        }
        Ok(loaded)
    }

    fn server_config(
        &self,
        by_name: &Arc<HashMap<String, Arc<CertifiedKey>>>,
        default: &Arc<CertifiedKey>,
    ) -> Result<Arc<ServerConfig>, StoreError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("the provider has suites for both versions")
            .with_client_cert_verifier(Arc::clone(&self.possession) as _)
            .with_cert_resolver(Arc::new(ByName::new(Arc::clone(by_name), Arc::clone(default))));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| {
            StoreError::new(
                "session tickets",
                format!("cannot be made ({error})"),
                "the kernel must provide getrandom(2)",
            )
        })?;
        // Each ticket is one more record of about a kilobyte; a peer that wants two can resume twice.
        config.send_tls13_tickets = 1;
        Ok(Arc::new(config))
    }

    fn client_config(&self, key: Option<Arc<CertifiedKey>>) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("the provider has suites for both versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&self.possession) as _);
        let mut config = match key {
            Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from((*key).clone()))),
            None => builder.with_no_client_auth(),
        };
        // rustls counts eight tickets a server.
        config.resumption = Resumption::in_memory_sessions(RESUMABLE_SERVERS * 8);
        Arc::new(config)
    }
}

/// What to say about our own certificate when peers would judge it so.
fn distrust(why: Untrusted) -> Option<&'static str> {
    match why {
        Untrusted::Expired => Some("the certificate has expired; renew it"),
        Untrusted::NotYetValid => Some("the certificate is not valid yet; check the clock"),
        Untrusted::SelfSigned => Some("the certificate is self-signed; peers will only accept dialback"),
        Untrusted::UnknownIssuer => Some(
            "the chain does not end in a trusted root (intermediate certificates missing?); peers may only accept dialback",
        ),
        Untrusted::TooManyIssuers => {
            Some("the chain has more issuers than peers may try; leave only those up to the root")
        }
        Untrusted::WrongPurpose => Some("the certificate is not for servers (no serverAuth); peers will refuse it"),
        Untrusted::Malformed => Some("the certificate breaks a rule of RFC 5280; peers may refuse it"),
        Untrusted::Absent | Untrusted::NameMismatch => None,
    }
}

/// A sentence for each of the domains that the certificate does not name.
fn uncovered(trust: &Trust, loaded: &Loaded, domains: &[Domain]) -> Vec<String> {
    // By its names alone: what else is wrong with it has its own warning.
    let named = PeerCertificate { trust: Ok(()), ..trust.judge(Some(&loaded.key.cert), super::trust::now()) };
    let missing = domains.iter().filter(|domain| named.proves(domain).is_err());
    missing.map(|domain| format!("{}: the certificate does not cover {domain}", loaded.file)).collect()
}
