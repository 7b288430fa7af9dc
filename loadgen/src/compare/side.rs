//! One side of a comparison: its runs, from where they were found.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;

use crate::report::run::{add, empty};
use crate::report::{Quantity, Run, read};

/// The file of a run in its directory.
const RESULT: &str = "result.json";

/// Runs that a side can have.
const RUNS_AT_MOST: usize = 100;

/// Characters of a name beside a curve.
const SHORT_NAME: usize = 11;

/// A run and where it was found.
#[derive(Debug)]
pub(super) struct Repeat {
    pub(super) path: PathBuf,
    pub(super) run: Run,
}

impl Repeat {
    /// Whether its figures may be used.
    pub(super) fn is_valid(&self) -> bool {
        let verdict = &self.run.outcome.verdict;
        verdict.invalid.is_empty() && !verdict.interrupted
    }
}

/// One run, or several repeats of it.
#[derive(Debug)]
pub struct Side {
    /// A, B, ….
    pub(super) letter: char,
    /// As on the command line.
    pub(super) given: String,
    /// At least one.
    pub(super) repeats: Vec<Repeat>,
}

impl Side {
    /// Reads side number `number` (0: the first) from what the command line gives: the result of a run, a directory of one run, a
    /// directory of directories of runs, or several of these with commas between them.
    ///
    /// # Errors
    /// In one line that names the file: there is none, or it cannot be read.
    pub fn read(number: usize, given: &str) -> anyhow::Result<Self> {
        let mut paths = Vec::new();
        if Path::new(given).exists() {
            paths = results(Path::new(given))?;
        } else {
            for part in given.split(',') {
                paths.extend(results(Path::new(part))?);
            }
        }
        ensure!(paths.len() <= RUNS_AT_MOST, "{given}: {} runs; at most {RUNS_AT_MOST} are compared", paths.len());
        if let Some(twice) = paths.iter().enumerate().find(|(at, path)| paths[..*at].contains(path)) {
            bail!("{given}: {} is given twice, but is one run", twice.1.display());
        }
        let repeat = |path: PathBuf| Ok(Repeat { run: read(&path)?, path });
        let repeats = paths.into_iter().map(repeat).collect::<anyhow::Result<_>>()?;
        Ok(Self::new(number, given, repeats))
    }

    /// Of runs that were read.
    pub(super) fn new(number: usize, given: &str, repeats: Vec<Repeat>) -> Self {
        let letter = char::from(b'A' + (number % 26) as u8);
        Self { letter, given: given.to_owned(), repeats }
    }

    /// Whether it has a run whose figures may be used.
    pub(super) fn is_valid(&self) -> bool {
        self.repeats.iter().any(Repeat::is_valid)
    }

    /// The runs whose figures count: the valid ones, or all if there is none, so that there is something to see.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Run> {
        let any = !self.is_valid();
        self.repeats.iter().filter(move |repeat| any || repeat.is_valid()).map(|repeat| &repeat.run)
    }

    /// Whether a run that counts lost something or missed its objective.
    pub(super) fn has_failed(&self) -> bool {
        self.counted().any(|run| !run.outcome.verdict.failed.is_empty())
    }

    /// How many of the runs that count failed, and why the first of these did; `None` if none did.
    pub(super) fn failure(&self) -> Option<String> {
        let count = self.counted().count();
        let mut failed = self.counted().filter(|run| !run.outcome.verdict.failed.is_empty());
        let reasons = failed.next()?.outcome.verdict.failed.join(", ");
        Some(match (1 + failed.count(), count) {
            (_, 1) => format!("its run failed: {reasons}"),
            (1, all) => format!("1 of {all} runs failed: {reasons}"),
            (some, all) => format!("{some} of {all} runs failed, the first of them: {reasons}"),
        })
    }

    /// A figure of each run that counts and tells it.
    pub(super) fn figures(&self, quantity: Quantity) -> Vec<f64> {
        self.counted().filter_map(|run| quantity.of(run)).collect()
    }

    /// Its runs' main series taken together, if anything was timed.
    pub(super) fn main_histogram(&self) -> Option<Histogram<u64>> {
        let series = self.counted().find_map(Run::main_series)?;
        let mut all = empty();
        self.counted().filter_map(|run| run.measured(series)).for_each(|histogram| add(&mut all, histogram));
        (!all.is_empty()).then_some(all)
    }

    /// Letter and system: `B haproxy`.
    pub(super) fn name(&self) -> String {
        let system = self.repeats.first().map_or("", |repeat| &repeat.run.outcome.system.name);
        format!("{} {system}", self.letter)
    }

    /// The same for a place with little room.
    pub(super) fn short_name(&self) -> String {
        self.name().chars().take(SHORT_NAME).collect()
    }

    /// In one line: system and version, how many runs, from where.
    pub(super) fn description(&self) -> String {
        let system = self.repeats.first().map_or_else(String::new, |repeat| repeat.run.system());
        let valid = self.repeats.iter().filter(|repeat| repeat.is_valid()).count();
        let runs = match (valid, self.repeats.len()) {
            (1, 1) => "1 valid run".to_owned(),
            (valid, all) if valid == all => format!("{all} valid runs"),
            (valid, all) => format!("{valid} of {all} runs valid"),
        };
        format!("{system}, {runs}: {}", self.given)
    }
}

/// The results that a path stands for, in order of their names.
fn results(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    ensure!(!path.as_os_str().is_empty(), "the name of a file is missing beside a comma");
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let own = path.join(RESULT);
    if own.exists() {
        return Ok(vec![own]);
    }
    let context = || format!("cannot read {}", path.display());
    let entries = fs::read_dir(path).with_context(context)?.collect::<Result<Vec<_>, _>>().with_context(context)?;
    let mut found: Vec<PathBuf> =
        entries.into_iter().map(|entry| entry.path().join(RESULT)).filter(|path| path.exists()).collect();
    found.sort();
    ensure!(!found.is_empty(), "{}: neither {RESULT} nor directories with one", path.display());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{made_up, write_files};

    #[test]
    fn side_is_a_file_a_directory_of_runs_or_a_list() {
        let root = std::env::temp_dir().join(format!("loadgen-side-{}", std::process::id()));
        for (number, name) in ["a/2", "a/1", "b"].into_iter().enumerate() {
            write_files(&made_up::fan_out(number as u64, 1, 1.0), &root.join(name)).unwrap();
        }
        let given = |text: &str| text.replace('@', &root.display().to_string());
        let seeds = |text: &str| {
            let side = Side::read(1, &given(text)).unwrap();
            assert_eq!((side.letter, side.short_name()), ('B', "B ringgate".to_owned()));
            side.repeats.iter().map(|repeat| repeat.run.outcome.seed).collect::<Vec<_>>()
        };
        assert_eq!([seeds("@/a"), seeds("@/a/2"), seeds("@/b/result.json")], [vec![1, 0], vec![0], vec![2]]);
        assert_eq!(seeds("@/b,@/a"), [2, 1, 0]);

        let error = |text: &str| Side::read(0, &given(text)).unwrap_err().to_string();
        assert!(error("@/none.json").contains("none.json"));
        assert!(error("@/a,").contains("missing beside a comma"));
        assert!(error("@/a,@/a/1").contains("is given twice"));
        assert!(error("@/a/1/latency.hlog").contains("latency.hlog: not a result of loadgen"));
        std::fs::create_dir(root.join("empty")).unwrap();
        assert!(error("@/empty").ends_with("neither result.json nor directories with one"));
        std::fs::remove_dir_all(root).unwrap();
    }
}
