//! Whether a run can tell if its objective was kept.

use super::{Load, Plan, Problem};
use crate::measure::Series;
use crate::measure::figure::samples_needed;

impl Plan {
    /// Refuses an objective for which the plan has too few samples, before anybody waits for the run.
    ///
    /// # Errors
    /// [`Problem::Contradiction`].
    pub(super) fn check_objective(&self) -> Result<(), Problem> {
        let wanted = [(self.slo.p999, 0.999, "p99.9"), (self.slo.p99, 0.99, "p99")];
        let Some((_, quantile, name)) = wanted.into_iter().find(|(bound, ..)| bound.is_some()) else { return Ok(()) };
        let Some((series, samples)) = self.main_samples() else { return Ok(()) };
        let needed = samples_needed(quantile);
        if samples >= needed {
            return Ok(());
        }
        let what = format!("{name} of {} needs {needed} samples, the plan has {samples}", series.name());
        let seconds = self.phases.measure.as_secs_f64() * needed as f64 / samples.max(1) as f64;
        // Some more, as arrivals are random.
        Err(Problem::Contradiction { what, remedy: format!("take --duration {:.0}s or a higher rate", seconds * 1.05) })
    }

    /// How often the main series will be recorded, where that is known before.
    fn main_samples(&self) -> Option<(Series, u64)> {
        let Load::Paced(_) = self.load else { return None };
        let tally = self.tally(self.phases.warm_up + self.phases.measure);
        let series = self.main_series()?;
        let samples = match series {
            Series::Last => tally.plain,
            Series::Neighbour => tally.neighbours,
            _ => tally.stanzas() - tally.stressed - tally.neighbours,
        };
        Some((series, samples))
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::scenario::tests::scenario;

    #[test]
    fn objective_without_enough_samples_is_refused_with_a_duration_that_has_them() {
        let line = "fanout --slo-p99 5ms --rate 100 --duration";
        let problem = scenario(&format!("{line} 3s")).plan().expect_err("300 samples").to_string();
        let start = "p99 of last needs 10000 samples, the plan has ";
        assert!(problem.starts_with(start) && problem.contains("take --duration 10"), "{problem}");
        let remedy = problem.split("--duration ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a duration");
        assert!(scenario(&format!("{line} {remedy}")).plan().is_ok(), "{problem}");
    }

    #[test]
    fn stricter_objective_needs_more() {
        assert!(scenario("fanout --slo-p99 5ms --rate 350 --duration 31s").plan().is_ok());
        assert!(scenario("fanout --slo-p99 5ms --slo-p999 9ms --rate 350 --duration 31s").plan().is_err());
        // Closed loops have as many as they come to.
        assert!(scenario("message --slo-p999 9ms --duration 1s").plan().is_ok());
    }
}
