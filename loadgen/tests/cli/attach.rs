//! A ringgate that loadgen did not start.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use loadgen::systems::scratch::Scratch;

use crate::program::{Program, result};

/// ringgate as an operator starts it, with its log beside its configuration; ended when dropped.
struct Ringgate(Child);

impl Ringgate {
    fn start(configuration: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command.args(["__ringgate", "run", "--config"]).arg(configuration);
        let log = File::create(configuration.with_extension("log")).expect("a log");
        let output = [log.try_clone().expect("the same"), log];
        let [stdout, stderr] = output.map(Stdio::from);
        Self(command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().expect("it starts"))
    }
}

impl Drop for Ringgate {
    fn drop(&mut self) {
        // It is gone when both have been done, or was before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Place {
    scratch: Scratch,
    site: PathBuf,
}

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new(false).expect("a directory");
        let site = scratch.path().join("site");
        Self { scratch, site }
    }

    fn out(&self) -> PathBuf {
        self.scratch.path().join("out")
    }

    fn attach(&self, line: &str) -> Program {
        let (site, out) = (self.site.to_string_lossy(), self.out());
        Program::start(line, &["--attach", &site, "--out", &out.to_string_lossy()])
    }

    /// Has loadgen make the site, and starts ringgate as it says.
    fn first_run(&self) -> (Program, Ringgate) {
        let mut program = self.attach("idle --domains 3 --warm-up 50ms --duration 300ms");
        let line = program.says("start it with: ");
        let (_, command) = line.split_once("start it with: ").expect("it says so");
        let configuration = command.strip_prefix("ringgate run --config ").expect("ringgate's own command");
        let ringgate = Ringgate::start(Path::new(configuration));
        (program, ringgate)
    }
}

/// The last line of standard error, of a run that could not be done.
fn refused(program: Program) -> String {
    let ended = program.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended.stderr.last().expect("a line").clone()
}

#[test]
fn same_ringgate_serves_run_after_run() {
    let place = Place::new();
    let (program, mut ringgate) = place.first_run();
    let ended = program.end();
    assert!(matches!(ended.code, Some(0 | 4)), "{ended:?}");
    let version = result(&place.out())["system"]["version"].to_string();
    assert!(version.contains(&format!("process {} (", ringgate.0.id())), "{version}");
    assert_eq!(fs::metadata(&place.site).unwrap().permissions().mode() & 0o777, 0o700);

    // Another scenario, in both directions; told which process it is.
    let line = format!("message --direction both --warm-up 100ms --duration 1s --pid {}", ringgate.0.id());
    let ended = place.attach(&line).end();
    assert!(matches!(ended.code, Some(0 | 3 | 4)), "{ended:?}");
    assert!(!ended.stderr.iter().any(|line| line.contains("start it with")), "{ended:?}");
    let result = result(&place.out());
    let counts = &result["counts"];
    assert!(counts["arrived"].as_u64().unwrap() > 0 && counts["arrived"] == counts["scheduled"], "{counts}");
    assert!(result["processor"]["system"].as_f64().unwrap() > 0.0);
    assert!(result["streams"]["memory_open_bytes"].as_u64().unwrap() > 1 << 20);
    assert!(result["verdict"]["doubts"].to_string().contains("the system ran already"), "{}", result["verdict"]);
    assert!(ringgate.0.try_wait().unwrap().is_none(), "loadgen does not end it");
}

#[test]
fn run_that_does_not_fit_the_site_is_refused_in_one_line() {
    let place = Place::new();
    let (program, _ringgate) = place.first_run();
    program.end();
    for (line, words) in [
        ("fanout --locals 2", "is for 1 local domains, this run has 2; name another directory"),
        ("fanout --dialback", "is for other streams (no option); ask for the same, or name another directory"),
        ("fanout --pid 4294967295", "there is no process 4294967295"),
    ] {
        let said = refused(place.attach(line));
        assert!(said.contains(words), "{said}");
    }
    fs::write(place.site.join("stage.json"), "{}").unwrap();
    let said = refused(place.attach("fanout"));
    assert!(said.contains("stage.json: not written by this version of loadgen"), "{said}");
    fs::remove_file(place.site.join("stage.json")).unwrap();
    let said = refused(place.attach("fanout"));
    assert!(said.contains("holds something else; name an empty or a new directory"), "{said}");
}

#[test]
fn ringgate_that_does_not_listen_is_one_line() {
    let place = Place::new();
    let said = refused(place.attach("idle --attach-wait 300ms"));
    assert!(said.contains("Connection refused") && said.contains("after 300ms; start it with: ringgate run"), "{said}");
    let mut program = place.attach("idle");
    program.says("start it with: ");
    program.interrupt();
    assert!(refused(program).contains("interrupted before ringgate listened on 127.0.0.1:"));
}

#[test]
fn refused_authentication_is_one_line() {
    let place = Place::new();
    let (program, ringgate) = place.first_run();
    program.end();
    drop(ringgate);
    // The same configuration, but ringgate trusts somebody else, and so nobody.
    let other = ringgate::stage::authority::Authority::new().unwrap();
    fs::write(place.site.join("other.pem"), other.root_pem()).unwrap();
    let text = fs::read_to_string(place.site.join("ringgate.toml")).unwrap();
    let configuration = place.site.join("other.toml");
    fs::write(&configuration, text.replace("root.pem", "other.pem")).unwrap();
    let _ringgate = Ringgate::start(&configuration);
    let said = refused(place.attach("connect --domains 1 --duration 1s --connect-timeout 5s"));
    assert!(said.starts_with("loadgen: r0.remote.test to l0.local.test at 127.0.0.1:"), "{said}");
    let log = fs::read_to_string(configuration.with_extension("log")).unwrap();
    assert!(said.ends_with(": the peer ended the stream with policy-violation"), "{said}\n{log}");
}
