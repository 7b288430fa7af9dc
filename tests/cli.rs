//! The program from the outside: what it prints, and its exit codes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A file in the test's own directory, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn write(&self, name: &str, content: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
    fn certificate(&self, name: &str, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        self.write(name, &format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem()));
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn ringgate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringgate")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const CONFIGURATION: &str = r#"
[[domain]]
name = "example.org"
subdomains = ["conference"]
certificate = "example.org.pem"
backend = "127.0.0.1:15269"
[internal]
listen = "127.0.0.1:15268"
dns = "127.0.0.1:15353"
"#;

#[test]
fn check_of_a_good_configuration_prints_ok_lines_and_exits_0() {
    let scratch = Scratch::new("check-good");
    scratch.certificate("example.org.pem", &["example.org", "conference.example.org"]);
    let file = scratch.write("ringgate.toml", CONFIGURATION);
    let output = ringgate(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("ok: domain example.org, conference.example.org: backend 127.0.0.1:15269"));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn check_and_run_of_a_bad_configuration_name_every_error_and_exit_2() {
    let scratch = Scratch::new("check-bad");
    let file = scratch.write("ringgate.toml", &CONFIGURATION.replace("127.0.0.1:15269", "localhost"));
    for command in ["check", "run"] {
        let output = ringgate(&[command, "--config", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        let errors = text(&output.stderr);
        assert!(errors.contains("ringgate.toml:5: domain[1].certificate\n  problem: "), "{errors}");
        assert!(errors.contains("ringgate.toml:6: domain[1].backend\n  problem: "), "{errors}");
        assert_eq!(errors.matches("  remedy:  ").count(), 2, "{errors}");
    }
}

#[test]
fn wrong_usage_exits_2_and_help_exits_0() {
    assert_eq!(ringgate(&["check"]).status.code(), Some(2));
    assert_eq!(ringgate(&["no-such-command"]).status.code(), Some(2));
    let help = ringgate(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("Exit codes:"));
}

#[test]
fn demo_delivers_every_stanza_and_exits_0() {
    let output = ringgate(&["demo", "--seconds", "1", "--rate", "20", "--shards", "1"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
    for line in ["east.example to home.example by dialback", "home.example to south.example by external"] {
        assert!(said.contains(line), "{said}");
    }
    assert!(said.contains("every stanza arrived once, in order"), "{said}");
    assert!(said.contains("(the sum holds)"), "{said}");
}

/// `ringgate run`, killed when dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// OVL-09: each stranger that is refused is a line, and nobody reads the pipe.
#[test]
fn standard_error_that_nobody_reads_stops_no_stream() {
    let scratch = Scratch::new("run-unread");
    scratch.certificate("example.org.pem", &["example.org", "conference.example.org"]);
    let configuration = CONFIGURATION.replace(":15268", ":0").replace(":15353", ":0");
    let public = "shards = 1\n[public]\nlisten = [\"127.0.0.1:0\"]\n[dns]\nservers = [\"127.0.0.1:9\"]\n";
    let file = scratch.write("ringgate.toml", &public.replace("[public]", &format!("{configuration}[public]")));
    let run = ["run", "--config", file.to_str().unwrap()];
    let child = Command::new(env!("CARGO_BIN_EXE_ringgate")).args(run).stderr(Stdio::piped()).spawn().unwrap();
    let mut proxy = Proxy(child);
    let mut log = BufReader::new(proxy.0.stderr.take().unwrap());
    let public = listener(&mut log);
    // The pipe takes 64 KiB, which is less than 100 bytes for each of these lines.
    for stranger in 0..1_000 {
        let mut stream = TcpStream::connect(public).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(b"<no-stream/>").unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap_or_else(|error| panic!("stranger {stranger}: {error}"));
        assert!(heard.contains("invalid-namespace") || heard.contains("bad-format"), "{heard}");
    }
    let refused = log.lines().map_while(Result::ok).filter(|line| line.contains("stream closed")).take(1_000);
    assert_eq!(refused.count(), 1_000);
}

/// Reads the log up to where it says on which public address the proxy runs.
fn listener(log: &mut impl BufRead) -> SocketAddr {
    let mut seen = String::new();
    loop {
        let from = seen.len();
        assert_ne!(log.read_line(&mut seen).unwrap(), 0, "it ended: {seen}");
        if let Some((_, public)) = seen[from..].split_once("running public=") {
            return public.split(' ').next().unwrap().parse().unwrap();
        }
    }
}
