//! `tests/cases/streams.jsonl`: whole, byte by byte, and cut in two everywhere, with every finder.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use std::println;

use base64::Engine;
use serde::Deserialize;

use super::{CPUS, Cpu, scan};
use crate::scan::naive::{self, End, Outcome};
use crate::scan::{Limits, Rule};

/// A byte stream and what is to be made of it.
#[derive(Deserialize)]
pub(super) struct Case {
    pub(super) name: String,
    bytes_b64: String,
    verdict: String,
    stanzas: Vec<(usize, usize)>,
    error: Option<String>,
    error_alt: Option<Vec<String>>,
    limits: Option<CaseLimits>,
    end: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
struct CaseLimits {
    stanza: u32,
    depth: u16,
    attrs: u16,
}

impl Case {
    pub(super) fn bytes(&self) -> Vec<u8> {
        base64::engine::general_purpose::STANDARD.decode(&self.bytes_b64).unwrap()
    }

    pub(super) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        self.limits.map_or(defaults, |l| Limits {
            depth: l.depth,
            attributes: l.attrs,
            stanza_bytes: l.stanza,
            ..defaults
        })
    }

    /// What is wrong with an outcome.
    fn complaint(&self, outcome: &Outcome) -> Option<String> {
        // Where a case leaves a choice (`error_alt` of an accepted stream), the scanner accepts.
        let stanzas: Vec<_> = outcome.elements.iter().map(|(start, end, _)| (*start, *end)).collect();
        let allowed: Vec<&str> = match self.verdict.as_str() {
            "ok" => vec![self.end.as_deref().unwrap()],
            _ => self.error.iter().chain(self.error_alt.iter().flatten()).map(String::as_str).collect(),
        };
        if stanzas == self.stanzas && allowed.contains(&word(outcome.end)) {
            return None;
        }
        Some(format!("{}: {stanzas:?} {:?}, not {:?} {allowed:?}", self.name, outcome.end, self.stanzas))
    }
}

/// The case file's word for an end.
pub(super) fn word(end: End) -> &'static str {
    match end {
        End::Open => "open",
        End::Partial => "partial",
        End::Closed => "closed",
        End::Broken(Rule::BadFormat) => "bad-format",
        End::Broken(Rule::BadNamespacePrefix) => "bad-namespace-prefix",
        End::Broken(Rule::InvalidNamespace) => "invalid-namespace",
        End::Broken(Rule::NotWellFormed) => "not-well-formed",
        End::Broken(Rule::PolicyViolation) => "policy-violation",
        End::Broken(Rule::RestrictedXml) => "restricted-xml",
        End::Broken(Rule::UnsupportedEncoding) => "unsupported-encoding",
    }
}

/// All cases.
pub(super) fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases/streams.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Case> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 129);
    cases
}

/// Runs every case under every finder, in the pieces that `cut` makes.
fn judge(cut: impl Fn(&Case, &[u8], Cpu) -> Vec<Outcome>) {
    let mut complaints = Vec::new();
    for case in cases() {
        let bytes = case.bytes();
        for cpu in CPUS {
            let outcomes = cut(&case, &bytes, cpu);
            complaints.extend(outcomes.iter().find_map(|o| case.complaint(o)).map(|c| format!("{cpu:?} {c}")));
        }
    }
    complaints.iter().for_each(|c| println!("{c}"));
    assert!(complaints.is_empty(), "{} complaints", complaints.len());
}

#[test]
fn every_case_is_right_when_it_comes_whole() {
    judge(|case, bytes, cpu| vec![scan([bytes], case.limits(), cpu)]);
}

#[test]
fn every_case_is_right_for_the_slow_twin() {
    judge(|case, bytes, _| vec![naive::scan(bytes, case.limits())]);
}

#[test]
fn every_case_is_right_when_it_comes_byte_by_byte() {
    judge(|case, bytes, cpu| vec![scan(bytes.chunks(1), case.limits(), cpu)]);
}

#[test]
fn every_case_is_right_when_it_comes_in_sevens() {
    judge(|case, bytes, cpu| vec![scan(bytes.chunks(7), case.limits(), cpu)]);
}

#[test]
fn every_case_is_right_when_cut_in_two_anywhere() {
    judge(|case, bytes, cpu| {
        (0..=bytes.len()).map(|cut| scan([&bytes[..cut], &bytes[cut..]], case.limits(), cpu)).collect()
    });
}

#[test]
fn bytes_looked_at_are_linear_when_input_comes_byte_by_byte() {
    for case in cases() {
        let bytes = case.bytes();
        super::examined::take();
        scan(bytes.chunks(1), case.limits(), Cpu::Avx2);
        let examined = super::examined::take();
        assert!(examined <= 8 * bytes.len() as u64, "{}: {examined} of {}", case.name, bytes.len());
    }
}
