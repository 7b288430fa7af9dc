//! How many times as much, and how sure that is.

/// Runs that each side needs for an interval.
pub(super) const RUNS_AT_LEAST: usize = 5;

/// The chance that an interval misses the true ratio, at most; half of it on each side.
const MISSES_AT_MOST: f64 = 0.05;

/// One figure of a side divided by that of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratio {
    /// The median of the ratios of each run to each run of the other side (Hodges and Lehmann, of logarithms).
    pub(super) estimate: f64,
    /// Holds the true ratio in at least 95 of 100 comparisons. `None`: too few runs.
    pub(super) interval: Option<(f64, f64)>,
}

impl Ratio {
    /// `other / base`; `None` if a side has no value, or one that is not above 0.
    ///
    /// The interval is the one that inverts the exact Mann-Whitney test: it takes for granted that the two sides are distributed alike but
    /// for a factor, and nothing about how. With ties it is wider than need be.
    ///
    /// # Source
    /// Hollander, Wolfe, Chicken: Nonparametric Statistical Methods, §4.2 and §4.3.
    pub(super) fn of(base: &[f64], other: &[f64]) -> Option<Self> {
        if base.iter().chain(other).any(|value| !value.is_finite() || *value <= 0.0) {
            return None;
        }
        let mut ratios: Vec<f64> = base.iter().flat_map(|base| other.iter().map(move |other| other / base)).collect();
        ratios.sort_by(f64::total_cmp);
        let enough = base.len().min(other.len()) >= RUNS_AT_LEAST;
        let ends = |left_out: usize| (ratios[left_out], ratios[ratios.len() - 1 - left_out]);
        Some(Self {
            estimate: (ratios.get((ratios.len().max(1) - 1) / 2)? * ratios.get(ratios.len() / 2)?).sqrt(),
            interval: enough.then(|| ends(left_out(base.len(), other.len()))),
        })
    }
}

/// How many of `n * m` ratios lie outside the interval at each end: the greatest `u` for which `P(U <= u)` is at most half of
/// [`MISSES_AT_MOST`], where `U` counts the pairs that are the wrong way round although both sides are alike.
fn left_out(n: usize, m: usize) -> usize {
    let mut below = 0.0;
    let rare = chances_of_pairs(n, m).into_iter().take_while(|chance| {
        below += chance;
        below <= MISSES_AT_MOST / 2.0
    });
    rare.count().saturating_sub(1)
}

/// The chance of each number of pairs, 0 to `n * m`, when all orders of `n + m` values are equally likely: the greatest value is one of
/// the `n` (and then above all of the `m`) or one of the `m`.
fn chances_of_pairs(n: usize, m: usize) -> Vec<f64> {
    // Row by row: `rows[j]` is for `i` values of the one and `j` of the other.
    let mut rows: Vec<Vec<f64>> = vec![vec![1.0]; m + 1];
    for i in 1..=n {
        rows[0] = vec![1.0];
        for j in 1..=m {
            let (of_one, of_other) = (i as f64 / (i + j) as f64, j as f64 / (i + j) as f64);
            let mut chances = vec![0.0; i * j + 1];
            rows[j].iter().zip(&mut chances[j..]).for_each(|(before, chance)| *chance += before * of_one);
            rows[j - 1].iter().zip(&mut chances).for_each(|(before, chance)| *chance += before * of_other);
            rows[j] = chances;
        }
    }
    rows.swap_remove(m)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn bounds_are_those_of_the_tables_of_mann_and_whitney() {
        // They give the greatest U that is significant at 5 %, two-sided: so many ratios are left out at each end.
        let tables = [(5, 5, 2), (5, 8, 6), (6, 6, 5), (7, 7, 8), (8, 8, 13), (10, 10, 23), (20, 20, 127)];
        for (n, m, critical) in tables {
            assert_eq!((left_out(n, m), left_out(m, n)), (critical, critical), "{n}, {m}");
        }
        let all: f64 = chances_of_pairs(7, 9).iter().sum();
        assert!((all - 1.0).abs() < 1e-12, "{all}");
    }

    #[test]
    fn one_run_each_has_a_ratio_and_no_interval() {
        assert_eq!(Ratio::of(&[2.0], &[3.0]), Some(Ratio { estimate: 1.5, interval: None }));
        assert_eq!(Ratio::of(&[2.0; 4], &[3.0; 9]).map(|ratio| ratio.interval), Some(None));
        assert_eq!([Ratio::of(&[], &[3.0]), Ratio::of(&[0.0], &[3.0]), Ratio::of(&[1.0], &[f64::NAN])], [None; 3]);
    }

    /// Runs that scatter by some 10 %.
    fn runs(rng: &mut ChaCha8Rng, count: usize, factor: f64) -> Vec<f64> {
        (0..count).map(|_| factor * (1.0 + 0.1 * (rng.random::<f64>() + rng.random::<f64>() - 1.0))).collect()
    }

    #[test]
    fn interval_holds_the_true_ratio_as_often_as_it_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (count, factor) in [(5, 1.0), (8, 1.5)] {
            let holds = |rng: &mut ChaCha8Rng| {
                let ratio = Ratio::of(&runs(rng, count, 1.0), &runs(rng, count, factor)).unwrap();
                let (low, high) = ratio.interval.unwrap();
                assert!((low..=high).contains(&ratio.estimate));
                (low..=high).contains(&factor)
            };
            let held = (0..4_000).filter(|_| holds(&mut rng)).count();
            assert!((3_780..=3_960).contains(&held), "{held} of 4,000");
        }
    }

    #[test]
    fn a_fifth_more_is_found_with_five_runs() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let found = |_: &u32| {
            let ratio = Ratio::of(&runs(&mut rng, 5, 1.0), &runs(&mut rng, 5, 1.2)).unwrap();
            ratio.interval.is_some_and(|(low, _)| low > 1.0)
        };
        let found = (0..500).filter(found).count();
        assert!(found > 450, "{found} of 500");
    }
}
