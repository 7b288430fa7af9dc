//! What a peer sees, one situation a test. Ids in the comments are those of the fault table (reference A2).

mod addressing;
mod authority;
mod closing;
mod habits;
mod happy;
mod interop;
mod pressure;
mod reach;
mod strangers;

use super::ledger::{Kind, Pair};
use super::net::SocketId;
use super::script::certificate;
use super::server::ServerConfig;
use super::talk::header;
use super::towns::{self, GATE_A, Towns, address};
use super::world::World;

const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const EXTERNAL: &str = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>";

fn pair(from: &str, to: &str) -> Pair {
    (from.into(), to.into())
}

/// The usual set-up with one shard a gate, in fair weather.
fn world() -> (World, Towns) {
    let mut world = World::new(1);
    let towns = towns::towns(&mut world, (1, 1));
    (world, towns)
}

/// A user of `server` sends a message; its number in the ledger.
fn message(world: &mut World, server: usize, from: &str, to: &str) -> usize {
    world.submit(server, &pair(from, to), Kind::Message, 10)
}

fn assert_delivered(world: &World, number: usize) {
    let record = &world.ledger.records[number];
    assert_eq!((record.delivered, &record.bounced), (1, &None), "s{number}: {record:?}");
}

fn assert_bounced(world: &World, number: usize, condition: &str) {
    let record = &world.ledger.records[number];
    assert_eq!((record.delivered, record.bounced.as_deref()), (0, Some(condition)), "s{number}: {record:?}");
}

fn assert_nowhere(world: &World, number: usize) {
    let record = &world.ledger.records[number];
    assert_eq!((record.delivered, &record.bounced), (0, &None), "s{number}: {record:?}");
}

/// Stops all gates and looks whether everything is accounted for.
fn finish(world: &mut World) {
    (0..world.processes.len()).for_each(|process| world.drain(process));
    world.run_secs(40);
    world.check_end();
    world.judge("cargo test -p ringgate-proto --test sim");
}

/// A script's stream to gate A, encrypted, its features heard.
fn encrypted_peer(world: &mut World, name: &str, trusted: bool) -> SocketId {
    let socket = world.raw_connect(address(GATE_A));
    world.raw_say(socket, &header(name, "a.example"));
    world.run_secs(1);
    world.raw_say(socket, STARTTLS);
    world.run_secs(1);
    world.raw_secure(socket, "a.example", certificate(&[name], trusted));
    world.run_secs(1);
    world.raw_say(socket, &header(name, "a.example"));
    world.run_secs(1);
    let heard = world.heard(socket);
    assert!(heard.ends_with("</stream:features>"), "{heard}");
    socket
}

/// A script's stream to gate A on which EXTERNAL has proven `name` towards `a.example`.
fn proven_peer(world: &mut World, name: &str) -> SocketId {
    let socket = encrypted_peer(world, name, true);
    world.raw_say(socket, EXTERNAL);
    world.run_secs(1);
    world.raw_say(socket, &header(name, "a.example"));
    world.run_secs(1);
    let heard = world.heard(socket);
    assert!(heard.starts_with("<success"), "{heard}");
    socket
}

/// A stanza of a script that may pass, as XML.
fn stanza(world: &mut World, from: &str, to: &str, kind: Kind) -> (usize, String) {
    world.ledger.issue(&pair(from, to), kind, 10)
}

/// Whether a stream error with this condition and both end tags' worth of closing was heard.
fn assert_stream_error(heard: &str, condition: &str) {
    let error = format!("<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
    assert!(heard.contains(&error), "no {condition}: {heard}");
    assert!(heard.contains("</stream:stream>[FIN]"), "not closed: {heard}");
}
