//! What an idle stream costs, and that connections leave nothing behind: figures of the kernel about the process.

#[path = "../e2e/server.rs"]
#[expect(dead_code, reason = "shared with tests/e2e, which uses all of it")]
mod server;
#[path = "../e2e/wire.rs"]
#[expect(dead_code, reason = "shared with tests/e2e, which uses all of it")]
mod wire;
#[path = "../e2e/world.rs"]
#[expect(dead_code, reason = "shared with tests/e2e, which uses all of it")]
mod world;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use server::{Server, zone};
use wire::{Wire, header};
use world::{Authority, LOCAL, PATIENCE, Ringgate, Settings};

const STREAMS: u64 = 1_000;
/// What was promised for each of them.
const STREAM_KB: u64 = 16;
const CONNECTS: usize = 100_000;
const THREADS: usize = 4;
/// Allocators and the kernel's tables breathe by less than this.
const BREATH_KB: u64 = 4_096;

/// Resident memory of a process.
fn resident_kb(ringgate: &Ringgate) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", ringgate.pid())).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn start() -> (Authority, Server, Ringgate) {
    let (authority, backend) = (Authority::new(), Server::backend());
    let ringgate = Ringgate::start(&authority, &Settings::new(backend.address, zone(HashMap::new())));
    (authority, backend, ringgate)
}

#[test]
fn thousand_idle_authenticated_streams_take_at_most_16_kb_each() {
    let (authority, _backend, ringgate) = start();
    let store = authority.store("remote.example");
    let open = || Wire::authenticated(ringgate.public, "remote.example", &store);
    // Code, tables and certificates that the first streams bring in belong to nobody.
    let warm: Vec<Wire> = (0..50).map(|_| open()).collect();
    let before = resident_kb(&ringgate);
    let idle: Vec<Wire> = (0..STREAMS).map(|_| open()).collect();
    let grown = resident_kb(&ringgate).saturating_sub(before);
    println!("{STREAMS} idle streams: {grown} kB resident, {} bytes each", grown * 1024 / STREAMS);
    assert!(grown <= STREAMS * STREAM_KB, "{grown} kB");
    drop((warm, idle));
}

/// One connection: closed at once, or after a header and its answer, or reset.
fn visit(to: SocketAddr, number: usize) {
    let mut tcp = TcpStream::connect(to).unwrap();
    if number.is_multiple_of(4) {
        tcp.write_all(header("remote.example", LOCAL).as_bytes()).unwrap();
        let mut answer = [0; 64];
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(tcp.read(&mut answer).unwrap() > 0);
    }
    // A reset leaves no port of ours in TIME_WAIT: there are not enough of them.
    socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).unwrap();
}

fn visits(ringgate: &Ringgate, count: usize) {
    let to = ringgate.public;
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || (0..count / THREADS).for_each(|number| visit(to, number)));
        }
    });
}

/// Open files once those of the last visits are closed.
fn open_files(ringgate: &Ringgate, expected: &[String]) -> Vec<String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let files = ringgate.open_files();
        // Looked at once: the last visits may be accepted after that, to be closed again.
        if files.len() <= expected.len() || Instant::now() >= end {
            return files;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn hundred_thousand_connects_and_closes_leave_nothing_behind() {
    let (_authority, _backend, ringgate) = start();
    let files = ringgate.open_files();
    visits(&ringgate, CONNECTS / 10);
    assert_eq!(open_files(&ringgate, &files), files);
    let before = resident_kb(&ringgate);
    visits(&ringgate, CONNECTS);
    assert_eq!(open_files(&ringgate, &files), files);
    let after = resident_kb(&ringgate);
    println!("{CONNECTS} connections: {before} kB resident before, {after} kB after, {} files", files.len());
    assert!(after <= before + BREATH_KB, "{before} kB before, {after} kB after");
}
