//! Ctrl-C in the middle of something.

use std::time::{Duration, Instant};

use loadgen::systems::scratch::Scratch;

use crate::program::{Ended, Program, result};

/// Starts a run, interrupts it when it says something, and gives its end and its result.
fn interrupted(line: &str, when: &str) -> (Ended, serde_json::Value) {
    let scratch = Scratch::new(false).unwrap();
    let out = scratch.path().join("out");
    let mut program = Program::start(line, &["--out", &out.to_string_lossy()]);
    program.says(when);
    let begin = Instant::now();
    program.interrupt();
    let ended = program.end();
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}: {ended:?}", begin.elapsed());
    for name in ["result.json", "latency.hlog", "report.html"] {
        assert!(out.join(name).is_file(), "{name}: {ended:?}");
    }
    let result = result(&out);
    assert_eq!(result["verdict"]["interrupted"], true);
    assert!(ended.stdout.contains("Interrupted: this is what was measured until then"), "{ended:?}");
    (ended, result)
}

#[test]
fn interrupted_run_leaves_what_was_measured_so_far() {
    for system in ["direct", "ringgate"] {
        let line = format!("message --system {system} --warm-up 100ms --duration 60s --connect-timeout 10s");
        let (ended, result) = interrupted(&line, "measure ");
        assert!(matches!(ended.code, Some(0 | 4)), "{ended:?}");
        let seconds = result["phases"]["measure"].as_f64().unwrap();
        assert!(seconds < 30.0, "{seconds}");
        let counts = &result["counts"];
        let of = |name: &str| counts[name].as_u64().unwrap();
        assert_eq!(of("scheduled"), of("arrived") + of("missing") + of("unsent") + of("undecided"), "{counts}");
        assert!(of("arrived") > 0 && of("missing") == 0, "{counts}");
    }
}

#[test]
fn interrupted_run_does_not_wait_for_those_who_never_answer() {
    let (_, result) = interrupted("slow-peer --system direct --warm-up 100ms --deadline 30s", "measure ");
    let counts = &result["counts"];
    let of = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!(of("scheduled"), of("arrived") + of("missing") + of("unsent") + of("undecided"), "{counts}");
}

#[test]
fn run_interrupted_before_anything_was_measured_is_invalid() {
    let (ended, result) = interrupted("fanout --system direct --warm-up 60s", "warm-up ");
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(result["verdict"]["invalid"].to_string().contains("nothing was measured"), "{result}");
}
