//! The search for the highest rate that keeps an objective.
//!
//! The rate doubles from the least until it is not kept, then the gap between the highest kept and the lowest missed one is halved
//! (geometrically) until it is within the resolution. Whether a rate is kept is decided by the majority of its runs: the two rates on either
//! side of the end are run again until each has two runs that agree, so that neither a lucky run nor a hiccup of the machine
//! decides; if one of them changes sides, the search goes on from there.

use crate::outcome::Verdict;

/// Runs of a search, at most.
const RUNS: usize = 64;

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bisect {
    /// Where it starts.
    pub least: f64,
    /// Beyond this it does not go.
    pub most: f64,
    /// The answer is this exact: 0.05 for 5 %.
    pub resolution: f64,
}

/// Runs at one rate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Asked for.
    pub rate: f64,
    /// Runs that kept the objective.
    pub kept: u32,
    /// Runs that did not, or were invalid.
    pub missed: u32,
    /// Why the last of them did not.
    pub reason: Option<String>,
    /// The last of them was invalid: rather the generator's limit than the system's.
    pub is_invalid: bool,
}

/// The end of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The highest rate that was kept, if any.
    pub kept: Option<f64>,
    /// The lowest one above it that was not, if any: none means that the limit lies beyond the most that was to be tried.
    pub missed: Option<Step>,
    /// All, by rate: the points of a curve of latency by load.
    pub steps: Vec<Step>,
    /// Both were confirmed by a second run.
    pub is_confirmed: bool,
}

impl Step {
    fn is_kept(&self) -> bool {
        self.kept > self.missed
    }

    fn is_tied(&self) -> bool {
        self.kept == self.missed
    }
}

impl Bisect {
    /// Searches; `run` runs at a rate. Ends early, unconfirmed, when a run was interrupted.
    ///
    /// # Errors
    /// That of `run`.
    pub fn search<E>(&self, mut run: impl FnMut(f64) -> Result<Verdict, E>) -> Result<Found, E> {
        let mut steps: Vec<Step> = Vec::new();
        for _ in 0..RUNS {
            let Some(rate) = self.next(&steps) else { return Ok(found(steps, true)) };
            let verdict = run(rate)?;
            if verdict.interrupted {
                break;
            }
            note(&mut steps, rate, verdict);
        }
        Ok(found(steps, false))
    }

    /// The next rate to run; none: the answer is found.
    fn next(&self, steps: &[Step]) -> Option<f64> {
        if let Some(tied) = steps.iter().find(|step| step.is_tied()) {
            return Some(tied.rate);
        }
        let (kept, missed) = bounds(steps);
        match (kept, missed) {
            (None, None) => Some(self.least),
            (Some(kept), None) if kept.rate < self.most => Some((kept.rate * 2.0).min(self.most)),
            (Some(kept), Some(missed)) if missed.rate / kept.rate > 1.0 + self.resolution => {
                Some((kept.rate * missed.rate).sqrt())
            }
            (kept, missed) => {
                [kept, missed].into_iter().flatten().find(|step| step.kept + step.missed < 2).map(|step| step.rate)
            }
        }
    }
}

/// The lowest rate that was missed, and the highest that was kept below it.
fn bounds(steps: &[Step]) -> (Option<&Step>, Option<&Step>) {
    let missed = steps.iter().find(|step| !step.is_kept());
    let is_below = |step: &&Step| missed.is_none_or(|missed| step.rate < missed.rate);
    (steps.iter().rev().filter(is_below).find(|step| step.is_kept()), missed)
}

/// Adds a run; steps stay in order of their rates.
fn note(steps: &mut Vec<Step>, rate: f64, verdict: Verdict) {
    let index = steps.partition_point(|step| step.rate < rate);
    if steps.get(index).is_none_or(|step| step.rate != rate) {
        steps.insert(index, Step { rate, ..Step::default() });
    }
    let step = &mut steps[index];
    let is_invalid = !verdict.invalid.is_empty();
    match verdict.invalid.into_iter().chain(verdict.failed).next() {
        None => step.kept += 1,
        Some(reason) => {
            step.missed += 1;
            step.is_invalid = is_invalid;
            step.reason = Some(reason);
        }
    }
}

fn found(steps: Vec<Step>, is_confirmed: bool) -> Found {
    let (kept, missed) = bounds(&steps);
    Found { kept: kept.map(|step| step.rate), missed: missed.cloned(), is_confirmed, steps }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const SEARCH: Bisect = Bisect { least: 100.0, most: 100_000.0, resolution: 0.05 };

    fn verdict(is_kept: bool) -> Verdict {
        let failed = if is_kept { Vec::new() } else { vec!["p99 of last is 9 ms".to_owned()] };
        Verdict { failed, ..Verdict::default() }
    }

    /// Searches an artificial system; `system` gets the rate and the number of the run.
    fn search(search: Bisect, mut system: impl FnMut(f64, u32) -> Verdict) -> (Found, u32) {
        let mut runs = 0;
        let found = search.search(|rate| {
            runs += 1;
            Ok::<_, Infallible>(system(rate, runs))
        });
        let Ok(found) = found;
        (found, runs)
    }

    #[test]
    fn limit_is_found_within_the_resolution_and_confirmed() {
        for limit in [101.0, 777.0, 5_000.0, 99_000.0] {
            let (found, runs) = search(SEARCH, |rate, _| verdict(rate <= limit));
            let (kept, missed) = (found.kept.unwrap(), found.missed.unwrap());
            assert!(kept <= limit && limit < missed.rate && missed.rate / kept <= 1.05, "{kept} {}", missed.rate);
            assert!(found.is_confirmed && missed.missed == 2 && runs < 25, "{runs}");
            assert_eq!(missed.reason.as_deref(), Some("p99 of last is 9 ms"));
        }
    }

    #[test]
    fn limit_beyond_the_most_and_below_the_least_is_said() {
        let (found, _) = search(SEARCH, |_, _| verdict(true));
        assert_eq!((found.kept, found.missed, found.is_confirmed), (Some(100_000.0), None, true));
        let (found, runs) = search(SEARCH, |_, _| verdict(false));
        assert_eq!((found.kept, found.missed.map(|step| step.rate), runs), (None, Some(100.0), 2));
    }

    #[test]
    fn one_wrong_run_anywhere_does_not_decide() {
        for wrong in 1..=20 {
            let (found, _) = search(SEARCH, |rate, run| verdict((rate <= 3_000.0) != (run == wrong)));
            let (kept, missed) = (found.kept.unwrap(), found.missed.unwrap().rate);
            assert!(kept <= 3_000.0 && 3_000.0 < missed && missed / kept <= 1.05, "run {wrong}: {kept} {missed}");
        }
    }

    #[test]
    fn noise_around_the_limit_ends_the_search_nearby() {
        for seed in 0..200_u64 {
            let mut state = seed;
            let (found, runs) = search(SEARCH, |rate, _| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let noise = 0.9 + 0.2 * (state >> 40) as f64 / (1_u64 << 24) as f64;
                verdict(rate <= 3_000.0 * noise)
            });
            let kept = found.kept.unwrap();
            assert!((2_500.0..3_400.0).contains(&kept) && runs <= 64, "seed {seed}: {kept} after {runs}");
        }
    }

    #[test]
    fn invalid_run_at_the_limit_is_the_generators() {
        let busy = |rate: f64| {
            let invalid = if rate > 900.0 { vec!["the generator was late".to_owned()] } else { Vec::new() };
            Verdict { invalid, ..Verdict::default() }
        };
        let (found, _) = search(SEARCH, |rate, _| busy(rate));
        assert!(found.missed.is_some_and(|step| step.is_invalid));
    }

    #[test]
    fn interruption_keeps_what_was_found_so_far() {
        let (found, runs) = search(SEARCH, |rate, run| Verdict { interrupted: run == 4, ..verdict(rate < 1_000.0) });
        assert_eq!((found.kept, found.missed, found.is_confirmed, runs), (Some(400.0), None, false, 4));
        assert_eq!(found.steps.len(), 3);
    }

    #[test]
    fn error_of_a_run_ends_the_search() {
        assert_eq!(SEARCH.search(|_| Err::<Verdict, _>("no such target")), Err("no such target"));
    }
}
