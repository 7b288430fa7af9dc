//! Instructions per stanza, counted by callgrind: figures that do not depend on how busy the machine is, and their bounds.
//!
//! ```text
//! cargo bench -p ringgate-proto --features naive --bench instructions
//! ```
//!
//! Needs `valgrind`. Every workload runs in a process of its own, with one pass over its corpus and with three: half the
//! difference is what a pass costs, and nothing else is in it. Above a bound, the program fails.

#[path = "../corpora.rs"]
#[expect(dead_code, reason = "shared with benches/scan.rs, which uses all of it")]
mod corpora;
#[path = "../../tests/conformance/peer.rs"]
#[expect(dead_code, reason = "shared with tests/conformance, which uses all of it")]
mod peer;
mod relay;
#[path = "../scanner.rs"]
mod scanner;
#[path = "../../tests/conformance/gate/town.rs"]
#[expect(dead_code, reason = "shared with tests/conformance, which uses all of it")]
mod town;

use std::hint::black_box;
use std::process::{Command, ExitCode};

use ringgate_proto::scan::Cpu;

use corpora::Corpus;
use scanner::scanner;

/// Something whose instructions are counted.
struct Workload {
    name: &'static str,
    corpus: &'static str,
    cpu: Cpu,
    /// Goes over the corpus that often; returns the stanzas of one pass.
    run: fn(&Corpus, Cpu, usize) -> usize,
    /// Instructions per stanza at most.
    bound: f64,
}

const fn scanning(name: &'static str, corpus: &'static str, cpu: Cpu, bound: f64) -> Workload {
    Workload { name, corpus, cpu, run: scan, bound }
}

const fn relaying(name: &'static str, corpus: &'static str, bound: f64) -> Workload {
    Workload { name, corpus, cpu: Cpu::Avx2, run: relay::relay, bound }
}

/// The bounds of the scanner with AVX2 are the goals; the others are what was reached, and 2 %: raise none without a reason.
const WORKLOADS: [Workload; 6] = [
    scanning("scanner-presence", "presence", Cpu::Avx2, 3_800.0),
    scanning("scanner-message", "message", Cpu::Avx2, 4_200.0),
    scanning("scanner-presence-sse2", "presence", Cpu::Sse2, 4_020.0),
    scanning("scanner-message-sse2", "message", Cpu::Sse2, 4_640.0),
    relaying("gate-presence", "presence", 4_630.0),
    relaying("gate-message", "message", 5_050.0),
];

fn scan(corpus: &Corpus, cpu: Cpu, passes: usize) -> usize {
    let mut count = 0;
    for _ in 0..passes {
        count = corpus.streams.iter().map(|stream| scanner(black_box(stream), cpu)).sum();
    }
    count
}

/// Instructions of one pass of this workload, by callgrind.
fn instructions(workload: &Workload) -> Result<f64, String> {
    Ok((counted(workload, 3)? - counted(workload, 1)?) / 2.0)
}

/// Instructions of this program with so many passes of this workload, by callgrind.
fn counted(workload: &Workload, passes: usize) -> Result<f64, String> {
    let this = std::env::current_exe().map_err(|error| format!("this program's path: {error}"))?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(this);
    let output = valgrind.args([workload.name, &passes.to_string()]).output();
    let output = output.map_err(|error| format!("valgrind: {error}; `apt-get install valgrind` brings it"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{} under valgrind: {}\n{text}", workload.name, output.status));
    }
    let collected = text.lines().find_map(|line| line.split_once("Collected :"));
    let collected = collected.and_then(|(_, figure)| figure.trim().parse().ok());
    collected.ok_or_else(|| format!("callgrind says no figure:\n{text}"))
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = std::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    let has = false;
    has
}

/// The child: runs one workload.
fn work(name: &str, passes: usize) {
    let workload = WORKLOADS.iter().find(|workload| workload.name == name).expect("the parent names it");
    let corpus = corpora::named(workload.corpus);
    assert_eq!((workload.run)(&corpus, workload.cpu, passes), corpus.stanzas);
}

/// Counts one workload and prints its line; whether it is within its bound.
fn within(workload: &Workload) -> Result<bool, String> {
    if workload.cpu == Cpu::Avx2 && !has_avx2() {
        println!("{:24} not counted: the processor has no AVX2", workload.name);
        return Ok(true);
    }
    let corpus = corpora::named(workload.corpus);
    let each = instructions(workload)? / corpus.stanzas as f64;
    let (bytes, bound) = (corpus.bytes() / corpus.stanzas, workload.bound);
    print!("{:24} {bytes:>8} {each:>20.0} {bound:>8.0}", workload.name);
    let above = each - bound;
    if above > 0.0 {
        print!("  ABOVE by {above:.0}, {:.1} %", above / bound * 100.0);
    }
    println!();
    Ok(above <= 0.0)
}

/// Counts all; whether all are within their bounds.
fn count() -> Result<bool, String> {
    println!("{:24} {:>8} {:>20} {:>8}", "", "bytes", "instructions/stanza", "bound");
    let mut all = true;
    for workload in &WORKLOADS {
        all &= within(workload)?;
    }
    Ok(all)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [name, passes] = words.as_slice() {
        work(name, passes.parse().expect("a number of passes"));
        return ExitCode::SUCCESS;
    }
    match count() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
