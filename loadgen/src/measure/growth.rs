//! Whether what a system holds grows: a slope, and how far chance alone may have moved it.
//!
//! The measured phase is cut into [`STRETCHES`] of equal length, and of each the mean is taken, so that what comes and goes within a stretch
//! (streams under way, buffers in use) does not matter. From each stretch to the next the mean changes by some step. The slope is the mean
//! step; its interval is Student's, of the steps as independent observations:
//!
//! ```text
//!   slope = mean(steps) ± t(95 %, steps - 1) x deviation(steps) / sqrt(steps), per hour
//! ```
//!
//! Steps are what is independent here, not levels: memory that an allocator once took stays where it is, so neighbouring levels are alike, and
//! a straight line through them would find a trend behind a single jump. One jump, or a few of them, are no trend by this rule, whatever their
//! size: they make the deviation as large as the mean. A leak is there in every stretch. Where levels do vary about a constant, as numbers of
//! descriptors do, neighbouring steps cancel out and the interval is wider than it had to be: the rule errs on the side of not finding growth,
//! which is why the width of the interval is judged, too (`validity`).

use super::Phase;
use crate::outcome::{Growth, Held, Trend};

/// Stretches of the measured phase.
const STRETCHES: usize = 20;

/// Looks in each, at least.
const LOOKS: usize = 2;

/// Of Student's distribution with `STRETCHES - 2` degrees of freedom, 97.5 %: of 19 steps.
const STUDENT: f64 = 2.101;

/// Seconds.
const HOUR: f64 = 3_600.0;

impl Growth {
    /// Of all looks at the system, in order of time.
    pub fn of(held: Vec<Held>) -> Self {
        let measured: Vec<Held> = held.iter().filter(|look| look.phase == Phase::Measure).copied().collect();
        let is_there = measured.iter().any(|look| look.resident_bytes > 0);
        let trend = |of: fn(&Held) -> u64| is_there.then(|| trend(&measured, of)).flatten();
        Self { memory: trend(|look| look.resident_bytes), descriptors: trend(|look| look.descriptors), held }
    }
}

/// `None`: the looks are too few.
fn trend(looks: &[Held], of: fn(&Held) -> u64) -> Option<Trend> {
    let (first, last) = (looks.first()?.at, looks.last()?.at);
    let length = (last - first) / STRETCHES as f64;
    let stretch = |number: usize| {
        let begin = looks.partition_point(|look| look.at < first + length * number as f64);
        let end = looks.partition_point(|look| look.at < first + length * (number + 1) as f64);
        let part = looks.get(begin..end).filter(|part| part.len() >= LOOKS)?;
        Some(part.iter().map(|look| of(look) as f64).sum::<f64>() / part.len() as f64)
    };
    let means = (0..STRETCHES).map(stretch).collect::<Option<Vec<f64>>>()?;
    let steps: Vec<f64> = means.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let count = steps.len() as f64;
    let mean = steps.iter().sum::<f64>() / count;
    let variance = steps.iter().map(|step| (step - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = STUDENT * (variance / count).sqrt();
    let per_hour = |step: f64| step / length * HOUR;
    Some(Trend { per_hour: per_hour(mean), least: per_hour(mean - half), most: per_hour(mean + half) })
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// A look a second for 20 minutes, after as many in the warm-up that hold `1 << 40` bytes and descriptors.
    fn run(mut level: impl FnMut(f64) -> f64) -> Growth {
        let warm_up = (0..120).map(|second| Held {
            at: f64::from(second),
            phase: Phase::WarmUp,
            resident_bytes: 1 << 40,
            descriptors: 1 << 40,
        });
        let measured = (0..1_200).map(|second| {
            let level = level(f64::from(second)) as u64;
            Held { at: 120.0 + f64::from(second), phase: Phase::Measure, resident_bytes: level, descriptors: level }
        });
        Growth::of(warm_up.chain(measured).collect())
    }

    fn memory(level: impl FnMut(f64) -> f64) -> Trend {
        run(level).memory.expect("looks enough")
    }

    /// Noise whose neighbours are alike (a lag of a second keeps 95 % of it), of the standard deviation 1.
    fn sluggish(seed: u64) -> impl FnMut() -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut state = 0.0;
        move || {
            // A sum of twelve uniform values is near enough to a normal one.
            let normal = (0..12).map(|_| rng.random_range(0.0..1.0)).sum::<f64>() - 6.0;
            state = state * 0.95 + normal * (1.0_f64 - 0.95 * 0.95).sqrt();
            state
        }
    }

    #[test]
    fn leak_of_48_bytes_a_stream_is_found_in_the_noise_of_an_allocator() {
        // 50 streams a second; levels that wander by 100 kB.
        let leak = 48.0 * 50.0;
        for seed in 0..20 {
            let mut noise = sluggish(seed);
            let trend = memory(|second| 20e6 + leak * second + 100e3 * noise());
            assert!(trend.least > 0.0 && !trend.has_zero(), "{seed}: {trend:?}");
            assert!((trend.least..trend.most).contains(&(leak * 3_600.0)), "{seed}: {trend:?}");
        }
    }

    #[test]
    fn noise_is_not_called_growth_more_often_than_its_confidence_allows() {
        let found = (0..200).filter(|seed| {
            let mut noise = sluggish(*seed);
            !memory(|_| 20e6 + 100e3 * noise()).has_zero()
        });
        // 5 % of 200 would be 10; steps that cancel out make it fewer.
        assert!(found.count() <= 10);
    }

    #[test]
    fn random_walk_is_not_called_growth_much_more_often_than_its_confidence_allows() {
        let found = (0..200).filter(|seed| {
            let (mut rng, mut level) = (ChaCha8Rng::seed_from_u64(*seed), 20e6);
            !memory(|_| {
                level += rng.random_range(-10e3..10e3);
                level
            })
            .has_zero()
        });
        // A straight line through the levels, by least squares, would find a trend in nine of ten.
        assert!((1..=30).contains(&found.count()));
    }

    #[test]
    fn jump_is_no_trend_and_what_comes_in_every_stretch_is() {
        let jump = memory(|second| if second < 700.0 { 20e6 } else { 25e6 });
        assert!(jump.has_zero() && jump.per_hour > 1e6, "{jump:?}");
        let stairs = memory(|second| 20e6 + 132e3 * (second / 60.0).floor());
        assert!(!stairs.has_zero() && stairs.least > 5e6, "{stairs:?}");
        let shrinks = memory(|second| 20e6 - 1e3 * second);
        assert!(shrinks.most < 0.0, "{shrinks:?}");
    }

    #[test]
    fn constant_has_no_slope_and_no_width() {
        let growth = run(|_| 17.0);
        let none = Some(Trend { per_hour: 0.0, least: 0.0, most: 0.0 });
        assert_eq!((growth.memory, growth.descriptors), (none, none));
        assert!(growth.memory.is_some_and(|trend| trend.has_zero()));
        assert_eq!(growth.held.len(), 1_320);
    }

    #[test]
    fn leaked_descriptor_in_a_thousand_streams_is_found() {
        // 50 streams a second that stay for a second each.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let growth = run(|second| 200.0 + second * 50.0 / 1e3 + f64::from(rng.random_range(0..20)));
        let trend = growth.descriptors.expect("looks enough");
        assert!(trend.least > 0.0 && (trend.per_hour - 180.0).abs() < 40.0, "{trend:?}");
    }

    #[test]
    fn too_few_looks_or_no_system_have_no_trend() {
        let look =
            |second: u32| Held { at: f64::from(second), phase: Phase::Measure, resident_bytes: 9, descriptors: 9 };
        assert!(Growth::of((0..30).map(look).collect()).memory.is_none());
        assert!(Growth::of((0..50).map(look).collect()).memory.is_some());
        let mut gap: Vec<Held> = (0..300).map(look).collect();
        gap.retain(|held| !(100.0..150.0).contains(&held.at));
        assert!(Growth::of(gap).descriptors.is_none(), "the program slept, and so nothing is known of a stretch");
        let nobody = Growth::of((0..300).map(|second| Held { resident_bytes: 0, ..look(second) }).collect());
        assert!(nobody.memory.is_none() && nobody.descriptors.is_none());
        assert!(Growth::of(Vec::new()).memory.is_none());
    }
}
