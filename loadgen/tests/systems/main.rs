//! Real systems, started and ended. What they need is installed by the command that runs all tests.

mod carrying;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use loadgen::engine::SystemWatch;
use loadgen::plan::{Party, Transport};
use loadgen::systems::scratch::Scratch;
use loadgen::systems::{self, Attachment, Programs, Setting, System, Under};
use loadgen::world;
use ringgate::stage::authority::Authority;
use ringgate_proto::address::Domain;

const EXTERNAL: Transport = Transport { direct_tls: false, dialback: false, inside_tls: true, resumption: false };
const DIALBACK: Transport = Transport { direct_tls: false, dialback: true, inside_tls: false, resumption: false };

/// What a setting borrows from.
struct Stage {
    locals: Vec<Domain>,
    backend: TcpListener,
    authority: Authority,
    scratch: Scratch,
    programs: Programs,
}

impl Stage {
    fn new() -> Self {
        Self {
            locals: (0..3).map(|number| world::domain(Party::Local(number))).collect(),
            backend: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
            authority: Authority::new().unwrap(),
            scratch: Scratch::new(false).unwrap(),
            programs: Programs { own: Some(env!("CARGO_BIN_EXE_loadgen").into()), ..Programs::default() },
        }
    }

    fn start(&self, system: System, transport: Transport, cores: &[usize]) -> anyhow::Result<Under> {
        let setting = Setting {
            locals: &self.locals,
            backends: &[self.backend.local_addr().unwrap()],
            authority: &self.authority,
            // Nobody is looked up here.
            dns: SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
            transport,
            cores,
            scratch: &self.scratch,
            programs: &self.programs,
        };
        systems::start(system, &setting)
    }
}

/// Where senders come in, whatever it is.
fn entry(under: &Under) -> SocketAddr {
    match &under.attachment {
        Attachment::Proxy { public, .. } => *public,
        Attachment::Relay { entry, .. } => *entry,
        other => panic!("{other:?}"),
    }
}

/// What comes back for some bytes, at least one byte or the end.
fn answer(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).unwrap_or(0);
    buffer[..count].to_vec()
}

fn assert_gone(address: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < deadline, "{address} still listens");
    }
}

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
                      from='r0.remote.test' to='l0.local.test' version='1.0'>";

#[test]
fn ringgate_that_loadgen_is_itself_answers_and_is_gone_after_drop() {
    let stage = Stage::new();
    for transport in [EXTERNAL, DIALBACK] {
        let under = stage.start(System::Ringgate, transport, &[0]).unwrap();
        let before = under.processor();
        let text = String::from_utf8(answer(entry(&under), HEADER.as_bytes())).unwrap();
        assert!(text.contains("from='l0.local.test'"), "{text}");
        assert!(under.processor() > before && before > Duration::ZERO);
        assert!(under.resident_bytes() > 1 << 20);
        assert_eq!(under.name, "ringgate");
        assert!(under.version.starts_with("ringgate 0."), "{}", under.version);
        under.check().unwrap();
        let address = entry(&under);
        drop(under);
        assert_gone(address);
    }
}

#[test]
fn ringgate_has_a_shard_per_core() {
    let stage = Stage::new();
    let allowed = ringgate::shard::placement::allowed_cores().unwrap();
    // On a machine with one core there is nothing to see.
    let [one, other, ..] = allowed[..] else { return };
    let two = stage.start(System::Ringgate, DIALBACK, &[one, other]).unwrap();
    let log = stage.scratch.path().join("0-ringgate/ringgate.log");
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let text = std::fs::read_to_string(&log).unwrap();
        if text.contains("shards=2") {
            // Of loadgen's making is also that ringgate finds nothing to complain about.
            assert!(!text.contains("WARN"), "{text}");
            break;
        }
        two.check().unwrap();
        assert!(Instant::now() < deadline, "{text}");
    }
}

#[test]
fn haproxy_answers_and_is_gone_after_drop() {
    let stage = Stage::new();
    for transport in [EXTERNAL, DIALBACK] {
        let under = stage.start(System::Haproxy, transport, &[0]).unwrap();
        let before = under.processor();
        // No ClientHello: an alert, or the end.
        answer(entry(&under), HEADER.as_bytes());
        assert!(under.processor() > before && before > Duration::ZERO);
        assert!(under.resident_bytes() > 1 << 20);
        assert!(under.version.starts_with("HAProxy version 2") || under.version.starts_with("HAProxy version 3"));
        let address = entry(&under);
        under.stop();
        assert_gone(address);
    }
}

#[test]
fn system_is_gone_after_its_owner_panicked() {
    let stage = Stage::new();
    let under = stage.start(System::Ringgate, DIALBACK, &[0]).unwrap();
    let address = entry(&under);
    let owner = std::thread::spawn(move || {
        let _under = under;
        panic!("on purpose");
    });
    assert!(owner.join().is_err());
    assert_gone(address);
}

#[test]
fn system_that_died_is_noticed_with_its_log() {
    let stage = Stage::new();
    let under = stage.start(System::Haproxy, DIALBACK, &[0]).unwrap();
    let pids = under.pids();
    let killed = std::process::Command::new("kill").args(["-KILL", &pids[0].to_string()]).status().unwrap();
    assert!(killed.success());
    let deadline = Instant::now() + Duration::from_secs(5);
    while under.check().is_ok() {
        assert!(Instant::now() < deadline);
    }
    let error = under.check().unwrap_err().to_string();
    assert!(error.starts_with("haproxy ended (signal 9)"), "{error}");
}

#[test]
fn system_that_cannot_start_is_one_error_with_its_log() {
    let mut stage = Stage::new();
    // Any program that is no ringgate.
    stage.programs.ringgate = Some(PathBuf::from("/bin/cat"));
    let error = format!("{:#}", stage.start(System::Ringgate, DIALBACK, &[0]).unwrap_err());
    assert!(error.starts_with("system ringgate: ringgate ended (exit code 1); its log ends with:"), "{error}");
    assert!(error.contains("unrecognized option '--config'"), "{error}");
    stage.programs.ringgate = Some(PathBuf::from("/nonexistent"));
    let error = format!("{:#}", stage.start(System::Ringgate, DIALBACK, &[0]).unwrap_err());
    assert_eq!(error, "system ringgate: there is no program /nonexistent");
}

#[test]
fn direct_is_no_process() {
    let stage = Stage::new();
    let under = stage.start(System::Direct, EXTERNAL, &[0]).unwrap();
    assert_eq!((under.processor(), under.resident_bytes()), (Duration::ZERO, 0));
    assert!(matches!(under.attachment, Attachment::Direct));
}

#[test]
fn unknown_system_names_those_that_there_are() {
    assert_eq!("haproxy".parse(), Ok(System::Haproxy));
    let error = "nginx".parse::<System>().unwrap_err().to_string();
    assert!(error.starts_with("there is no system \"nginx\"; there are ringgate, haproxy, direct"), "{error}");
}
