//! What the peers of these tests say, in the words of real ones.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use ringgate::tls::Store;

use crate::peer::Peer;
use crate::world::{INSIDE, World};

/// A header of a stream between servers.
pub(crate) fn header(from: &str, to: &str) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
         xmlns:stream='http://etherx.jabber.org/streams' from='{from}' to='{to}' version='1.0'>"
    )
}

fn answer_header(from: &str, to: &str) -> String {
    header(from, to).replace("version='1.0'>", "id='stream-of-the-peer' version='1.0'>")
}

/// The value of an attribute in a tag.
pub(crate) fn attribute(text: &str, name: &str) -> String {
    let text = text.replace('"', "'");
    let start = text.find(&format!(" {name}='")).unwrap_or_else(|| panic!("no {name} in {text}")) + name.len() + 3;
    text[start..].split('\'').next().expect("closing quote").to_owned()
}

/// A stanza between users.
pub(crate) fn message(from: &str, to: &str, body: &str) -> String {
    format!("<message from='user@{from}' to='user@{to}' type='chat'><body>{body}</body></message>")
}

/// Answers ringgate's stream as the server of the domain it asks for: STARTTLS, dialback accepted without asking.
pub(crate) fn serve_remote(peer: &mut Peer, tls: &Store) -> String {
    peer.expect("<stream:stream");
    let ours = attribute(&peer.expect(">"), "to");
    peer.say(&answer_header(&ours, INSIDE));
    peer.say(
        "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>",
    );
    peer.expect("<starttls");
    peer.expect(">");
    peer.say("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    peer.tls_from(tls);
    peer.expect("<stream:stream");
    peer.expect(">");
    peer.say(&answer_header(&ours, INSIDE));
    peer.say("<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>");
    peer.expect("<db:result");
    peer.expect("</db:result>");
    peer.say(&format!("<db:result from='{ours}' to='{INSIDE}' type='valid'/>"));
    ours
}

/// Accepts one connection as a remote server.
pub(crate) fn remote(world: &World) -> JoinHandle<(Peer, String)> {
    let (listener, tls) = (world.remote.try_clone().expect("listener"), world.tls.clone());
    thread::spawn(move || {
        let mut peer = Peer::new(listener.accept().expect("accept").0);
        let ours = serve_remote(&mut peer, &tls);
        (peer, ours)
    })
}

/// Opens the backend's stream towards `remote`, and answers ringgate's verification of it.
pub(crate) fn backend_to(world: &World, remote: &str) -> Peer {
    let mut peer = Peer::connect(world.internal);
    peer.say(&header(INSIDE, remote));
    peer.expect("</stream:features>");
    peer.say(&format!("<db:result from='{INSIDE}' to='{remote}'>0123456789abcdef</db:result>"));
    let listener = world.backend.try_clone().expect("listener");
    let verification = thread::spawn(move || {
        let mut authority = Peer::new(listener.accept().expect("accept").0);
        answer_verification(&mut authority);
        authority
    });
    let answer = peer.expect("type='valid'");
    assert!(answer.contains("db:result"), "{answer}");
    peer.expect(">");
    drop(verification.join().expect("verification"));
    peer
}

/// A stream of the backend, and the remote server that its first stanza has reached.
pub(crate) fn standing(world: &World, name: &str) -> (Peer, Peer) {
    let opposite = remote(world);
    let mut backend = backend_to(world, name);
    backend.say(&message(INSIDE, name, "the stream stands"));
    let (mut opposite, _) = opposite.join().expect("remote");
    opposite.expect("the stream stands</body></message>");
    (backend, opposite)
}

/// As the authoritative server: says that the key of the next `<db:verify/>` is ours.
fn answer_verification(peer: &mut Peer) {
    accept_stream(peer);
    verify(peer);
}

/// Answers ringgate's header, and offers nothing but dialback.
pub(crate) fn accept_stream(peer: &mut Peer) {
    peer.expect("<stream:stream");
    let header = peer.expect(">");
    peer.say(&answer_header(&attribute(&header, "to"), &attribute(&header, "from")));
    peer.say("<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>");
}

/// Says that a key is ours; returns who was given it.
pub(crate) fn verify(peer: &mut Peer) -> String {
    peer.expect("<db:verify");
    let asked = peer.expect(">");
    let (ours, theirs, id) = (attribute(&asked, "to"), attribute(&asked, "from"), attribute(&asked, "id"));
    peer.expect("</db:verify>");
    peer.say(&format!("<db:verify from='{ours}' to='{theirs}' id='{id}' type='valid'/>"));
    theirs
}

/// As the backend: accepts ringgate's stream in the name of a remote domain.
pub(crate) fn accept_dialback(peer: &mut Peer) {
    accept_stream(peer);
    peer.expect("<db:result");
    let remote = attribute(&peer.expect(">"), "from");
    peer.expect("</db:result>");
    peer.say(&format!("<db:result from='{INSIDE}' to='{remote}' type='valid'/>"));
}

/// Begins a public stream in clear and brings it to the end of STARTTLS.
pub(crate) fn encrypted(public: SocketAddr, tls: &Store, from: &str) -> Peer {
    let mut peer = proceeding(public, from);
    peer.tls_to(tls, from, INSIDE);
    peer
}

/// Begins a public stream in clear, up to where TLS begins.
pub(crate) fn proceeding(public: SocketAddr, from: &str) -> Peer {
    let mut peer = Peer::connect(public);
    peer.say(&header(from, INSIDE));
    let features = peer.expect("</stream:features>");
    assert!(features.contains("<starttls"), "{features}");
    peer.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    peer.expect("<proceed");
    peer.expect(">");
    peer
}

/// A public stream that SASL EXTERNAL has proven.
pub(crate) fn authenticated(world: &World, from: &str) -> Peer {
    let mut peer = encrypted(world.public, &world.tls, from);
    peer.say(&header(from, INSIDE));
    peer.expect("</stream:features>");
    peer.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
    peer.expect("<success");
    peer.expect(">");
    peer.say(&header(from, INSIDE));
    peer.expect("</stream:features>");
    peer
}
