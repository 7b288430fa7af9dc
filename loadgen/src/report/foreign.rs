//! What we write, read by HdrHistogram's Python implementation.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

use serde_json::Value;

use super::files::write_files;
use super::made_up;
use super::run::Run;
use crate::measure::{Phase, Series};

/// The reader from PyPI, at a version whose answers are known.
const VERSION: &str = "0.10.8";
const IS_THERE: &str = "import sys, hdrh, importlib.metadata as m; sys.exit(m.version('hdrhistogram') != sys.argv[1])";

fn must(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; .ci/run installs python3-venv"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Python with the reader, made anew in `target/` unless it is there.
fn python() -> PathBuf {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/hdr-venv");
    let python = venv.join("bin/python");
    let tried = Command::new(&python).args(["-c", IS_THERE, VERSION]).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        must(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        let package = format!("hdrhistogram=={VERSION}");
        let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:"];
        must(Command::new(&python).args(pip).arg(package));
    }
    python
}

fn read_by_python(hlog: &Path, hgrm: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/foreign.py");
    let answer = must(Command::new(python()).arg(script).args([hlog, hgrm]).arg("measure-last"));
    serde_json::from_slice(&answer).expect("the script prints JSON")
}

#[test]
fn foreign_reader_finds_the_same_counts_and_percentiles_for_each_tag() {
    let directory = env::temp_dir().join(format!("loadgen-foreign-{}", process::id()));
    let record = made_up::fan_out(1, 12, 1.0);
    let files = write_files(&record, &directory).unwrap();
    let read = read_by_python(&files.intervals, files.percentiles.as_ref().unwrap());
    fs::remove_dir_all(&directory).unwrap();

    assert_eq!(read["start"], record.outcome.started_unix_seconds);
    let lines = read["lines"].as_array().unwrap();
    assert_eq!(lines.len(), record.intervals.len());
    let begin_millis = record.outcome.started_unix_seconds * 1e3 + 1e3;
    assert_eq!(lines[0][1].as_f64().map(f64::round), Some(begin_millis.round()), "relative to BaseTime");
    assert!((lines[0][2].as_f64().unwrap() - 1e3).abs() < 1.0, "a second long");

    let run = Run::of(&record);
    assert_eq!(read["tags"].as_object().map(serde_json::Map::len), Some(run.histograms().count()));
    for (phase, series, histogram) in run.histograms() {
        let tag = format!("{}-{}", phase.name(), series.name());
        let theirs = &read["tags"][&tag];
        assert_eq!(theirs["n"], histogram.len(), "{tag}");
        assert_eq!(theirs["max"], histogram.max(), "{tag}");
        let ours = [0.5, 0.9, 0.99, 0.999, 0.9999].map(|quantile| histogram.value_at_quantile(quantile));
        assert_eq!(theirs["percentiles"], serde_json::json!(ours), "{tag}");
    }
    assert_eq!(run.histograms().filter(|(phase, ..)| *phase == Phase::Measure).count(), 7);
    table_holds(&read, run.measured(Series::Last).unwrap().len());
}

/// Every row of our table has a count that their histogram has, too, and its last lines have their mean, deviation, maximum and count.
fn table_holds(read: &Value, samples: u64) {
    let numbers = |key: &str| -> Vec<Vec<f64>> { serde_json::from_value(read[key].clone()).expect("rows of numbers") };
    let (rows, between) = (numbers("rows"), numbers("counts_between"));
    assert!(rows.len() > 20 && rows.len() == between.len(), "{rows:?}");
    for (row, between) in rows.iter().zip(&between) {
        let (quantile, count) = (row[1], row[2]);
        assert!((between[0]..=between[1]).contains(&count), "{row:?}: {between:?}");
        assert!(count / samples as f64 >= quantile - 1e-9, "{row:?}");
    }
    assert_eq!(rows.last().map(|row| (row[1], row[2])), Some((1.0, samples as f64)));
    let last_lines: [Vec<f64>; 2] =
        ["numbers", "their_numbers"].map(|key| serde_json::from_value(read[key].clone()).expect("numbers"));
    assert_eq!(last_lines[0], last_lines[1], "mean, deviation, maximum, count");
    assert_eq!(last_lines[0].len(), 4);
}
