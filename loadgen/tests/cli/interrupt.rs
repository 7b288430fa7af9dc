//! Ctrl-C in the middle of something.

use std::path::Path;
use std::time::{Duration, Instant};

use loadgen::systems::scratch::Scratch;

use crate::program::{Ended, Program, result};

/// Starts something, interrupts it when it says something, and gives its end.
fn ended(line: &str, when: &str, out: &Path) -> Ended {
    let mut program = Program::start(line, &["--out", &out.to_string_lossy()]);
    program.says(when);
    let begin = Instant::now();
    program.interrupt();
    let ended = program.end();
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}: {ended:?}", begin.elapsed());
    ended
}

/// Starts a run, interrupts it when it says something, and gives its result.
fn interrupted(line: &str, when: &str) -> serde_json::Value {
    let scratch = Scratch::new(false).unwrap();
    let out = scratch.path().join("out");
    let ended = ended(line, when, &out);
    for name in ["result.json", "latency.hlog", "report.html"] {
        assert!(out.join(name).is_file(), "{name}: {ended:?}");
    }
    let result = result(&out);
    assert_eq!(result["verdict"]["interrupted"], true);
    assert!(ended.stdout.contains("Interrupted: this is what was measured until then"), "{ended:?}");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(!ended.stdout.contains("Valid") && !page.contains("Valid:"), "{ended:?}");
    assert_eq!(ended.code, Some(130), "{ended:?}");
    result
}

#[test]
fn interrupted_run_leaves_what_was_measured_so_far() {
    for system in ["direct", "ringgate"] {
        let line = format!("message --system {system} --warm-up 100ms --duration 60s --connect-timeout 10s");
        let result = interrupted(&line, "measure ");
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
    let result = interrupted("slow-peer --system direct --warm-up 100ms --deadline 30s", "measure ");
    let counts = &result["counts"];
    let of = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!(of("scheduled"), of("arrived") + of("missing") + of("unsent") + of("undecided"), "{counts}");
}

#[test]
fn run_interrupted_before_anything_was_measured_is_invalid() {
    let result = interrupted("fanout --system direct --warm-up 60s", "warm-up ");
    assert!(result["verdict"]["invalid"].to_string().contains("nothing was measured"), "{result}");
}

#[test]
fn bench_interrupted_in_its_first_round_shows_no_table() {
    let scratch = Scratch::new(false).unwrap();
    let out = scratch.path().join("out");
    let ended = ended("bench fanout --system direct --warm-up 100ms --duration 60s", "measure ", &out);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stdout.contains("Interrupted") && !ended.stdout.contains("tables"), "{ended:?}");
    assert!(!out.join("tables.md").exists());
}

#[test]
fn interrupted_search_is_no_success() {
    let scratch = Scratch::new(false).unwrap();
    let line = "bisect fanout --least 300 --slo-p99 5s --system direct --warm-up 100ms --duration 60s";
    let ended = ended(line, "measure ", &scratch.path().join("out"));
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stdout.contains("it was interrupted") && !ended.stdout.contains("kept"), "{ended:?}");
}
