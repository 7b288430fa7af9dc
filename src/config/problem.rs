//! What is wrong with a configuration, in the words that an operator can act on.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing to correct: key, line, problem, remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key as in `limits.stanza_bytes`, `domain[2].backend` (counted from 1), or the table.
    pub key: String,
    /// Line of the file, from 1; `None` when the file has no line for it (it could not be read).
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// All that is wrong with one file, in the order of its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// The file.
    pub file: PathBuf,
    /// What must be corrected before ringgate starts.
    pub errors: Vec<Problem>,
    /// What is probably not meant.
    pub warnings: Vec<Problem>,
}

/// Where a value stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// As in [`Problem::key`].
    pub key: String,
    /// As in [`Problem::line`].
    pub line: Option<usize>,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place; for a default, the line of its table.
    pub place: Place,
}

impl<T> Located<T> {
    pub(super) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: convert(self.value), place: self.place }
    }
}

impl Problems {
    pub(super) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), ..Self::default() }
    }

    pub(super) fn error(&mut self, place: &Place, problem: impl Into<String>, remedy: impl Into<String>) {
        self.errors.push(Problem::new(place, problem.into(), remedy.into()));
    }

    pub(super) fn warn(&mut self, place: &Place, problem: impl Into<String>, remedy: impl Into<String>) {
        self.warnings.push(Problem::new(place, problem.into(), remedy.into()));
    }

    pub(super) fn sort(&mut self) {
        self.errors.sort_by_key(|problem| problem.line);
        self.warnings.sort_by_key(|problem| problem.line);
    }

    /// The warnings as text, one paragraph each; empty when there are none.
    pub fn warnings_text(&self) -> String {
        self.warnings.iter().map(|problem| self.paragraph("warning", problem)).collect()
    }

    fn paragraph(&self, severity: &str, problem: &Problem) -> String {
        let place = match problem.line {
            Some(line) => format!("{}:{line}: {}", self.file.display(), problem.key),
            None => format!("{}: {}", self.file.display(), problem.key),
        };
        format!("{severity}: {place}\n  problem: {}\n  remedy:  {}\n", problem.problem, problem.remedy)
    }
}

impl Problem {
    fn new(place: &Place, problem: String, remedy: String) -> Self {
        Self { key: place.key.clone(), line: place.line, problem, remedy }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.errors {
            f.write_str(&self.paragraph("error", problem))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
