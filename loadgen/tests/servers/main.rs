//! Real servers as systems under test: each is started, carries a stanza both ways, and leaves nothing behind.
//!
//! They have to be installed; the failure says how.

mod remote;
mod stage;
mod wire;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loadgen::engine::SystemWatch;
use loadgen::plan::Transport;
use loadgen::systems::{self, Attachment, RelayTls, System, Under};

use crate::stage::{LOCAL, REMOTE, Stage};
use crate::wire::Wire;

const STARTTLS: Transport = Transport { direct_tls: false, dialback: false, inside_tls: false, resumption: false };
const DIRECT_TLS: Transport = Transport { direct_tls: true, ..STARTTLS };
const DIALBACK: Transport = Transport { dialback: true, ..STARTTLS };

fn public(under: &Under) -> (SocketAddr, Option<SocketAddr>) {
    match &under.attachment {
        Attachment::Server { public, public_direct_tls, .. } => (*public, *public_direct_tls),
        other => panic!("{other:?}"),
    }
}

fn component(under: &Under) -> (SocketAddr, &str) {
    match &under.attachment {
        Attachment::Server { component, secret, .. } => (*component, secret),
        other => panic!("{other:?}"),
    }
}

/// One message in each direction; streams first come about by it where the server opens them.
fn carries_both_ways(system: System, transport: Transport) {
    let stage = Stage::new(transport);
    let under = systems::start(system, &stage.setting()).unwrap();
    let pids = under.pids();
    assert!(pids.iter().all(|pid| cores(*pid) == "0"), "pinned: {pids:?}");
    let mut inside = stage::component(&under);

    let mut inbound = stage.open_inbound(&under);
    inbound.say(&message(REMOTE, LOCAL, "in"));
    arrives(&mut inside, REMOTE, LOCAL, "in");

    inside.say(&message(LOCAL, REMOTE, "out"));
    is_message(&stage.remote.message(), LOCAL, REMOTE, "out");

    let (_, version) = under.version.split_once(' ').unwrap();
    assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{}", under.version);
    assert!(under.processor() > Duration::ZERO && under.resident_bytes() > 1 << 20);
    drop(under);
    until_gone(&pids);
}

fn message(from: &str, to: &str, body: &str) -> String {
    format!("<message from='u1@{from}' to='u2@{to}' type='chat'><body>{body}</body></message>")
}

fn arrives(wire: &mut Wire, from: &str, to: &str, body: &str) {
    is_message(&wire.hear("</message>"), from, to, body);
}

fn is_message(message: &str, from: &str, to: &str, body: &str) {
    for part in [format!("u1@{from}"), format!("u2@{to}"), format!("<body>{body}</body>")] {
        assert!(message.contains(&part), "{part} is not in {message}");
    }
}

/// Cores that a process may use, as the kernel lists them.
fn cores(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap().trim().to_owned()
}

/// Waits until processes that were killed have ended; whoever adopted them may still have to take note.
fn until_gone(pids: &[u32]) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while pids.iter().any(|pid| is_alive(*pid)) {
        assert!(Instant::now() < deadline, "left behind: {pids:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_alive(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains("zombie"))
}

#[test]
fn prosody_carries_both_ways_over_starttls_and_external() {
    carries_both_ways(System::Prosody, STARTTLS);
}

#[test]
fn prosody_carries_both_ways_over_direct_tls_and_external() {
    carries_both_ways(System::Prosody, DIRECT_TLS);
}

#[test]
fn prosody_carries_both_ways_over_starttls_and_dialback() {
    carries_both_ways(System::Prosody, DIALBACK);
}

#[test]
fn ejabberd_carries_both_ways_over_starttls_and_external() {
    carries_both_ways(System::Ejabberd, STARTTLS);
}

#[test]
fn ejabberd_carries_both_ways_over_direct_tls_and_external() {
    carries_both_ways(System::Ejabberd, DIRECT_TLS);
}

#[test]
fn ejabberd_carries_both_ways_over_starttls_and_dialback() {
    carries_both_ways(System::Ejabberd, DIALBACK);
}

/// A relay: what the remote domain says appears at the backend, and what the backend answers goes back.
fn relays(system: System, transport: Transport) {
    let stage = Stage::new(transport);
    let under = systems::start(system, &stage.setting()).unwrap();
    let Attachment::Relay { entry, entry_tls, exit_tls } = under.attachment else { panic!("no relay") };
    assert_eq!(exit_tls, RelayTls::None);
    let mut remote = Wire::connect(entry);
    if entry_tls == RelayTls::StartTls {
        remote.say(&Stage::header());
        remote.hear("</stream:features>");
        remote.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        remote.hear("<proceed");
        remote.hear("/>");
    }
    remote.secure(stage.client());
    remote.say(&Stage::header());
    let mut backend = stage.accept_backend();
    remote.hear("<stream:features/>");
    remote.say(&message(REMOTE, LOCAL, "in"));
    arrives(&mut backend, REMOTE, LOCAL, "in");
    backend.say(&message(LOCAL, REMOTE, "out"));
    arrives(&mut remote, LOCAL, REMOTE, "out");
}

#[test]
fn xmpp_proxy_relays_over_starttls() {
    relays(System::XmppProxy, STARTTLS);
}

#[test]
fn xmpp_proxy_relays_over_direct_tls() {
    relays(System::XmppProxy, DIRECT_TLS);
}

#[test]
fn haproxy_relays_with_a_client_certificate() {
    relays(System::Haproxy, DIRECT_TLS);
}

#[test]
fn haproxy_relays_without_asking_who_it_is() {
    relays(System::Haproxy, Transport { dialback: true, ..DIRECT_TLS });
}
