//! The program as a process.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use loadgen::systems::scratch::Scratch;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A loadgen that runs; killed when dropped.
pub(crate) struct Program {
    child: Child,
    errors: Receiver<String>,
    said: Vec<String>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    /// Lines of standard error.
    pub(crate) stderr: Vec<String>,
}

impl Program {
    pub(crate) fn start(line: &str, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command.args(line.split_whitespace()).args(more);
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("loadgen starts");
        let (teller, errors) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if teller.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, errors, said: Vec::new() }
    }

    /// Waits for a line of standard error that contains this.
    pub(crate) fn says(&mut self, what: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.errors.recv_timeout(left).unwrap_or_else(|_| panic!("no {what:?} in {:?}", self.said));
            self.said.push(line.clone());
            if line.contains(what) {
                return line;
            }
        }
    }

    pub(crate) fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
    }

    /// Waits until it has ended.
    pub(crate) fn end(mut self) -> Ended {
        let mut stdout = String::new();
        self.child.stdout.take().expect("it is piped").read_to_string(&mut stdout).expect("text");
        let code = self.child.wait().expect("it has ended").code();
        let mut stderr = std::mem::take(&mut self.said);
        stderr.extend(self.errors.iter());
        Ended { code, stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // After `end` there is nobody.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs it to its end, with its files in `out` of the scratch.
pub(crate) fn run(line: &str, scratch: &Scratch) -> Ended {
    let out = scratch.path().join("out");
    Program::start(line, &["--out", &out.to_string_lossy()]).end()
}

impl Ended {
    /// The only line of standard error.
    pub(crate) fn line(&self) -> &str {
        let [line] = self.stderr.as_slice() else { panic!("not one line: {self:?}") };
        line
    }
}

/// `result.json` of a run.
pub(crate) fn result(out: &Path) -> Value {
    let text = fs::read_to_string(out.join("result.json")).expect("a result");
    serde_json::from_str(&text).expect("JSON")
}
