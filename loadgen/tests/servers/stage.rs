//! One local and one remote domain around a server that relays, each played by hand.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use loadgen::plan::{Party, Transport};
use loadgen::systems::scratch::Scratch;
use loadgen::systems::{Programs, Setting, Under};
use loadgen::world;
use ringgate::stage::authority::Authority;
use ringgate::stage::zone::{Place, Targets, Zone};
use ringgate::tls::{Session, Store};
use ringgate_proto::address::Domain;
use ringgate_proto::gate::TlsClient;
use sha1::{Digest, Sha1};

use crate::remote::Remote;
use crate::wire::{Wire, attribute};

pub(crate) const LOCAL: &str = "l0.local.test";
pub(crate) const REMOTE: &str = "r0.remote.test";
pub(crate) const HEADER: &str = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
     xmlns:db='jabber:server:dialback' version='1.0'";
pub(crate) const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
pub(crate) const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

pub(crate) struct Stage {
    scratch: Scratch,
    programs: Programs,
    authority: Authority,
    store: Store,
    locals: Vec<Domain>,
    zone: Zone,
    /// What the remote domain is told, whichever stream the server opens for it.
    pub(crate) remote: Remote,
    /// Where a relay finds the backend.
    pub(crate) backend: TcpListener,
    backends: [SocketAddr; 1],
    pub(crate) transport: Transport,
}

impl Stage {
    pub(crate) fn new(transport: Transport) -> Self {
        let scratch = Scratch::new(false).unwrap();
        let authority = Authority::new().unwrap();
        let backend = TcpListener::bind("127.0.0.1:0").unwrap();
        let backends = [backend.local_addr().unwrap()];
        let domain = world::domain(Party::Remote(0));
        let store = authority.store(std::slice::from_ref(&domain)).unwrap();
        let remote = Remote::listen(transport, store.clone());
        let place = Place { address: remote.address, direct_tls: transport.direct_tls };
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let zone = Zone::serve_at(anywhere, Targets::Addresses, HashMap::from([(domain, place)])).unwrap();
        let locals = vec![world::domain(Party::Local(0)), world::domain(Party::Local(1))];
        let programs = Programs::default();
        Self { scratch, programs, authority, store, locals, zone, remote, backend, backends, transport }
    }

    pub(crate) fn setting(&self) -> Setting<'_> {
        Setting {
            scratch: &self.scratch,
            programs: &self.programs,
            cores: &[0],
            locals: &self.locals,
            authority: &self.authority,
            dns: self.zone.address,
            backends: &self.backends,
            transport: self.transport,
        }
    }

    /// TLS of the remote domain towards the local one.
    pub(crate) fn client(&self) -> Session {
        let local = world::domain(Party::Remote(0));
        let names = TlsClient { server_name: self.locals[0].clone(), local, alpn: self.transport.direct_tls };
        self.store.client(&names, false).unwrap()
    }

    /// The remote domain connects, and has a stream that may carry stanzas.
    pub(crate) fn open_inbound(&self, under: &Under) -> Wire {
        let (starttls, direct) = crate::public(under);
        let header = format!("<?xml version='1.0'?>{HEADER} from='{REMOTE}' to='{LOCAL}'>");
        let mut wire = if self.transport.direct_tls {
            Wire::connect(direct.unwrap())
        } else {
            let mut wire = Wire::connect(starttls);
            wire.say(&header);
            wire.hear("</stream:features>");
            wire.say(&format!("<starttls xmlns='{TLS}'/>"));
            wire.hear("<proceed");
            wire.hear("/>");
            wire
        };
        wire.secure(self.client());
        wire.say(&header);
        let features = wire.hear("</stream:features>");
        if self.transport.dialback {
            wire.say(&format!("<db:result from='{REMOTE}' to='{LOCAL}'>key</db:result>"));
            wire.hear("<db:result");
            let answer = wire.hear(">");
            assert_eq!(attribute(&answer, "type"), "valid", "{answer}");
            if !answer.ends_with("/>") {
                wire.hear("</db:result>");
            }
            return wire;
        }
        assert!(features.contains(">EXTERNAL<"), "{features}");
        wire.say(&format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>"));
        wire.hear("<success");
        wire.hear("/>");
        wire.say(&header);
        wire.hear("<stream:features");
        wire.hear(">");
        wire
    }

    /// Accepts what a relay makes of the connection of a remote domain, and answers the stream header.
    pub(crate) fn accept_backend(&self) -> Wire {
        let mut wire = Wire::new(self.backend.accept().unwrap().0);
        let header = wire.hear("<stream:stream");
        assert!(header.starts_with('<'), "something before the stream: {header}");
        wire.hear(">");
        wire.say(&format!("<?xml version='1.0'?>{HEADER} id='b' from='{LOCAL}' to='{REMOTE}'><stream:features/>"));
        wire
    }

    /// The header that opens an inbound stream.
    pub(crate) fn header() -> String {
        format!("<?xml version='1.0'?>{HEADER} from='{REMOTE}' to='{LOCAL}'>")
    }
}

/// The local domain's component. XEP-0114 §3.
pub(crate) fn component(under: &Under) -> Wire {
    let (address, secret) = crate::component(under);
    let mut wire = Wire::connect(address);
    wire.say(&format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{LOCAL}'>"
    ));
    wire.hear("<stream:stream");
    let header = wire.hear(">");
    let digest = Sha1::digest(format!("{}{secret}", attribute(&header, "id")));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    wire.say(&format!("<handshake>{digest}</handshake>"));
    let answer = wire.hear(">");
    assert!(answer.contains("handshake"), "{answer}");
    wire
}
