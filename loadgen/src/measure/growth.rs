//! Whether what a system holds grows: a slope, and how far chance alone may have moved it.
//!
//! The measured phase is cut into [`STRETCHES`] of equal length, and of each the mean is taken, so that what comes and goes within a stretch
//! (streams under way, buffers in use) does not matter. The slope is that of Theil and Sen: the median of the slopes between any two means. Its
//! interval is between the slopes that are [`NORMAL`] deviations of Kendall's statistic away from the middle one, in their order:
//!
//! ```text
//!   n means, N = n (n - 1) / 2 slopes in order;  deviation² = n (n - 1) (2 n + 5) / 18 x (1 + r) / (1 - r)
//!   interval: slopes number (N - 1.96 deviation) / 2 to (N + 1.96 deviation) / 2, per hour
//! ```
//!
//! After a single jump (a buffer that grew in a stall of the machine, an arena that the allocator took) 0 stays in the interval, whatever its size
//! and time; the slope itself is above 0 where the jump is near the middle. A leak is there between any two stretches; one into a table that
//! doubles is a single jump, and not found. `r` is how much a mean has of the one before it, apart from the trend: levels that wander would be
//! taken for a trend without it. A random walk still is in two runs of five at most: the interval is not one of 95 % for levels without a mean.
//!
//! # Source
//!
//! Sen (1968), Estimates of the regression coefficient based on Kendall's tau. The factor of `r` is that of the variance of a mean of values
//! correlated in this way; `r` itself, which so few means show too small, is corrected as `(n r + 2) / (n - 4)` (van Giersbergen 2005).

use super::Phase;
use crate::outcome::{Growth, Held, Trend};

/// Stretches of the measured phase.
const STRETCHES: usize = 20;

/// Looks in each, at least.
const LOOKS: usize = 2;

/// Of the normal distribution, 97.5 %.
const NORMAL: f64 = 1.96;

/// Correlation of neighbouring means at most: beyond, the interval would be all slopes anyway.
const CORRELATION: f64 = 0.9;

/// Seconds.
const HOUR: f64 = 3_600.0;

impl Growth {
    /// Of all looks at the system, in order of time.
    pub fn of(held: Vec<Held>) -> Self {
        let measured: Vec<Held> = held.iter().filter(|look| look.phase == Phase::Measure).copied().collect();
        // What may not be looked at is 0 at every look, and of a process neither is ever 0.
        let is_seen = |of: fn(&Held) -> u64| measured.iter().any(|look| of(look) > 0);
        let trend = |of: fn(&Held) -> u64| is_seen(of).then(|| trend(&measured, of)).flatten();
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
    Some(slope(&means, length / HOUR))
}

/// Of means that are so far apart.
fn slope(means: &[f64], apart: f64) -> Trend {
    let count = means.len();
    let between = |(from, to): (usize, usize)| (means[to] - means[from]) / ((to - from) as f64 * apart);
    let pairs = (0..count).flat_map(|to| (0..to).map(move |from| (from, to)));
    let mut slopes: Vec<f64> = pairs.map(between).collect();
    slopes.sort_unstable_by(f64::total_cmp);
    let number = |number: f64| slopes[(number.max(0.0) as usize).min(slopes.len() - 1)];
    let middle = (slopes.len() - 1) as f64 / 2.0;
    let per_hour = f64::midpoint(number(middle.floor()), number(middle.ceil()));
    let r = correlation(means, per_hour * apart);
    let variance = (count * (count - 1) * (2 * count + 5)) as f64 / 18.0 * (1.0 + r) / (1.0 - r);
    let away = NORMAL * variance.sqrt() / 2.0;
    Trend { per_hour, least: number((middle - away).floor()), most: number((middle + away).ceil()) }
}

/// How much a mean has of the one before it, when the trend is taken away; 0 to [`CORRELATION`].
fn correlation(means: &[f64], step: f64) -> f64 {
    let count = means.len() as f64;
    let mut rest: Vec<f64> = means.iter().zip(0_u32..).map(|(mean, number)| mean - step * f64::from(number)).collect();
    let level = rest.iter().sum::<f64>() / count;
    rest.iter_mut().for_each(|value| *value -= level);
    let square: f64 = rest.iter().map(|value| value * value).sum();
    if square == 0.0 {
        return 0.0;
    }
    let product: f64 = rest.windows(2).map(|pair| pair[0] * pair[1]).sum();
    ((count * product / square + 2.0) / (count - 4.0)).clamp(0.0, CORRELATION)
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
    fn leak_of_sixteen_bytes_a_stream_is_found_in_the_noise_of_an_allocator() {
        // 50 streams a second; levels that wander by 100 kB.
        let leak = 16.0 * 50.0;
        let mut covered = 0;
        for seed in 0..40 {
            let mut noise = sluggish(seed);
            let trend = memory(|second| 20e6 + leak * second + 100e3 * noise());
            assert!(trend.least > 0.0 && !trend.has_zero(), "{seed}: {trend:?}");
            covered += i32::from((trend.least..trend.most).contains(&(leak * 3_600.0)));
        }
        assert!(covered >= 35, "{covered} of 40 intervals have the true slope");
    }

    #[test]
    fn noise_is_not_called_growth_more_often_than_its_confidence_allows() {
        let found = (0..200).filter(|seed| {
            let mut noise = sluggish(*seed);
            !memory(|_| 20e6 + 100e3 * noise()).has_zero()
        });
        let found = found.count();
        assert!(found <= 14, "{found}: 5 % of 200 are 10");
    }

    #[test]
    fn random_walk_is_called_growth_far_less_often_than_by_a_straight_line() {
        let found = (0..200).filter(|seed| {
            let (mut rng, mut level) = (ChaCha8Rng::seed_from_u64(*seed), 20e6);
            !memory(|_| {
                level += rng.random_range(-10e3..10e3);
                level
            })
            .has_zero()
        });
        let found = found.count();
        assert!((1..=80).contains(&found), "{found}: by least squares, without a look at neighbours, nine of ten");
    }

    #[test]
    fn jump_leaves_zero_in_the_interval_and_what_comes_in_every_stretch_is() {
        for at in [100.0, 300.0, 600.0, 900.0, 1_100.0] {
            let jump = memory(|second| if second < at { 20e6 } else { 25e6 });
            assert!(jump.has_zero(), "{at}: {jump:?}");
            assert_eq!(jump.per_hour > 0.0, at == 600.0, "{at}: {jump:?}");
        }
        // As a real run showed it: stalls of the machine, in which streams pile up, and the same level for ever after.
        let storms = memory(|second| match second {
            ..136.0 => 22.0e6,
            ..224.0 => 26.5e6,
            _ => 28.06e6,
        });
        assert!(storms.has_zero() && storms.per_hour == 0.0, "{storms:?}");
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
        assert!(trend.least > 100.0 && trend.most < 260.0 && (trend.per_hour - 180.0).abs() < 20.0, "{trend:?}");
    }

    #[test]
    fn too_few_looks_or_what_may_not_be_looked_at_have_no_trend() {
        let look =
            |second: u32| Held { at: f64::from(second), phase: Phase::Measure, resident_bytes: 9, descriptors: 9 };
        assert!(Growth::of((0..30).map(look).collect()).memory.is_none());
        assert!(Growth::of((0..50).map(look).collect()).memory.is_some());
        let mut gap: Vec<Held> = (0..300).map(look).collect();
        gap.retain(|held| !(100.0..150.0).contains(&held.at));
        assert!(Growth::of(gap).descriptors.is_none(), "the program slept, and so nothing is known of a stretch");
        let nobody = Growth::of((0..300).map(|second| Held { resident_bytes: 0, ..look(second) }).collect());
        assert!(nobody.memory.is_none() && nobody.descriptors.is_some());
        let of_another = Growth::of((0..300).map(|second| Held { descriptors: 0, ..look(second) }).collect());
        assert!(of_another.memory.is_some() && of_another.descriptors.is_none(), "/proc/PID/fd of another user");
        assert!(Growth::of(Vec::new()).memory.is_none());
    }
}
