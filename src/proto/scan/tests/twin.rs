//! The scanner and its slow twin agree on generated streams, however they are cut.

use alloc::string::String;
use alloc::vec::Vec;
use std::println;

use super::{CPUS, scan};
use crate::scan::naive::{self, End, inputs};
use crate::scan::{Limits, Rule};

/// Streams of one run; `SEED=n COUNT=1` tries one again, `COUNT` alone runs longer.
const COUNT: u64 = 20_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs `check` over seeds; it returns what is wrong.
fn over_seeds(test: &str, check: impl Fn(u64) -> Option<String>) {
    let first = number("SEED").unwrap_or(1);
    for seed in first..first + number("COUNT").unwrap_or(COUNT) {
        if let Some(wrong) = check(seed) {
            println!("replay: SEED={seed} COUNT=1 cargo test -p ringgate-proto --lib {test} -- --nocapture");
            panic!("{wrong}");
        }
    }
}

/// Small bounds, so that generated streams meet them.
fn limits(seed: u64) -> Limits {
    match seed % 4 {
        0 => Limits { depth: 3, attributes: 4, stanza_bytes: 300, elements: 6 },
        _ => Limits::default(),
    }
}

#[test]
fn scanner_and_twin_agree_on_every_generated_stream() {
    over_seeds("scanner_and_twin_agree", |seed| {
        let mut numbers = inputs::Numbers::new(seed);
        let stream = inputs::stream(&mut numbers);
        let twin = naive::scan(&stream, limits(seed));
        let cpu = CPUS[numbers.below(CPUS.len())];
        let whole = scan([&stream[..]], limits(seed), cpu);
        let pieces = inputs::pieces(&mut numbers, &stream);
        let cut = scan(pieces.iter().copied(), limits(seed), cpu);
        let text = String::from_utf8_lossy(&stream);
        if whole != cut {
            let lens: Vec<usize> = pieces.iter().map(|p| p.len()).collect();
            return Some(std::format!("{text}\nwhole {whole:?}\ncut   {cut:?}\n{lens:?}"));
        }
        (whole != twin).then(|| std::format!("{text}\nscanner {whole:?}\ntwin    {twin:?}"))
    });
}

#[test]
fn generated_streams_reach_every_verdict() {
    let mut seen = [0; 8];
    for seed in 1..4000 {
        let stream = inputs::stream(&mut inputs::Numbers::new(seed));
        let place = match naive::scan(&stream, limits(seed)).end {
            End::Open => 0,
            End::Closed => 1,
            End::Partial => 2,
            End::Broken(Rule::NotWellFormed) => 3,
            End::Broken(Rule::RestrictedXml) => 4,
            End::Broken(Rule::PolicyViolation) => 5,
            End::Broken(Rule::BadFormat) => 6,
            End::Broken(_) => 7,
        };
        seen[place] += 1;
    }
    assert!(seen.iter().all(|n| *n > 3), "{seen:?}");
}
