//! How connections and shards end.

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use crate::peer::Peer;
use crate::scripts::{accept_dialback, backend_to, encrypted, header, message, remote};
use crate::world::{INSIDE, REMOTES, World};

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("/proc").count()
}

#[test]
fn garbage_behind_the_first_byte_of_tls_ends_the_connection_with_an_alert() {
    let world = World::start(1);
    let mut stream = TcpStream::connect(world.public).expect("connect");
    stream.write_all(&[0x16, 0x03, 0x01, 0x00, 0x05, 1, 0, 0, 1, 0]).expect("write");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("SO_RCVTIMEO");
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut answer).expect("the end");
    assert_eq!(answer.first(), Some(&0x15), "an alert record: {answer:?}");
    drop(stream);
    world.eventually(|world| world.connections() == 0);
    assert_eq!(world.count(|counters| counters.tls_failures), 1);
    world.drain();
}

#[test]
fn peer_that_leaves_in_the_handshake_is_forgotten() {
    let world = World::start(1);
    let mut stream = TcpStream::connect(world.public).expect("connect");
    stream.write_all(&[0x16, 0x03]).expect("write");
    stream.shutdown(Shutdown::Write).expect("shutdown");
    world.eventually(|world| world.count(|counters| counters.closed) == 1);
    world.eventually(|world| world.connections() == 0);
    world.drain();
}

#[test]
fn closing_handshake_ends_with_both_tags_and_fin() {
    let world = World::start(1);
    let mut peer = encrypted(world.public, &world.tls, REMOTES[0]);
    peer.say(&header(REMOTES[0], INSIDE));
    peer.expect("</stream:features>");
    peer.say("</stream:stream>");
    assert!(peer.expect_end().contains("</stream:stream>"));
    drop(peer);
    world.eventually(|world| world.connections() == 0);
    world.drain();
}

#[test]
fn error_reaches_the_peer_before_the_end() {
    let world = World::start(1);
    let mut peer = Peer::connect(world.public);
    peer.say("<not-a-stream>");
    let rest = peer.expect_end();
    assert!(rest.contains("<stream:error>") && rest.ends_with("</stream:stream>"), "{rest}");
    drop(peer);
    world.eventually(|world| world.connections() == 0);
    world.drain();
}

#[test]
fn unreachable_remote_server_bounces_the_stanza() {
    let world = World::start(1);
    // Whoever listens there resets at once.
    let listener = world.remote.try_clone().expect("listener");
    let refuser = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("accept");
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    });
    let mut backend = backend_to(&world, REMOTES[0]);
    backend.say(&message(INSIDE, REMOTES[0], "lost?"));
    refuser.join().expect("refuser");
    let mut answer = Peer::new(world.backend.accept().expect("accept").0);
    accept_dialback(&mut answer);
    let bounce = answer.expect("</message>");
    assert!(bounce.contains("remote-server-timeout"), "{bounce}");
    assert!(bounce.contains(&format!("to='user@{INSIDE}'")), "{bounce}");
    assert!(world.events().iter().any(|event| event.contains("Unreachable")));
    drop((backend, answer));
    world.drain();
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let world = World::start(2);
    let round = |count: usize| {
        for number in 0..count {
            let mut stream = TcpStream::connect(world.public).expect("connect");
            match number % 4 {
                0 => {}
                1 => stream.write_all(header(REMOTES[0], INSIDE).as_bytes()).expect("write"),
                2 => stream.write_all(&[0x16]).expect("write"),
                _ => socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER"),
            }
        }
        world.eventually(|world| world.connections() == 0);
    };
    round(8);
    let before = open_files();
    round(200);
    // Other tests of this process open files, too: a leak would be one for each connection.
    assert!(open_files() < before + 150, "{before} files before, {} after", open_files());
    assert_eq!(world.count(|counters| counters.panics), 0);
    world.drain();
}

#[test]
fn drain_closes_streams_and_reports_every_shard() {
    let world = World::start(2);
    let remote = remote(&world);
    let mut backend = backend_to(&world, REMOTES[1]);
    backend.say(&message(INSIDE, REMOTES[1], "before the end"));
    let (mut remote, _) = remote.join().expect("remote");
    remote.expect("before the end");
    let public = world.public;
    let ending = std::thread::spawn(move || {
        remote.expect("</stream:stream>");
        remote.say("</stream:stream>");
        assert_eq!(remote.expect_end(), "");
    });
    let backend = std::thread::spawn(move || {
        backend.expect("</stream:stream>");
        let _ = backend.try_say("</stream:stream>");
    });
    let reports = world.drain();
    assert_eq!(reports.iter().map(|report| report.shard.0).collect::<Vec<_>>(), [0, 1]);
    assert!(reports.iter().all(|report| report.abandoned == 0));
    let account = reports.iter().flat_map(|report| &report.accounts);
    assert_eq!(account.map(|(_, account)| account.accepted).sum::<u64>(), 1);
    ending.join().expect("remote");
    backend.join().expect("backend");
    assert!(TcpStream::connect(public).is_err(), "nobody listens any more");
}

#[test]
fn shard_that_cannot_be_set_up_stops_the_others() {
    let free = TcpListener::bind("127.0.0.1:0").expect("bind");
    drop(free);
    let outcome = ringgate::shard::driver::start(2, |_| Err("no certificate".to_owned()));
    let error = outcome.err().expect("it does not start").to_string();
    assert!(error.contains("no certificate"), "{error}");
}

/// A panic outside a connection's own bytes (a timer, another shard's message) ended the shard, and with it the process.
#[test]
fn panic_in_one_piece_of_work_ends_no_shard() {
    let world = World::start(1);
    world.panics(0);
    let mut peer = encrypted(world.public, &world.tls, REMOTES[0]);
    peer.say(&header(REMOTES[0], INSIDE));
    peer.expect("</stream:features>");
    assert_eq!(world.count(|counters| counters.panics), 1);
    drop(peer);
    world.drain();
}
