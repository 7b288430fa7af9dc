//! What to know before reading a comparison: what was not the same, and which runs do not count.

use std::collections::BTreeSet;

use super::side::{Repeat, Side};
use crate::outcome::Outcome;

/// Options that do not change what a system has to carry.
const NOT_THE_LOAD: [&str; 4] = ["seed", "slo_p99", "slo_p999", "connect_timeout"];

/// Something that a run tells of itself.
type Told<'a> = &'a dyn Fn(&Outcome) -> String;

/// One remark, in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remark {
    /// The runs did not have the same load, or a side mixes systems: nothing follows from their figures.
    Load(String),
    /// A run's figures must not be used, and are not while there are valid ones.
    Invalid(String),
    /// To know, though figures may be compared.
    Doubt(String),
}

impl Remark {
    /// Its text.
    pub(super) fn text(&self) -> &str {
        let (Self::Load(text) | Self::Invalid(text) | Self::Doubt(text)) = self;
        text
    }
}

/// All remarks, gravest first.
pub(super) fn all(sides: &[Side]) -> Vec<Remark> {
    let mut remarks = Vec::new();
    remarks.extend(mixed_systems(sides));
    remarks.extend(differing_load(sides));
    remarks.extend(sides.iter().flat_map(about_runs));
    remarks.sort_by_key(|remark| matches!(remark, Remark::Doubt(_)));
    remarks.extend(differing_circumstances(sides));
    remarks
}

/// Sides whose repeats are of several systems.
fn mixed_systems(sides: &[Side]) -> Vec<Remark> {
    let mixed = |side: &Side| {
        let systems = values(side, |outcome| format!("{} {}", outcome.system.name, outcome.system.version));
        (systems.len() > 1).then(|| Remark::Load(format!("{} mixes systems: {}", side.letter, list(&systems))))
    };
    sides.iter().filter_map(mixed).collect()
}

/// Scenario and options: any two runs that differ in one had another load.
fn differing_load(sides: &[Side]) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut compare = |name: &str, value: Told<'_>| {
        let all: BTreeSet<String> = sides.iter().flat_map(|side| values(side, value)).collect();
        if all.len() > 1 {
            remarks.push(Remark::Load(difference(name, sides, value)));
        }
    };
    compare("scenario", &|outcome| outcome.scenario.clone());
    let outcomes = || sides.iter().flat_map(|side| &side.repeats).map(|repeat| &repeat.run.outcome);
    let names = outcomes().filter_map(|outcome| outcome.options.as_object()).flat_map(|options| options.keys());
    for name in names.collect::<BTreeSet<_>>().into_iter().filter(|name| !NOT_THE_LOAD.contains(&name.as_str())) {
        compare(&format!("option {name}"), &|outcome| {
            outcome.options.get(name).map_or("none".to_owned(), ToString::to_string)
        });
    }
    remarks
}

/// Seeds, machine and generator: named if the sides did not all meet the same ones.
fn differing_circumstances(sides: &[Side]) -> Vec<Remark> {
    let circumstances: [(&str, Told<'_>); 6] = [
        ("seed", &|outcome| outcome.seed.to_string()),
        ("kernel", &|outcome| outcome.environment.kernel.clone()),
        ("processor", &|outcome| outcome.environment.processor.clone()),
        ("cores of the system", &|outcome| format!("{:?}", outcome.environment.system_cores)),
        ("cores of the engine", &|outcome| format!("{:?}", outcome.environment.engine_cores)),
        ("loadgen", &|outcome| outcome.generator.clone()),
    ];
    let differs = |value: Told<'_>| {
        let sets: BTreeSet<_> = sides.iter().map(|side| values(side, value)).collect();
        sets.len() > 1
    };
    let differing = circumstances.into_iter().filter(|(_, value)| differs(*value));
    differing.map(|(name, value)| Remark::Doubt(difference(name, sides, value))).collect()
}

/// `rate differs: A 1000; B 2000`.
fn difference(name: &str, sides: &[Side], value: Told<'_>) -> String {
    let each = sides.iter().map(|side| format!("{} {}", side.letter, list(&values(side, value))));
    format!("{name} differs: {}", each.collect::<Vec<_>>().join("; "))
}

/// The different values of all runs of a side.
fn values(side: &Side, value: impl Fn(&Outcome) -> String) -> BTreeSet<String> {
    side.repeats.iter().map(|repeat| value(&repeat.run.outcome)).collect()
}

fn list(values: &BTreeSet<String>) -> String {
    values.iter().cloned().collect::<Vec<_>>().join(", ")
}

/// What the runs of a side say of themselves. Words that differ in numbers only are said once, as the first run says them.
fn about_runs(side: &Side) -> Vec<Remark> {
    let mut said: Vec<Said> = Vec::new();
    for (at, repeat) in side.repeats.iter().enumerate() {
        for (rank, words) in own_words(repeat) {
            match said.iter_mut().find(|one| one.rank == rank && gist(&one.words) == gist(&words)) {
                Some(one) => {
                    one.same &= one.words == words;
                    one.runs.push(at);
                }
                None => said.push(Said { rank, words, same: true, runs: vec![at] }),
            }
        }
    }
    said.sort_by_key(|one| one.rank);
    said.iter().map(|one| one.remark(side)).collect()
}

/// Words of one run or of several.
struct Said {
    rank: u8,
    words: String,
    /// All runs said it with the same numbers.
    same: bool,
    /// Indices of the runs.
    runs: Vec<usize>,
}

impl Said {
    fn remark(&self, side: &Side) -> Remark {
        let letter = side.letter;
        let who = match (side.repeats.len(), self.runs.as_slice()) {
            (1, _) => letter.to_string(),
            (all, runs) if runs.len() == all => format!("{letter}, all runs"),
            (_, [run]) => format!("{letter}, run {} ({})", run + 1, side.repeats[*run].path.display()),
            (_, runs) => {
                let numbers: Vec<String> = runs.iter().map(|run| (run + 1).to_string()).collect();
                format!("{letter}, runs {}", numbers.join(", "))
            }
        };
        let like = if self.same { "" } else { "; the others alike" };
        let text = format!("{who}: {}{like}", self.words);
        if self.rank == 0 { Remark::Invalid(text) } else { Remark::Doubt(text) }
    }
}

/// Words without numbers and their units.
fn gist(words: &str) -> Vec<&str> {
    const UNITS: [&str; 5] = ["ns", "µs", "ms", "s", "%"];
    let is_word = |word: &&str| {
        !word.contains(|c: char| c.is_ascii_digit()) && !UNITS.contains(&word.trim_end_matches([',', ')']))
    };
    words.split_whitespace().filter(is_word).collect()
}

/// Verdicts of a run: rank 0 if it makes the run invalid.
fn own_words(repeat: &Repeat) -> Vec<(u8, String)> {
    let verdict = &repeat.run.outcome.verdict;
    let mut words: Vec<(u8, String)> =
        verdict.invalid.iter().map(|reason| (0, format!("not valid: {reason}"))).collect();
    if verdict.interrupted {
        words.push((0, "not valid: it was interrupted".to_owned()));
    }
    words.extend(verdict.failed.iter().map(|reason| (1, format!("failed: {reason}"))));
    words.extend(verdict.doubts.iter().map(|reason| (2, reason.clone())));
    words
}
