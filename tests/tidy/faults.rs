//! The ledger of the fault table names every row, and only tests that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;

use crate::source;

/// One row of `tests/cases/faults-ledger.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// `file::test`.
    #[serde(default)]
    tests: Vec<String>,
    /// What is not met, and why.
    why: Option<String>,
}

fn ledger() -> BTreeMap<String, Entry> {
    let text = fs::read_to_string(source::root().join("tests/cases/faults-ledger.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

#[test]
fn every_row_of_the_fault_table_has_a_test_or_a_reason() {
    let table = fs::read_to_string(source::root().join("tests/cases/faults.jsonl")).unwrap();
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        row["id"].as_str().unwrap().to_owned()
    };
    let rows: BTreeSet<String> = table.lines().map(row).collect();
    let ledger = ledger();
    let listed: BTreeSet<String> = ledger.keys().cloned().collect();
    assert_eq!(rows, listed);
    let is_bare = |entry: &Entry| entry.tests.is_empty() && entry.why.as_ref().is_none_or(|why| why.len() < 20);
    let bare: Vec<_> = ledger.iter().filter(|(_, entry)| is_bare(entry)).map(|(row, _)| row).collect();
    assert!(bare.is_empty(), "neither test nor reason: {bare:?}");
}

#[test]
fn every_test_that_the_ledger_names_exists() {
    let sources: BTreeMap<String, String> =
        source::all().into_iter().map(|source| (source.path, source.code)).collect();
    let mut missing = Vec::new();
    for (row, entry) in ledger() {
        for name in entry.tests {
            let (path, test) = name.split_once("::").expect("file::test");
            let marked = format!("fn {test}()");
            let is_test = |code: &String| {
                let before = code.find(&marked).map(|at| code[..at].trim_end());
                before.is_some_and(|before| before.ends_with(']') && before.contains("#[test]"))
            };
            if !sources.get(path).is_some_and(is_test) {
                missing.push(format!("{row}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
}
