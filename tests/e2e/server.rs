//! Scripted servers: a backend in clear or a remote server under TLS, and the DNS that names them.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use ringgate::tls::Store;
use ringgate_proto::gate::Listener;

use super::wire::{NAMESPACES, Wire, domain};
use super::world::PATIENCE;

struct Shared {
    /// Everything that was heard on all streams but headers.
    heard: Mutex<String>,
    grew: Condvar,
    stop: AtomicBool,
    tls: Option<(Store, String)>,
}

/// Takes every stream, grants and verifies everything that dialback asks, and remembers what it hears.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) fn backend() -> Self {
        Self::start(None)
    }

    /// A remote server that wants STARTTLS and offers EXTERNAL.
    pub(crate) fn remote(name: &str, store: Store) -> Self {
        Self::start(Some((store, name.to_owned())))
    }

    fn start(tls: Option<(Store, String)>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { heard: Mutex::default(), grew: Condvar::new(), stop: AtomicBool::new(false), tls });
        let of_listener = Arc::clone(&shared);
        std::thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                if of_listener.stop.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&of_listener);
                std::thread::spawn(move || shared.serve(Wire::over(tcp)));
            }
        });
        Self { address, shared }
    }

    /// Waits until `text` was heard on any stream, and gives all that was heard.
    #[track_caller]
    pub(crate) fn hears(&self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let mut heard = self.shared.heard.lock().unwrap();
        while !heard.contains(text) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never heard {text}: {heard}");
            heard = self.shared.grew.wait_timeout(heard, left).unwrap().0;
        }
        heard.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = std::net::TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut wire: Wire) {
        let (mut is_secure, mut is_authenticated) = (false, false);
        while !self.stop.load(Ordering::Relaxed) {
            let is_open = wire.read();
            while let Some(end) = wire.heard.find('>') {
                // Depth does not matter here: stanzas are only remembered, and what is answered has no children.
                let tag: String = wire.heard.drain(..=end).collect();
                if tag.contains("<stream:stream ") {
                    wire.says(&self.opening(&tag, is_secure, is_authenticated));
                } else if tag.contains("<starttls ") {
                    wire.says("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
                    let (store, name) = self.tls.as_ref().expect("STARTTLS was offered");
                    wire.secure(store.server(Listener::Public, Some(&domain(name))), false);
                    is_secure = true;
                } else if tag.contains("</auth>") || tag.contains("<auth ") && tag.ends_with("/>") {
                    wire.says("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
                    is_authenticated = true;
                } else if tag.contains("<db:") && !tag.contains(" type=") {
                    wire.says(&granted(&tag));
                } else if tag.contains("</stream:stream>") {
                    wire.says("</stream:stream>");
                }
                self.heard.lock().unwrap().push_str(&tag);
                self.grew.notify_all();
            }
            if !is_open {
                return;
            }
        }
    }

    fn opening(&self, header: &str, is_secure: bool, is_authenticated: bool) -> String {
        let (from, to) = (attr(header, "to"), attr(header, "from"));
        let features = match (&self.tls, is_secure, is_authenticated) {
            (Some(_), false, _) => "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>",
            (Some(_), true, false) => {
                "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
            }
            _ => "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>",
        };
        format!(
            "<?xml version='1.0'?><stream:stream {NAMESPACES} from='{from}' to='{to}' id='scripted' version='1.0'>\
             <stream:features>{features}</stream:features>"
        )
    }
}

/// The good answer to a dialback request.
fn granted(request: &str) -> String {
    let (_, name) = request.split_once("<db:").unwrap();
    let name = name.split_whitespace().next().unwrap();
    let (from, to) = (attr(request, "from"), attr(request, "to"));
    let id = if name == "verify" { format!("id='{}' ", attr(request, "id")) } else { String::new() };
    format!("<db:{name} from='{to}' to='{from}' {id}type='valid'/>")
}

fn attr<'a>(tag: &'a str, name: &str) -> &'a str {
    let value = tag.split_once(&format!(" {name}='")).and_then(|(_, rest)| rest.split_once('\''));
    value.map_or("", |(value, _)| value)
}

/// A DNS server that knows these domains and nothing else; ends with the test process.
pub(crate) fn zone(places: HashMap<&'static str, SocketAddr>) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1232];
        while let Ok((count, peer)) = socket.recv_from(&mut buffer) {
            if let Some(reply) = answer(&places, &buffer[..count]) {
                let _ = socket.send_to(&reply, peer);
            }
        }
    });
    address
}

fn answer(places: &HashMap<&'static str, SocketAddr>, query: &[u8]) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).ok()?;
    let question = query.queries.first()?.clone();
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    let name = question.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    let (service, host) = name.split_once("._tcp.").map_or((None, name.as_str()), |(s, host)| (Some(s), host));
    let place = places.get(host);
    let data = match (place, service, question.query_type()) {
        (Some(at), Some("_xmpp-server"), RecordType::SRV) => {
            Some(RData::SRV(SRV::new(0, 0, at.port(), Name::from_ascii(format!("{host}.")).unwrap())))
        }
        (Some(_), None, RecordType::A) => Some(RData::A(A(Ipv4Addr::LOCALHOST))),
        _ => None,
    };
    if place.is_none() {
        reply.metadata.response_code = ResponseCode::NXDomain;
    }
    let ttl = Duration::from_secs(60).as_secs() as u32;
    data.into_iter().for_each(|data| {
        reply.add_answer(Record::from_rdata(question.name().clone(), ttl, data));
    });
    reply.add_query(question);
    reply.to_vec().ok()
}
