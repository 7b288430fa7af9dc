//! Streams that move to the shard of their remote domain, and sessions that resume on any shard.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rcgen::ExtendedKeyUsagePurpose;
use ringgate_proto::gate::TlsClient;

use super::figures::{scrape, sum};
use super::server::{Server, zone};
use super::wire::{STARTTLS, Wire, domain, header};
use super::world::{Authority, Folder, LOCAL, PATIENCE, Ringgate, Settings, free_address};

/// Some of them belong to the shard that accepted the stream, some to the other.
const REMOTES: [&str; 8] =
    ["a.example", "b.example", "c.example", "d.example", "e.example", "f.example", "g.example", "h.example"];

fn remotes(authority: &Authority) -> (Vec<Server>, SocketAddr) {
    let servers: Vec<Server> = REMOTES.iter().map(|name| Server::remote(name, authority.store(name))).collect();
    let places: HashMap<_, _> = REMOTES.iter().copied().zip(servers.iter().map(|server| server.address)).collect();
    (servers, zone(places))
}

/// The backend's stream to each remote domain: header and request in one segment, then stanzas in one more.
fn talks_to_all(ringgate: &Ringgate, servers: &[Server], figures: SocketAddr, open: impl Fn(&Ringgate) -> Wire) {
    // The kernel chooses the accepting shard by port: of so many streams, some meet the wrong one.
    for (round, (name, server)) in (0..4).flat_map(|round| REMOTES.iter().zip(servers).map(move |to| (round, to))) {
        let mut wire = open(ringgate);
        let request = format!("<db:result from='{LOCAL}' to='{name}'>key</db:result>");
        wire.says(&format!("{}{request}", header(LOCAL, name)));
        wire.hears("type='valid'");
        let id = |n: usize| format!("id='r{round}m{n}'");
        let stanzas: String = (0..50).map(|n| format!("<message from='b@{LOCAL}' to='a@{name}' {}/>", id(n))).collect();
        wire.says(&stanzas);
        let heard = server.hears(&id(49));
        let at: Vec<usize> = (0..50).map(|n| heard.find(&id(n)).expect("none is lost")).collect();
        assert!(at.is_sorted(), "{name}: out of order");
        wire.says("</stream:stream>");
    }
    let end = Instant::now() + PATIENCE;
    while sum(&scrape(figures), "ringgate_streams_handed_over_total") == 0.0 {
        assert!(Instant::now() < end, "no stream was handed over");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn pipelined_stanzas_of_moved_clear_streams_arrive_in_order() {
    let (authority, backend) = (Authority::new(), Server::backend());
    let (servers, resolver) = remotes(&authority);
    let (mut settings, figures) = (Settings::new(backend.address, resolver), free_address());
    settings.more = format!("[metrics]\nlisten = \"{figures}\"");
    let ringgate = Ringgate::start(&authority, &settings);
    talks_to_all(&ringgate, &servers, figures, |ringgate| Wire::connect(ringgate.internal));
}

#[test]
fn pipelined_stanzas_of_moved_encrypted_streams_arrive_in_order() {
    let (authority, backend) = (Authority::new(), Server::backend());
    let (servers, resolver) = remotes(&authority);
    let folder = Folder::new();
    let pem =
        folder.write("internal.pem", &authority.issue(&["ringgate.internal"], ExtendedKeyUsagePurpose::ServerAuth));
    let (mut settings, figures) = (Settings::new(backend.address, resolver), free_address());
    settings.more = format!("[metrics]\nlisten = \"{figures}\"");
    settings.internal = format!("certificate = \"{}\"", pem.display());
    let ringgate = Ringgate::start(&authority, &settings);
    let store = authority.store(LOCAL);
    talks_to_all(&ringgate, &servers, figures, |ringgate| {
        let mut wire = Wire::connect(ringgate.internal);
        wire.says(&header(LOCAL, "first.example"));
        wire.hears("</stream:features>");
        wire.says(STARTTLS);
        wire.hears("<proceed ");
        let names = TlsClient { server_name: domain("ringgate.internal"), local: domain(LOCAL), alpn: false };
        wire.secure(store.client(&names, true).unwrap(), true);
        wire
    });
}

#[test]
fn session_resumes_on_whatever_shard_takes_the_next_connection() {
    let (authority, backend) = (Authority::new(), Server::backend());
    let ringgate = Ringgate::start(&authority, &Settings::new(backend.address, zone(HashMap::new())));
    let store = authority.store("remote.example");
    let resumed: Vec<Option<bool>> = (0..12)
        .map(|_| {
            let wire = Wire::authenticated(ringgate.public, "remote.example", &store);
            wire.is_resumed()
        })
        .collect();
    assert_eq!(resumed[0], Some(false));
    assert!(resumed[1..].iter().all(|resumed| *resumed == Some(true)), "{resumed:?}");
}
